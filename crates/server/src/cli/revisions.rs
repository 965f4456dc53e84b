//! `serinus revisions`: the log as people and auditors read it, and taking a revision back.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Client, environment_copy::path_line, print};
use crate::human;

/// Read the revision log
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  serinus revisions                                   # the latest, as `revisions list`
  serinus revisions 45                                # one, as `revisions show`
  serinus revisions list --actor ana --subject feature/support
  serinus revisions revert 45 --dry-run
  serinus revisions verify"
)]
pub struct RevisionsArgs {
    /// What to do
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// One revision
    pub number: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

/// Verbs of `revisions`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List revisions, latest first
    #[command(
        after_help = "Examples:\n  serinus revisions list --actor ana --subject flag/ --since 2026-11-01"
    )]
    List(ListArgs),
    /// Show a revision as it is stored, with its cause and evidence
    #[command(after_help = "Examples:\n  serinus revisions show 45")]
    Show {
        /// Which
        number: u64,
    },
    /// Show what a revision changed, document by document
    #[command(after_help = "Examples:\n  serinus revisions diff 45")]
    Diff {
        /// Which
        number: u64,
    },
    /// Take a revision back: what it changed goes back to what it was, if nobody changed it since
    #[command(
        after_help = "Examples:\n  serinus revisions revert 45 --dry-run\n  serinus revisions revert 45"
    )]
    Revert {
        /// Which
        number: u64,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Compute the chain of digests and the snapshot again from the stored log
    #[command(
        after_help = "Examples:\n  serinus revisions verify      # exit code 3 where something does not hold"
    )]
    Verify,
    /// Make every automated decision again from its revision alone
    #[command(
        after_help = "Examples:\n  serinus revisions replay-decisions      # exit code 3 where one comes out otherwise"
    )]
    ReplayDecisions,
    /// Write the log for an auditor: a line of JSON per revision, oldest first, with what differs
    #[command(after_help = "Examples:\n  serinus revisions export --since 2026-01-01 > audit.jsonl")]
    Export(FilterArgs),
}

/// Which revisions.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// By this actor
    #[arg(long)]
    pub actor: Option<String>,
    /// Of this document, or of all whose keys begin so: feature/support, flag/
    #[arg(long)]
    pub subject: Option<String>,
    /// By whom or what
    #[arg(long, value_parser = ["person", "token", "controller"])]
    pub cause: Option<String>,
    /// Not before this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = human::day)]
    pub since: Option<i64>,
    /// Before this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = human::day)]
    pub until: Option<i64>,
    /// Before this revision
    #[arg(long)]
    pub before: Option<u64>,
}

/// Which revisions, and how many.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which
    #[command(flatten)]
    pub filter: FilterArgs,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

impl FilterArgs {
    fn query(&self) -> String {
        let texts = [("actor", &self.actor), ("subject", &self.subject), ("cause", &self.cause)];
        let mut query = String::new();
        for (name, text) in texts {
            if let Some(text) = text {
                let escaped: String = text.bytes().map(escaped).collect();
                query.push_str(&format!("&{name}={escaped}"));
            }
        }
        for (name, at) in [("since", self.since), ("until", self.until)] {
            query.extend(at.map(|at| format!("&{name}={at}")));
        }
        query.extend(self.before.map(|before| format!("&before={before}")));
        query
    }
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        return char::from(byte).to_string();
    }
    format!("%{byte:02X}")
}

/// Runs it.
pub async fn run(args: RevisionsArgs, client: &Client) -> anyhow::Result<u8> {
    match (args.verb, args.number) {
        (None, None) => list(&format!("/revisions?limit={}", args.limit), client).await,
        (None, Some(number)) | (Some(Verb::Show { number }), _) => {
            print::json(&client.get(&format!("/revisions/{number}")).await?);
            Ok(0)
        }
        (Some(Verb::List(args)), _) => {
            list(&format!("/revisions?limit={}{}", args.limit, args.filter.query()), client).await
        }
        (Some(Verb::Diff { number }), _) => diff(number, client).await,
        (Some(Verb::Revert { number, dry_run }), _) => revert(number, dry_run, client).await,
        (Some(Verb::Verify), _) => verify(client).await,
        (Some(Verb::ReplayDecisions), _) => replay(client).await,
        (Some(Verb::Export(filter)), _) => export(&filter, client).await,
    }
}

