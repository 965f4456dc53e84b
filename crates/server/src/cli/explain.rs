//! `serinus flag explain` and `serinus feature explain`: why somebody gets what they get. Decides nothing.

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{Client, print};

/// Whose answer is to be explained.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Its key
    pub key: String,
    /// The user
    #[arg(long)]
    pub user: Option<String>,
    /// The session or task
    #[arg(long)]
    pub session: Option<String>,
    /// An attribute; a value that is no JSON is a text. May be given more than once
    #[arg(long = "attr", value_name = "NAME=VALUE")]
    pub attributes: Vec<String>,
}

/// Asks for the explanation of what `resource` (`flags`, `features`) answers.
pub async fn run(args: &ExplainArgs, resource: &str, client: &Client) -> anyhow::Result<u8> {
    let mut attributes = Map::new();
    for given in &args.attributes {
        let (name, value) =
            given.split_once('=').with_context(|| format!("--attr {given}: write NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        attributes.insert(name.to_owned(), value);
    }
    let context = json!({"user": args.user, "session": args.session, "attributes": attributes});
    let answer =
        client.post(&format!("/{resource}/{}/explain", args.key), &json!({"context": context})).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    let decision = &answer["decision"];
    let variant = decision["variant"].as_str().unwrap_or("the caller's default");
    print::line(&format!(
        "{}: {variant} ({}, revision {})",
        args.key,
        print::text(decision, "reason"),
        print::text(decision, "revision")
    ));
    let row = |step: &Value| {
        ["step", "subject", "outcome", "detail"].map(|member| print::text(step, member)).to_vec()
    };
    print::table(
        &["step", "subject", "outcome", "because"],
        &print::list(&answer, "steps").iter().map(row).collect::<Vec<_>>(),
    );
    Ok(0)
}
