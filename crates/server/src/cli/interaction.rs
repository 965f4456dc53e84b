//! `serinus interaction`: what was asked and answered, as it was recorded. Adds nothing up.

use std::fmt::Write;

use clap::Subcommand;
use serde_json::Value;

use super::{Client, print};
use crate::human;

/// Verbs of `interaction`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List interactions, latest first
    #[command(after_help = "Examples:
  serinus interaction list --feature support --score-below 0.5
  serinus interaction list --rollout support-2 --arm candidate --category billing")]
    List {
        /// Of one feature
        #[arg(long)]
        feature: Option<String>,
        /// Of one rollout
        #[arg(long)]
        rollout: Option<String>,
        /// Of one arm: control or candidate
        #[arg(long)]
        arm: Option<String>,
        /// Of one category
        #[arg(long)]
        category: Option<String>,
        /// Only failed, refused by their parser, or scored below this
        #[arg(long)]
        score_below: Option<f64>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one with its texts, by its id or by the provider's response id
    #[command(after_help = "Examples:\n  serinus interaction show chatcmpl-9f2c")]
    Show {
        /// Its id
        id: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Show { id } => print::json(&client.get(&format!("/interactions/{id}")).await?),
        Verb::List { feature, rollout, arm, category, score_below, limit } => {
            let mut path = format!("/interactions?limit={limit}");
            let texts = [("feature", feature), ("rollout", rollout), ("arm", arm), ("category", category)];
            for (name, value) in texts {
                if let Some(value) = value {
                    // Keys need no escaping; whatever else was typed the server refuses by name.
                    write!(path, "&{name}={}", value.replace(['&', '#', ' '], "_"))?;
                }
            }
            if let Some(below) = score_below {
                write!(path, "&score_below={below}")?;
            }
            let answer = client.get(&path).await?;
            if client.json {
                print::json(&answer);
                return Ok(0);
            }
            print::table(
                &["at (UTC)", "feature", "arm", "category", "question", "id"],
                &print::list(&answer, "interactions").iter().map(row).collect::<Vec<_>>(),
            );
        }
    }
    Ok(0)
}

fn row(one: &Value) -> Vec<String> {
    let question = one["question"].as_str().unwrap_or("-").replace('\n', " ");
    vec![
        human::moment(one.pointer("/record/at").and_then(Value::as_i64).unwrap_or(0)),
        print::text(one, "record.feature"),
        print::text(one, "record.arm.arm"),
        print::text(one, "record.category"),
        question.chars().take(60).collect(),
        print::text(one, "record.id"),
    ]
}
