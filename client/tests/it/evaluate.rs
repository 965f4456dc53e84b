//! Evaluation by what came over the wire: the published cases, types, defaults, lists of people.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use serinus_client::{Client, Config, Context, EvaluationError, Reason, RevisionNumber};
use serinus_domain::{
    digest::{Digest, canonical_json},
    entity::{ArtifactRef, DocKey},
    resolve::resolve,
    revision::Change,
};
use serinus_store::Blobs;

use crate::world::{SOON, World, context, flag, put, stands};

/// INVARIANT(same-answer): what is published, the server and the client agree on every case, and every step without a pin.
#[tokio::test]
async fn it_answers_as_published_and_as_the_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/resolve/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut steps = 0;
    for file in files {
        let case: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let (world, client) = follows(&case).await;
        for step in case["steps"].as_array().unwrap().iter().filter(|step| step.get("pin").is_none()) {
            steps += 1;
            same(&case, step, &world, &client);
        }
    }
    assert!(steps >= 40, "{steps}");
}

async fn follows(case: &Value) -> (World, Client) {
    let world = World::open().await;
    let mut changes = Vec::new();
    for list in case.get("lists").and_then(Value::as_array).into_iter().flatten() {
        Blobs::put(&*world.store, &canonical_json(list)).await.unwrap();
    }
    for (reference, content) in case.get("artifacts").and_then(Value::as_object).into_iter().flatten() {
        let parsed: ArtifactRef = reference.parse().unwrap();
        let digest = Blobs::put(&*world.store, &canonical_json(content)).await.unwrap();
        let body = json!({
            "kind": "artifact", "artifact_kind": parsed.kind, "name": parsed.name, "version": parsed.version,
            "content": digest, "author": "ana", "created_at": 0,
        });
        changes.push(Change::Put { key: DocKey::artifact(&parsed), body });
    }
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    for body in case["documents"].as_array().unwrap() {
        let combination =
            || format!("{}/{}", body["feature"].as_str().unwrap(), body["fingerprint"].as_str().unwrap());
        let name = body.get("key").and_then(Value::as_str).map_or_else(combination, str::to_owned);
        let key = DocKey::stored(&format!("{}/{name}", body["kind"].as_str().unwrap()));
        changes.push(Change::Put { key, body: body.clone() });
    }
    // The cases are as of revision 7; what they need comes with the first, over the wire as a revision with its blobs.
    world.append(changes).await;
    while world.append(Vec::new()).await < RevisionNumber(7) {}
    client.wait_for(RevisionNumber(7), SOON).await.unwrap();
    world.live.wait_for(RevisionNumber(7), SOON).await.unwrap();
    (world, client)
}

fn same(case: &Value, step: &Value, world: &World, client: &Client) {
    let (context, server) = (context(&step["context"]), world.live.load());
    let about = &case["about"];
    if let Some(key) = case.get("flag").and_then(Value::as_str) {
        let answer = client.evaluate(key, &context, |decision| {
            json!({"variant": decision.variant, "value": decision.value, "reason": decision.reason.as_str()})
        });
        assert_eq!(answer.as_ref(), Some(&step["expect"]), "{about}");
        return;
    }
    let key = case["feature"].as_str().unwrap();
    let view = client.view();
    let (here, there) = (
        view.resolve(key, &context).unwrap(),
        resolve(&server.compiled.features[key], server.compiled.revision, None, &context),
    );
    assert_eq!(
        (here.variant, here.reason, here.bundle.id),
        (there.variant, there.reason, there.bundle.id),
        "{about}"
    );
    assert_eq!(json!(here.variant), step["expect"]["variant"], "{about}");
    assert_eq!(json!(here.bundle.id), step["expect"]["bundle"], "{about}");
}

