//! `serinus proposal` and `serinus approve`: changes that wait for a second person. Checks nothing that the server checks.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Client, print, propose, rollout};
use crate::human;

/// Verbs of `proposal`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List proposals, latest first
    #[command(after_help = "Examples:\n  serinus proposal list --state open")]
    List {
        /// draft, open, applied, withdrawn or void
        #[arg(long, value_parser = ["draft", "open", "applied", "withdrawn", "void"])]
        state: Option<String>,
    },
    /// Show a proposal: what it changes, what was said, what changed under it since
    #[command(after_help = "Examples:\n  serinus proposal show 42")]
    Show {
        /// Its number
        id: u64,
    },
    /// Comment on a proposal
    #[command(after_help = "Examples:\n  serinus proposal comment 42 \"keep the apology\"")]
    Comment {
        /// Its number
        id: u64,
        /// What to say
        text: String,
    },
    /// Put another change in its place, or compute the same one again on what there is now; approvals are void then
    #[command(after_help = "Examples:
  serinus proposal edit 42                                       # the same change, on the head of now
  serinus proposal edit 42 support.system_prompt=@concise.md -m \"shorter, with the apology\"")]
    Edit {
        /// Its number
        id: u64,
        /// The change in place of the old one.
        #[command(flatten)]
        args: propose::ProposeArgs,
    },
    /// Hand a draft in for review
    #[command(after_help = "Examples:\n  serinus proposal submit 42")]
    Submit {
        /// Its number
        id: u64,
    },
    /// Apply an approved proposal that is held
    #[command(after_help = "Examples:\n  serinus proposal apply 42")]
    Apply {
        /// Its number
        id: u64,
    },
    /// Take a proposal back
    #[command(after_help = "Examples:\n  serinus proposal withdraw 42")]
    Withdraw {
        /// Its number
        id: u64,
    },
}

/// What is approved.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus approve 42
  serinus approve 42 --hold                # approve only; `serinus proposal apply 42` starts it
  serinus approve 42 --digest 9f2c...      # only if it still reads as it did when you looked")]
pub struct ApproveArgs {
    /// The proposal's number
    pub id: u64,
    /// Approve only
    #[arg(long)]
    pub hold: bool,
    /// The digest of what you looked at; of what it reads now when not given
    #[arg(long)]
    pub digest: Option<String>,
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    let answer = match verb {
        Verb::List { state } => {
            list(state, client).await?;
            return Ok(0);
        }
        Verb::Show { id } => {
            let answer = client.get(&format!("/proposals/{id}")).await?;
            if client.json {
                print::json(&answer)
            } else {
                show(&answer, client)
            }
            return Ok(0);
        }
        Verb::Comment { id, text } => {
            client.post(&format!("/proposals/{id}/comment"), &json!({"text": text})).await?
        }
        Verb::Edit { id, args } => edit(id, args, client).await?,
        Verb::Submit { id } => client.post(&format!("/proposals/{id}/submit"), &json!({})).await?,
        Verb::Apply { id } => client.post(&format!("/proposals/{id}/apply"), &json!({})).await?,
        Verb::Withdraw { id } => client.post(&format!("/proposals/{id}/withdraw"), &json!({})).await?,
    };
    told(&answer, client);
    Ok(0)
}

/// Approves exactly what the server shows now, or what was looked at before.
pub async fn approve(args: ApproveArgs, client: &Client) -> anyhow::Result<u8> {
    let ApproveArgs { id, hold, digest } = args;
    let digest = match digest {
        Some(digest) => digest,
        None => {
            let shown = client.get(&format!("/proposals/{id}")).await?;
            if !client.json {
                delivery(&shown);
            }
            print::text(&shown, "digest")
        }
    };
    let body = json!({"digest": digest, "hold": hold});
    told(&client.post(&format!("/proposals/{id}/approve"), &body).await?, client);
    Ok(0)
}

async fn edit(id: u64, args: propose::ProposeArgs, client: &Client) -> anyhow::Result<Value> {
    let mut body = json!({"message": args.message});
    if !args.reviewers.is_empty() {
        body["reviewers"] = json!(args.reviewers);
    }
    if args.hold {
        body["hold"] = true.into();
    }
    if !args.change.is_empty() || args.file.is_some() {
        body["request"] = propose::body(args)?;
    } else {
        body["recompute"] = true.into();
    }
    client.put(&format!("/proposals/{id}"), &body).await
}

