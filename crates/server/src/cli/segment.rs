//! `serinus segment`: named sets of contexts that rules refer to. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Client, artifact, print};

/// Verbs of `segment`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a segment, or change one
    #[command(after_help = "Examples:
  serinus segment put beta --include ana --include ben
  serinus segment put eu --when '{\"in\": {\"attribute\": \"country\", \"values\": [\"DE\", \"FR\"]}}'
  serinus segment put beta --file beta.yaml                # description, when, included, excluded")]
    Put {
        /// Its key
        key: String,
        /// Who belongs to it by what is known of them: a condition as JSON or YAML
        #[arg(long)]
        when: Option<String>,
        /// A user or session that belongs to it; may be given more than once
        #[arg(long = "include", value_name = "UNIT")]
        included: Vec<String>,
        /// A user or session that does not; may be given more than once
        #[arg(long = "exclude", value_name = "UNIT")]
        excluded: Vec<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// The whole segment as JSON or YAML
        #[arg(long, conflicts_with_all = ["when", "included", "excluded", "description"])]
        file: Option<PathBuf>,
    },
    /// Show a segment; who is on its lists is not shown
    #[command(after_help = "Examples:\n  serinus segment get beta")]
    Get {
        /// Its key
        key: String,
    },
    /// List segments
    #[command(after_help = "Examples:\n  serinus segment list")]
    List,
    /// Delete a segment that nothing refers to
    #[command(after_help = "Examples:\n  serinus segment delete beta")]
    Delete {
        /// Its key
        key: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let answer = match verb {
        Verb::Put { key, when, included, excluded, description, file } => {
            let body = match file {
                Some(file) => serde_yaml_ng::from_str(&artifact::read(&file)?)
                    .with_context(|| format!("{}: neither JSON nor YAML", file.display()))?,
                None => described(when.as_deref(), &included, &excluded, description)?,
            };
            let answer = client.put(&format!("/segments/{key}"), &body).await?;
            if !client.json {
                print::line(&format!("segment {key}  revision {}", print::text(&answer, "revision")));
                return Ok(0);
            }
            answer
        }
        Verb::Get { key } => client.get(&format!("/segments/{key}")).await?,
        Verb::Delete { key } => client.delete(&format!("/segments/{key}")).await?,
        Verb::List => {
            let answer = client.get("/segments").await?;
            if !client.json {
                let row = |one: &Value| {
                    ["key", "included_count", "excluded_count", "description"]
                        .map(|member| print::text(one, member))
                        .to_vec()
                };
                print::table(
                    &["segment", "included", "excluded", "what for"],
                    &print::list(&answer, "segments").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(0);
            }
            answer
        }
    };
    print::json(&answer);
    Ok(0)
}

fn described(
    when: Option<&str>,
    included: &[String],
    excluded: &[String],
    description: Option<String>,
) -> anyhow::Result<Value> {
    let mut body = Map::new();
    if let Some(when) = when {
        let condition: Value =
            serde_yaml_ng::from_str(when).with_context(|| format!("--when {when}: neither JSON nor YAML"))?;
        body.insert("when".into(), condition);
    }
    for (name, units) in [("included", included), ("excluded", excluded)] {
        if !units.is_empty() {
            body.insert(name.into(), json!(units));
        }
    }
    if body.is_empty() {
        bail!("say who belongs to it: --when, --include, or --file");
    }
    body.insert("description".into(), description.unwrap_or_default().into());
    Ok(Value::Object(body))
}
