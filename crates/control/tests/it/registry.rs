//! Artifacts after they were published: differences, labels, archive, redaction, previews, sources, what a feature has served.

use http::Method;
use serde_json::{Value, json};
use serinus_domain::digest::Digest;
use serinus_store::Blobs as _;

use crate::world::{Who, World, support};

#[tokio::test]
async fn two_versions_differ_by_words_and_by_path() {
    let world = World::open().await.with_feature().await;
    let diff = world.get("/artifacts/system_prompt/support/diff?from=1&to=2").await;
    assert_eq!(
        (&diff["form"], &diff["words_added"], &diff["words_removed"]),
        (&json!("text"), &json!(1), &json!(1))
    );
    assert_eq!(diff["lines"][0]["words"][1], json!({ "op": "remove", "text": "kindly." }), "{diff}");
    world.publish("model", "small", json!({ "provider": "openai", "model": "gpt-4o" })).await;
    let diff = world.get("/artifacts/model/small/diff?from=1&to=2").await;
    assert_eq!(
        diff["paths"],
        json!([{ "path": "model", "op": "change", "before": "gpt-4o-mini", "after": "gpt-4o" }])
    );
    let path = "/api/v1/artifacts/model/small/diff?from=1&to=9";
    world.ask(Who::Local, Method::GET, path, &Value::Null).await.refused(404, "artifact.unknown");
}

#[tokio::test]
async fn a_version_says_who_is_served_it_and_what_it_costs() {
    let world = World::open().await.with_feature().await;
    let priced = json!({ "provider": "openai", "model": "gpt-4o", "input_micro_usd_per_million": 2_500_000 });
    world.publish("model", "priced", priced).await;
    let version = world.get("/artifacts/system_prompt/support/1").await;
    assert_eq!(
        version["tokens"],
        json!({ "count": 3, "encoding": "o200k_base", "exact": true }),
        "{version}"
    );
    assert_eq!(
        (&version["counted_for"], &version["cost_per_1000_calls_micro_usd"]),
        (&json!("model/small@1"), &Value::Null)
    );
    assert_eq!(version["usage"][0]["served_as"], "control");
    assert_eq!(version["labels"], json!(["production"]));
    let version = world.get("/artifacts/system_prompt/support/1?model=model/priced@1").await;
    assert_eq!(
        version["cost_per_1000_calls_micro_usd"], 7500,
        "3 tokens, 2.5 USD a million, a thousand times"
    );
    let path = "/api/v1/artifacts/system_prompt/support/1?model=system_prompt/support@1";
    world.ask(Who::Local, Method::GET, path, &Value::Null).await.refused(400, "request.invalid_key");
}

#[tokio::test]
async fn labels_move_with_a_publication_and_by_hand() {
    let world = World::open().await.with_feature().await;
    let body = json!({ "kind": "system_prompt", "name": "support", "content": { "text": "Third." }, "labels": ["good"] });
    world.post("/artifacts", body).await.expect(201);
    assert_eq!(world.get("/artifacts/system_prompt/support").await["labels"], json!({ "good": 3 }));
    let label = |name: &str| format!("/artifacts/system_prompt/support/labels/{name}");
    assert_eq!(world.put(&label("good"), json!({ "version": 1 })).await.expect(200)["changed"], true);
    assert_eq!(world.put(&label("good"), json!({ "version": 1 })).await.expect(200)["changed"], false);
    // The same content again is the same version, and its label moves all the same.
    let body = json!({ "kind": "system_prompt", "name": "support", "content": { "text": "Third." }, "labels": ["good"] });
    assert_eq!(world.post("/artifacts", body).await.expect(200)["created"], false);
    assert_eq!(world.get("/artifacts/system_prompt/support").await["labels"], json!({ "good": 3 }));
    world.put(&label("latest"), json!({ "version": 1 })).await.refused(422, "label.reserved");
    world.put(&label("good"), json!({ "version": 9 })).await.refused(404, "artifact.unknown");
    let path = format!("/api/v1{}", label("good"));
    world.ask(Who::Local, Method::DELETE, &path, &Value::Null).await.expect(200);
    world.ask(Who::Local, Method::DELETE, &path, &Value::Null).await.refused(404, "label.unknown");
}

#[tokio::test]
async fn what_is_archived_leaves_the_list_and_new_bundles() {
    let world = World::open().await.with_feature().await;
    world.publish("system_prompt", "old", json!({ "text": "Old." })).await;
    let archive = |archived: bool| json!({ "archived": archived });
    world.post("/artifacts/system_prompt/old/1/archive", archive(true)).await.expect(200);
    let names = |list: Value| list["artifacts"].as_array().unwrap().len();
    assert_eq!(
        (names(world.get("/artifacts").await), names(world.get("/artifacts?archived=true").await)),
        (2, 3)
    );
    assert_eq!(names(world.get("/artifacts?kind=model").await), 1);
    let mut body = support();
    body["control"]["system_prompt"] = json!("system_prompt/old@1");
    world.put("/features/support", body.clone()).await.refused(422, "bundle.invalid");
    world.post("/artifacts/system_prompt/old/1/archive", archive(false)).await.expect(200);
    world.put("/features/support", body).await.expect(200);
}

