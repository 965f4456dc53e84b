//! Benchmarks by name. Prints figures for people; never a test, since a busy machine would fail it.

use anyhow::bail;

use crate::run;

/// Runs one.
pub fn run(args: &[String]) -> anyhow::Result<bool> {
    match args.first().map(String::as_str) {
        Some("resolve") => {
            run::command("cargo", &["bench", "--package", "serinus-domain", "--bench", "resolve"])?
        }
        _ => bail!("name a benchmark: resolve"),
    }
    Ok(true)
}
