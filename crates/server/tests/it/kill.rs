//! A rollback that is about to happen, and a process that dies around that moment, at many points: whatever was cut short is
//! finished after the restart, once.

use std::time::Duration;

use serde_json::{Value, json};
use serinus_testkit::{Api, Reply, ScriptedProvider, Serinus, Turn, Webhooks, crowd, eventually};

use crate::world::{CANDIDATE, CONTROL, LOAD, also, binary, guarded, provider, sessions};

const FEATURES: [&str; 2] = ["support", "search"];

/// How the candidate hurts, and how long after the evidence is there the process dies. The decision comes about 300 ms after it.
const ROUNDS: [(Harm, u64); 8] = [
    (Harm::Errors, 0),
    (Harm::Invalid, 60),
    (Harm::Errors, 120),
    (Harm::Invalid, 200),
    (Harm::Errors, 260),
    (Harm::Invalid, 320),
    (Harm::Errors, 400),
    (Harm::Invalid, 700),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Errors,
    Invalid,
}

struct Round {
    provider: ScriptedProvider,
    webhooks: Webhooks,
    serinus: Serinus,
    rollout: String,
}

#[tokio::test]
async fn rollback_survives_kill_9() {
    let _load = LOAD.lock().await;
    let seen = crowd(ROUNDS, 2, async |(harm, delay_ms)| {
        let mut round = set_up(harm).await;
        let before = die_near_the_limit(&mut round, Duration::from_millis(delay_ms)).await;
        finishes_once(&round).await;
        before
    })
    .await;
    // Rounds that all died on the same side of the decision would have shown nothing.
    println!("pages taken before the process died, by round: {seen:?}");
}

async fn set_up(harm: Harm) -> Round {
    let provider = provider().await;
    let webhooks = Webhooks::start().await;
    provider.says(CONTROL, "{\"fine\": true}");
    provider.on(CANDIDATE, move |_| match harm {
        Harm::Errors => Reply::status(500),
        Harm::Invalid => Reply::text("no JSON at all"),
    });
    let launch =
        binary().provider(&provider.url()).clock_factor(20).env("SERINUS_SECRET_ONCALL", webhooks.secret());
    let serinus = launch.start().await;
    let api = &serinus.api;
    api.put("/channels/oncall", &json!({"url": webhooks.url(), "secret_name": "oncall"})).await;
    let parser = api.artifact("output_parser", "json", json!({"format": {"type": "json"}})).await;
    for feature in FEATURES {
        let control = json!({"model": api.model(CONTROL).await, "output_parser": parser});
        api.feature(feature, CONTROL, json!({"control": control})).await;
    }
    let metric = if harm == Harm::Errors { "error_rate" } else { "invalid_output" };
    let rules = guarded(metric, json!({"worse_by": {"absolute_ppm": 5_000}}));
    let windows = json!({"session_window_ms": 2_000, "fast_window_ms": 2_000, "channels": ["oncall"]});
    let rollout = api.rollout(&FEATURES, CANDIDATE, also(rules, windows)).await;
    Round { provider, webhooks, serinus, rollout }
}

/// Ends the process so long after the candidate's eighth call, when the evidence is about to pass the limit; answers how many pages had gone out.
async fn die_near_the_limit(round: &mut Round, delay: Duration) -> usize {
    let api = round.serinus.api.clone();
    let traffic = crowd(sessions("early", 60).into_iter().enumerate(), 4, async |(n, session)| {
        ask(&api, FEATURES[n % 2], &session).await;
    });
    let death = async {
        eventually("the candidate's first calls", Duration::from_secs(15), async || {
            (round.provider.count(CANDIDATE) >= 8).then_some(())
        })
        .await;
        tokio::time::sleep(delay).await;
        round.serinus.kill9().await;
        round.webhooks.ids("rollout.rolled_back").len()
    };
    let (_, before) = tokio::join!(traffic, death);
    round.serinus.restart().await;
    before
}

async fn ask(api: &Api, feature: &str, session: &str) -> Option<String> {
    let answer = Turn::new(feature, "Hello?").session(session).try_ask(api).await?;
    Some(answer.variant().to_owned())
}

/// With what was durable and some more traffic the rollout ends rolled back: one revision, one page, both features.
async fn finishes_once(round: &Round) {
    let api = &round.serinus.api;
    let mut n = 0;
    eventually("a rollback after the restart", Duration::from_secs(20), async || {
        let phase = api.phase(&round.rollout).await;
        if phase == "rolled_back" {
            return Some(());
        }
        assert!(["running", "held"].contains(&phase.as_str()), "phase {phase}");
        for feature in FEATURES {
            n += 1;
            ask(api, feature, &format!("late-{n}")).await;
        }
        None
    })
    .await;
    eventually("a page", Duration::from_secs(10), async || {
        (!round.webhooks.ids("rollout.rolled_back").is_empty()).then_some(())
    })
    .await;
    // A second decision, or a second page, would come within a few of the controller's looks.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        round.webhooks.ids("rollout.rolled_back").len(),
        1,
        "ids {:?}",
        round.webhooks.ids("rollout.rolled_back")
    );
    assert_eq!(round.webhooks.refused(), Vec::<String>::new(), "every signature is good");
    let revisions = api.revisions().await;
    let rollbacks: Vec<_> = revisions.iter().filter(|revision| action(revision) == "roll_back").collect();
    assert_eq!(rollbacks.len(), 1, "rollback revisions");
    chained(&revisions);
    for feature in FEATURES {
        let view = api.get(&format!("/features/{feature}")).await;
        assert_eq!(view["rollout"], Value::Null, "{feature} is out of the rollout");
        assert_eq!(view["control"]["model"], format!("model/{CONTROL}@1"), "{feature}");
        for session in ["early-0", "early-1", "early-2", "early-3", "new-1", "new-2"] {
            assert_eq!(
                ask(api, feature, session).await.as_deref(),
                Some("control"),
                "{feature} in {session}"
            );
        }
    }
}

fn action(revision: &Value) -> &str {
    revision["cause"]["decision"]["decided"]["action"]["type"].as_str().unwrap_or_default()
}

/// Without gaps, each on the one before it.
fn chained(revisions: &[Value]) {
    for pair in revisions.windows(2) {
        assert_eq!(pair[0]["digest"], pair[1]["parent"], "revision {}", pair[1]["number"]);
        assert_eq!(pair[0]["number"].as_u64().map(|n| n + 1), pair[1]["number"].as_u64());
    }
    assert_eq!(revisions.first().map(|first| &first["number"]), Some(&json!(1)));
}
