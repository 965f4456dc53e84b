//! One SDK client on a log of many flags: from the durable append to the client's activation. The store is SQLite, as in production.

use std::{sync::Arc, time::{Duration, Instant}};

use serde_json::{json, Value};
use serinus_client::{Client, Config};
use serinus_store::{SqliteOptions, SqliteStore};

use crate::{quantile, server};

pub fn one_client(flags: usize, changes: usize) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (mut durable, mut whole) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).expect("a store");
        let server = server::start(Arc::new(store), 0).await;
        let filled = server.fill(flags).await;
        let client = Client::connect(Config::new(format!("http://{}", server.address), "")).expect("a client");
        client.wait_for(filled, Duration::from_secs(60)).await.expect("a snapshot");
        for turn in 1..=changes {
            let mut status = client.watch();
            let wanted = serinus_client::RevisionNumber(filled.0 + turn as u64);
            let active = tokio::spawn(async move {
                status.wait_for(|status| status.revision >= wanted).await.expect("a client");
                Instant::now()
            });
            let changed = vec![server::flag(turn % flags, turn)];
            let sent = Instant::now();
            server.append(changed).await;
            let accepted = Instant::now();
            let active = active.await.expect("a task");
            durable.push(active.saturating_duration_since(accepted).as_secs_f64() * 1e3);
            whole.push(active.duration_since(sent).as_secs_f64() * 1e3);
            // The client has said so, and the node's report and cache are written, before the next change.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    durable.sort_by(f64::total_cmp);
    whole.sort_by(f64::total_cmp);
    json!({
        "row": format!("change accepted to one client active, {flags} flags (p50)"), "unit": "ms",
        "ours": quantile(&durable, 0.5), "limit": null, "goal": 1.0,
        "more": {
            "p99, ms (goal 5)": quantile(&durable, 0.99),
            "with the durable append, p50, ms": quantile(&whole, 0.5),
            "with the durable append, p99, ms": quantile(&whole, 0.99),
        },
    })
}
