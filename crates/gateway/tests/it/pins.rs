//! Sticky assignment over turns, restarts, races, rollbacks and late features.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use serinus_domain::{
    entity::{Reach, StageKind},
    record::Record,
    resolve::Arm,
};

use crate::world::{Node, World, chat_body, stage};

/// A session of the candidate's, and one of control's, under a rollout of half.
async fn one_of_each(world: &World, node: &Node, feature: &str) -> (String, String) {
    let (mut candidate, mut control) = (None, None);
    for n in 0.. {
        let session = format!("{feature}-{n}");
        match world.turn(node, feature, &session).await.variant() {
            "candidate" => candidate = Some(session),
            "control" => control = Some(session),
            other => panic!("{other}"),
        }
        if let (Some(candidate), Some(control)) = (&candidate, &control) {
            return (candidate.clone(), control.clone());
        }
    }
    unreachable!()
}

async fn enrolments(world: &World) -> Vec<(String, Arm)> {
    let enrolments = world.records().await.into_iter().filter_map(|record| match record {
        Record::Enrolment(enrolment) => Some((enrolment.unit.to_string(), enrolment.arm.arm)),
        _ => None,
    });
    enrolments.collect()
}

#[tokio::test]
async fn sessions_stay_and_units_are_enrolled_once() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, control) = one_of_each(&world, &node, "support").await;
    let enrolled = enrolments(&world).await.len();
    for _ in 0..3 {
        for (session, variant, answer) in
            [(&candidate, "candidate", "from model-b"), (&control, "control", "from model-a")]
        {
            let reply = world.turn(&node, "support", session).await;
            assert_eq!((reply.variant(), reply.reason()), (variant, "pinned"));
            assert_eq!(reply.json()["choices"][0]["message"]["content"], answer);
        }
    }
    assert_eq!(enrolments(&world).await.len(), enrolled);
    assert!(node.gateway.counters().pin_reads.get() <= enrolled as u64, "later turns read no store");
}

#[tokio::test]
async fn a_changed_attribute_moves_nobody() {
    let world = World::new().await;
    let pro = json!({"when": {"equals": {"attribute": "plan", "value": "pro"}}, "serve": "large"});
    world.feature("support", json!({"variants": {"large": {"model": "model/b@1"}}, "rules": [pro]})).await;
    let node = world.node().await;
    let turn = |plan: &str| {
        world.ask(&node, chat_body("support", json!({"session": "s1", "attributes": {"plan": plan}})))
    };
    let reply = turn("free").await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "default"));
    let reply = turn("pro").await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "pinned"));
    let body = chat_body("support", json!({"session": "s2", "attributes": {"plan": "pro"}}));
    let reply = world.ask(&node, body).await;
    assert_eq!((reply.variant(), reply.reason()), ("large", "targeting_match"));
}

#[tokio::test]
async fn pins_outlive_their_node() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let options = serinus_store::SqliteOptions::default();
        Arc::new(serinus_store::SqliteStore::open(directory.path(), options).unwrap())
    };
    let timer = World::new().await.timer;
    let world = World::over(open(), Arc::clone(&timer)).await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, control) = one_of_each(&world, &node, "support").await;
    // From here on new sessions get what was the candidate: only pins can tell the two apart.
    world.roll_back("support-1", Reach::NewSessions).await;
    node.drained().await;
    drop(world);
    let world = World::over(open(), timer).await;
    let node = world.node().await;
    for (session, variant) in [(&candidate, "candidate"), (&control, "control")] {
        let reply = world.turn(&node, "support", session).await;
        assert_eq!((reply.variant(), reply.reason()), (variant, "pinned"));
    }
}

#[tokio::test]
async fn idle_sessions_start_anew() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, _) = one_of_each(&world, &node, "support").await;
    world.roll_back("support-1", Reach::NewSessions).await;
    world.timer.pass(Duration::from_secs(29 * 60));
    assert_eq!(world.turn(&node, "support", &candidate).await.reason(), "pinned");
    let seen = world.interactions(1).await.len();
    world.interactions(seen).await;
    world.timer.pass(Duration::from_secs(31 * 60));
    let reply = world.turn(&node, "support", &candidate).await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "default"));
}

