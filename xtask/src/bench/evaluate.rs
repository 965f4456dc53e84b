//! In-process evaluation beside published engines and a hand-written limit; the harness is `bench/evaluate`. Knows nothing of servers.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use super::Row;
use crate::run;

/// (the harness's name of a task, ours, unit, nanoseconds in it, goal)
const TASKS: [(&str, &str, &str, f64, f64); 5] = [
    ("Static", "a static flag by key", "ns", 1.0, 20.0),
    ("Split", "a 50/50 split by key, with variant, reason and rule id", "ns", 1.0, 25.0),
    ("Rule", "three conditions, then 5/95", "ns", 1.0, 50.0),
    ("CtxRule", "the same with the context built first", "ns", 1.0, 120.0),
    ("Bulk", "1000 flags in bulk", "us", 1000.0, 30.0),
];
const OURS: &str = "serinus";
const LIMIT: &str = "floor-key";

/// Builds the harness, runs all engines interleaved and reads what they took.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let manifest = "bench/Cargo.toml";
    let out = run::root().join("target/bench/evaluate.json");
    let target = run::root().join("target/bench");
    let (out, target) = (out.display().to_string(), target.display().to_string());
    let build = ["build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", &target];
    run::command("cargo", &[&build[..], &["--package", "bench-evaluate"]].concat())?;
    // Standard output is the caller's, who may have asked for JSON.
    eprint!("{}", run::output(&format!("{target}/release/bench-evaluate"), &["--json", &out])?);
    let text = std::fs::read_to_string(&out).with_context(|| format!("reading {out}"))?;
    let engines: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("reading {out}"))?;
    Ok(TASKS.iter().filter_map(|task| row(task, &engines)).collect())
}

fn row(task: &(&str, &str, &'static str, f64, f64), engines: &[Value]) -> Option<Row> {
    let (id, name, unit, scale, goal) = *task;
    let figure = |engine: &Value, what: &str| engine.pointer(&format!("/tasks/{id}/{what}"))?.as_f64();
    let named = |wanted: &str| engines.iter().find(|engine| engine["engine"] == wanted);
    let ours = named(OURS)?;
    let peers = engines.iter().filter(|engine| engine["engine"] != OURS && engine["engine"] != LIMIT);
    Some(Row {
        name: name.to_owned(),
        unit,
        ours: figure(ours, "median_ns")? / scale,
        limit: named(LIMIT).and_then(|limit| figure(limit, "median_ns")).map(|ns| ns / scale),
        goal: Some(goal),
        peers: peers
            .filter_map(|peer| {
                Some((peer["engine"].as_str()?.to_owned(), figure(peer, "median_ns")? / scale))
            })
            .collect(),
        more: BTreeMap::from([
            ("allocations an operation".to_owned(), figure(ours, "allocs")?),
            ("least of the rounds, ns".to_owned(), figure(ours, "min_ns")?),
        ]),
    })
}
