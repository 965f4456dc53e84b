//! The one binary: parse, build, run, drain. Everything else has a room of its own.

mod cli;
mod config;
mod demo;
mod environments;
mod human;
mod linger;
mod node;
mod serve;

use std::{collections::HashMap, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Refusal, Waiting};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment: HashMap<String, String> = std::env::vars().collect();
    log(&environment);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(refused) => {
            eprintln!("serinus: no runtime: {refused}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli, &environment)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let Some(waiting) = error.downcast_ref::<Waiting>() {
                waiting.print();
                return ExitCode::SUCCESS;
            }
            eprintln!("serinus: {error:#}");
            // Refusals that a person can mend are told from failures.
            ExitCode::from(if error.downcast_ref::<Refusal>().is_some() { 1 } else { 70 })
        }
    }
}

async fn run(cli: Cli, environment: &HashMap<String, String>) -> anyhow::Result<u8> {
    match cli.command {
        Command::Serve(args) => {
            let config = config::Config::read(&args, cli.server.data.as_deref(), environment)?;
            serve::run(config).await.map(|()| 0)
        }
        Command::Demo(args) => demo::run(args, &cli.server).await,
        command => cli::run(command, &cli.server, environment).await,
    }
}

/// Logs go to standard error, so that standard output stays what was asked for.
fn log(environment: &HashMap<String, String>) {
    let filter = environment.get("SERINUS_LOG").map_or("warn,serinus=info", String::as_str);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let json = environment.get("SERINUS_LOG_FORMAT").is_some_and(|format| format == "json");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { builder.json().init() } else { builder.with_target(false).init() }
}
