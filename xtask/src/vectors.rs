//! Runs a file of statistical reference vectors and says what agrees. Knows nothing of the mathematics.

use std::path::Path;

use anyhow::Context;

#[path = "../../crates/stats/tests/it/vectors/mod.rs"]
mod evaluation;

/// Prints a line per failure and the tally; true if nothing failed.
pub fn run(path: &Path) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read vectors from {}", path.display()))?;
    let file = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let tally = evaluation::run(&file);
    for failure in &tally.failures {
        println!("{failure}");
    }
    if !tally.skipped.is_empty() {
        println!("no code yet for: {}", tally.skipped.join(", "));
    }
    let failed = failed_vectors(&tally.failures);
    println!("{} passed, {failed} failed, {} skipped", tally.passed, tally.skipped.len());
    Ok(failed == 0)
}

/// Vectors with at least one wrong output; a failure line starts with the vector's id.
fn failed_vectors(failures: &[String]) -> usize {
    let mut ids: Vec<&str> = failures.iter().filter_map(|line| line.split(':').next()).collect();
    ids.dedup();
    ids.len()
}
