//! `serinus status`: what needs somebody, what goes on, and which nodes and clients serve the head. Holds no rule of the product.

use clap::Args;
use serde_json::{Value, json};

use super::{Client, print};
use crate::human;

/// Say what needs somebody, and what goes on
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus status
  serinus status --json | jq '.overview.needs'        # exit code 1 while something needs somebody")]
pub struct StatusArgs {}

/// Runs it; answers 1 while something needs somebody.
pub async fn run(client: &Client) -> anyhow::Result<u8> {
    let overview = client.get("/overview").await?;
    let nodes = client.get("/nodes").await?;
    let needs = print::list(&overview, "needs");
    let code = u8::from(!needs.is_empty());
    if client.json {
        print::json(&json!({"overview": overview, "nodes": nodes}));
        return Ok(code);
    }
    let head = print::text(&overview, "head");
    print::line(&format!("{} · revision {head}", print::text(&overview, "environment")));
    match needs {
        [] => print::line("nothing needs you"),
        needs => print::line(&format!("{} need you", needs.len())),
    }
    for need in needs {
        print::line(&format!("  {}  {}", print::text(need, "subject"), print::text(need, "sentence")));
        for command in print::list(need, "commands").iter().filter_map(Value::as_str) {
            print::line(&format!("      {command}"));
        }
    }
    let running = print::list(&overview, "rollouts")
        .iter()
        .filter(|rollout| matches!(rollout["phase"].as_str(), Some("running" | "held")));
    for rollout in running {
        print::line(&format!("{}  {}", print::text(rollout, "key"), print::text(rollout, "sentence")));
    }
    for node in print::list(&nodes, "nodes") {
        let since = human::moment(node["activated_at"].as_i64().unwrap_or(0));
        let refusal = node["refusal"].as_str().map_or_else(String::new, |why| format!(": {why}"));
        print::line(&format!(
            "node {}  serves revision {} of {head} since {since}{refusal}",
            print::text(node, "node"),
            print::text(node, "revision"),
        ));
    }
    Ok(code)
}
