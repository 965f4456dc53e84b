//! Change propagation; the harness is `bench/propagation`. Knows nothing of how it measures.

use anyhow::Context;
use serde_json::Value;

use super::Row;
use crate::run;

/// Builds the harness, runs it and reads what it found.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let target = run::root().join("target/bench");
    let out = target.join("propagation.json");
    let (target, out) = (target.display().to_string(), out.display().to_string());
    let build =
        ["build", "--release", "--quiet", "--manifest-path", "bench/Cargo.toml", "--target-dir", &target];
    run::command("cargo", &[&build[..], &["--package", "bench-propagation"]].concat())?;
    // Standard output is the caller's, who may have asked for JSON.
    eprint!("{}", run::output(&format!("{target}/release/bench-propagation"), &["--json", &out])?);
    let text = std::fs::read_to_string(&out).with_context(|| format!("reading {out}"))?;
    let rows: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("reading {out}"))?;
    Ok(rows.iter().filter_map(row).collect())
}

fn row(found: &Value) -> Option<Row> {
    let more = found["more"].as_object()?;
    Some(Row {
        name: found["row"].as_str()?.to_owned(),
        unit: match found["unit"].as_str()? {
            "ms" => "ms",
            _ => "1/s",
        },
        ours: found["ours"].as_f64()?,
        limit: found["limit"].as_f64(),
        goal: found["goal"].as_f64(),
        peers: std::collections::BTreeMap::new(),
        more: more.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect(),
    })
}
