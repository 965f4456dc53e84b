//! `serinus revisions`: the log as people read it, latest first.

use clap::Args;
use serde_json::Value;

use super::{Client, print};
use crate::human;

/// Read the revision log
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  serinus revisions\n  serinus revisions 45          # one revision, with its cause and evidence"
)]
pub struct RevisionsArgs {
    /// One revision
    pub number: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

/// Runs it.
pub async fn run(args: RevisionsArgs, client: &Client) -> anyhow::Result<u8> {
    if let Some(number) = args.number {
        print::json(&client.get(&format!("/revisions/{number}")).await?);
        return Ok(0);
    }
    let answer = client.get(&format!("/revisions?limit={}", args.limit)).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    let row = |one: &Value| {
        vec![
            print::text(one, "number"),
            human::moment(one["at"].as_i64().unwrap_or(0)),
            print::text(one, "actor"),
            print::text(one, "message"),
        ]
    };
    print::table(
        &["revision", "at (UTC)", "actor", "message"],
        &print::list(&answer, "revisions").iter().map(row).collect::<Vec<_>>(),
    );
    Ok(0)
}
