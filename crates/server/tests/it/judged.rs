//! Judges that are believed a little, and judges that fail.

use std::time::Duration;

use serde_json::{Value, json};
use serinus_testkit::{Reply, eventually};

use crate::world::{
    CANDIDATE, CONTROL, LOAD, also, arm, guarded, guardrail, provider, serinus, sessions, turns,
};

/// 60 times as fast: the slow clock of these rollouts lasts 4 s on the wall.
const FACTOR: u32 = 60;
const DEADLINE_MS: u64 = 180_000;

fn judged_rollout() -> Value {
    let rules = guarded("quality", json!({"worse_by": {"absolute_ppm": 20_000}, "trust": "uncalibrated"}));
    also(rules, json!({"session_window_ms": 60_000, "judge_deadline_ms": DEADLINE_MS}))
}

#[tokio::test]
async fn judge_uncalibrated_needs_collapse() {
    const SESSIONS: usize = 400;
    let _load = LOAD.lock().await;
    let provider = provider().await;
    provider.says("slightly-worse", "slightly-worse speaking");
    provider.says("collapsed", "collapsed speaking");
    provider.judges("judge", |_, answer| match answer.split(' ').next() {
        Some("slightly-worse") => 0.84,
        Some("collapsed") => 0.5,
        _ => 0.9,
    });
    let serinus = serinus(&provider, FACTOR).await;
    let api = &serinus.api;
    let judge = api.judge("judge", DEADLINE_MS).await;
    for (feature, candidate) in [("mild", "slightly-worse"), ("severe", "collapsed")] {
        api.feature(feature, CONTROL, json!({ "judge": judge })).await;
        api.rollout(&[feature], candidate, judged_rollout()).await;
    }
    for feature in ["mild", "severe"] {
        turns(api, feature, &sessions(feature, SESSIONS)).await;
    }
    let back = eventually("a collapse is taken back", Duration::from_secs(15), async || {
        let view = api.get("/rollouts/severe-1").await;
        (view["phase"] == "rolled_back").then_some(view)
    })
    .await;
    assert_eq!(back["rolled_back"]["metric"], "quality", "{}", back["rolled_back"]);

    // Every session of the milder loss is judged and folded too, and takes nothing back.
    let mild = eventually("all verdicts of the milder loss", Duration::from_secs(15), async || {
        let view = api.get("/rollouts/mild-1").await;
        let effect = &guardrail(&view, "quality")["effect"];
        let folded = effect["candidate_units"].as_u64()? + effect["control_units"].as_u64()?;
        (folded == SESSIONS as u64).then_some(view)
    })
    .await;
    let quality = guardrail(&mild, "quality");
    assert!((quality["effect"]["difference"].as_f64().unwrap() + 0.06).abs() < 0.005, "{quality}");
    assert!(
        (quality["margin"].as_f64().unwrap() - 0.12).abs() < 1e-9,
        "2 points and an allowance of 10: {quality}"
    );
    assert_eq!(mild["phase"], "running", "{}", mild["sentence"]);
}

#[tokio::test]
async fn judge_failure_is_missing() {
    let _load = LOAD.lock().await;
    let provider = provider().await;
    let rubbish = ["I would say eight out of ten.", "{\"score\": 80}", "", "{\"score\": null}"];
    provider.on("judge", move |call| match call.question.len() % 5 {
        0 => Reply::status(500),
        n => Reply::text(rubbish[n - 1]),
    });
    let serinus = serinus(&provider, FACTOR).await;
    let api = &serinus.api;
    let judge = api.judge("judge", DEADLINE_MS).await;
    api.feature("support", CONTROL, json!({ "judge": judge })).await;
    let rollout = api.rollout(&["support"], CANDIDATE, judged_rollout()).await;
    turns(api, "support", &sessions("caller", 60)).await;
    // The session clock folds them all; the slow one has had its time as well.
    let view = eventually("every session is over", Duration::from_secs(15), async || {
        let view = api.get(&format!("/rollouts/{rollout}")).await;
        (view["evidence"]["watermark"]["units"]["slow"].as_u64() == Some(60)).then_some(view)
    })
    .await;
    assert!(provider.count("judge") >= 60, "the judge was asked: {}", provider.count("judge"));
    let quality = guardrail(&view, "quality");
    assert_eq!(quality["effect"]["candidate_units"], 0, "{quality}");
    assert_eq!(quality["effect"]["control_units"], 0, "{quality}");
    assert_eq!(
        (quality["log_e"].as_f64(), &quality["non_inferior"]),
        (Some(0.0), &json!(false)),
        "{quality}"
    );
    assert_eq!(view["phase"], "running", "{}", view["sentence"]);
    let report = api.get(&format!("/rollouts/{rollout}/report")).await;
    for name in ["control", "candidate"] {
        let arm = arm(&report, name);
        assert_eq!(
            (&arm["quality_mean"], &arm["judged"]),
            (&Value::Null, &json!(0)),
            "missing, never zero: {arm}"
        );
    }
    let list = api.get("/interactions?feature=support&limit=100").await;
    for one in list["interactions"].as_array().unwrap() {
        assert_eq!(one["scores"], json!([]), "{one}");
    }
}
