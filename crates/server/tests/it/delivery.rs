//! Changes that go all the way, and experiments that only compare.

use std::time::Duration;

use serde_json::{Value, json};
use serinus_testkit::{Turn, crowd, eventually};

use crate::world::{CANDIDATE, CONTROL, arm, guardrail, provider, serinus, sessions, turns, variants};

#[tokio::test]
async fn completed_rollout() {
    let provider = provider().await;
    let serinus = serinus(&provider, 60).await;
    let api = &serinus.api;
    api.feature("support", CONTROL, json!({})).await;
    let stage = |kind: &str, share_ppm: u32| json!({"kind": kind, "share_ppm": share_ppm, "units_min": 5, "min_ms": 1_000, "max_ms": 86_400_000});
    let ladder = json!({
        "stages": [stage("canary", 300_000), stage("ab", 500_000), stage("full", 900_000)],
        "builtin": false,
        "guardrails": [{"metric": "error_rate", "worse_by": {"absolute_ppm": 300_000}, "weight_ppm": 1_000_000, "headline": true}],
        "session_window_ms": 3_000, "fast_window_ms": 3_000,
    });
    let rollout = api.rollout(&["support"], CANDIDATE, ladder).await;
    let traffic = async {
        for wave in 0.. {
            turns(api, "support", &sessions(&format!("wave{wave}"), 16)).await;
            if wave == 150 || api.phase(&rollout).await == "completed" {
                return;
            }
        }
    };
    let watch = ["rollout", "watch", rollout.as_str(), "--json"];
    let ((), watched) = tokio::join!(traffic, serinus.cli(&watch));
    assert_eq!(watched.code, Some(0), "{watched:?} {}", api.get(&format!("/rollouts/{rollout}")).await);
    let lines: Vec<Value> = watched.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["phase"], "completed");

    let actions: Vec<String> = api
        .revisions()
        .await
        .iter()
        .filter_map(|revision| {
            revision["cause"]["decision"]["decided"]["action"]["type"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(actions, ["advance", "advance", "complete"], "each gate once, none skipped");
    let replayed = api.get("/revisions/replay-decisions").await;
    assert_eq!(
        (&replayed["decisions"], &replayed["identical"], &replayed["different"]),
        (&json!(3), &json!(3), &json!([])),
        "{replayed}"
    );
    let feature = api.get("/features/support").await;
    assert_eq!(feature["control"]["model"], format!("model/{CANDIDATE}@1"));
    assert_eq!((&feature["proven"], &feature["rollout"]), (&json!(true), &Value::Null));
    let fresh = Turn::new("support", "Hello?").session("after").ask(api).await;
    assert_eq!((fresh.variant(), fresh.content().as_str()), ("control", "fresh speaking"));
    let gates = api.get(&format!("/rollouts/{rollout}")).await;
    let status: Vec<_> =
        gates["stages"].as_array().unwrap().iter().map(|stage| stage["status"].as_str().unwrap()).collect();
    assert!(status.iter().all(|status| *status == "done"), "{status:?}");
}

#[tokio::test]
async fn experiment_50_50() {
    let provider = provider().await;
    // 45 minutes of the slow clock pass in 4.5 s.
    let serinus = serinus(&provider, 600).await;
    let api = &serinus.api;
    api.feature("support", CONTROL, json!({})).await;
    api.model(CANDIDATE).await;
    let started =
        serinus.cli(&["experiment", "start", "support.model=fresh@1", "-m", "is it liked?", "--json"]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    let started: Value = serde_json::from_str(&started.out).unwrap();
    assert_eq!(started["rollout"]["stage"]["share_ppm"], 500_000, "{started}");
    let rollout = started["rollout"]["key"].as_str().unwrap();

    let served = turns(api, "support", &sessions("caller", 120)).await;
    let arms = variants(&served);
    let candidates = arms.iter().filter(|arm| *arm == "candidate").count() as u64;
    assert!((40..=80).contains(&candidates), "{candidates} of 120");
    // The application knows the id that its provider's answer carries, and nothing else. The candidate is disliked by all.
    crowd(served.iter().zip(&arms), 8, async |(answer, arm)| {
        let thumbs = if arm == "candidate" { "down" } else { "up" };
        let body = json!({"id": answer.json()["id"], "thumbs": thumbs});
        eventually("feedback taken", Duration::from_secs(3), async || {
            let given = api.send(api.request(reqwest::Method::POST, "/api/v1/feedback").json(&body)).await;
            (given.status == 202).then_some(())
        })
        .await;
    })
    .await;
    let report = eventually("thumbs of every session", Duration::from_secs(15), async || {
        let report = api.get(&format!("/rollouts/{rollout}/report")).await;
        let effect = &guardrail(&report, "thumbs_down")["effect"];
        let folded = effect["candidate_units"].as_u64()? + effect["control_units"].as_u64()?;
        (folded == 120).then_some(report)
    })
    .await;
    assert_eq!(
        (&arm(&report, "candidate")["thumbs_down"], &arm(&report, "candidate")["thumbs_up"]),
        (&json!(candidates), &json!(0))
    );
    assert_eq!(arm(&report, "control")["thumbs_up"], 120 - candidates);
    let thumbs = guardrail(&report, "thumbs_down");
    assert_eq!(thumbs["effect"]["candidate_units"], candidates, "{thumbs}");
    assert!(thumbs["effect"]["lower"].as_f64().unwrap() > 0.0, "the interval shows it: {thumbs}");
    eventually("dislike takes it back", Duration::from_secs(5), async || {
        (api.phase(rollout).await == "rolled_back").then_some(())
    })
    .await;
    let view = api.get(&format!("/rollouts/{rollout}")).await;
    assert_eq!(view["rolled_back"]["metric"], "thumbs_down", "{view}");
}