async fn list(path: &str, client: &Client) -> anyhow::Result<u8> {
    let answer = client.get(path).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    let row = |one: &Value| {
        let by = match one["approval"]["approvers"].as_array() {
            Some(approvers) => {
                let names: Vec<_> = approvers.iter().filter_map(Value::as_str).collect();
                format!("{}, approved by {}", print::text(one, "actor"), names.join(", "))
            }
            None => print::text(one, "actor"),
        };
        vec![
            print::text(one, "number"),
            human::moment(one["at"].as_i64().unwrap_or(0)),
            by,
            print::text(one, "via"),
            print::text(one, "message"),
        ]
    };
    print::table(
        &["revision", "at (UTC)", "actor", "via", "message"],
        &print::list(&answer, "revisions").iter().map(row).collect::<Vec<_>>(),
    );
    Ok(0)
}

async fn diff(number: u64, client: &Client) -> anyhow::Result<u8> {
    let answer = client.get(&format!("/revisions/{number}/diff")).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    print::line(&format!(
        "revision {number}  {}  {}  {}",
        human::moment(answer["at"].as_i64().unwrap_or(0)),
        print::text(&answer, "actor"),
        print::text(&answer, "message")
    ));
    for change in print::list(&answer, "changes") {
        print::line(&format!("  {} {}", print::text(change, "op"), print::text(change, "key")));
        print::list(change, "paths").iter().for_each(|path| print::line(&format!("    {}", path_line(path))));
    }
    Ok(0)
}

async fn revert(number: u64, dry_run: bool, client: &Client) -> anyhow::Result<u8> {
    let answer = client.post(&format!("/revisions/{number}/revert"), &json!({ "dry_run": dry_run })).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    for key in print::list(&answer, "back").iter().filter_map(Value::as_str) {
        print::line(&format!("  back   {key}"));
    }
    for one in print::list(&answer, "left") {
        print::line(&format!("  stays  {} ({})", print::text(one, "key"), print::text(one, "reason")));
    }
    print::line(&match answer["revision"].as_u64() {
        Some(revision) => format!("revision {number} taken back as revision {revision}"),
        None if dry_run => "nothing was changed: a dry run".to_owned(),
        None => "all is as it was before already".to_owned(),
    });
    Ok(0)
}

/// The exit code where something does not hold.
const BROKEN: u8 = 3;

async fn verify(client: &Client) -> anyhow::Result<u8> {
    let answer = client.get("/revisions/verify").await?;
    let intact = answer["intact"] == json!(true);
    if client.json {
        print::json(&answer);
    } else {
        let fold = if answer["snapshot_is_fold"] == json!(true) { "is its fold" } else { "IS NOT its fold" };
        print::line(&format!(
            "{} revisions, head {}; what is served {fold}; {} contents read, {} missing",
            print::text(&answer, "revisions"),
            print::text(&answer, "digest"),
            print::text(&answer, "contents"),
            print::list(&answer, "contents_missing").len()
        ));
        if !answer["broken"].is_null() {
            let (after, reason) =
                (print::text(&answer, "broken.after"), print::text(&answer, "broken.reason"));
            print::line(&format!("BROKEN after revision {after}: {reason}"));
        }
        print::line(if intact { "intact" } else { "not intact" });
    }
    Ok(if intact { 0 } else { BROKEN })
}

async fn replay(client: &Client) -> anyhow::Result<u8> {
    let answer = client.get("/revisions/replay-decisions").await?;
    let different = print::list(&answer, "different");
    if client.json {
        print::json(&answer);
    } else {
        print::line(&format!(
            "{} decisions, {} identical, {} different",
            print::text(&answer, "decisions"),
            print::text(&answer, "identical"),
            different.len()
        ));
        for one in different {
            print::line(&format!(
                "  revision {}: {}",
                print::text(one, "revision"),
                print::text(one, "rollout")
            ));
        }
    }
    Ok(if different.is_empty() { 0 } else { BROKEN })
}

async fn export(filter: &FilterArgs, client: &Client) -> anyhow::Result<u8> {
    let text = client.text(&format!("/revisions?format=jsonl{}", filter.query())).await?;
    text.lines().for_each(print::line);
    Ok(0)
}
