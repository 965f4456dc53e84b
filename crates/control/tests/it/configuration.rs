//! Artifacts, features, flags and channels: declared, read back, declared again.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Who, World, support};

#[tokio::test]
async fn publishing_the_same_content_again_is_the_same_version() {
    let world = World::open().await;
    let first = world.publish("system_prompt", "support", json!({ "text": "Hello." })).await;
    assert_eq!((&first["reference"], &first["created"]), (&json!("system_prompt/support@1"), &json!(true)));
    assert_eq!(first["activation"]["nodes"], 1, "{first}");
    assert_eq!(first["activation"]["active"], 1, "{first}");
    let body = json!({ "kind": "system_prompt", "name": "support", "content": { "text": "Hello." } });
    let again = world.post("/artifacts", body).await.expect(200);
    assert_eq!((&again["created"], &again["revision"]), (&json!(false), &Value::Null));
    assert_eq!(again["digest"], first["digest"]);
    assert_eq!(world.head().await.0, 1);
}

#[tokio::test]
async fn artifacts_are_read_back() {
    let world = World::open().await.with_feature().await;
    let list = world.get("/artifacts").await;
    assert_eq!(
        list["artifacts"][1],
        json!({ "kind": "system_prompt", "name": "support", "latest": 2, "versions": 2 })
    );
    let series = world.get("/artifacts/system_prompt/support").await;
    assert_eq!(series["versions"][0]["used_by"], json!(["support"]));
    assert_eq!(series["versions"][1]["used_by"], json!([]));
    let version = world.get("/artifacts/system_prompt/support/2").await;
    assert_eq!(version["content"], json!({ "text": "Answer briefly." }));
    assert_eq!(version["author"], "local");
}

#[tokio::test]
async fn a_feature_is_read_back_as_it_was_declared() {
    let world = World::open().await.with_feature().await;
    let view = world.get("/features/support").await;
    assert_eq!(view["control"], support()["control"]);
    assert_eq!((&view["proven"], &view["killed"]), (&json!(true), &json!(false)));
    assert_eq!(view["capture_ppm"], 100_000);
    assert!(view["control_since_at"].is_i64(), "{view}");
    assert_eq!(view["diagnostics"], json!([]));
    assert_eq!(world.get("/features").await["features"][0], view);
    let head = world.head().await;
    let again = world.put("/features/support", support()).await.expect(200);
    assert_eq!((&again["changed"], world.head().await), (&json!(false), head));
    assert_eq!(again["revision"], head.0);
}

#[tokio::test]
async fn killing_twice_kills_once_and_a_declaration_keeps_it_killed() {
    let world = World::open().await.with_feature().await;
    assert_eq!(
        world.post("/features/support/kill", json!({ "killed": true })).await.expect(200)["changed"],
        true
    );
    assert_eq!(
        world.post("/features/support/kill", json!({ "killed": true })).await.expect(200)["changed"],
        false
    );
    let mut body = support();
    body["description"] = json!("answers customers well");
    world.put("/features/support", body).await.expect(200);
    assert_eq!(world.get("/features/support").await["killed"], true);
    world.post("/features/support/kill", json!({ "killed": false })).await.expect(200);
    assert_eq!(world.get("/features/support").await["killed"], false);
}

#[tokio::test]
async fn a_flag_keeps_its_salt_and_is_read_back() {
    let world = World::open().await;
    let body = json!({
        "kind": "boolean",
        "variants": { "on": true, "off": false },
        "default": "off",
        "rules": [
            { "when": { "not": { "equals": { "attribute": "plan", "value": "free" } } }, "serve": { "variant": "on" } },
            { "serve": { "split": [{ "variant": "on", "share_ppm": 250_000 }, { "variant": "off", "share_ppm": 750_000 }] } },
        ],
    });
    let stored = world.put("/flags/dark-mode", body.clone()).await.expect(200);
    assert_eq!(stored["changed"], true);
    assert_eq!(world.put("/flags/dark-mode", body.clone()).await.expect(200)["changed"], false);
    let view = world.get("/flags/dark-mode").await;
    assert_eq!((&view["rules"], &view["broken"]), (&body["rules"], &Value::Null));
    assert_eq!(world.get("/flags").await["flags"][0], view);
}

#[tokio::test]
async fn a_channel_shows_its_host_and_not_its_path() {
    let world = World::open().await;
    let body = json!({ "url": "https://hooks.example:8443/T0/B0/very-secret", "secret_name": "ONCALL" });
    world.put("/channels/oncall", body.clone()).await.expect(200);
    assert_eq!(world.put("/channels/oncall", body).await.expect(200)["changed"], false);
    let list = world.get("/channels").await;
    assert_eq!(list["channels"][0]["origin"], "https://hooks.example:8443");
    assert!(!list.to_string().contains("very-secret"), "{list}");
}

#[tokio::test]
async fn the_dashboard_and_the_description_are_served() {
    let world = World::open().await;
    let reply = world.ask(Who::Local, Method::GET, "/api/openapi.json", &Value::Null).await;
    assert!(reply.expect(200)["paths"].as_object().unwrap().len() > 25);
    let reply = world.ask(Who::Local, Method::GET, "/healthz", &Value::Null).await;
    assert_eq!(reply.expect(200), json!({ "status": "ok", "revision": 0 }));
    let page = world.ask(Who::Local, Method::GET, "/r/support-1", &Value::Null).await;
    if page.status == 200 {
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    } else {
        // A build without Node.js has no dashboard, and says so where one would be.
        page.refused(404, "request.unknown_path");
    }
}

#[tokio::test]
async fn a_key_with_a_dot_is_a_page_and_not_a_file() {
    let world = World::open().await;
    let front = world.ask(Who::Local, Method::GET, "/", &Value::Null).await;
    // A build without Node.js has no dashboard.
    let page = front.status.as_u16();
    for (path, status) in [
        ("/artifacts/model/qwen2.5-7b", page),
        ("/f/a.b", page),
        ("/r/x.y", page),
        ("/revisions/7", page),
        ("/interactions", page),
        ("/flags/dark.mode", page),
        ("/proposals", page),
        ("/p/42", page),
        ("/settings", page),
        ("/setup", page),
        ("/assets/gone.js", 404),
        ("/robots.txt", 404),
        ("/artifactsx", 404),
        ("/api/v1/nothing", 404),
    ] {
        let reply = world.ask(Who::Local, Method::GET, path, &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_eq!(status == 200, reply.text == front.text && page == 200, "{path}");
    }
    if page == 200 {
        let policy = front.headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
        assert!(
            !front.text.contains("<style") && !front.text.contains("style="),
            "the policy would refuse it"
        );
    }
}
