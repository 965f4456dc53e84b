//! What breaks and what users see of it: nothing of ours, and of a provider's no more than it said.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use serinus_domain::{
    entity::StageKind,
    id::InteractionId,
    record::{Outcome, Record},
    units::Timestamp,
};
use serinus_gateway::GatewayLimits;
use serinus_store::{Appended, Failure, InteractionFilter, InteractionView, JudgeJob, NewRecord, Records};
use tokio::sync::watch;

use crate::{
    upstream::Script,
    world::{SECRET, World, chat_body, stage},
};

#[tokio::test]
async fn fail_static() {
    let world = World::new().await;
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 50)).await;
    let node = world.node().await;
    *node.pins.broken.lock().unwrap() = true;
    let mut variants = Vec::new();
    for n in 0..10 {
        let reply = world.turn(&node, "support", &format!("s{n}")).await;
        assert_eq!((reply.status, reply.header("x-serinus-warning")), (200, "pin-not-durable"));
        variants.push(reply.variant().to_owned());
    }
    assert!(variants.iter().any(|variant| variant == "candidate"), "{variants:?}");
    // Sticky without the store, and durable once it is back.
    for (n, variant) in variants.iter().enumerate() {
        assert_eq!(world.turn(&node, "support", &format!("s{n}")).await.variant(), variant);
    }
    *node.pins.broken.lock().unwrap() = false;
    for n in 0..10 {
        assert_eq!(world.turn(&node, "support", &format!("s{n}")).await.header("x-serinus-warning"), "");
    }
    assert_eq!(
        (node.gateway.counters().pins_not_durable.get(), node.gateway.counters().pins_written.get()),
        (20, 10)
    );
    let other = world.node().await;
    for (n, variant) in variants.iter().enumerate() {
        let reply = world.turn(&other, "support", &format!("s{n}")).await;
        assert_eq!((reply.variant(), reply.reason()), (variant.as_str(), "pinned"));
    }
    assert_eq!(node.gateway.counters().refused.get(), 0);
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_long() {
    let mut world = World::new().await;
    world.limits = GatewayLimits { pin_wait_max: Duration::from_millis(50), ..GatewayLimits::default() };
    let node = world.node().await;
    *node.pins.write.lock().unwrap() = Duration::from_secs(60);
    let reply =
        tokio::time::timeout(Duration::from_secs(5), world.turn(&node, "support", "s1")).await.unwrap();
    assert_eq!((reply.status, reply.header("x-serinus-warning")), (200, "pin-not-durable"));
}

/// Records that nobody takes.
struct Full(watch::Sender<u64>);