#[tokio::test]
async fn types_defaults_and_reasons() {
    let world = World::open().await;
    let object = |key: &str, kind: &str, value: Value| {
        put(
            json!({"kind": "flag", "key": key, "value_kind": kind, "variants": {"v": value}, "default": "v", "salt": key}),
        )
    };
    let mut off = flag("off", true);
    if let Change::Put { body, .. } = &mut off {
        body["disabled"] = json!(true);
    }
    let broken = put(
        json!({"kind": "flag", "key": "broken", "value_kind": "boolean", "variants": {"v": 7}, "default": "v", "salt": "b"}),
    );
    world
        .append(vec![
            flag("a", true),
            object("text", "string", json!("hi")),
            object("n", "number", json!(2.5)),
            object("whole", "number", json!(3.0)),
            object("o", "object", json!({"x": [1, null]})),
            off,
            broken,
        ])
        .await;
    let client = world.connect();
    let context = Context::default();
    let early = client.boolean("a", &context, true);
    assert_eq!((early.value, early.error), (true, Some(EvaluationError::NotReady)));
    client.wait_ready(SOON).await.unwrap();
    let on = client.boolean("a", &context, false);
    assert_eq!(
        (on.value, on.variant.as_deref(), on.reason, on.error),
        (true, Some("on"), Reason::Default, None)
    );
    assert_eq!(client.string("text", &context, "no").value, "hi");
    assert!((client.number("n", &context, 0.0).value - 2.5).abs() < f64::EPSILON);
    assert_eq!(client.integer("whole", &context, 0).value, 3);
    assert_eq!(json!(client.object("o", &context, serde_json::Map::new()).value), json!({"x": [1, null]}));
    let wrong = client.string("a", &context, "mine");
    assert_eq!(wrong.value, "mine");
    assert!(matches!(wrong.error, Some(EvaluationError::TypeMismatch { .. })));
    assert!(matches!(client.integer("n", &context, 1).error, Some(EvaluationError::TypeMismatch { .. })));
    let missing = client.boolean("nothing", &context, true);
    assert_eq!((missing.value, missing.error), (true, Some(EvaluationError::NotFound("nothing".into()))));
    let disabled = client.boolean("off", &context, false);
    assert_eq!((disabled.value, disabled.reason, disabled.error), (false, Reason::Disabled, None));
    assert!(matches!(client.boolean("broken", &context, true).error, Some(EvaluationError::Broken { .. })));
    assert!(matches!(client.bundle("support", &context), Err(EvaluationError::NotFound(_))));
}

#[tokio::test]
async fn a_client_says_why_it_is_not_ready() {
    let client = Client::connect(Config::new("http://127.0.0.1:9", "")).unwrap();
    stands(&client, "a loss", |status| matches!(status.connection, serinus_client::Connection::Lost { .. }))
        .await;
    let refused = client.wait_ready(Duration::from_millis(10)).await.unwrap_err();
    assert!(refused.to_string().contains("the server is away"), "{refused}");
    assert!(Client::connect(Config::new("ftp://host", "")).is_err());
    assert!(Client::connect(Config::new("http://host", "a\nb")).is_err());
}

/// INVARIANT(one-snapshot): two flags that one revision changes are never seen apart in one view.
#[tokio::test(flavor = "multi_thread")]
async fn no_view_shows_half_a_revision() {
    let world = World::open().await;
    world.append(vec![flag("a", true), flag("b", true)]).await;
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    let (watched, ended) = (client.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stop = Arc::clone(&ended);
    let looking = tokio::task::spawn_blocking(move || {
        let (context, mut seen) = (Context::default(), std::collections::BTreeSet::new());
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let view = watched.view();
            let value = |key| view.evaluate(key, &context).and_then(|decision| decision.value.cloned());
            assert_eq!(value("a"), value("b"));
            seen.insert(view.revision());
        }
        seen.len()
    });
    let mut last = RevisionNumber(0);
    for at in 0..200 {
        last = world.append(vec![flag("a", at % 2 == 0), flag("b", at % 2 == 0)]).await;
    }
    client.wait_for(last, SOON).await.unwrap();
    ended.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(looking.await.unwrap() > 1);
}

/// Lists of people arrive with the revision that names them.
#[tokio::test]
async fn a_list_comes_with_its_revision() {
    let world = World::open().await;
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    let list = canonical_json(&json!(["36fe98a2f1ef20bcf82400a981177b8d"]));
    let digest = Blobs::put(&*world.store, &list).await.unwrap();
    assert_eq!(digest, Digest::of(&list));
    let segment = put(json!({"kind": "segment", "key": "staff", "included": digest}));
    let at = world.append(vec![segment]).await;
    client.wait_for(at, SOON).await.unwrap();
    assert_eq!(world.proxy.said("36fe98a2f1ef20bcf82400a981177b8d"), 1);
}
