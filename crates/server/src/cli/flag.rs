//! `serinus flag`: plain flags. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, artifact, import, print};

/// Verbs of `flag`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a flag, or change one
    #[command(after_help = "Examples:
  serinus flag put dark-mode --value true
  serinus flag put banner --value '\"Welcome\"'
  serinus flag put search-ranker --file ranker.yaml        # variants, rules and splits")]
    Put {
        /// Its key
        key: String,
        /// One value for everybody, as JSON
        #[arg(long, required_unless_present = "file", conflicts_with = "file")]
        value: Option<String>,
        /// The whole flag as JSON or YAML
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Show a flag
    #[command(after_help = "Examples:\n  serinus flag get dark-mode")]
    Get {
        /// Its key
        key: String,
    },
    /// Import flags from another platform's export
    Import(import::ImportArgs),
    /// List flags
    #[command(after_help = "Examples:\n  serinus flag list")]
    List,
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let answer = match verb {
        Verb::Put { key, value, file } => {
            let body = match (value, file) {
                (_, Some(file)) => serde_yaml_ng::from_str(&artifact::read(&file)?)
                    .with_context(|| format!("{}: neither JSON nor YAML", file.display()))?,
                (value, None) => constant(&value.unwrap_or_default())?,
            };
            let answer = client.put(&format!("/flags/{key}"), &body).await?;
            if !client.json {
                print::line(&format!("flag {key}  revision {}", print::text(&answer, "revision")));
                return Ok(0);
            }
            answer
        }
        Verb::Import(args) => return import::run(args, client).await,
        Verb::Get { key } => client.get(&format!("/flags/{key}")).await?,
        Verb::List => {
            let answer = client.get("/flags").await?;
            if !client.json {
                let row = |one: &Value| {
                    vec![print::text(one, "key"), print::text(one, "kind"), print::text(one, "default")]
                };
                print::table(
                    &["flag", "type", "default variant"],
                    &print::list(&answer, "flags").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(0);
            }
            answer
        }
    };
    print::json(&answer);
    Ok(0)
}

fn constant(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text)
        .with_context(|| format!("--value {text}: write JSON; a text stands in quotes, as in '\"on\"'"))?;
    let kind = match &value {
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        _ => "object",
    };
    Ok(json!({"kind": kind, "variants": {"on": value}, "default": "on"}))
}