fn told(answer: &Value, client: &Client) {
    if client.json {
        print::json(answer);
        return;
    }
    print::line(&headline(answer, client));
    if let Some(activation) = answer.get("activation").filter(|activation| activation.is_object()) {
        print::line(&format!(
            "  active     revision {} on {} of {} nodes after {} ms",
            print::text(answer, "revision"),
            activation["active"],
            activation["nodes"],
            activation["after_ms"],
        ));
    }
}

/// A proposal on one line: its address and whom it waits for.
pub fn headline(answer: &Value, client: &Client) -> String {
    let id = print::text(answer, "id");
    let at = format!("proposal {id}: {}{}", client.base(), print::text(answer, "url"));
    let waits: Vec<_> = print::list(answer, "waits_for").iter().filter_map(Value::as_str).collect();
    match print::text(answer, "state").as_str() {
        "open" if !waits.is_empty() => {
            format!("{at}, waits for {}", waits.join(", ").replace("approver", "an approver"))
        }
        "open" => format!("{at}, approved; `serinus proposal apply {id}` applies it"),
        "draft" => format!("{at}, a draft; `serinus proposal submit {id}` hands it in"),
        "applied" => format!("{at}, applied as revision {}", print::text(answer, "revision")),
        "void" => format!("{at}, void: {}", print::text(answer, "reason")),
        state => format!("{at}, {state}"),
    }
}

/// What would be delivered: versions with their word counts, the rollout, and the rules in force.
pub fn delivery(answer: &Value) {
    for one in print::list(answer, "versions") {
        print::line(&format!(
            "  change     {} -> {}   +{} -{} words",
            print::text(one, "from"),
            print::text(one, "reference"),
            one["words_added"],
            one["words_removed"],
        ));
        let (before, after) = (&one["tokens_before"]["count"], &one["tokens"]["count"]);
        if let Some(after) = after.as_u64() {
            let from = before.as_u64().map_or_else(String::new, |before| format!("{before} -> "));
            let cost = one["cost_per_1000_calls_micro_usd"].as_f64();
            let cost = cost.map_or_else(String::new, |cost| format!(", ${:.4} per 1,000 calls", cost / 1e6));
            print::line(&format!("  tokens     {from}{after}{cost}"));
        }
    }
    let rollout = &answer["rollout"];
    if rollout.is_object() {
        print::line(&format!("  rollout    {}: {}", print::text(rollout, "key"), rollout::stages(rollout)));
        for (action, label) in [("roll_back", "rolls back on"), ("hold", "holds on")] {
            let metrics: Vec<_> = print::list(&rollout["spec"], "guardrails")
                .iter()
                .filter(|one| one["action"] == action)
                .filter_map(|one| one["metric"].as_str())
                .collect();
            if !metrics.is_empty() {
                print::line(&format!("  {label:<13} {}", metrics.join(", ")));
            }
        }
        return;
    }
    for one in print::list(answer, "changes") {
        print::line(&format!("  {:<10} {}", print::text(one, "verb"), print::text(one, "key")));
    }
}

fn show(answer: &Value, client: &Client) {
    print::line(&headline(answer, client));
    print::line(&format!(
        "  {} by {}, {} (UTC), on revision {}",
        print::text(answer, "message"),
        print::text(answer, "author"),
        human::moment(answer["created_at"].as_i64().unwrap_or(0)),
        answer["base"],
    ));
    print::line(&format!("  digest     {}", print::text(answer, "digest")));
    delivery(answer);
    for one in print::list(answer, "approvals") {
        print::line(&format!("  approved   by {}", print::text(one, "person")));
    }
    for one in print::list(answer, "conflicts") {
        print::line(&format!("  conflict   {}", print::text(one, "reason")));
    }
    for one in print::list(answer, "comments") {
        let at = human::moment(one["at"].as_i64().unwrap_or(0));
        print::line(&format!("  {}  {at}  {}", print::text(one, "who"), print::text(one, "text")));
    }
}

async fn list(state: Option<String>, client: &Client) -> anyhow::Result<()> {
    let query = state.map_or_else(String::new, |state| format!("?state={state}"));
    let answer = client.get(&format!("/proposals{query}")).await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let row = |one: &Value| {
        let reviewers: Vec<_> = print::list(one, "reviewers").iter().filter_map(Value::as_str).collect();
        vec![
            print::text(one, "id"),
            print::text(one, "state"),
            print::text(one, "author"),
            reviewers.join(" "),
            print::text(one, "approvals"),
            print::text(one, "message"),
        ]
    };
    let rows: Vec<_> = print::list(&answer, "proposals").iter().map(row).collect();
    print::table(&["proposal", "state", "author", "reviewers", "approvals", "message"], &rows);
    Ok(())
}
