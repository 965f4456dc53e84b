//! Measures single-record appends from many tasks on this machine's disk: records a second and how long one takes.
//! A tool for people; asserts nothing.

use std::{path::PathBuf, sync::Arc, time::Instant};

use serinus_domain::record::{InteractionRecord, Record};
use serinus_store::{NewRecord, Records, SqliteOptions, SqliteStore};

const RECORDS_PER_RUN: usize = 40_000;

fn record(task: usize, turn: usize) -> Result<NewRecord, serde_json::Error> {
    let value = serde_json::json!({
        "id": format!("{task:04}-{turn:06}"), "feature": "support", "session": format!("{task:032x}"),
        "unit": format!("{task:032x}"), "variant": "candidate", "bundle": "00000000000000000000000000000007",
        "arm": {"rollout": "support-1", "arm": "candidate", "pi": 50_000, "stage": 1}, "head": 3, "assigned": 2,
        "reason": "split", "category": "billing", "at": turn, "status": 200, "latency_us": 812_000, "ttft_us": 210_000,
        "input_tokens": 820, "output_tokens": 142, "facts": {"chars": 612, "valid": true, "finish_reason": "stop"},
        "response_id": format!("chatcmpl-{task}-{turn}"),
    });
    let record = serde_json::from_value::<InteractionRecord>(value)?;
    Ok(NewRecord { record: Record::Interaction(Box::new(record)), body: None })
}

async fn measure(directory: PathBuf, tasks: usize) -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(SqliteStore::open(&directory, SqliteOptions::default())?);
    let turns = (RECORDS_PER_RUN / tasks).min(4_000);
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let mut micros = Vec::with_capacity(turns);
            for turn in 0..turns {
                let Ok(new) = record(task, turn) else { continue };
                let before = Instant::now();
                let Ok(_) = store.append(vec![new]).await else { continue };
                micros.push(before.elapsed().as_micros());
            }
            micros
        });
    }
    let mut micros = Vec::new();
    while let Some(done) = running.join_next().await {
        micros.extend(done?);
    }
    let seconds = started.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |part: f64| micros.get((micros.len() as f64 * part) as usize).copied().unwrap_or_default();
    let rate = micros.len() as f64 / seconds;
    println!(
        "{tasks:5} tasks: {rate:8.0} records/s, p50 {} us, p99 {} us, p99.9 {} us",
        at(0.5),
        at(0.99),
        at(0.999)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for tasks in [1, 8, 64, 512] {
        let directory = root.join(format!("append-rate-{}-{tasks}", std::process::id()));
        measure(directory.clone(), tasks).await?;
        std::fs::remove_dir_all(directory)?;
    }
    Ok(())
}
