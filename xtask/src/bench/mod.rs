//! Benchmarks by name: ours, the limit and the peers in one run. Prints figures for people, or rows for machines with `--json`; never a
//! test, since a busy machine would fail it.

mod evaluate;
mod ofrep;
mod propagation;

use std::collections::BTreeMap;

use anyhow::bail;
use serde_json::{Value, json};

use crate::run;

const NAMES: &str = "evaluate, ofrep, propagation, resolve";

/// One line of a result: a task, what it takes here, at the least, and elsewhere.
pub(crate) struct Row {
    /// The task.
    pub name: String,
    /// Of all figures in the row.
    pub unit: &'static str,
    /// What it takes Serinus.
    pub ours: f64,
    /// What the least work that the task allows takes, measured in the same run.
    pub limit: Option<f64>,
    /// What we aim at on a quiet machine.
    pub goal: Option<f64>,
    /// What it takes others, by name and version, measured in the same run.
    pub peers: BTreeMap<String, f64>,
    /// What else was measured of ours, by name.
    pub more: BTreeMap<String, f64>,
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "row": self.name, "unit": self.unit, "ours": self.ours, "limit": self.limit, "goal": self.goal,
            "peers": self.peers, "more": self.more,
        })
    }
}

/// Runs one.
pub fn run(args: &[String]) -> anyhow::Result<bool> {
    let as_json = args.iter().any(|arg| arg == "--json");
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let rows = match names.as_slice() {
        ["resolve"] => {
            run::command("cargo", &["bench", "--package", "serinus-domain", "--bench", "resolve"])?;
            return Ok(true);
        }
        ["evaluate"] => evaluate::rows()?,
        ["propagation"] => propagation::rows()?,
        ["ofrep"] => ofrep::rows()?,
        _ => bail!("name a benchmark: {NAMES}"),
    };
    if as_json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        rows.iter().for_each(print);
    }
    Ok(true)
}

fn print(row: &Row) {
    let ratio = |of: f64| if row.ours > 0.0 { format!("{:.1}x", of / row.ours) } else { "-".into() };
    println!("{}", row.name);
    let goal = row.goal.map_or_else(String::new, |goal| format!("   goal <= {goal}"));
    println!("  {:<36} {:>12.1} {}{goal}", "serinus", row.ours, row.unit);
    if let Some(limit) = row.limit {
        println!("  {:<36} {limit:>12.1} {}   {}", "limit", row.unit, ratio(limit));
    }
    for (name, value) in &row.peers {
        println!("  {name:<36} {value:>12.1} {}   {}", row.unit, ratio(*value));
    }
    for (name, value) in &row.more {
        println!("  {name:<36} {value:>12.2}");
    }
}
