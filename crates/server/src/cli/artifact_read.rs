//! `serinus artifact list`, `show`, `usage` and `render`: what the registry says of its versions. Changes nothing.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{
    Client,
    artifact::{content, is_data, read, version_path},
    print,
};
use crate::human;

fn words(value: &Value, member: &str) -> String {
    print::list(value, member).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// Prints all series.
pub async fn list(client: &Client, kind: Option<&str>, archived: bool) -> anyhow::Result<()> {
    let kind = kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
    let answer = client.get(&format!("/artifacts?archived={archived}{kind}")).await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let labels = |one: &Value| {
        let labels = one["labels"].as_object().into_iter().flatten();
        labels.map(|(label, version)| format!("{label}={version}")).collect::<Vec<_>>().join(" ")
    };
    let row = |one: &Value| {
        let series = format!("{}/{}", print::text(one, "kind"), print::text(one, "name"));
        vec![series, print::text(one, "latest"), labels(one)]
    };
    let rows: Vec<_> = print::list(&answer, "artifacts").iter().map(row).collect();
    print::table(&["series", "latest", "labels"], &rows);
    Ok(())
}

/// Prints a series, or a version.
pub async fn show(client: &Client, reference: &str, model: Option<&str>) -> anyhow::Result<()> {
    if reference.contains('@') {
        let model = model.map(|model| format!("?model={model}")).unwrap_or_default();
        print::json(&client.get(&format!("{}{model}", version_path(reference)?)).await?);
        return Ok(());
    }
    let answer = client.get(&format!("/artifacts/{reference}")).await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let row = |one: &Value| {
        let mut labels = words(one, "labels");
        for state in ["archived", "redacted"] {
            if one[state] == json!(true) {
                labels = format!("{labels} ({state})").trim().to_owned();
            }
        }
        vec![
            print::text(one, "version"),
            print::text(one, "author"),
            human::moment(one["created_at"].as_i64().unwrap_or(0)),
            labels,
            words(one, "used_by"),
            print::text(one, "message"),
        ]
    };
    let rows: Vec<_> = print::list(&answer, "versions").iter().map(row).collect();
    print::table(&["version", "author", "made (UTC)", "labels", "used by", "message"], &rows);
    Ok(())
}

/// Prints which bundles a version is a part of.
pub async fn usage(client: &Client, reference: &str) -> anyhow::Result<()> {
    let answer = client.get(&version_path(reference)?).await?;
    if client.json {
        print::json(&json!({ "usage": answer["usage"] }));
        return Ok(());
    }
    let row = |one: &Value| {
        let last = one["last_at"].as_i64().map_or_else(|| "-".to_owned(), human::moment);
        let bundle = print::text(one, "bundle").chars().take(4).collect();
        vec![
            print::text(one, "feature"),
            bundle,
            print::text(one, "served_as"),
            print::text(one, "count"),
            last,
        ]
    };
    let rows: Vec<_> = print::list(&answer, "usage").iter().map(row).collect();
    if rows.is_empty() {
        print::line(&format!("{reference} is a part of no bundle"));
    } else {
        print::table(&["feature", "bundle", "served as", "times", "last (UTC)"], &rows);
    }
    Ok(())
}

/// What to render.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// KIND/NAME@VERSION; or a kind, with a file
    pub subject: String,
    /// A text that is not published; - reads standard input
    pub file: Option<PathBuf>,
    /// How the file's text is written: jinja or mustache
    #[arg(long, value_parser = ["jinja", "mustache"])]
    pub syntax: Option<String>,
    /// A sample variable as NAME=VALUE, or NAME:=JSON for what is no text; may be given more than once
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Count tokens for this model, as its provider names it
    #[arg(long)]
    pub model: Option<String>,
}

/// Renders.
pub async fn render(args: RenderArgs, client: &Client) -> anyhow::Result<()> {
    let variables = args.variables.iter().map(|text| sample(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut body = match &args.file {
        None => json!({ "reference": args.subject }),
        Some(file) => {
            let mut content = content(&args.subject, &read(file)?, is_data(file))?;
            if let Some(syntax) = &args.syntax {
                content["syntax"] = syntax.as_str().into();
            }
            // A draft's variables are what it is tried with.
            for (name, value) in &variables {
                if content["variables"][name].is_null() {
                    content["variables"][name] = json!({ "type": kind(value) });
                }
            }
            json!({ "kind": args.subject, "content": content })
        }
    };
    body["variables"] = variables.into_iter().collect::<serde_json::Map<_, _>>().into();
    if let Some(model) = &args.model {
        body["model"] = model.as_str().into();
    }
    let answer = client.post("/artifacts/render", &body).await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    print::line(&print::text(&answer, "text"));
    let estimate =
        if answer["tokens"]["exact"] == json!(true) { "" } else { ", an estimate for other models" };
    let tokens = &answer["tokens"];
    eprintln!("{} tokens ({}{estimate})", print::text(tokens, "count"), print::text(tokens, "encoding"));
    Ok(())
}

fn sample(text: &str) -> anyhow::Result<(String, Value)> {
    let shape = || format!("--var {text}: write NAME=VALUE, or NAME:=JSON");
    let (name, value) = text.split_once('=').with_context(shape)?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, serde_json::from_str(value).with_context(shape)?),
        None => (name, value.into()),
    };
    if name.is_empty() {
        bail!(shape());
    }
    Ok((name.to_owned(), value))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(_) | Value::Null => "string",
    }
}
