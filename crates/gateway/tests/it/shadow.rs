//! Copies: made after the answer, of what was served, within their budgets, and never seen by anybody.

use std::time::{Duration, Instant};

use serde_json::json;
use serinus_domain::{
    entity::StageKind,
    record::{InteractionRecord, Outcome, Role},
    resolve::Arm,
    units::MicroUsd,
};
use serinus_gateway::GatewayLimits;

use crate::{
    upstream::Script,
    world::{World, chat_body, stage},
};

async fn judged_world() -> World {
    let world = World::new().await;
    world.publish("rubric", "helpful", json!({"instructions": "Is it helpful?"})).await;
    let judge = json!({"rubric": "rubric/helpful@1", "model": "model/a@1", "rate": 500_000});
    world.feature("support", json!({"judge": judge, "capture": 0})).await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Shadow, 100)).await;
    world
}

fn pairs(all: &[InteractionRecord]) -> Vec<(&InteractionRecord, &InteractionRecord)> {
    let served = |id| all.iter().find(|record| Some(&record.id) == id).unwrap();
    let shadows = all.iter().filter(|record| record.role == Role::Shadow);
    shadows.map(|shadow| (served(shadow.pair_of.as_ref()), shadow)).collect()
}

#[tokio::test]
async fn shadow_is_silent() {
    let world = judged_world().await;
    // Were anybody to wait for a copy, it would take this long.
    world.upstream.script("model-b", Script::Answer { wait_ms: 400 });
    let node = world.node().await;
    for n in 0..20 {
        let since = Instant::now();
        let mut body = chat_body("support", json!({"session": format!("s{n}")}));
        body["stream"] = json!(n % 2 == 0);
        let reply = world.ask(&node, body).await;
        assert!(since.elapsed() < Duration::from_millis(300), "{:?}", since.elapsed());
        assert_eq!((reply.status, reply.variant()), (200, "control"));
        assert!(reply.text.contains("model-a") && !reply.text.contains("model-b"), "{reply:?}");
    }
    let all = world.interactions(40).await;
    let pairs = pairs(&all);
    assert_eq!(pairs.len(), 20);
    for (served, shadow) in &pairs {
        assert_eq!((served.role, served.session), (Role::Served, shadow.session));
        assert_eq!((served.arm.as_ref(), served.variant.as_str()), (None, "control"));
        let arm = shadow.arm.as_ref().unwrap();
        assert_eq!((arm.rollout.as_str(), arm.arm, arm.pi.as_ppm()), ("support-1", Arm::Candidate, 0));
        assert_eq!((shadow.variant.as_str(), &shadow.outcome), ("candidate", &Outcome::Ok));
        assert_eq!((shadow.judge, shadow.model_returned.as_deref()), (served.judge, Some("model-b-2026")));
        for record in [served, shadow] {
            let body = world.store.interaction(record.id.as_str()).await.unwrap().unwrap().body;
            assert_eq!(body.is_some(), record.judge, "texts of judged ones alone are kept");
        }
    }
    let judged = pairs.iter().filter(|(served, _)| served.judge).count();
    assert!((1..20).contains(&judged), "{judged}");
}

#[tokio::test]
async fn copies_are_of_the_same_input() {
    let world = judged_world().await;
    let node = world.node().await;
    let mut body = chat_body("support", json!({"session": "s1"}));
    body["temperature"] = json!(0.25);
    world.ask(&node, body).await;
    world.interactions(2).await;
    let requests = world.upstream.seen.requests.lock().unwrap();
    let (served, mut copied) = (requests[0].1.clone(), requests[1].1.clone());
    copied["model"] = served["model"].clone();
    assert_eq!(served, copied);
}

#[tokio::test]
async fn a_failing_candidate_is_recorded_and_nobody_is_hurt() {
    let world = judged_world().await;
    world.upstream.script("model-b", Script::Fail(500, "{}"));
    let node = world.node().await;
    assert_eq!(world.turn(&node, "support", "s1").await.status, 200);
    let all = world.interactions(2).await;
    assert_eq!(pairs(&all)[0].1.outcome, Outcome::Error { code: "provider.upstream_status".into() });
}

#[tokio::test]
async fn some_copies_go_to_control_again() {
    let mut world = judged_world().await;
    world.limits = GatewayLimits { shadow_per_second_max: 10_000, ..GatewayLimits::default() };
    let node = world.node().await;
    let turns = 400;
    for n in 0..turns {
        world.turn(&node, "support", &format!("s{}", n % 7)).await;
    }
    let all = world.interactions(2 * turns).await;
    let repeats: Vec<_> = all.iter().filter(|record| record.role == Role::ShadowRepeat).collect();
    assert!((1..=20).contains(&repeats.len()), "{}", repeats.len());
    for repeat in repeats {
        assert_eq!(
            (repeat.variant.as_str(), repeat.model_returned.as_deref()),
            ("control", Some("model-a-2026"))
        );
    }
}

#[tokio::test]
async fn budgets_drop_copies_and_count_them() {
    let turns = 10;
    let slow = Script::Answer { wait_ms: 100 };
    let one_call_micro_usd = 220;
    let limits = GatewayLimits::default;
    for (limits, spend_max, expected) in [
        (GatewayLimits { shadow_per_second_max: 3, ..limits() }, 1_000_000, "shadow_dropped_rate_total 7"),
        (
            GatewayLimits { shadow_queue_max: 2, shadow_concurrency_max: 1, ..limits() },
            1_000_000,
            "shadow_dropped_queue_total ",
        ),
        (limits(), 2 * one_call_micro_usd, "shadow_dropped_spend_total "),
    ] {
        let mut world = World::new().await;
        world.limits = limits;
        let mut shadow = stage(StageKind::Shadow, 100);
        shadow.spend_max = Some(MicroUsd(spend_max));
        world.start(&["support"], &["model/b@1"], shadow).await;
        world.upstream.script("model-b", slow.clone());
        let node = world.node().await;
        for n in 0..turns {
            world.turn(&node, "support", &format!("s{n}")).await;
            if spend_max < 1_000_000 {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }
        let text = node.gateway.counters().prometheus_text();
        let counted =
            text.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("{expected}: {text}"));
        assert!(!counted.ends_with(" 0"), "{text}");
        if spend_max < 1_000_000 {
            let spent = world
                .interactions(turns + 2)
                .await
                .iter()
                .filter(|record| record.role == Role::Shadow)
                .count();
            assert_eq!(spent, 2, "{text}");
            // Nor is a restart a new budget: what was spent is looked up with the first copy.
            let again = world.node().await;
            for n in 0..4 {
                world.turn(&again, "support", &format!("r{n}")).await;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            assert_eq!(again.gateway.counters().shadow_calls.get(), 1);
        }
    }
}
