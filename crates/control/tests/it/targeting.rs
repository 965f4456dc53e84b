//! Segments, forced units, exclusion groups, scheduled changes and explanations over HTTP. Knows nothing of how conditions are walked.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Who, World, change};

async fn delete(world: &World, path: &str, status: u16) -> Value {
    world.ask(Who::Local, Method::DELETE, &format!("/api/v1{path}"), &Value::Null).await.expect(status)
}

fn flag(more: &Value) -> Value {
    let mut body = json!({"kind": "string", "variants": {"a": "A", "b": "B"}, "default": "a"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn people_come_in_by_id_and_are_never_shown() {
    let world = World::open().await;
    world
        .put("/segments/beta", json!({"included": ["ana"], "excluded": ["eve"], "when": "always"}))
        .await
        .expect(200);
    let rules = json!({"rules": [{"id": "beta", "when": {"segment": "beta"}, "serve": {"variant": "b"}}], "forced": [{"units": ["bo"], "variant": "a"}]});
    world.put("/flags/f", flag(&rules)).await.expect(200);
    let shown = world.get("/flags/f").await;
    let segment = world.get("/segments/beta").await;
    assert_eq!((&segment["included_count"], &segment["used_by"]), (&json!(1), &json!(["flag/f"])));
    assert_eq!(shown["forced"][0]["count"], 1);
    for view in [&shown, &segment] {
        assert!(!view.to_string().contains("\"bo\"") && !view.to_string().contains("\"eve\""), "{view}");
    }
    // What was shown can be put again, and changes nothing.
    let mut again = shown.clone();
    for name in ["key", "broken", "revision", "changed_at", "lifecycle"] {
        again.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(world.put("/flags/f", again).await.expect(200)["changed"], false);
    for (user, variant, reason) in
        [("ana", "b", "targeting_match"), ("eve", "a", "default"), ("bo", "a", "forced")]
    {
        let told = world.post("/flags/f/explain", json!({"context": {"user": user}})).await.expect(200);
        assert_eq!(
            (&told["decision"]["variant"], &told["decision"]["reason"]),
            (&json!(variant), &json!(reason))
        );
        assert_eq!(told["steps"].as_array().unwrap().last().unwrap()["step"], "answer");
    }
    assert!(delete(&world, "/segments/beta", 409).await["detail"].as_str().unwrap().contains("flag/f"));
    delete(&world, "/flags/f", 200).await;
    delete(&world, "/segments/beta", 200).await;
}

#[tokio::test]
async fn a_group_gives_each_rollout_a_part_of_its_own() {
    let world = World::open().await.with_feature().await;
    world.put("/groups/g", json!({})).await.expect(200);
    let asked = |share: u32| {
        let mut body = change();
        body["exclusive"] = json!({"group": "g", "share_ppm": share});
        body
    };
    let started = world.post("/rollouts", asked(700_000)).await.expect(201);
    assert_eq!(world.get("/groups").await["groups"][0]["free_ppm"], 300_000, "{started}");
    let mut other = crate::world::support();
    other["description"] = json!("another");
    world.put("/features/other", other).await.expect(200);
    let mut second = asked(400_000);
    second["change"] = json!({"other": {"system_prompt": "system_prompt/support@2"}});
    let refused = world.post("/rollouts", second.clone()).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("support-1 has 70%"), "{refused}");
    second["exclusive"]["share_ppm"] = json!(300_000);
    world.post("/rollouts", second).await.expect(201);
    let held = &world.get("/groups").await["groups"][0]["held"];
    assert_eq!((&held[1]["from_ppm"], &held[1]["to_ppm"]), (&json!(700_000), &json!(1_000_000)));
    let told =
        world.post("/features/support/explain", json!({"context": {"session": "s1"}})).await.expect(200);
    assert!(told["steps"].to_string().contains("support-1"), "{told}");
}

#[tokio::test]
async fn a_change_waits_on_the_calendar() {
    let world = World::open().await;
    world.put("/flags/f", flag(&json!({}))).await.expect(200);
    let set = json!({"do": "set_flag", "flag": "f", "disabled": true});
    world.put("/schedules/off", json!({"at": 0, "planned": set})).await.expect(422);
    world.put("/schedules/off", json!({"at": i64::MAX / 2, "planned": set})).await.expect(200);
    let shown = world.get("/schedules/off").await;
    assert_eq!((&shown["state"], &shown["summary"]), (&json!("waiting"), &json!("flag f goes off")));
    assert_eq!(world.get("/flags/f").await["lifecycle"]["used_by"], json!(["schedule/off"]));
    delete(&world, "/schedules/off", 200).await;
    assert_eq!(world.get("/schedules").await["schedules"], json!([]));
}
