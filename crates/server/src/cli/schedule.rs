//! `serinus schedule`: changes that are made later. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use serinus_domain::resolve::parse_time;

use super::{Client, artifact, print};

/// Verbs of `schedule`.
#[expect(clippy::large_enum_variant, reason = "one command line is parsed once")]
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Declare a change that is made later
    #[command(after_help = "Examples:
  serinus schedule put launch --at 2026-12-01T08:00:00Z --enable new-search
  serinus schedule put night --at 2026-12-01T22:00:00+01:00 --disable new-search -m 'maintenance'
  serinus schedule put go-on --at 2026-12-01T08:00:00Z --resume support-2
  serinus schedule put launch --at 2026-12-01T08:00:00Z --flag new-search --file new-search.yaml")]
    Put {
        /// Its key
        key: String,
        /// When, as RFC 3339
        #[arg(long)]
        at: String,
        /// A flag that is to answer from then on
        #[arg(long, value_name = "FLAG", group = "what")]
        enable: Option<String>,
        /// A flag that is to answer the caller's default from then on
        #[arg(long, value_name = "FLAG", group = "what")]
        disable: Option<String>,
        /// A held rollout that is to go on
        #[arg(long, value_name = "ROLLOUT", group = "what")]
        resume: Option<String>,
        /// A flag that is to read like --file
        #[arg(long, group = "what", requires = "file")]
        flag: Option<String>,
        /// A feature that is to read like --file
        #[arg(long, group = "what", requires = "file")]
        feature: Option<String>,
        /// A segment that is to read like --file
        #[arg(long, group = "what", requires = "file")]
        segment: Option<String>,
        /// The definition as JSON or YAML
        #[arg(long)]
        file: Option<PathBuf>,
        /// Why
        #[arg(long, short = 'm', default_value = "")]
        message: String,
    },
    /// List scheduled changes, those that were made or failed as well
    #[command(after_help = "Examples:\n  serinus schedule list")]
    List,
    /// Take a change off the calendar
    #[command(after_help = "Examples:\n  serinus schedule cancel launch")]
    Cancel {
        /// Its key
        key: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let answer = match verb {
        Verb::Put { key, at, enable, disable, resume, flag, feature, segment, file, message } => {
            let micros = parse_time(&at)
                .with_context(|| format!("--at {at}: write RFC 3339, as in 2026-12-01T08:00:00Z"))?;
            let put = |kind: &str, key: &str| -> anyhow::Result<Value> {
                let file = file.as_deref().context("--file: name the definition")?;
                let definition: Value = serde_yaml_ng::from_str(&artifact::read(file)?)
                    .with_context(|| format!("{}: neither JSON nor YAML", file.display()))?;
                Ok(json!({"do": format!("put_{kind}"), kind: key, "definition": definition}))
            };
            let planned = match (enable, disable, resume, flag, feature, segment) {
                (Some(flag), ..) => json!({"do": "set_flag", "flag": flag, "disabled": false}),
                (_, Some(flag), ..) => json!({"do": "set_flag", "flag": flag, "disabled": true}),
                (_, _, Some(rollout), ..) => json!({"do": "resume", "rollout": rollout}),
                (_, _, _, Some(flag), ..) => put("flag", &flag)?,
                (.., Some(feature), _) => put("feature", &feature)?,
                (.., Some(segment)) => put("segment", &segment)?,
                _ => bail!(
                    "say what: --enable, --disable, --resume, or --flag, --feature, --segment with --file"
                ),
            };
            let body = json!({"at": micros, "planned": planned, "message": message});
            let answer = client.put(&format!("/schedules/{key}"), &body).await?;
            if !client.json {
                print::line(&format!(
                    "schedule {key}  at {at}  revision {}",
                    print::text(&answer, "revision")
                ));
                return Ok(0);
            }
            answer
        }
        Verb::Cancel { key } => client.delete(&format!("/schedules/{key}")).await?,
        Verb::List => {
            let answer = client.get("/schedules").await?;
            if !client.json {
                let row = |one: &Value| {
                    ["key", "state", "summary", "author", "failure"]
                        .map(|member| print::text(one, member))
                        .to_vec()
                };
                print::table(
                    &["schedule", "state", "what", "by", "failure"],
                    &print::list(&answer, "schedules").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(0);
            }
            answer
        }
    };
    print::json(&answer);
    Ok(0)
}
