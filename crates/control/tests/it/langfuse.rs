//! The prompt endpoints of Langfuse, as its clients ask them.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{Reply, Who, World, support};

async fn ask(world: &World, path: &str) -> Reply {
    world.ask(Who::Local, Method::GET, &format!("/api/public{path}"), &Value::Null).await
}

#[track_caller]
fn not_found(reply: Reply) {
    assert_eq!(reply.expect(404)["error"], "LangfuseNotFoundError");
}

#[tokio::test]
async fn labels_resolve_to_what_is_served() {
    let world = World::open().await.with_feature().await;
    for (path, version) in [
        ("/v2/prompts/system_prompt%2Fsupport", 1),
        ("/v2/prompts/system_prompt/support?label=production", 1),
        ("/v2/prompts/support", 1),
        ("/v2/prompts/support?label=latest", 2),
        ("/v2/prompts/support?version=2", 2),
    ] {
        let prompt = ask(&world, path).await.expect(200);
        assert_eq!((&prompt["version"], &prompt["type"]), (&json!(version), &json!("text")), "{path}");
    }
    // At once, with no stale minute on this side.
    let mut body = support();
    body["control"]["system_prompt"] = json!("system_prompt/support@2");
    world.put("/features/support", body).await.expect(200);
    let prompt = ask(&world, "/v2/prompts/support").await.expect(200);
    assert_eq!(
        (&prompt["prompt"], &prompt["labels"]),
        (&json!("Answer briefly."), &json!(["latest", "production"]))
    );
    world.put("/artifacts/system_prompt/support/labels/staging", json!({ "version": 1 })).await.expect(200);
    assert_eq!(ask(&world, "/v2/prompts/support?label=staging").await.expect(200)["version"], 1);
    for path in [
        "/v2/prompts/absent",
        "/v2/prompts/support?version=9",
        "/v2/prompts/support?label=none",
        "/v2/prompts/a%20b",
    ] {
        not_found(ask(&world, path).await);
    }
    assert_eq!(ask(&world, "/v2/prompts/support?label=a&version=1").await.status, 400);
}

#[tokio::test]
async fn production_is_never_guessed() {
    let world = World::open().await.with_feature().await;
    world.publish("system_prompt", "lonely", json!({ "text": "Nobody serves me." })).await;
    not_found(ask(&world, "/v2/prompts/system_prompt/lonely").await);
    let flag = json!({ "kind": "string", "variants": { "on": "system_prompt/lonely@1" }, "default": "on" });
    world.put("/flags/prompt-version", flag).await.expect(200);
    for name in ["system_prompt/lonely", "prompt-version"] {
        assert_eq!(ask(&world, &format!("/v2/prompts/{name}")).await.expect(200)["version"], 1, "{name}");
    }
    let mut other = support();
    other["control"]["system_prompt"] = json!("system_prompt/support@2");
    world.put("/features/other", other).await.expect(200);
    not_found(ask(&world, "/v2/prompts/system_prompt/support").await);
    assert_eq!(ask(&world, "/v2/prompts/other").await.expect(200)["version"], 2);
}

#[tokio::test]
async fn texts_that_such_a_client_would_get_wrong_are_not_given() {
    let world = World::open().await;
    let plain = json!({ "text": "Hi {{ name }}", "variables": { "name": {} } });
    world.publish("system_prompt", "plain", plain).await;
    let logic = json!({ "text": "{% if name %}Hi{% endif %}", "variables": { "name": {} } });
    world.publish("system_prompt", "logic", logic).await;
    let prompt = ask(&world, "/v2/prompts/system_prompt/plain?version=1").await.expect(200);
    assert_eq!(prompt["prompt"], "Hi {{ name }}");
    let refused = ask(&world, "/v2/prompts/system_prompt/logic?version=1").await.expect(422);
    assert!(refused["message"].as_str().unwrap().contains("/artifacts/render"), "{refused}");
    let list = ask(&world, "/v2/prompts?limit=1").await.expect(200);
    assert_eq!(list["meta"], json!({ "page": 1, "limit": 1, "totalItems": 2, "totalPages": 2 }));
    assert_eq!(list["data"][0]["name"], "system_prompt/logic");
    assert_eq!(ask(&world, "/projects").await.expect(200)["data"][0]["id"], "production");
}

#[tokio::test]
async fn an_answer_that_did_not_change_is_not_sent_again() {
    let world = World::open().await.with_feature().await;
    let first = ask(&world, "/v2/prompts/support").await;
    assert_eq!(first.headers["cache-control"], "no-cache");
    let again = |tag: &http::HeaderValue| {
        let request =
            Request::builder().uri("/api/public/v2/prompts/support").header("host", "127.0.0.1:7171");
        request.header("if-none-match", tag).body(Body::empty()).unwrap()
    };
    let tag = first.headers["etag"].clone();
    assert_eq!(world.send(again(&tag)).await.status, 304);
    world.put("/artifacts/system_prompt/support/labels/good", json!({ "version": 1 })).await.expect(200);
    assert_eq!(world.send(again(&tag)).await.status, 200);
}

#[tokio::test]
async fn the_password_is_a_token_that_may_read_or_evaluate() {
    let world = World::guarded().await;
    for (who, status) in [(Who::Anonymous, 401), (Who::Recorder, 403), (Who::Viewer, 200)] {
        let reply = world.ask(who, Method::GET, "/api/public/projects", &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{who:?} {}", reply.text);
    }
}
