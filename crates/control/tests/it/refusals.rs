//! Every bad input with the status and the code that answer it.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use serinus_domain::limits::CONTROL_BYTES_MAX;

use crate::world::{Who, World, change, request};

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let world = World::open().await;
    for (bytes, status, code, named) in [
        (b"{".to_vec(), 400, "request.invalid_json", "line 1"),
        (br#"{"killed": true} {}"#.to_vec(), 400, "request.invalid_json", "trailing"),
        (b"\xff\xfe".to_vec(), 400, "request.invalid_json", ""),
        (br#"{"killed": true, "colour": 1}"#.to_vec(), 400, "request.invalid", "colour"),
        (br#"{"killed": "yes"}"#.to_vec(), 400, "request.invalid", "killed"),
        (b"".to_vec(), 400, "request.invalid", "killed"),
        (vec![b' '; CONTROL_BYTES_MAX + 1], 413, "request.too_large", "1048576"),
    ] {
        let path = "/api/v1/features/support/kill";
        let problem = world.send(request(Who::Local, Method::POST, path, bytes)).await.refused(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
}

#[tokio::test]
async fn commands_that_cannot_be() {
    let world = World::open().await.with_rollout().await;
    let prompt = |content: Value| json!({ "kind": "system_prompt", "name": "p", "content": content });
    let bundle = |version: &str| json!({ "control": { "model": "model/small@1", "system_prompt": version } });
    let merged = |field: &str, value: Value| {
        let mut body = change();
        body[field] = value;
        body
    };
    let post = Method::POST;
    let put = Method::PUT;
    for (method, path, body, status, code) in [
        (&post, "/artifacts", prompt(json!({ "txt": "x" })), 422, "artifact.invalid"),
        (&post, "/artifacts", prompt(json!({ "text": "{{ undeclared" })), 422, "artifact.invalid"),
        (
            &post,
            "/artifacts",
            json!({ "kind": "prompt", "name": "p", "content": {} }),
            400,
            "request.invalid",
        ),
        (
            &post,
            "/artifacts",
            json!({ "kind": "rubric", "name": "a b", "content": {} }),
            400,
            "request.invalid",
        ),
        (&put, "/features/search", bundle("system_prompt/support@9"), 422, "bundle.invalid"),
        (&put, "/features/search", json!({ "control": {} }), 422, "bundle.invalid"),
        (&put, "/features/a%20b", bundle("system_prompt/support@1"), 400, "request.invalid_key"),
        (&put, "/features/support", bundle("system_prompt/support@2"), 409, "feature.rollout_running"),
        (&post, "/features/none/kill", json!({ "killed": true }), 404, "feature.unknown"),
        (
            &put,
            "/flags/f",
            json!({ "kind": "boolean", "variants": {}, "default": "on" }),
            422,
            "flag.invalid",
        ),
        (&put, "/channels/c", json!({ "url": "ftp://x", "secret_name": "s" }), 422, "channel.invalid"),
        (&post, "/rollouts", change(), 409, "rollout.overlap"),
        (&post, "/rollouts", json!({ "change": {} }), 422, "rollout.invalid"),
        (
            &post,
            "/rollouts",
            json!({ "change": { "none": { "model": "model/small@1" } } }),
            404,
            "feature.unknown",
        ),
        (&post, "/rollouts", json!({ "change": { "support": { "prompt": "x" } } }), 400, "request.invalid"),
        (
            &post,
            "/rollouts",
            merged("audience", json!({ "equals": { "attribute": "a", "value": 1, "x": 2 } })),
            400,
            "request.invalid",
        ),
        (&post, "/rollouts", merged("alpha_ppm", json!(1_000_001)), 400, "request.invalid"),
        (
            &post,
            "/rollouts",
            merged("guardrails", json!([{ "metric": "cost", "weight_ppm": 1 }])),
            422,
            "rollout.invalid",
        ),
        (
            &post,
            "/rollouts",
            merged("guardrails", json!([{ "metric": "speed", "weight_ppm": 1 }])),
            400,
            "request.invalid",
        ),
        (&post, "/rollouts/none/hold", json!({}), 404, "rollout.unknown"),
        (&post, "/rollback", json!({ "subject": "none" }), 404, "rollback.unknown_subject"),
        (&post, "/rollback", json!({ "reach": "everybody" }), 400, "request.invalid"),
        (&post, "/feedback", json!({ "id": "none", "thumbs": "up" }), 404, "interaction.unknown"),
        (&post, "/feedback", json!({ "id": "none", "thumbs": "sideways" }), 400, "request.invalid"),
        (&post, "/scores", json!([{ "id": "x", "name": "", "value": 1.0 }]), 422, "score.invalid"),
        (&post, "/tokens", json!({ "name": "ci", "scopes": [] }), 422, "token.invalid"),
        (&post, "/tokens", json!({ "name": "ci", "scopes": ["root"] }), 400, "request.invalid"),
        (&post, "/session", json!({ "key": "srn_x_y" }), 401, "auth.invalid"),
    ] {
        let reply = world.ask(Who::Local, method.clone(), &format!("/api/v1{path}"), &body).await;
        let shown = format!("{method} {path} {body}");
        assert_eq!(reply.status.as_u16(), status, "{shown}: {}", reply.text);
        reply.refused(status, code);
    }
}

#[tokio::test]
async fn paths_and_queries_that_name_nothing() {
    let world = World::open().await.with_rollout().await;
    for (path, status, code) in [
        ("/api/v1/nothing", 404, "request.unknown_path"),
        ("/api/v2/rollouts", 404, "request.unknown_path"),
        ("/v1/nothing", 404, "request.unknown_path"),
        ("/assets/nothing.js", 404, "request.unknown_path"),
        ("/api/v1/rollback", 405, "request.method"),
        ("/api/v1/rollouts/none", 404, "rollout.unknown"),
        ("/api/v1/rollouts/none/report", 404, "rollout.unknown"),
        ("/api/v1/features/none", 404, "feature.unknown"),
        ("/api/v1/flags/none", 404, "flag.unknown"),
        ("/api/v1/artifacts/system_prompt/none", 404, "artifact.unknown"),
        ("/api/v1/artifacts/system_prompt/support/9", 404, "artifact.unknown"),
        ("/api/v1/artifacts/system_prompt/support/zero", 400, "request.invalid_key"),
        ("/api/v1/artifacts/prompt/support", 400, "request.invalid_key"),
        ("/api/v1/revisions/0", 404, "revision.unknown"),
        ("/api/v1/revisions/999", 404, "revision.unknown"),
        ("/api/v1/revisions/x", 400, "request.invalid_key"),
        ("/api/v1/revisions?befor=3", 400, "request.invalid_query"),
        ("/api/v1/interactions?arm=third", 400, "request.invalid_query"),
        ("/api/v1/interactions/none", 404, "interaction.unknown"),
    ] {
        world.ask(Who::Local, Method::GET, path, &Value::Null).await.refused(status, code);
    }
}

#[tokio::test]
async fn an_event_id_must_be_a_number() {
    let world = World::open().await;
    let request = Request::get("/api/v1/stream").header("host", "localhost").header("last-event-id", "abc");
    world.send(request.body(Body::empty()).unwrap()).await.refused(400, "request.invalid_event_id");
}

#[tokio::test]
async fn a_bug_is_answered_and_told_to_nobody_else() {
    let world = World::open().await.with_feature().await;
    world.rivals.lock().unwrap().push_back(crate::world::BUG.into());
    let problem = world.post("/rollouts", change()).await.refused(500, "server.bug");
    assert!(!problem.to_string().contains(crate::world::BUG), "{problem}");
    world.post("/rollouts", change()).await.expect(201);
}
