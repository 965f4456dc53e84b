//! Counts allocations of an evaluation in the application. A binary of its own, because the counting allocator is the whole process's.

use std::time::Duration;

use serde_json::json;
use serinus_client::{Attributes, Client, Config, Context, Reason};
use serinus_domain::{
    bundle::Contents, digest::Digest, entity::DocKey, revision::RevisionNumber, snapshot::Snapshot,
    transfer::write_snapshot, units::Timestamp,
};

/// INVARIANT(no-allocation): from the key to the decision.
#[tokio::test]
async fn evaluating_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot");
    let body = json!({
        "kind": "flag", "key": "a", "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": "off", "salt": "a",
        "rules": [{"serve": {"split": [{"variant": "on", "share": 500_000}, {"variant": "off", "share": 500_000}]}}],
    });
    let documents = [(DocKey::stored("flag/a"), RevisionNumber(1), body)];
    let snapshot = Snapshot::restore(RevisionNumber(1), Digest::ZERO, Timestamp(0), documents);
    std::fs::write(&file, write_snapshot(&snapshot, &Contents::default())).unwrap();
    let client = Client::connect(Config::new("http://127.0.0.1:9", "").cache(&file)).unwrap();
    client.wait_ready(Duration::from_secs(5)).await.unwrap();
    let context = Context::new(Some("s1"), None, Attributes::default()).unwrap();
    // The first use of the pointer on a thread registers the thread.
    assert_eq!(client.evaluate("a", &context, |decision| decision.reason), Some(Reason::Split));
    let counts = allocation_counter::measure(|| {
        let decided =
            client.evaluate("a", &context, |decision| decision.value.and_then(serde_json::Value::as_bool));
        assert!(decided.flatten().is_some());
    });
    assert_eq!(counts.count_total, 0, "{counts:?}");
}
