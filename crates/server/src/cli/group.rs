//! `serinus group`: exclusion groups, of whose rollouts nobody meets two. Checks nothing that the server checks.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, print};

/// Verbs of `group`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a group, or change its description
    #[command(
        after_help = "Examples:\n  serinus group put checkout --description 'one test at a time per user'"
    )]
    Put {
        /// Its key
        key: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List groups with who has which part
    #[command(after_help = "Examples:\n  serinus group list")]
    List,
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Put { key, description } => {
            let answer = client.put(&format!("/groups/{key}"), &json!({"description": description})).await?;
            if client.json {
                print::json(&answer);
            } else {
                print::line(&format!("group {key}  revision {}", print::text(&answer, "revision")));
            }
        }
        Verb::List => {
            let answer = client.get("/groups").await?;
            if client.json {
                print::json(&answer);
                return Ok(0);
            }
            let percent = |ppm: u64| format!("{}%", ppm as f64 / 10_000.0);
            let part = |held: &Value| {
                let size = held["to_ppm"]
                    .as_u64()
                    .unwrap_or(0)
                    .saturating_sub(held["from_ppm"].as_u64().unwrap_or(0));
                format!("{} {}", print::text(held, "rollout"), percent(size))
            };
            let row = |one: &Value| {
                let held: Vec<_> = print::list(one, "held").iter().map(part).collect();
                let free = percent(one["free_ppm"].as_u64().unwrap_or(0));
                vec![print::text(one, "key"), free, held.join(", ")]
            };
            print::table(
                &["group", "free", "held by"],
                &print::list(&answer, "groups").iter().map(row).collect::<Vec<_>>(),
            );
        }
    }
    Ok(0)
}
