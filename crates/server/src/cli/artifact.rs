//! `serinus artifact`: versions of layers and rubrics. Checks nothing that the server checks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, print};
use crate::human;

/// Verbs of `artifact`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Publish a version; the same content again is the same version
    #[command(after_help = "Examples:
  serinus artifact publish system_prompt/support concise.md -m \"shorter answers\"
  serinus artifact publish model/gpt-4o gpt-4o.yaml
  echo '{\"temperature\": 0.2}' | serinus artifact publish sampling/support -")]
    Publish {
        /// KIND/NAME, as in system_prompt/support
        series: String,
        /// The content: text for prompts, JSON or YAML for the rest; - reads standard input
        file: PathBuf,
        /// Why
        #[arg(short, long, default_value = "")]
        message: String,
        /// What a bundle with this version must have, as in output_parser/json@3; may be given more than once
        #[arg(long)]
        requires: Vec<String>,
    },
    /// List all series
    #[command(after_help = "Examples:\n  serinus artifact list")]
    List,
    /// Show a series, or one version with its content
    #[command(
        after_help = "Examples:\n  serinus artifact show system_prompt/support\n  serinus artifact show system_prompt/support@2"
    )]
    Show {
        /// KIND/NAME or KIND/NAME@VERSION
        reference: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Publish { series, file, message, requires } => {
            let answer = publish(client, &series, &read(&file)?, is_data(&file), &message, &requires).await?;
            if client.json {
                print::json(&answer);
            } else {
                let verb = if answer["created"] == json!(true) { "created" } else { "exists" };
                print::line(&format!(
                    "{verb}  {}  {}",
                    print::text(&answer, "reference"),
                    &print::text(&answer, "digest")[..8]
                ));
            }
        }
        Verb::List => {
            let answer = client.get("/artifacts").await?;
            if client.json {
                print::json(&answer);
            } else {
                let row = |one: &Value| {
                    vec![
                        format!("{}/{}", print::text(one, "kind"), print::text(one, "name")),
                        print::text(one, "latest"),
                    ]
                };
                print::table(
                    &["series", "latest"],
                    &print::list(&answer, "artifacts").iter().map(row).collect::<Vec<_>>(),
                );
            }
        }
        Verb::Show { reference } => show(client, &reference).await?,
    }
    Ok(0)
}

async fn show(client: &Client, reference: &str) -> anyhow::Result<()> {
    let answer = client.get(&format!("/artifacts/{}", reference.replace('@', "/"))).await?;
    if client.json || reference.contains('@') {
        print::json(&answer);
        return Ok(());
    }
    let row = |one: &Value| {
        vec![
            print::text(one, "version"),
            print::text(one, "author"),
            human::moment(one["created_at"].as_i64().unwrap_or(0)),
            print::list(one, "used_by").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            print::text(one, "message"),
        ]
    };
    let rows: Vec<_> = print::list(&answer, "versions").iter().map(row).collect();
    print::table(&["version", "author", "made (UTC)", "used by", "message"], &rows);
    Ok(())
}

/// Publishes a content: a text becomes a prompt, data stay what they are.
pub async fn publish(
    client: &Client,
    series: &str,
    text: &str,
    data: bool,
    message: &str,
    requires: &[String],
) -> anyhow::Result<Value> {
    let Some((kind, name)) = series.split_once('/') else {
        bail!("\"{series}\" is no series: write KIND/NAME, as in system_prompt/support");
    };
    let content: Value = match kind {
        "system_prompt" | "prompt_template" if !data => json!({"text": text}),
        "rubric" if !data => json!({"instructions": text}),
        _ => serde_yaml_ng::from_str(text)
            .with_context(|| format!("{series}: content is neither JSON nor YAML"))?,
    };
    let requires = requires.iter().map(|text| requirement(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let body =
        json!({"kind": kind, "name": name, "content": content, "message": message, "requires": requires});
    client.post("/artifacts", &body).await
}

fn requirement(text: &str) -> anyhow::Result<Value> {
    let shape = || format!("--requires {text}: write KIND, KIND/NAME or KIND/NAME@LOWEST");
    let (series, version) = text.split_once('@').map_or((text, "1"), |(series, version)| (series, version));
    let version: u32 = version.parse().ok().with_context(shape)?;
    let (kind, name) = series.split_once('/').map_or((series, None), |(kind, name)| (kind, Some(name)));
    let mut requirement = json!({"kind": kind, "version_min": version});
    if let Some(name) = name {
        requirement["name"] = name.into();
    }
    Ok(requirement)
}

/// The text in a file, or of standard input for `-`.
pub fn read(file: &std::path::Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).context("reading standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Whether a file's name says that it holds JSON or YAML.
pub fn is_data(file: &std::path::Path) -> bool {
    file.extension().and_then(|end| end.to_str()).is_some_and(|end| matches!(end, "json" | "yaml" | "yml"))
}