#[tokio::test]
async fn nodes_that_race_agree() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let behind = world.node().await;
    // So slow that both have read before either writes.
    *behind.pins.write.lock().unwrap() = Duration::from_millis(20);
    let mut lost = 0;
    for n in 0..20 {
        // Two tabs of one session that disagree on who its user is: two units, and by chance two arms.
        let session = format!("race-{n}");
        let asked = |node, user: &str| {
            world.ask(node, chat_body("support", json!({"session": session, "user": user})))
        };
        let other = world.node().await;
        *other.pins.write.lock().unwrap() = Duration::from_millis(10);
        let (user_one, user_two) = (format!("one-{n}"), format!("two-{n}"));
        let (one, two) = tokio::join!(asked(&behind, &user_one), asked(&other, &user_two));
        assert_eq!((one.status, two.status), (200, 200));
        assert_eq!(one.variant(), two.variant(), "{session}");
        assert_eq!(one.text, two.text);
        for node in [&behind, &other] {
            assert_eq!(world.turn(node, "support", &session).await.variant(), one.variant());
        }
        lost += other.gateway.counters().pin_races_lost.get();
    }
    lost += behind.gateway.counters().pin_races_lost.get();
    assert!((3..=17).contains(&lost), "{lost} of 20 disagreed");
    // Both units of an undisputed session are enrolled; a loser was never exposed to what it was resolved to first.
    let wrong = world.interactions(20).await.into_iter().filter(|record| record.arm.is_none()).count();
    assert_eq!((wrong, enrolments(&world).await.len() as u64), (0, 40 - lost));
}

#[tokio::test]
async fn a_rollback_with_reach_next_turn_moves_sessions() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, control) = one_of_each(&world, &node, "support").await;
    world.roll_back("support-1", Reach::NextTurn).await;
    let reply = world.turn(&node, "support", &candidate).await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "revoked"));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "from model-a");
    for session in [&candidate, &control] {
        assert_eq!(world.turn(&node, "support", session).await.reason(), "pinned");
    }
    // The crossing is durable: another node reads it.
    let other = world.node().await;
    let reply = world.turn(&other, "support", &candidate).await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "pinned"));
    let all = world.interactions(5).await;
    assert!(
        all.iter().any(|record| record.reason == "revoked" && record.arm.is_none()),
        "the crossing is recorded"
    );
}

#[tokio::test]
async fn a_rollback_with_reach_new_sessions_lets_sessions_end() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, _) = one_of_each(&world, &node, "support").await;
    world.roll_back("support-1", Reach::NewSessions).await;
    let reply = world.turn(&node, "support", &candidate).await;
    assert_eq!((reply.variant(), reply.reason()), ("candidate", "pinned"));
    for n in 0..10 {
        assert_eq!(world.turn(&node, "support", &format!("new-{n}")).await.variant(), "control");
    }
}

#[tokio::test]
async fn a_late_feature_belongs_to_the_sessions_revision() {
    let world = World::new().await;
    world.feature("writer", json!({})).await;
    let node = world.node().await;
    world.turn(&node, "support", "early").await;
    let began = world.live.load().snapshot.revision;
    world.start(&["writer"], &["model/b@1"], stage(StageKind::Ab, 100)).await;
    let reply = world.turn(&node, "writer", "early").await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "default"));
    let writer =
        world.interactions(2).await.into_iter().find(|record| record.feature.as_str() == "writer").unwrap();
    assert_eq!((writer.assigned, writer.arm), (began, None));
    assert_eq!(world.turn(&node, "writer", "late").await.variant(), "candidate");

    // What the head took back is not given out by an older revision.
    world.turn(&node, "support", "between").await;
    world.roll_back("writer-1", Reach::NewSessions).await;
    let reply = world.turn(&node, "writer", "between").await;
    assert_eq!((reply.variant(), reply.reason()), ("control", "default"));
}

#[tokio::test]
async fn a_rollout_pins_all_its_features_at_once() {
    let world = World::new().await;
    world.feature("writer", json!({})).await;
    world.start(&["support", "writer"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    let (candidate, control) = one_of_each(&world, &node, "support").await;
    let enrolled = enrolments(&world).await.len();
    world.roll_back("support-1", Reach::NewSessions).await;
    for (session, variant) in [(&candidate, "candidate"), (&control, "control")] {
        let reply = world.turn(&node, "writer", session).await;
        assert_eq!((reply.variant(), reply.reason()), (variant, "pinned"));
    }
    assert_eq!(enrolments(&world).await.len(), enrolled);
}
