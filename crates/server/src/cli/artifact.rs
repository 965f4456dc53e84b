//! `serinus artifact`: versions of layers, rubrics, taxonomies and datasets. Checks nothing that the server checks.

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Client, artifact_diff,
    artifact_publish::{self, ImportArgs, PublishArgs},
    artifact_read, print,
};

/// Verbs of `artifact`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Publish a version; the same content again is the same version
    #[command(after_help = "Examples:
  serinus artifact publish system_prompt/support concise.md -m \"shorter answers\" --label reviewed
  serinus artifact publish system_prompt/support hello.md --syntax mustache --var name --var plan:string=free
  serinus artifact publish model/gpt-4o gpt-4o.yaml
  echo '{\"temperature\": 0.2}' | serinus artifact publish sampling/support -")]
    Publish(PublishArgs),
    /// Copy a prompt from another platform and publish it
    #[command(after_help = "Examples:
  serinus artifact import langfuse:support@3 --as system_prompt/support
  serinus artifact import promptlayer:welcome --as system_prompt/welcome
The server asks the platform, with LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or PROMPTLAYER_API_KEY, of its environment.")]
    Import(ImportArgs),
    /// List all series
    #[command(
        after_help = "Examples:\n  serinus artifact list\n  serinus artifact list --kind system_prompt --archived"
    )]
    List {
        /// Only of this kind
        #[arg(long)]
        kind: Option<String>,
        /// Those too of which every version is put away
        #[arg(long)]
        archived: bool,
    },
    /// Show a series, or one version with its content
    #[command(
        after_help = "Examples:\n  serinus artifact show system_prompt/support\n  serinus artifact show system_prompt/support@2 --model model/gpt-4o@1"
    )]
    Show {
        /// KIND/NAME or KIND/NAME@VERSION
        reference: String,
        /// Count tokens and cost for this model
        #[arg(long, value_name = "MODEL")]
        model: Option<String>,
    },
    /// Show what two versions do not have in common
    #[command(
        after_help = "Examples:\n  serinus artifact diff system_prompt/support@1 2\n  serinus artifact diff system_prompt/support    # the newest against the one before it"
    )]
    Diff {
        /// KIND/NAME@VERSION; or KIND/NAME for the one before the newest
        from: String,
        /// The other version's number; the newest where not said
        to: Option<u32>,
    },
    /// Show which bundles a version is a part of, and when they were served last
    #[command(after_help = "Examples:\n  serinus artifact usage system_prompt/support@2")]
    Usage {
        /// KIND/NAME@VERSION
        reference: String,
    },
    /// Render a prompt with sample variables, as it would be sent
    #[command(after_help = "Examples:
  serinus artifact render system_prompt/support@3 --var name=Ana --var plan=gold
  serinus artifact render system_prompt draft.md --syntax mustache --var name=Ana")]
    Render(artifact_read::RenderArgs),
    /// Point a label at a version, or take it off
    #[command(
        after_help = "Examples:\n  serinus artifact label system_prompt/support@2 reviewed\n  serinus artifact label system_prompt/support reviewed --remove"
    )]
    Label {
        /// KIND/NAME@VERSION; KIND/NAME with --remove
        reference: String,
        /// The label; latest and production stand for a rule and are set by nobody
        label: String,
        /// Take it off
        #[arg(long)]
        remove: bool,
    },
    /// Put a version away: nothing new is made of it, what uses it goes on
    #[command(
        after_help = "Examples:\n  serinus artifact archive system_prompt/support@1\n  serinus artifact archive system_prompt/support@1 --undo"
    )]
    Archive {
        /// KIND/NAME@VERSION
        reference: String,
        /// Take it back
        #[arg(long)]
        undo: bool,
    },
    /// Remove a version's content for good; its number and digest stay
    #[command(
        after_help = "Examples:\n  serinus artifact redact system_prompt/support@1 --reason \"a customer's name\""
    )]
    Redact {
        /// KIND/NAME@VERSION
        reference: String,
        /// Why, for those who find it gone
        #[arg(long)]
        reason: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Publish(args) => artifact_publish::publish(args, client).await?,
        Verb::Import(args) => artifact_publish::import(args, client).await?,
        Verb::List { kind, archived } => artifact_read::list(client, kind.as_deref(), archived).await?,
        Verb::Show { reference, model } => artifact_read::show(client, &reference, model.as_deref()).await?,
        Verb::Diff { from, to } => artifact_diff::run(client, &from, to).await?,
        Verb::Usage { reference } => artifact_read::usage(client, &reference).await?,
        Verb::Render(args) => artifact_read::render(args, client).await?,
        Verb::Label { reference, label, remove } => {
            let answer = match (remove, reference.split_once('@')) {
                (true, _) => {
                    let series = reference.split('@').next().unwrap_or(&reference);
                    client.delete(&format!("/artifacts/{series}/labels/{label}")).await?
                }
                (false, Some((series, version))) => {
                    let version: u32 = version.parse().with_context(|| shape(&reference))?;
                    client
                        .put(&format!("/artifacts/{series}/labels/{label}"), &json!({"version": version}))
                        .await?
                }
                (false, None) => bail!(shape(&reference)),
            };
            told(client, &answer, &format!("{label}  {reference}"));
        }
        Verb::Archive { reference, undo } => {
            let path = format!("{}/archive", version_path(&reference)?);
            let answer = client.post(&path, &json!({"archived": !undo})).await?;
            told(client, &answer, &reference);
        }
        Verb::Redact { reference, reason } => {
            let path = format!("{}/redact", version_path(&reference)?);
            let answer = client.post(&path, &json!({"reason": reason})).await?;
            let all: Vec<_> = print::list(&answer, "references").iter().filter_map(Value::as_str).collect();
            told(client, &answer, &all.join(" "));
        }
    }
    Ok(0)
}

fn told(client: &Client, answer: &Value, subject: &str) {
    if client.json {
        return print::json(answer);
    }
    let verb = if answer["changed"] == json!(true) { "changed" } else { "unchanged" };
    print::line(&format!("{verb}  {subject}"));
}

fn shape(reference: &str) -> String {
    format!("\"{reference}\" is no version: write KIND/NAME@VERSION, as in system_prompt/support@2")
}

/// The API's path of a version.
pub fn version_path(reference: &str) -> anyhow::Result<String> {
    match reference.split_once('@') {
        Some((series, version)) if version.parse::<u32>().is_ok() => {
            Ok(format!("/artifacts/{series}/{version}"))
        }
        _ => bail!(shape(reference)),
    }
}

/// A file's text in the shape of its kind: text becomes a prompt, data stay what they are.
pub fn content(kind: &str, text: &str, data: bool) -> anyhow::Result<Value> {
    Ok(match kind {
        "system_prompt" | "prompt_template" if !data => json!({"text": text}),
        "rubric" if !data => json!({"instructions": text}),
        _ => serde_yaml_ng::from_str(text)?,
    })
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
    let content =
        content(kind, text, data).with_context(|| format!("{series}: content is neither JSON nor YAML"))?;
    let requires = requires.iter().map(|text| requirement(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let body =
        json!({"kind": kind, "name": name, "content": content, "message": message, "requires": requires});
    client.post("/artifacts", &body).await
}

pub(super) fn requirement(text: &str) -> anyhow::Result<Value> {
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
