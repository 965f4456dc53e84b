//! OpenFeature's remote evaluation: results, faults, entity tags, browsers.

use serde_json::{Value, json};
use serinus_domain::{entity::StageKind, record::Record};
use serinus_gateway::GatewayLimits;

use crate::world::{Node, Reply, World, stage};

async fn evaluate(world: &World, node: &Node, path: &str, body: Value) -> Reply {
    let url = format!("{}/ofrep/v1/evaluate/flags{path}", node.base);
    Reply::of(world.http.post(url).json(&body).send().await.unwrap()).await
}

fn context(key: &str) -> Value {
    json!({"context": {"targetingKey": key, "plan": "pro"}})
}

async fn flags(world: &World) {
    world.flag(json!({"key": "ratio", "value_kind": "number", "variants": {"two": 2.0, "three": 3}, "default": "two", "salt": ""})).await;
    world.flag(json!({"key": "rate", "value_kind": "number", "variants": {"whole": 3, "half": 0.5}, "default": "whole", "salt": "", "metadata": {"team": "search"}})).await;
    world.flag(json!({"key": "count", "value_kind": "number", "variants": {"few": 3}, "default": "few", "salt": ""})).await;
    let split = json!({"serve": {"split": [{"variant": "on", "share": 500_000}, {"variant": "off", "share": 500_000}]}});
    world.flag(json!({"key": "half", "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": "off", "salt": "", "rules": [split]})).await;
    world.flag(json!({"key": "gone", "value_kind": "string", "variants": {"x": "y"}, "default": "x", "salt": "", "disabled": true})).await;
    let pro = json!({"when": {"equals": {"attribute": "plan", "value": "pro"}}, "serve": {"variant": "pro"}});
    world.flag(json!({"key": "plan", "value_kind": "object", "variants": {"pro": {"seats": 5}, "free": {}}, "default": "free", "salt": "", "rules": [pro]})).await;
}

#[tokio::test]
async fn plain_flags() {
    let world = World::new().await;
    flags(&world).await;
    let node = world.node().await;
    for (key, body, variant, reason, value) in [
        ("ratio", context("s1"), "two", "STATIC", Some("2.0")),
        ("ratio", json!({}), "two", "STATIC", Some("2.0")),
        ("ratio", json!({"context": {}}), "two", "STATIC", Some("2.0")),
        ("rate", context("s1"), "whole", "STATIC", Some("3.0")),
        ("count", context("s1"), "few", "STATIC", Some("3")),
        ("gone", context("s1"), "", "DISABLED", None),
        ("plan", context("s1"), "pro", "TARGETING_MATCH", Some("{\"seats\":5}")),
        ("plan", json!({"context": {"plan": "x"}}), "free", "DEFAULT", Some("{}")),
        ("half", context("s1"), "", "SPLIT", None),
    ] {
        let reply = evaluate(&world, &node, &format!("/{key}"), body).await;
        let result = reply.json();
        assert_eq!(
            (reply.status, reply.header("content-type"), result["key"].as_str()),
            (200, "application/json", Some(key))
        );
        assert_eq!(result["reason"], reason, "{result}");
        if reason != "SPLIT" {
            assert_eq!(
                (result["variant"].as_str(), result.get("value").map(Value::to_string).as_deref()),
                (Some(variant), value)
            );
        }
        let metadata = result["metadata"].as_object().unwrap();
        assert_eq!(metadata.get("team").is_some(), key == "rate", "what the flag says of itself goes along");
        assert!(
            metadata.values().all(|value| value.is_string() || value.is_number() || value.is_boolean()),
            "{result}"
        );
        assert_eq!(
            (metadata["flagSetId"].as_str(), metadata["version"].is_string()),
            (Some("production"), true)
        );
    }
}

#[tokio::test]
async fn a_feature_is_pinned_and_enrolled_by_its_evaluation() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 100)).await;
    let node = world.node().await;
    let before = evaluate(&world, &node, "", context("s1")).await.json();
    assert_eq!(before["flags"][0]["variant"], "candidate");
    assert!(world.records().await.is_empty(), "a prefetch enrols nobody");
    let result = evaluate(&world, &node, "/support", context("s1")).await.json();
    assert_eq!((result["variant"].as_str(), result["reason"].as_str()), (Some("candidate"), Some("SPLIT")));
    assert_eq!(result["value"]["model"], "model-b");
    assert_eq!(
        (&result["value"]["provider"], &result["value"]["system_prompt"]),
        (&json!("fake"), &json!("Be kind."))
    );
    assert_eq!(result["value"]["refs"]["model"], "model/b@1");
    let metadata = &result["metadata"];
    assert_eq!(
        (&metadata["rollout"], &metadata["stage"], &metadata["revision"]),
        (&json!("support-1"), &json!("ab"), &json!(5))
    );
    assert!(matches!(world.records().await.as_slice(), [Record::Enrolment(_)]));
    // The gateway serves the session what the flag said.
    let reply = world.turn(&node, "support", "s1").await;
    assert_eq!((reply.variant(), reply.reason()), ("candidate", "pinned"));
    let again = evaluate(&world, &node, "/support", context("s1")).await.json();
    assert_eq!(
        (again["reason"].as_str(), &again["metadata"]["serinusReason"]),
        (Some("SPLIT"), &json!("pinned"))
    );
}

