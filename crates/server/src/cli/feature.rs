//! `serinus feature`: what is served under a key. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Client, artifact, explain, print};

/// Verbs of `feature`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a feature, or change one
    #[command(after_help = "Examples:
  serinus feature put support --layer model/gpt-4o@1 --layer system_prompt/support@1
  serinus feature put support --file support.yaml
  serinus feature put support --judge rubric/helpful@1=model/gpt-4o-mini@1 --judge-rate 20%")]
    Put {
        /// The feature's key, also its model name at the gateway
        key: String,
        /// A version of a layer; layers that are not named stay as they are. May be given more than once
        #[arg(long = "layer", value_name = "KIND/NAME@VERSION")]
        layers: Vec<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// A category of its queries; may be given more than once
        #[arg(long = "category")]
        categories: Vec<String>,
        /// How answers are judged
        #[arg(long, value_name = "RUBRIC=MODEL")]
        judge: Option<String>,
        /// Share of answers that are judged
        #[arg(long, default_value = "20%", value_parser = crate::human::share)]
        judge_rate: serinus_domain::units::Share,
        /// The whole feature as JSON or YAML
        #[arg(long, conflicts_with_all = ["layers", "description", "categories", "judge"])]
        file: Option<PathBuf>,
    },
    /// List features
    #[command(after_help = "Examples:\n  serinus feature list")]
    List,
    /// Show a feature
    #[command(after_help = "Examples:\n  serinus feature show support")]
    Show {
        /// Its key
        key: String,
    },
    /// Say why somebody gets what they get, by their session's pin where it has one
    #[command(
        after_help = "Examples:\n  serinus feature explain support --session s-17 --user ana --attr plan=pro"
    )]
    Explain(explain::ExplainArgs),
    /// Turn a feature off: its declared answer, at every session's next turn
    #[command(
        after_help = "Examples:\n  serinus feature kill support\n  serinus feature kill support --revive"
    )]
    Kill {
        /// Its key
        key: String,
        /// Turn it on again
        #[arg(long)]
        revive: bool,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let answer = match verb {
        Verb::Put { key, layers, description, categories, judge, judge_rate, file } => {
            let body = match file {
                Some(file) => serde_yaml_ng::from_str(&artifact::read(&file)?)
                    .with_context(|| format!("{}: neither JSON nor YAML", file.display()))?,
                None => {
                    let mut body = current(client, &key).await?;
                    set_layers(&mut body, &layers)?;
                    if let Some(description) = description {
                        body.insert("description".into(), description.into());
                    }
                    if !categories.is_empty() {
                        body.insert("categories".into(), json!(categories));
                    }
                    if let Some(judge) = judge {
                        let (rubric, model) = judge.split_once('=').context("--judge: write RUBRIC=MODEL")?;
                        let policy =
                            json!({"rubric": rubric, "model": model, "rate_ppm": judge_rate.as_ppm()});
                        body.insert("judge".into(), policy);
                    }
                    Value::Object(body)
                }
            };
            let answer = client.put(&format!("/features/{key}"), &body).await?;
            if !client.json {
                print::line(&format!("feature {key}  revision {}", print::text(&answer, "revision")));
                print::line(&format!("  call it as model \"{key}\" at {}/v1", client.base()));
                return Ok(0);
            }
            answer
        }
        Verb::List => {
            let answer = client.get("/features").await?;
            if !client.json {
                let row = |one: &Value| {
                    vec![print::text(one, "key"), print::text(one, "rollout"), print::layers(&one["control"])]
                };
                print::table(
                    &["feature", "rollout", "serves"],
                    &print::list(&answer, "features").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(0);
            }
            answer
        }
        Verb::Explain(args) => return explain::run(&args, "features", client).await,
        Verb::Show { key } => client.get(&format!("/features/{key}")).await?,
        Verb::Kill { key, revive } => {
            client.post(&format!("/features/{key}/kill"), &json!({"killed": !revive})).await?
        }
    };
    print::json(&answer);
    Ok(0)
}

/// What can be put of a feature as it is now; of a new one, nothing.
async fn current(client: &Client, key: &str) -> anyhow::Result<Map<String, Value>> {
    const PUTTABLE: [&str; 14] = [
        "description",
        "control",
        "variants",
        "rules",
        "bucket_by",
        "caller_system",
        "categories",
        "judge",
        "capture_ppm",
        "off",
        "forced",
        "prerequisites",
        "owner",
        "tags",
    ];
    match client.get(&format!("/features/{key}")).await {
        Ok(Value::Object(members)) => Ok(members
            .into_iter()
            .filter(|(name, value)| PUTTABLE.contains(&name.as_str()) && !value.is_null())
            .collect()),
        Ok(_) => bail!("feature \"{key}\": the server's answer is no object"),
        Err(refused)
            if refused.downcast_ref::<super::Refusal>().is_some_and(|refusal| refusal.status == 404) =>
        {
            Ok(Map::new())
        }
        Err(refused) => Err(refused),
    }
}

fn set_layers(body: &mut Map<String, Value>, layers: &[String]) -> anyhow::Result<()> {
    let control = body.entry("control").or_insert_with(|| json!({}));
    for reference in layers {
        let (kind, _) = reference
            .split_once('/')
            .with_context(|| format!("--layer {reference}: write KIND/NAME@VERSION"))?;
        control[kind] = reference.as_str().into();
    }
    Ok(())
}
