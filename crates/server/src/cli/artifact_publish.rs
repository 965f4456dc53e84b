//! `serinus artifact publish` and `import`: new versions, from a file or from another prompt platform. Checks nothing that the server
//! checks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{
    Client,
    artifact::{content, is_data, read, requirement},
    artifact_diff::summary,
    print,
};

/// What to publish.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// KIND/NAME, as in system_prompt/support
    pub series: String,
    /// The content: text for prompts, JSON or YAML for the rest; - reads standard input
    pub file: PathBuf,
    /// Why
    #[arg(short, long, default_value = "")]
    pub message: String,
    /// What a bundle with this version must have, as in output_parser/json@3; may be given more than once
    #[arg(long, alias = "require")]
    pub requires: Vec<String>,
    #[command(flatten)]
    pub text: TextArgs,
    /// A label that moves to the version; may be given more than once
    #[arg(long = "label")]
    pub labels: Vec<String>,
    /// Say that what looks like personal data belongs there
    #[arg(long)]
    pub personal_data_intended: bool,
}

/// How a text is written.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// How the text is written: jinja or mustache
    #[arg(long, value_parser = ["jinja", "mustache"])]
    pub syntax: Option<String>,
    /// A variable that the text uses, as NAME, NAME:TYPE or NAME:TYPE=DEFAULT; may be given more than once
    #[arg(long = "var", value_name = "NAME:TYPE=DEFAULT")]
    pub variables: Vec<String>,
}

impl TextArgs {
    fn onto(&self, content: &mut Value) -> anyhow::Result<()> {
        if let Some(syntax) = &self.syntax {
            content["syntax"] = syntax.as_str().into();
        }
        for text in &self.variables {
            let (name, decl) = variable(text)?;
            content["variables"][name] = decl;
        }
        Ok(())
    }
}

/// A declared variable: `name`, `name:type`, `name:type=default`, `name=default`.
fn variable(text: &str) -> anyhow::Result<(&str, Value)> {
    let (declared, default) = match text.split_once('=') {
        Some((declared, default)) => (declared, Some(default)),
        None => (text, None),
    };
    let (name, kind) = declared.split_once(':').unwrap_or((declared, "string"));
    if name.is_empty() {
        bail!("--var {text}: write NAME, NAME:TYPE or NAME:TYPE=DEFAULT, as in plan:string=free");
    }
    let mut decl = json!({ "type": kind });
    if let Some(default) = default {
        let as_json = || {
            serde_json::from_str(default).with_context(|| format!("--var {text}: the default is no {kind}"))
        };
        decl["default"] = if kind == "string" { default.into() } else { as_json()? };
    }
    Ok((name, decl))
}

/// Publishes.
pub async fn publish(args: PublishArgs, client: &Client) -> anyhow::Result<()> {
    let Some((kind, name)) = args.series.split_once('/') else {
        bail!("\"{}\" is no series: write KIND/NAME, as in system_prompt/support", args.series);
    };
    let mut content = content(kind, &read(&args.file)?, is_data(&args.file))
        .with_context(|| format!("{}: content is neither JSON nor YAML", args.series))?;
    args.text.onto(&mut content)?;
    let requires = args.requires.iter().map(|text| requirement(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut body = json!({
        "kind": kind, "name": name, "content": content, "message": args.message, "requires": requires,
        "labels": args.labels,
    });
    if args.personal_data_intended {
        body["personal_data"] = "intended".into();
    }
    let answer = client.post("/artifacts", &body).await?;
    told(client, &answer).await;
    Ok(())
}

/// Says which version it is, and how much of it is new.
async fn told(client: &Client, answer: &Value) {
    if client.json {
        return print::json(answer);
    }
    let created = answer["created"] == json!(true);
    let verb = if created { "created" } else { "exists" };
    let reference = print::text(answer, "reference");
    let version = answer["version"].as_u64().unwrap_or(1);
    let mut line = format!("{verb}  {reference}  {}", &print::text(answer, "digest")[..8]);
    if created
        && version > 1
        && let Some((series, _)) = reference.rsplit_once('@')
        && let Ok(diff) =
            client.get(&format!("/artifacts/{series}/diff?from={}&to={version}", version - 1)).await
    {
        line.push_str(&format!("  {}", summary(&diff)));
    }
    print::line(&line);
}

/// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// PLATFORM:NAME or PLATFORM:NAME@VERSION, as in langfuse:support@3
    pub source: String,
    /// What it becomes here, as KIND/NAME
    #[arg(long = "as", value_name = "KIND/NAME")]
    pub series: String,
    /// The platform's label that points to the version, where none is said
    #[arg(long)]
    pub from_label: Option<String>,
    /// Why
    #[arg(short, long, default_value = "")]
    pub message: String,
    /// A label that moves to the version here; may be given more than once
    #[arg(long = "label")]
    pub labels: Vec<String>,
}

/// Imports.
pub async fn import(args: ImportArgs, client: &Client) -> anyhow::Result<()> {
    let cited: serinus_domain::source::CitedPrompt = args.source.parse().map_err(anyhow::Error::msg)?;
    let Some((kind, name)) = args.series.split_once('/') else {
        bail!("--as {}: write KIND/NAME, as in system_prompt/support", args.series);
    };
    let mut body = json!({
        "platform": cited.platform, "name": cited.name, "kind": kind, "as": name,
        "message": args.message, "labels": args.labels,
    });
    if let Some(version) = cited.version {
        body["version"] = version.into();
    }
    if let Some(label) = args.from_label {
        body["label"] = label.into();
    }
    let answer = client.post("/artifacts/import", &body).await?;
    told(client, &answer).await;
    if !client.json {
        for what in print::list(&answer, "not_carried").iter().filter_map(Value::as_str) {
            print::line(&format!("  not carried  {what}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_declared_as_people_write_them() {
        for (text, name, decl) in [
            ("name", "name", json!({"type": "string"})),
            ("plan:string=free", "plan", json!({"type": "string", "default": "free"})),
            ("plan=free=1", "plan", json!({"type": "string", "default": "free=1"})),
            ("n:number=2", "n", json!({"type": "number", "default": 2})),
            ("docs:array=[]", "docs", json!({"type": "array", "default": []})),
        ] {
            assert_eq!(variable(text).unwrap(), (name, decl), "{text}");
        }
        assert!(variable("n:number=two").is_err() && variable(":string").is_err());
    }
}
