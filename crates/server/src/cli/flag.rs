//! `serinus flag`: plain flags. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, artifact, explain, import, print};

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
    #[command(after_help = "Examples:\n  serinus flag list\n  serinus flag list --archived")]
    List {
        /// Those that were put away as well
        #[arg(long)]
        archived: bool,
    },
    /// List candidates for removal: flags that settled on one variant, or that nobody asks for
    #[command(after_help = "Examples:\n  serinus flag stale")]
    Stale,
    /// Put a flag away; it still answers
    #[command(
        after_help = "Examples:\n  serinus flag archive old-banner\n  serinus flag archive old-banner --restore"
    )]
    Archive {
        /// Its key
        key: String,
        /// Take it out again
        #[arg(long)]
        restore: bool,
    },
    /// Delete a flag that nothing refers to; who asks for it then gets their default
    #[command(after_help = "Examples:\n  serinus flag delete old-banner")]
    Delete {
        /// Its key
        key: String,
    },
    /// Say why somebody gets what they get
    #[command(
        after_help = "Examples:\n  serinus flag explain new-search --user ana --attr plan=pro --attr age=31"
    )]
    Explain(explain::ExplainArgs),
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
        Verb::Explain(args) => return explain::run(&args, "flags", client).await,
        Verb::Delete { key } => client.delete(&format!("/flags/{key}")).await?,
        Verb::Archive { key, restore } => {
            let mut body = client.get(&format!("/flags/{key}")).await?;
            if let Some(members) = body.as_object_mut() {
                for shown in ["key", "broken", "revision", "changed_at", "lifecycle"] {
                    members.remove(shown);
                }
                members.insert("archived".into(), (!restore).into());
            }
            client.put(&format!("/flags/{key}"), &body).await?
        }
        Verb::Stale => {
            let answer = client.get("/flags?stale=true").await?;
            if !client.json {
                let row = |one: &Value| {
                    let used_by = print::list(&one["lifecycle"], "used_by");
                    let used_by: Vec<_> = used_by.iter().filter_map(Value::as_str).collect();
                    let evaluations = print::text(one, "lifecycle.evaluations");
                    vec![
                        print::text(one, "key"),
                        print::text(one, "lifecycle.state"),
                        evaluations,
                        used_by.join(" "),
                    ]
                };
                print::table(
                    &["flag", "state", "evaluations", "used by"],
                    &print::list(&answer, "flags").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(0);
            }
            answer
        }
        Verb::List { archived } => {
            let answer = client.get(&format!("/flags?archived={archived}")).await?;
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
