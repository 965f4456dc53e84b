//! Copies: made after the answer, of what was served, within their budgets, and never seen by anybody.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use serinus_domain::{
    entity::StageKind,
    record::{InteractionRecord, Outcome, Role},
    resolve::Arm,
    units::MicroUsd,
};
use serinus_gateway::GatewayLimits;
use tokio::sync::Semaphore;

use crate::{
    upstream::Script,
    world::{Node, World, chat_body, stage},
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

/// What is recorded once there is enough of it. Copies go to control again at times, so a number of records says little.
async fn recorded(world: &World, enough: impl Fn(&[InteractionRecord]) -> bool) -> Vec<InteractionRecord> {
    let since = Instant::now();
    loop {
        let all = world.interactions(0).await;
        if enough(&all) {
            return all;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{all:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn count(all: &[InteractionRecord], role: Role) -> usize {
    all.iter().filter(|record| record.role == role).count()
}

#[tokio::test]
async fn shadow_is_silent() {
    let world = judged_world().await;
    // Were anybody to wait for a copy, it would be for ever.
    let gate = Arc::new(Semaphore::new(0));
    world.upstream.script("model-b", Script::Held(Arc::clone(&gate)));
    let node = world.node().await;
    for n in 0..20 {
        let mut body = chat_body("support", json!({"session": format!("s{n}")}));
        body["stream"] = json!(n % 2 == 0);
        let reply = tokio::time::timeout(Duration::from_secs(20), world.ask(&node, body)).await.unwrap();
        assert_eq!((reply.status, reply.variant()), (200, "control"));
        assert!(reply.text.contains("model-a") && !reply.text.contains("model-b"), "{reply:?}");
    }
    gate.close();
    let all = recorded(&world, |all| count(all, Role::Served) + count(all, Role::Shadow) == 40).await;
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

async fn shadow_world(limits: GatewayLimits, spend_max: MicroUsd) -> (World, Arc<Semaphore>) {
    let mut world = World::new().await;
    world.limits = limits;
    let mut shadow = stage(StageKind::Shadow, 100);
    shadow.spend_max = Some(spend_max);
    world.start(&["support"], &["model/b@1"], shadow).await;
    let gate = Arc::new(Semaphore::new(0));
    world.upstream.script("model-b", Script::Held(Arc::clone(&gate)));
    (world, gate)
}

const TURNS: u64 = 10;

#[tokio::test]
async fn copies_beyond_the_rate_are_dropped() {
    let limits = GatewayLimits { shadow_per_second_max: 3, ..GatewayLimits::default() };
    let (world, _gate) = shadow_world(limits, MicroUsd(1_000_000)).await;
    let node = world.node().await;
    let since = Instant::now();
    for n in 0..TURNS {
        world.turn(&node, "support", &format!("s{n}")).await;
    }
    // Three at once, and three more with each second that a busy machine took.
    let granted_max = 3 + (since.elapsed().as_secs_f64() * 3.0).ceil() as u64;
    let dropped = node.gateway.counters().shadow_dropped_rate.get();
    assert!((TURNS.saturating_sub(granted_max)..=TURNS - 3).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn copies_beyond_the_queue_are_dropped() {
    let limits = GatewayLimits { shadow_queue_max: 2, shadow_concurrency_max: 1, ..GatewayLimits::default() };
    let (world, _gate) = shadow_world(limits, MicroUsd(1_000_000)).await;
    let node = world.node().await;
    for n in 0..TURNS {
        world.turn(&node, "support", &format!("s{n}")).await;
    }
    // Two wait, and one is under way if it was taken out of the queue in time for a third.
    let dropped = node.gateway.counters().shadow_dropped_queue.get();
    assert!((TURNS - 3..=TURNS - 2).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn copies_beyond_the_money_are_dropped_and_a_restart_is_no_new_budget() {
    let one_call_micro_usd = 220;
    let (world, gate) = shadow_world(GatewayLimits::default(), MicroUsd(2 * one_call_micro_usd)).await;
    gate.close();
    let node = world.node().await;
    let mut all = Vec::new();
    for n in 1..=TURNS {
        world.turn(&node, "support", &format!("s{n}")).await;
        all = settled(&world, &node, n, &[]).await;
    }
    // The first two, with what they asked control again.
    let (copies, repeats) = (count(&all, Role::Shadow), count(&all, Role::ShadowRepeat));
    assert!(copies <= 2 && copies + repeats >= 2, "{copies} {repeats}");
    // What was spent is looked up with the first copy.
    let again = world.node().await;
    for n in 1..=4 {
        world.turn(&again, "support", &format!("r{n}")).await;
        settled(&world, &again, n, &all).await;
    }
    assert_eq!(again.gateway.counters().shadow_dropped_spend.get(), 3);
}

/// Waits until each turn of this node has a recorded copy or is counted as dropped; answers what is recorded.
async fn settled(
    world: &World,
    node: &Node,
    turns: u64,
    before: &[InteractionRecord],
) -> Vec<InteractionRecord> {
    let counters = node.gateway.counters();
    recorded(world, |all| {
        let new = |role| (count(all, role) - count(before, role)) as u64;
        let copies = new(Role::Shadow);
        copies + new(Role::ShadowRepeat) == counters.shadow_calls.get()
            && copies + counters.shadow_dropped_spend.get() == turns
    })
    .await
}
