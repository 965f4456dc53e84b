//! Configuration as files, and the log as an auditor reads it, over the API. Knows nothing of directories.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Who, World};

fn described() -> Value {
    json!({
        "artifacts": [
            { "kind": "model", "name": "small", "content": { "provider": "openai", "model": "gpt-4o-mini" } },
            { "kind": "system_prompt", "name": "support", "content": { "text": "Answer kindly.\nAlways." } },
        ],
        "features": { "support": { "control": {
            "model": "model/small", "system_prompt": "system_prompt/support",
        } } },
        "flags": { "dark-mode": { "kind": "boolean", "variants": { "on": true, "off": false }, "default": "off" } },
    })
}

#[tokio::test]
async fn described_applied_and_described_again() {
    let world = World::open().await;
    let plan = world.post("/plan", json!({ "desired": described() })).await.expect(200);
    let subjects: Vec<_> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["model/small@1", "system_prompt/support@1", "flag/dark-mode", "feature/support"]);
    let body = json!({ "desired": described(), "digest": plan["digest"], "message": "from files", "commit": "abc123" });
    let done = world.post("/apply", body.clone()).await.expect(200);
    assert_eq!(done["revision"], 1, "{done}");
    let last = &world.get("/revisions").await["revisions"][0];
    assert_eq!(
        (&last["via"], &last["commit"], &last["message"]),
        (&json!("files"), &json!("abc123"), &json!("from files"))
    );
    let again = world.post("/apply", json!({ "desired": described() })).await.expect(200);
    assert_eq!((&again["revision"], &again["kept"]), (&Value::Null, &json!(4)));
    let exported = world.get("/export").await;
    let plan = world.post("/plan", json!({ "desired": exported })).await.expect(200);
    assert_eq!(plan["steps"], json!([]), "{plan}");
    // The same plan again is another one: what it changes has been changed.
    let problem = world.post("/apply", body).await.refused(409, "desired.drift");
    assert!(problem["detail"].as_str().unwrap().contains("plan again"), "{problem}");
}

#[tokio::test]
async fn a_plan_shows_texts_and_what_was_changed_past_the_files() {
    let world = World::open().await;
    world.post("/apply", json!({ "desired": described() })).await.expect(200);
    let by_hand = json!({ "kind": "boolean", "variants": { "on": true, "off": false }, "default": "on" });
    world.put("/flags/dark-mode", by_hand).await.expect(200);
    let mut edited = described();
    edited["artifacts"][1]["content"]["text"] = json!("Answer briefly.\nAlways.");
    let plan = world.post("/plan", json!({ "desired": edited })).await.expect(200);
    let step = |subject: &str| {
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().find(|step| step["subject"] == subject).unwrap_or_else(|| panic!("{plan}")).clone()
    };
    let lines = step("system_prompt/support@2")["lines"].to_string();
    assert!(lines.contains("-Answer kindly.") && lines.contains("+Answer briefly."), "{lines}");
    assert_eq!(step("flag/dark-mode")["outside"]["actor"], "local");
    assert_eq!(step("flag/dark-mode")["outside"]["revision"], 2);
    assert_eq!(step("feature/support")["outside"], Value::Null);
}

#[tokio::test]
async fn who_may_write_may_not_unprotect() {
    let world = World::guarded().await;
    let rules = json!({ "desired": { "environment": { "description": "ours" } } });
    world
        .ask(Who::Publisher, Method::POST, "/api/v1/apply", &rules)
        .await
        .refused(403, "environment.needs_admin");
    world.ask(Who::Viewer, Method::POST, "/api/v1/apply", &rules).await.refused(403, "auth.scope");
    world.ask(Who::Admin, Method::POST, "/api/v1/apply", &rules).await.expect(200);
    let exported = world.ask(Who::Viewer, Method::GET, "/api/v1/export", &Value::Null).await.expect(200);
    assert_eq!(exported["environment"]["description"], "ours");
}

#[tokio::test]
async fn the_log_is_filtered_exported_and_verified() {
    let world = World::open().await.with_rollout().await;
    let head = world.head().await.0;
    let of = world.get("/revisions?subject=artifact/system_prompt&actor=local&cause=person&limit=1").await;
    assert_eq!(
        (of["revisions"].as_array().unwrap().len(), &of["revisions"][0]["number"]),
        (1, &json!(3)),
        "{of}"
    );
    assert_eq!(world.get("/revisions?actor=nobody").await["revisions"], json!([]));
    let reply = world.ask(Who::Local, Method::GET, "/api/v1/revisions?format=jsonl", &Value::Null).await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len() as u64, &lines[0]["number"]), (head, &json!(1)));
    assert_eq!(lines[0]["changes"][0]["key"], "artifact/model/small@1");
    let verified = world.get("/revisions/verify").await;
    assert_eq!(
        (&verified["intact"], &verified["revisions"], &verified["contents"]),
        (&json!(true), &json!(head), &json!(3))
    );
    let replayed = world.get("/revisions/replay-decisions").await;
    assert_eq!((&replayed["decisions"], &replayed["different"]), (&json!(0), &json!([])));
    let bad = world.ask(Who::Local, Method::GET, "/api/v1/revisions?cause=cat", &Value::Null).await;
    bad.refused(400, "request.invalid_query");
}

#[tokio::test]
async fn a_revision_is_taken_back_unless_others_built_on_it() {
    let world = World::open().await;
    let flag = |default: &str| json!({ "kind": "boolean", "variants": { "on": true, "off": false }, "default": default });
    for default in ["off", "on"] {
        world.put("/flags/dark-mode", flag(default)).await.expect(200);
    }
    let differs = world.get("/revisions/2/diff").await;
    assert_eq!(
        differs["changes"][0]["paths"],
        json!([{ "path": "default", "before": "off", "after": "on" }])
    );
    let dry = world.post("/revisions/2/revert", json!({ "dry_run": true })).await.expect(200);
    assert_eq!((&dry["back"], &dry["revision"]), (&json!(["flag/dark-mode"]), &Value::Null));
    let done = world.post("/revisions/2/revert", json!({})).await.expect(200);
    assert_eq!(done["revision"], 3);
    assert_eq!(world.get("/flags/dark-mode").await["default"], "off");
    assert_eq!(world.get("/revisions").await["revisions"][0]["reverts"], 2);
    let mut other = flag("off");
    other["description"] = json!("mine");
    world.put("/flags/dark-mode", other).await.expect(200);
    let problem = world.post("/revisions/1/revert", json!({})).await.refused(409, "revert.conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("flag/dark-mode by local in revision 4"),
        "{problem}"
    );
    world.post("/revisions/99/revert", json!({})).await.refused(404, "revision.unknown");
}
