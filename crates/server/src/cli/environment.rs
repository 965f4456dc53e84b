//! `serinus environment`: which there are, and whether changes in them wait for a second person.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, environment_copy, print};
use crate::human;

/// Verbs of `environment`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List environments
    #[command(after_help = "Examples:\n  serinus environment list")]
    List,
    /// Make an environment
    #[command(after_help = "Examples:
  serinus environment create staging
  serinus -e staging flag put dark-mode --value true      # then say it with -e, or bind a token to it")]
    Create {
        /// Its key
        key: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Let every change wait for a person other than its author; rollback, kill and hold never wait
    #[command(after_help = "Examples:
  serinus environment protect production
  serinus environment protect production --approvals 2 --approve git")]
    Protect {
        /// Its key
        key: String,
        /// How many approvals a change takes
        #[arg(long)]
        approvals: Option<u32>,
        /// What counts: person, or git for merges applied by a token that may approve as well
        #[arg(long, value_parser = ["person", "git"])]
        approve: Option<String>,
    },
    /// Copy features, flags, segments and versions to another environment
    Copy(environment_copy::CopyArgs),
    /// Say what two environments do not have alike
    Diff(environment_copy::DiffArgs),
    /// Let changes in at once again; in a protected environment that is itself a proposal
    #[command(after_help = "Examples:\n  serinus environment unprotect staging")]
    Unprotect {
        /// Its key
        key: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let (key, body) = match verb {
        Verb::List => {
            list(client).await?;
            return Ok(0);
        }
        Verb::Copy(args) => return environment_copy::copy(args, client).await,
        Verb::Diff(args) => return environment_copy::diff(args, client).await,
        Verb::Create { key, description } => (key, json!({"description": description})),
        Verb::Protect { key, approvals, approve } => {
            (key, json!({"protected": true, "approvals_min": approvals, "approve": approve}))
        }
        Verb::Unprotect { key } => (key, json!({"protected": false})),
    };
    let answer = client.put(&format!("/environments/{key}"), &body).await?;
    if client.json {
        print::json(&answer);
    } else {
        print::line(&format!("{key}  {}", rules(&answer)));
    }
    Ok(0)
}

fn rules(one: &Value) -> String {
    if one["protected"] != json!(true) {
        return "changes are in effect at once".to_owned();
    }
    let git = if one["approve"] == json!("git") { ", or a merge" } else { "" };
    let many = one["approvals_min"].as_u64().unwrap_or(1);
    format!("changes wait for {}{git}", human::counted(many, "approval"))
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let answer = client.get("/environments").await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let row = |one: &Value| {
        vec![
            print::text(one, "key"),
            print::text(one, "revision"),
            rules(one),
            print::text(one, "description"),
        ]
    };
    let rows: Vec<_> = print::list(&answer, "environments").iter().map(row).collect();
    print::table(&["environment", "revision", "rules", ""], &rows);
    Ok(())
}