#[tokio::test]
async fn a_redacted_content_is_gone_from_everywhere() {
    let world = World::open().await.with_feature().await;
    let redact = |version: u32| {
        (format!("/artifacts/system_prompt/support/{version}/redact"), json!({ "reason": "a name" }))
    };
    let (path, body) = redact(1);
    let refused = world.post(&path, body).await.refused(409, "artifact.in_use");
    assert!(refused["detail"].as_str().unwrap().contains("feature/support"), "{refused}");
    let digest: Digest =
        world.get("/artifacts/system_prompt/support/2").await["digest"].as_str().unwrap().parse().unwrap();
    assert!(world.store.get(&digest).await.unwrap().is_some());
    let (path, body) = redact(2);
    assert_eq!(
        world.post(&path, body.clone()).await.expect(200)["references"],
        json!(["system_prompt/support@2"])
    );
    assert!(world.store.get(&digest).await.unwrap().is_none());
    let version = world.get("/artifacts/system_prompt/support/2").await;
    assert_eq!((&version["redacted"], &version["content"]), (&json!(true), &Value::Null));
    assert_eq!(world.post(&path, body).await.expect(200)["changed"], false);
    let diff = "/api/v1/artifacts/system_prompt/support/diff?from=1&to=2";
    world.ask(Who::Local, Method::GET, diff, &Value::Null).await.refused(410, "artifact.redacted");
    let again =
        json!({ "kind": "system_prompt", "name": "support", "content": { "text": "Answer briefly." } });
    world.post("/artifacts", again).await.refused(422, "artifact.redacted");
    world.post("/rollouts", crate::world::change()).await.refused(422, "bundle.invalid");
}

#[tokio::test]
async fn a_preview_renders_what_is_published_and_what_is_not() {
    let world = World::open().await;
    let tone = json!({ "text": "Be {{ mood }}.", "variables": { "mood": { "default": "kind" } } });
    world.publish("system_prompt", "tone", tone).await;
    let draft = |text: &str, variables: Value| {
        json!({
            "kind": "system_prompt", "variables": variables,
            "content": { "text": text, "variables": { "name": {}, "n": { "type": "number", "default": 1 } } },
        })
    };
    let text = "{% include \"system_prompt/tone@1\" %} Hi {{ name }} {{ n }}";
    let view = world.post("/artifacts/render", draft(text, json!({ "name": "Ana" }))).await.expect(200);
    assert_eq!(
        (&view["text"], &view["includes"]),
        (&json!("Be kind. Hi Ana 1"), &json!(["system_prompt/tone@1"]))
    );
    assert!(view["tokens"]["count"].as_u64() > Some(3), "{view}");
    let by_reference = json!({ "reference": "system_prompt/tone@1", "variables": { "mood": "brief" } });
    assert_eq!(world.post("/artifacts/render", by_reference).await.expect(200)["text"], "Be brief.");
    for (text, variables, code) in [
        (text, json!({}), "prompt.missing_variable"),
        (text, json!({ "name": "Ana", "n": "one" }), "prompt.variable_type"),
        ("{{ nme }}", json!({}), "artifact.invalid"),
    ] {
        world.post("/artifacts/render", draft(text, variables)).await.refused(422, code);
    }
}

#[tokio::test]
async fn a_prompt_of_another_platform_is_copied_with_its_source() {
    let world = World::open().await;
    let body =
        json!({ "platform": "langfuse", "name": "support", "kind": "system_prompt", "labels": ["good"] });
    let made = world.post("/artifacts/import", body.clone()).await.expect(201);
    assert_eq!((&made["reference"], &made["source_version"]), (&json!("system_prompt/support@1"), &json!(3)));
    assert_eq!(made["not_carried"], json!(["tags: old"]));
    let version = world.get("/artifacts/system_prompt/support/1").await;
    assert_eq!(version["source"], json!({ "platform": "langfuse", "name": "support", "version": 3 }));
    assert_eq!(version["content"]["syntax"], "mustache");
    let sources = world.get("/artifacts/sources").await;
    assert_eq!(
        (&sources["sources"][0]["reference"], &sources["sources"][0]["state"]),
        (&json!("system_prompt/support@1"), &json!("same"))
    );
    assert_eq!(world.post("/artifacts/import", body.clone()).await.expect(200)["created"], false);
    for (platform, name, status, code) in
        [("langfuse", "gone", 404, "source.unknown"), ("promptlayer", "support", 422, "source.unconfigured")]
    {
        let body = json!({ "platform": platform, "name": name, "kind": "system_prompt" });
        world.post("/artifacts/import", body).await.refused(status, code);
    }
}

#[tokio::test]
async fn a_feature_tells_what_it_has_served() {
    let world = World::open().await.with_feature().await;
    let mut body = support();
    body["control"]["system_prompt"] = json!("system_prompt/support@2");
    world.put("/features/support", body).await.expect(200);
    let history = world.get("/features/support/history").await;
    let told: Vec<_> = history["combinations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["layers"]["system_prompt"].as_str().unwrap(),
                one["current"].as_bool().unwrap(),
                one["proven"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("system_prompt/support@2", true, true), ("system_prompt/support@1", false, true)]);
}
