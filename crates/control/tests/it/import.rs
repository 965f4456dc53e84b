//! Flags of other platforms over the API: once, again, in parts, and where a change waits for somebody else. Knows no format beyond what
//! it sends.

use http::Method;
use serde_json::{Value, json};
use serinus_store::Blobs as _;

use crate::{
    proposals::Protected,
    world::{Who, World},
};

/// More flags than a revision holds.
fn many(count: usize) -> Value {
    let flag = |n: usize| json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "on", "metadata": { "n": n } });
    let flags: serde_json::Map<_, _> = (0..count).map(|n| (format!("flag-{n:04}"), flag(n))).collect();
    json!({ "format": "flagd", "document": { "flags": flags } })
}

/// A flag for two people, and one that needs it; `a-` comes first in the alphabet.
fn people() -> Value {
    let flag = |key: &str| {
        json!({ "key": key, "on": true, "variations": [true, false], "fallthrough": { "variation": 1 },
            "offVariation": 1, "salt": "s", "version": 1 })
    };
    let (mut needs, mut needed) = (flag("a-needs"), flag("z-needed"));
    needs["prerequisites"] = json!([{ "key": "z-needed", "variation": 0 }]);
    needed["targets"] = json!([{ "values": ["zoe@example.com", "bo@example.com"], "variation": 0 }]);
    json!({ "format": "launchdarkly", "document": { "flags": { "a-needs": needs, "z-needed": needed } } })
}

fn dry(mut body: Value) -> Value {
    body["dry_run"] = json!(true);
    body
}

fn count(view: &Value, member: &str) -> usize {
    view[member].as_array().unwrap_or_else(|| panic!("{member}: {view}")).len()
}

#[tokio::test]
async fn the_same_export_again_changes_nothing() {
    let world = World::open().await;
    let text = include_str!("../../../../spec/flagd/flags.json");
    let body = json!({ "format": "flagd", "document": serde_json::from_str::<Value>(text).unwrap() });
    let first = world.post("/import/flags", body.clone()).await.expect(200);
    assert_eq!(first["revisions"], json!([1]), "{first}");
    let again = world.post("/import/flags", body).await.expect(200);
    assert_eq!((&again["revisions"], world.head().await.0), (&json!([]), 1), "{again}");
    assert_eq!(again["flags"], first["flags"]);
}

#[tokio::test]
async fn people_are_kept_as_hashes_and_a_dry_run_keeps_nothing() {
    let world = World::open().await;
    let tried = world.post("/import/flags", dry(people())).await.expect(200);
    assert_eq!((count(&tried, "flags"), world.head().await.0), (2, 0), "{tried}");
    let done = world.post("/import/flags", people()).await.expect(200);
    assert_eq!((&done["flags"], &done["not_carried"]), (&tried["flags"], &tried["not_carried"]));
    let stored =
        world.ask(Who::Local, Method::GET, "/api/v1/revisions?format=jsonl", &Value::Null).await.text;
    assert!(stored.contains("z-needed") && !stored.contains("example.com"), "{stored}");
    let revision: Value = serde_json::from_str(stored.lines().next().unwrap()).unwrap();
    // What another one needs stands before it.
    let forced = &revision["changes"][0]["paths"][0]["after"]["forced"][0]["units"];
    let digest = forced.as_str().unwrap_or_else(|| panic!("{revision}")).parse().unwrap();
    let list: Value = serde_json::from_slice(&world.store.get(&digest).await.unwrap().unwrap()).unwrap();
    assert_eq!((count(&json!({ "list": list }), "list"), list[0].as_str().unwrap().len()), (2, 32), "{list}");
    let asked = json!({ "context": { "user": "zoe@example.com" } });
    let explained = world.post("/flags/z-needed/explain", asked).await.expect(200);
    assert_eq!(explained["decision"]["variant"], "true", "{explained}");
}

#[tokio::test]
async fn more_than_a_revision_holds_becomes_several() {
    let world = World::open().await;
    let tried = world.post("/import/flags", dry(many(700))).await.expect(200);
    assert_eq!((count(&tried, "flags"), world.head().await.0), (700, 0));
    let done = world.post("/import/flags", many(700)).await.expect(200);
    assert_eq!((&done["revisions"], count(&done, "flags")), (&json!([1, 2]), 700), "{}", done["revisions"]);
    assert_eq!(count(&world.get("/flags").await, "flags"), 700);
}

#[tokio::test]
async fn where_a_change_waits_every_part_is_a_proposal_that_can_be_approved() {
    let all = Protected::new(World::open().await).await;
    let waiting = all.post("ed", "/import/flags", many(600)).await.expect(202);
    assert_eq!((count(&waiting, "proposals"), &waiting["revisions"]), (2, &json!([])), "{waiting}");
    assert_eq!(count(&all.get("ed", "/flags").await, "flags"), 0);
    for proposal in waiting["proposals"].as_array().unwrap() {
        let id = proposal["proposal"].as_u64().unwrap();
        assert_eq!(all.approve("ana", id).await.expect(200)["state"], "applied");
    }
    assert_eq!(count(&all.get("ed", "/flags").await, "flags"), 600);
    let again = all.post("ed", "/import/flags", many(600)).await.expect(200);
    assert_eq!(again["proposals"], json!([]), "{again}");
}