#[async_trait]
impl Records for Full {
    async fn append(&self, _: Vec<NewRecord>) -> Result<Appended, Failure> {
        Err(Failure { what: "append", reason: "disk full".into(), retryable: true })
    }
    async fn after(&self, _: u64, _: usize) -> Result<Vec<(u64, Record)>, Failure> {
        Ok(Vec::new())
    }
    fn watch_records(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
    async fn interaction(&self, _: &str) -> Result<Option<InteractionView>, Failure> {
        Ok(None)
    }
    async fn list(&self, _: &InteractionFilter) -> Result<Vec<InteractionView>, Failure> {
        Ok(Vec::new())
    }
    async fn judge_due(&self, _: Timestamp, _: usize) -> Result<Vec<JudgeJob>, Failure> {
        Ok(Vec::new())
    }
    async fn judge_failed(&self, _: &InteractionId, _: Option<Timestamp>) -> Result<(), Failure> {
        Ok(())
    }
    async fn judge_backlog(&self) -> Result<u64, Failure> {
        Ok(0)
    }
}

#[tokio::test]
async fn fail_static_without_records() {
    let mut world = World::new().await;
    world.limits = GatewayLimits { records_queue_max: 4, records_batch_max: 2, ..GatewayLimits::default() };
    let node = world.node_over(Arc::new(Full(watch::Sender::new(0))), |_| {}).await;
    for n in 0..20 {
        let reply = world.turn(&node, "support", &format!("s{n}")).await;
        assert_eq!((reply.status, reply.header("x-serinus-warning")), (200, ""));
    }
    // A batch in hand, a full queue, and the rest gone, all of it counted.
    assert!(
        node.gateway.counters().records_dropped.get() >= 20 - 4 - 2,
        "{}",
        node.gateway.counters().prometheus_text()
    );
    let gateway = Arc::clone(&node.gateway);
    tokio::time::timeout(Duration::from_secs(5), node.drained()).await.unwrap();
    assert_eq!(gateway.counters().records_dropped.get(), 20);
}

#[tokio::test]
async fn what_a_drained_node_saw_is_recorded() {
    let world = World::new().await;
    let node = world.node().await;
    for n in 0..50 {
        world.turn(&node, "support", &format!("s{n}")).await;
    }
    node.drained().await;
    assert_eq!(world.interactions(50).await.len(), 50);
}

#[tokio::test]
async fn provider_failures_have_openais_shape() {
    let shaped = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let quotes_key = r#"{"error":{"message":"bad key sk-never-to-be-seen","type":"x","param":null,"code":"invalid_api_key"}}"#;
    for (script, status, code, param) in [
        (Script::Fail(400, shaped), 400, "context_length_exceeded", json!("messages")),
        (Script::Fail(429, shaped), 429, "context_length_exceeded", json!("messages")),
        (Script::Fail(401, quotes_key), 502, "provider_key_refused", Value::Null),
        (Script::Fail(418, quotes_key), 418, "invalid_api_key", Value::Null),
        (Script::Fail(200, shaped), 502, "context_length_exceeded", json!("messages")),
        (Script::Fail(200, "<html>"), 502, "malformed", Value::Null),
    ] {
        let world = World::new().await;
        let node = world.node().await;
        world.upstream.script("model-a", script);
        let reply = world.turn(&node, "support", "s1").await;
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, error["code"].as_str(), &error["param"]),
            (status, Some(code), &param),
            "{reply:?}"
        );
        assert!(error.as_object().unwrap().len() == 4 && !reply.header("x-serinus-interaction").is_empty());
        let record = &world.interactions(1).await[0];
        assert!(
            matches!(&record.outcome, Outcome::Error { code } if code.starts_with("provider.")),
            "{record:?}"
        );
        assert!(!format!("{record:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn silence_times_out() {
    let world = World::new().await;
    world.upstream.script("model-a", Script::Hang);
    let node = world
        .node_with(|config| {
            let timeouts = config.providers.values_mut().map(|provider| &mut provider.timeouts);
            timeouts.for_each(|timeouts| timeouts.total = Duration::from_millis(100));
        })
        .await;
    let reply = world.turn(&node, "support", "s1").await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (504, &json!("total_timeout")));
}

#[tokio::test]
async fn a_variant_that_cannot_be_sent_counts_against_its_arm() {
    let world = World::new().await;
    world.publish("system_prompt", "needy", json!({"text": "{{ tone }}", "variables": {"tone": {}}})).await;
    world.start(&["support"], &["system_prompt/needy@1"], stage(StageKind::Ab, 100)).await;
    let node = world.node().await;
    let reply = world.turn(&node, "support", "s1").await;
    assert_eq!((reply.status, reply.variant()), (400, "candidate"));
    assert_eq!(reply.json()["error"]["code"], "prompt.missing_variable");
    let record = &world.interactions(1).await[0];
    assert_eq!(record.outcome, Outcome::Error { code: "prompt.missing_variable".into() });
    assert!(record.arm.is_some() && matches!(world.records().await[0], Record::Enrolment(_)));
    let told = world
        .ask(&node, chat_body("support", json!({"session": "s1", "variables": {"tone": "Sing."}})))
        .await;
    assert_eq!((told.status, world.upstream.last()["messages"][0]["content"].as_str()), (200, Some("Sing.")));
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_back() {
    let mut world = World::new().await;
    world.limits = GatewayLimits { in_flight_max: 1, ..GatewayLimits::default() };
    world.upstream.script("model-a", Script::Answer { wait_ms: 300 });
    let node = world.node().await;
    let (one, two) = tokio::join!(world.turn(&node, "support", "s1"), world.turn(&node, "support", "s2"));
    let (served, refused) = if one.status == 200 { (one, two) } else { (two, one) };
    assert_eq!((served.status, refused.status, refused.header("retry-after")), (200, 429, "1"));
    assert_eq!(world.turn(&node, "support", "s3").await.status, 200);
}
