//! The project's automation: `cargo xtask NAME`. Everything that CI or a newcomer runs goes through here.
//! Knows nothing of the product beyond its binary and its checks.

mod bench;
#[cfg(test)]
mod purity;
mod run;
mod test;
mod tidy;
mod tools;
mod vectors;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};

const USAGE: &str = "cargo xtask COMMAND

  demo [OPTIONS]     build everything and run the main job: staged rollouts on recorded LLM traffic
  serve [OPTIONS]    build everything and run the server
  test [STEP...]     pass all tests; the steps by name: see `cargo xtask test --list`
  vectors FILE       check the statistics against a file of reference vectors
  openapi            write ui/openapi.json from the code, and the dashboard's typed client from it
  bench NAME [--json] measure ours, the limit and peers in one run (evaluate, ofrep, propagation, resolve)
  tidy               check the house rules
  ui                 build the dashboard";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> anyhow::Result<bool> {
    std::env::set_current_dir(run::root()).context("entering the project's root")?;
    let Some((command, rest)) = args.split_first() else { bail!("say what to do\n\n{USAGE}") };
    match command.as_str() {
        "demo" => run::product("demo", rest),
        "serve" => run::product("serve", rest),
        "test" => test::run(rest),
        "vectors" => {
            let file =
                rest.first().context("name the file: cargo xtask vectors spec/statistics/vectors.json")?;
            vectors::run(Path::new(file))
        }
        "openapi" => run::openapi(),
        "bench" => bench::run(rest),
        "tidy" => tidy::report(&tidy::check(&run::root())?),
        "ui" => run::ui().map(|()| true),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => bail!("\"{other}\" is no command\n\n{USAGE}"),
    }
}