#[tokio::test]
async fn templates_that_need_variables_are_given_as_they_are() {
    let world = World::new().await;
    world
        .publish("system_prompt", "needy", json!({"text": "Be {{ tone }}.", "variables": {"tone": {}}}))
        .await;
    let control = json!({"model": "model/a@1", "system_prompt": "system_prompt/needy@1"});
    world.feature("support", json!({"control": control})).await;
    let node = world.node().await;
    let result = evaluate(&world, &node, "/support", context("s1")).await.json();
    assert_eq!(result["value"]["system_prompt"], "Be {{ tone }}.");
    world.kill("support").await;
    let killed = evaluate(&world, &node, "/support", context("s1")).await.json();
    assert_eq!(
        (killed["reason"].as_str(), killed.get("value"), &killed["variant"]),
        (Some("DISABLED"), None, &json!(""))
    );
}

#[tokio::test]
async fn faults() {
    let mut world = World::new().await;
    flags(&world).await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    world.limits = GatewayLimits { evaluation_bytes_max: 1000, ..GatewayLimits::default() };
    let node = world.node().await;
    let large = json!({"context": {"targetingKey": "s1", "x": "y".repeat(2000)}}).to_string();
    for (key, body, status, code) in [
        ("ratio", "{", 400, "PARSE_ERROR"),
        ("ratio", "", 400, "PARSE_ERROR"),
        ("ratio", "[]", 400, "PARSE_ERROR"),
        ("ratio", r#"{"context": 7}"#, 400, "INVALID_CONTEXT"),
        ("ratio", r#"{"context": {"targetingKey": 7}}"#, 400, "INVALID_CONTEXT"),
        ("half", r#"{"context": {}}"#, 400, "TARGETING_KEY_MISSING"),
        ("support", r#"{"context": {}}"#, 400, "TARGETING_KEY_MISSING"),
        ("nope", "{}", 404, "FLAG_NOT_FOUND"),
        ("a%2Fb%2520c", "{}", 404, "FLAG_NOT_FOUND"),
        ("ratio", &large, 413, "GENERAL"),
    ] {
        let url = format!("{}/ofrep/v1/evaluate/flags/{key}", node.base);
        let reply = Reply::of(world.http.post(url).body(body.to_owned()).send().await.unwrap()).await;
        let fault = reply.json();
        assert_eq!((reply.status, fault["errorCode"].as_str()), (status, Some(code)), "{key} {body}");
        assert_eq!(fault["key"], if key.starts_with('a') { "a/b%20c" } else { key });
        assert!(!fault["errorDetails"].as_str().unwrap().is_empty());
    }
    let bulk = evaluate(&world, &node, "/", json!({"context": []})).await;
    assert_eq!((bulk.status, &bulk.json()["errorCode"]), (400, &json!("INVALID_CONTEXT")));
    let keyless = evaluate(&world, &node, "", json!({"context": {}})).await.json();
    let codes: Vec<_> =
        keyless["flags"].as_array().unwrap().iter().map(|item| item["errorCode"].as_str()).collect();
    let missing = Some("TARGETING_KEY_MISSING");
    // count, gone, half, plan, rate, ratio, support
    assert_eq!(codes, [None, None, missing, None, None, None, missing], "{keyless}");
    world.limits.in_flight_max = 0;
    let full = world.node().await;
    let reply = evaluate(&world, &full, "/ratio", json!({})).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "1"));
}

#[tokio::test]
async fn entity_tags_cover_the_results() {
    let world = World::new().await;
    flags(&world).await;
    let node = world.node().await;
    let fetch = async |node: &Node, body: Value, tag: &str| {
        let url = format!("{}/ofrep/v1/evaluate/flags", node.base);
        let post = world.http.post(url).header("if-none-match", tag).json(&body);
        Reply::of(post.send().await.unwrap()).await
    };
    let first = fetch(&node, context("s1"), "").await;
    let tag = first.header("etag").to_owned();
    let keys: Vec<_> =
        first.json()["flags"].as_array().unwrap().iter().map(|item| item["key"].clone()).collect();
    assert_eq!(keys, ["count", "gone", "half", "plan", "rate", "ratio", "support"]);
    let other = world.node().await;
    for (node, given) in [
        (&node, tag.clone()),
        (&node, format!("W/{tag}")),
        (&node, format!("\"x\", {tag}")),
        (&other, "*".into()),
        (&other, tag.clone()),
    ] {
        let again = fetch(node, context("s1"), &given).await;
        assert_eq!(
            (again.status, again.text.as_str(), again.header("etag")),
            (304, "", tag.as_str()),
            "{given}"
        );
    }
    let changed = fetch(&node, json!({"context": {"targetingKey": "s1", "plan": "free"}}), &tag).await;
    assert_eq!(
        (changed.status, changed.header("etag") == tag),
        (200, false),
        "an attribute changes the result"
    );
    world.publish("model", "c", crate::world::model_content("c")).await;
    assert_eq!(
        fetch(&node, context("s1"), &tag).await.status,
        304,
        "a revision that changes no result changes no tag"
    );
}

#[tokio::test]
async fn browsers_of_configured_origins_may_evaluate() {
    let world = World::new().await;
    flags(&world).await;
    let node = world.node().await;
    let url = format!("{}/ofrep/v1/evaluate/flags", node.base);
    for (origin, allowed) in
        [("https://app.example.com", "https://app.example.com"), ("https://evil.example.com", "")]
    {
        let preflight = world.http.request(reqwest::Method::OPTIONS, &url).header("origin", origin);
        let preflight = Reply::of(preflight.send().await.unwrap()).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, allowed));
        let named = preflight.header("access-control-allow-headers");
        assert_eq!(named.contains("authorization") && named.contains("if-none-match"), !allowed.is_empty());
        let post = world.http.post(&url).header("origin", origin).json(&context("s1"));
        let reply = Reply::of(post.send().await.unwrap()).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, allowed));
        assert_eq!(reply.header("access-control-expose-headers").contains("ETag"), !allowed.is_empty());
    }
}
