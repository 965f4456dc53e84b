//! The table of what clients get wrong, and what they are told.

use serde_json::{Value, json};
use serinus_gateway::GatewayLimits;

use crate::world::{Reply, World, chat_body};

async fn world() -> World {
    let mut world = World::new().await;
    world.publish("system_prompt", "needy", json!({"text": "{{ tone }}", "variables": {"tone": {}}})).await;
    let control = json!({"model": "model/a@1", "system_prompt": "system_prompt/needy@1"});
    world.feature("needy", json!({"control": control})).await;
    world.feature("strict", json!({"caller_system": "refuse"})).await;
    world.limits =
        GatewayLimits { request_bytes_max: 4096, evaluation_bytes_max: 4096, ..GatewayLimits::default() };
    world
}

#[tokio::test]
async fn chat_completions() {
    let world = world().await;
    let node = world.node().await;
    let with = |name: &str, value: Value| {
        let mut body = chat_body("support", json!({"session": "s1"}));
        body[name] = value;
        body.to_string()
    };
    let ours = |value: Value| with("serinus", value);
    let many: Value = (0..200).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    for (body, status, code, param, says) in [
        ("{".to_owned(), 400, "invalid_json", Value::Null, "not JSON"),
        ("[]".to_owned(), 400, "invalid_type", Value::Null, "JSON object"),
        (with("x", json!("y".repeat(5000))), 413, "request_too_large", Value::Null, "4096 bytes"),
        (
            json!({"messages": []}).to_string(),
            400,
            "missing_required_parameter",
            json!("model"),
            "the key of a feature",
        ),
        (with("model", json!(7)), 400, "invalid_type", json!("model"), "a string"),
        (
            with("model", json!("suport")),
            404,
            "feature_not_found",
            json!("model"),
            "name one of needy, strict, support",
        ),
        (
            json!({"model": "support"}).to_string(),
            400,
            "missing_required_parameter",
            json!("messages"),
            "a list",
        ),
        (with("messages", json!("hi")), 400, "invalid_type", json!("messages"), "a list"),
        (with("messages", json!([])), 400, "invalid_type", json!("messages"), "at least one"),
        (with("messages", json!(["hi"])), 400, "invalid_type", json!("messages"), "message object"),
        (with("stream", json!("yes")), 400, "invalid_type", json!("stream"), "true or false"),
        (ours(json!([])), 400, "invalid_type", json!("serinus"), "an object"),
        (
            ours(json!({"sesion": "s1"})),
            400,
            "unknown_member",
            json!("serinus.sesion"),
            "use session, user, task",
        ),
        (ours(json!({"session": 7})), 400, "invalid_type", json!("serinus.session"), "a string"),
        (ours(json!({"session": ""})), 400, "invalid_context", json!("serinus"), "1 to 256"),
        (ours(json!({"user": "u".repeat(300)})), 400, "invalid_context", json!("serinus"), "1 to 256"),
        (
            ours(json!({"category": "a b"})),
            400,
            "invalid_category",
            json!("serinus.category"),
            "characters of",
        ),
        (ours(json!({"attributes": []})), 400, "invalid_type", json!("serinus.attributes"), "an object"),
        (ours(json!({"attributes": many})), 400, "invalid_context", json!("serinus"), "at most 128"),
        (ours(json!({"variables": 1})), 400, "invalid_type", json!("serinus.variables"), "an object"),
        (with("model", json!("needy")), 400, "prompt.missing_variable", Value::Null, "\"tone\""),
    ] {
        let post = world.http.post(format!("{}/v1/chat/completions", node.base)).body(body.clone());
        let reply = Reply::of(post.send().await.unwrap()).await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, error["code"].as_str(), &error["param"]),
            (status, Some(code), &param),
            "{body}"
        );
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(
            (error["type"].as_str(), error.as_object().unwrap().len()),
            (Some("invalid_request_error"), 4)
        );
    }
    let mut body = chat_body("strict", json!({"session": "s1"}));
    body["messages"] = json!([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]);
    let reply = world.ask(&node, body).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("request.system_refused")));
    assert_eq!(world.upstream.models(), Vec::<String>::new());
}

#[tokio::test]
async fn unlisted_bodies_are_limited_too() {
    let world = world().await;
    let node = world.node().await;
    // No content length: the limit must hold on what comes, not on what is announced.
    let pieces = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("x".repeat(100))));
    let body = reqwest::Body::wrap_stream(pieces);
    let sent = world.http.post(format!("{}/v1/chat/completions", node.base)).body(body).send().await.unwrap();
    assert_eq!(sent.status(), 413);
}
