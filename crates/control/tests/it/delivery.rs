//! Rollouts from start to end, by hand; and what becomes of two who act at once.

use std::sync::{Arc, atomic::Ordering};

use serde_json::{Value, json};
use serinus_domain::{
    evidence::{ArmCounts, Evidence, ShadowEvidence},
    id::RolloutKey,
    report::Report,
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_store::{NodeReport, Nodes as _};

use crate::world::{World, change};

#[tokio::test]
async fn a_dry_run_shows_the_whole_rollout_and_starts_nothing() {
    let world = World::open().await.with_feature().await;
    let head = world.head().await;
    let mut body = change();
    body["dry_run"] = json!(true);
    let shown = world.post("/rollouts", body).await.expect(200);
    assert_eq!((&shown["revision"], world.head().await), (&Value::Null, head));
    let spec = &shown["rollout"]["spec"];
    assert_eq!(spec["stages"].as_array().unwrap().len(), 3);
    assert_eq!(spec["alpha_ppm"], 50_000);
    assert!(
        shown["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|warning| warning.as_str().unwrap().contains("canary"))
    );
    // What is shown can be sent.
    let mut again = change();
    again.as_object_mut().unwrap().remove("from");
    for field in
        ["stages", "guardrails", "alpha_ppm", "session_window_ms", "categories", "bucket_by", "audience"]
    {
        again[field] = spec[field].clone();
    }
    let started = world.post("/rollouts", again).await.expect(201);
    assert_eq!(started["rollout"]["spec"]["guardrails"], spec["guardrails"]);
    assert_eq!(started["activation"]["active"], 1);
}

#[tokio::test]
async fn a_rollout_is_shown_with_its_stages_and_moves() {
    let world = World::open().await.with_rollout().await;
    let view = world.get("/rollouts/support-1").await;
    assert_eq!(view["phase"], "running");
    assert_eq!((&view["stage"]["kind"], &view["stage"]["share_ppm"]), (&json!("canary"), &json!(50_000)));
    let status: Vec<_> = view["stages"].as_array().unwrap().iter().map(|stage| &stage["status"]).collect();
    assert_eq!(status, ["current", "next", "next"]);
    let moved = json!({
        "feature": "support", "layer": "system_prompt",
        "from": "system_prompt/support@1", "to": "system_prompt/support@2",
    });
    assert_eq!(view["change"], json!([moved]));
    assert_eq!(view["sentence"], "No candidate user has been watched to its end yet; 300 to go");
    assert_eq!(view["gate"]["verdict"], "NO_DATA");
    assert_eq!(world.get("/rollouts").await["rollouts"][0]["features"], json!(["support"]));
    assert_eq!(world.get("/features/support").await["rollout"], "support-1");
}

#[tokio::test]
async fn verbs_move_a_rollout_and_say_so() {
    let world = World::open().await.with_rollout().await;
    let verb = |verb: &str| format!("/rollouts/support-1/{verb}");
    let hour = 3_600_000_000;
    world.clock.fetch_add(hour, Ordering::SeqCst);
    let held = world.post(&verb("hold"), json!({ "message": "looks odd" })).await.expect(200);
    assert_eq!(held["rollout"]["hold"]["reason"], "operator");
    let needs = world.get("/overview").await["needs"].clone();
    assert_eq!(needs[0]["subject"], "support-1");
    let commands = json!(["serinus rollout resume support-1", "serinus rollback support-1"]);
    assert_eq!(needs[0]["commands"], commands);
    world.post(&verb("advance"), json!({})).await.refused(409, "rollout.held");
    world.post(&verb("resume"), Value::Null).await.expect(200);
    world.post(&verb("resume"), Value::Null).await.refused(409, "rollout.not_held");
    world.clock.fetch_add(hour, Ordering::SeqCst);
    let advanced = world.post(&verb("advance"), json!({ "stage": "canary" })).await.expect(200);
    assert_eq!(advanced["rollout"]["stage"]["kind"], "ab");
    let stages = &advanced["rollout"]["stages"];
    assert_eq!(stages[0]["entered_at"], held["rollout"]["started_at"], "a hold is no new entry");
    assert_eq!(stages[1]["entered_at"], advanced["rollout"]["stage"]["entered_at"]);
    assert_eq!(stages[1]["entered_at"], world.clock.load(Ordering::SeqCst));
    assert_eq!(stages[2]["entered_at"], Value::Null);
    // The second of two people who pressed the same button.
    world.post(&verb("advance"), json!({ "stage": "canary" })).await.refused(409, "rollout.stage_moved");
    world.post(&verb("rearm"), json!({})).await.refused(409, "rollout.not_rolled_back");
    assert_eq!(world.get("/overview").await["needs"], json!([]));
}

#[tokio::test]
async fn a_node_that_fell_silent_is_gone_and_not_lagging() {
    let world = World::open().await.with_rollout().await;
    let now = world.clock.load(Ordering::SeqCst);
    for (node, silent_s) in [("gone", 31), ("slow", 29)] {
        let seen_at = Timestamp(now - silent_s * 1_000_000);
        let report = NodeReport {
            node: node.into(),
            revision: RevisionNumber(1),
            activated_at: seen_at,
            refusal: None,
            seen_at,
        };
        world.store.report(report).await.unwrap();
    }
    let done = world.post("/rollback", json!({ "subject": "support" })).await.expect(200);
    assert_eq!(
        (&done["activation"]["nodes"], &done["activation"]["laggards"]),
        (&json!(2), &json!(["slow"])),
        "{done}"
    );
}

#[tokio::test]
async fn a_rollback_is_shown_first_then_done_then_idempotent() {
    let world = World::open().await.with_rollout().await;
    let head = world.head().await;
    let shown = world.post("/rollback", json!({ "dry_run": true })).await.expect(200);
    assert_eq!((&shown["revision"], world.head().await), (&Value::Null, head));
    let done =
        world.post("/rollback", json!({ "subject": "support", "message": "bad answers" })).await.expect(200);
    assert_eq!(done["moves"], shown["moves"]);
    assert_eq!(done["moves"][0]["to"]["system_prompt"], "system_prompt/support@1");
    assert_eq!((&done["reach"], &done["open_sessions"]), (&json!("next_turn"), &json!(0)));
    assert_eq!(done["activation"]["laggards"], json!([]));
    let view = world.get("/rollouts/support-1").await;
    assert_eq!(
        (&view["phase"], &view["rolled_back"]["reason"]),
        (&json!("rolled_back"), &json!("bad answers"))
    );
    let again = world.post("/rollback", json!({ "subject": "support-1" })).await.expect(200);
    assert_eq!(again["revision"], Value::Null);
    assert!(again["warnings"][0].as_str().unwrap().contains("already"), "{again}");
    world.post("/rollouts", change()).await.refused(409, "rollout.latched");
    world.post("/rollouts/support-1/rearm", json!({})).await.expect(200);
    world.post("/rollouts", change()).await.expect(201);
}

#[tokio::test]
async fn an_experiment_is_half_and_half() {
    let world = World::open().await.with_feature().await;
    let mut body = change();
    body.as_object_mut().unwrap().remove("from");
    let started = world.post("/experiments", body).await.expect(201);
    assert_eq!(started["rollout"]["stages"].as_array().unwrap().len(), 1);
    assert_eq!(started["rollout"]["stage"]["share_ppm"], 500_000);
}

#[tokio::test]
async fn who_loses_a_race_hears_who_won() {
    let world = World::open().await.with_feature().await;
    world.rivals.lock().unwrap().push_back("bo was faster".into());
    let head = world.head().await.0;
    let problem = world.post("/rollouts", change()).await.refused(409, "revision.conflict");
    let winner =
        json!({ "number": head + 1, "actor": "bo", "message": "bo was faster", "changed": ["flag/rival"] });
    assert_eq!(problem["winner"], winner);
    assert!(world.get("/rollouts").await["rollouts"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn rollback_kill_and_hold_are_decided_again_until_they_are_in() {
    let world = World::open().await.with_rollout().await;
    for (path, body) in [
        ("/rollouts/support-1/hold", json!({})),
        ("/features/support/kill", json!({ "killed": true })),
        ("/rollback", json!({ "subject": "support-1" })),
    ] {
        let head = world.head().await.0;
        world.rivals.lock().unwrap().extend((0..7).map(|n| format!("rival {n}")));
        let done = world.post(path, body).await.expect(200);
        assert_eq!(done["revision"], head + 8, "{path}: seven rivals, then this");
    }
}

#[tokio::test]
async fn the_sentence_and_the_list_follow_the_report() {
    let world = World::open().await.with_rollout().await;
    world.clock.fetch_add(8 * 3_600_000_000, Ordering::SeqCst);
    let evidence = Evidence {
        at: Timestamp(world.clock.load(Ordering::SeqCst)),
        stage_matured: ArmCounts { candidate: 239, control: 4500 },
        e: 0.4,
        ..Evidence::default()
    };
    let report = Report { evidence, ..Report::default() };
    world.reports.put(&RolloutKey::new("support-1").unwrap(), Arc::new(report));
    let view = world.get("/rollouts/support-1").await;
    assert_eq!(view["sentence"], "No harm in 239 candidate users; 61 more to go, about 2 h");
    assert_eq!(view["evidence"]["e"], 0.4);
    let row = world.get("/overview").await["rollouts"][0].clone();
    assert_eq!(
        (&row["e"], &row["e_limit"], &row["sentence"]),
        (&json!(0.4), &json!(20.0), &view["sentence"])
    );
}

#[tokio::test]
async fn in_shadow_the_pairs_evidence_is_what_counts() {
    let world = World::open().await.with_feature().await;
    let mut body = change();
    body["from"] = json!("shadow");
    world.post("/rollouts", body).await.expect(201);
    let shadow = ShadowEvidence { pairs: 40, e: 7.5, ..ShadowEvidence::default() };
    let evidence = Evidence { e: 0.4, shadow: Some(shadow), ..Evidence::default() };
    let report = Report { evidence, ..Report::default() };
    world.reports.put(&RolloutKey::new("support-1").unwrap(), Arc::new(report));
    let row = world.get("/rollouts").await["rollouts"][0].clone();
    assert_eq!((&row["stage"], &row["e"], &row["e_limit"]), (&json!("shadow"), &json!(7.5), &json!(100.0)));
}
