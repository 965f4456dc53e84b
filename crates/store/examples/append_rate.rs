//! Measures single-record appends from many tasks on this machine's disk, or on a database: records a second and how long one takes;
//! and how long a revision and a paper take. A tool for people; asserts nothing.

use std::{path::PathBuf, sync::Arc, time::Instant};

use serinus_domain::{
    id::EnvironmentKey,
    record::{InteractionRecord, Record},
    revision::{Cause, Change, Draft, Provenance, RevisionNumber},
    units::Timestamp,
};
use serinus_store::{
    Desk, Log, NewRecord, PostgresOptions, PostgresStore, Records, SqliteOptions, SqliteStore, Store,
};

const RECORDS_PER_RUN: usize = 40_000;
const WRITES: usize = 300;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn record(task: usize, turn: usize) -> Result<NewRecord, serde_json::Error> {
    let run = std::process::id();
    let value = serde_json::json!({
        "id": format!("{run}-{task:04}-{turn:06}"), "feature": "support", "session": format!("{task:032x}"),
        "unit": format!("{task:032x}"), "variant": "candidate", "bundle": "00000000000000000000000000000007",
        "arm": {"rollout": "support-1", "arm": "candidate", "pi": 50_000, "stage": 1}, "head": 3, "assigned": 2,
        "reason": "split", "category": "billing", "at": turn, "status": 200, "latency_us": 812_000, "ttft_us": 210_000,
        "input_tokens": 820, "output_tokens": 142, "facts": {"chars": 612, "valid": true, "finish_reason": "stop"},
        "response_id": format!("chatcmpl-{task}-{turn}"),
    });
    let record = serde_json::from_value::<InteractionRecord>(value)?;
    Ok(NewRecord { record: Record::Interaction(Box::new(record)), body: None })
}

fn show(what: &str, mut micros: Vec<u128>, seconds: f64) {
    micros.sort_unstable();
    let at = |part: f64| micros.get((micros.len() as f64 * part) as usize).copied().unwrap_or_default();
    let rate = micros.len() as f64 / seconds;
    println!("{what}: {rate:8.0}/s, p50 {} us, p99 {} us, p99.9 {} us", at(0.5), at(0.99), at(0.999));
}

async fn records(store: Arc<dyn Store>, tasks: usize) -> Outcome {
    let turns = (RECORDS_PER_RUN / tasks).min(2_000);
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let mut micros = Vec::with_capacity(turns);
            for turn in 0..turns {
                let Ok(new) = record(tasks * 10_000 + task, turn) else { continue };
                let before = Instant::now();
                let Ok(_) = Records::append(&*store, vec![new]).await else { continue };
                micros.push(before.elapsed().as_micros());
            }
            micros
        });
    }
    let mut micros = Vec::new();
    while let Some(done) = running.join_next().await {
        micros.extend(done?);
    }
    show(&format!("{tasks:5} tasks, records"), micros, started.elapsed().as_secs_f64());
    Ok(())
}

async fn control(store: Arc<dyn Store>) -> Outcome {
    let (mut papers, mut revisions) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for turn in 0..WRITES {
        let before = Instant::now();
        let id = format!("{}-{turn}", std::process::id());
        Desk::write(&*store, "proposal", &id, 0, &serde_json::json!({"title": "shorter"}), Timestamp(0))
            .await?;
        papers.push(before.elapsed().as_micros());
    }
    show("papers", papers, started.elapsed().as_secs_f64());
    let mut head = store.head().await?.number;
    let started = Instant::now();
    for _ in 0..WRITES {
        let body = serde_json::json!({"kind": "channel", "key": "pager", "url": "http://127.0.0.1:9/"});
        let draft = Draft {
            expected_head: head,
            actor: "ann".into(),
            message: "measures".into(),
            cause: Cause::Person,
            changes: vec![Change::Put { key: "channel/pager".parse()?, body }],
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        let before = Instant::now();
        let revision = Log::append(&*store, &draft, Timestamp(0)).await?;
        revisions.push(before.elapsed().as_micros());
        head = RevisionNumber(revision.body.number.0);
    }
    show("revisions", revisions, started.elapsed().as_secs_f64());
    Ok(())
}

async fn measure(store: Arc<dyn Store>) -> Outcome {
    control(Arc::clone(&store)).await?;
    for tasks in [1, 8, 64, 512] {
        records(Arc::clone(&store), tasks).await?;
    }
    Ok(())
}

/// The first argument is a directory, or a database's URL.
#[tokio::main]
async fn main() -> Outcome {
    let place = std::env::args().nth(1);
    if let Some(url) = place.as_deref().filter(|place| place.starts_with("postgres")) {
        let environment = EnvironmentKey::new("append-rate")?;
        let store = PostgresStore::connect(url, &environment, PostgresOptions::default()).await?;
        return measure(Arc::new(store)).await;
    }
    let root = place.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = root.join(format!("append-rate-{}", std::process::id()));
    measure(Arc::new(SqliteStore::open(&directory, SqliteOptions::default())?)).await?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
