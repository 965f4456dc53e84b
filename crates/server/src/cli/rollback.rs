//! `serinus rollback`: one command at 3 a.m., and the proof that it took effect. Exit 0: in effect everywhere; 3: appended, some
//! nodes have not said so; 2: say which.

use clap::Args;
use serde_json::{Value, json};

use super::{Client, Refusal, print};

/// Take a change back, everywhere and at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus rollback                       # the only running rollout
  serinus rollback support               # by feature or by rollout
  serinus rollback support --dry-run     # what it would do

Exit code 0: in effect on every node. 3: appended, laggards are named. 2: several rollouts run, name one.")]
pub struct RollbackArgs {
    /// A feature or a rollout
    pub subject: Option<String>,
    /// Whom it touches
    #[arg(long, value_parser = ["next_turn", "new_sessions"])]
    pub reach: Option<String>,
    /// Why
    #[arg(short, long, default_value = "")]
    pub message: String,
    /// Accept a target that is not proven
    #[arg(long)]
    pub force: bool,
    /// Show what it would do
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs it.
pub async fn run(args: RollbackArgs, client: &Client) -> anyhow::Result<u8> {
    let mut body = json!({"message": args.message, "force": args.force, "dry_run": args.dry_run});
    if let Some(subject) = &args.subject {
        body["subject"] = subject.as_str().into();
    }
    if let Some(reach) = &args.reach {
        body["reach"] = reach.as_str().into();
    }
    let answer = match client.post("/rollback", &body).await {
        Ok(answer) => answer,
        Err(refused) => {
            if let Some(Refusal { code, detail, .. }) = refused.downcast_ref()
                && code == "rollback.ambiguous"
            {
                print::line(detail);
                return Ok(2);
            }
            return Err(refused);
        }
    };
    let (nodes, active) = (answer["activation"]["nodes"].as_u64(), answer["activation"]["active"].as_u64());
    let everywhere = args.dry_run || answer["revision"].is_null() || nodes == active;
    if client.json {
        print::json(&answer);
    } else {
        show(&answer, &args);
    }
    Ok(if everywhere { 0 } else { 3 })
}

fn show(answer: &Value, args: &RollbackArgs) {
    let layers = print::layers;
    for one in print::list(answer, "moves") {
        print::line(&format!(
            "  {}  {} -> {}",
            print::text(one, "feature"),
            layers(&one["from"]),
            layers(&one["to"])
        ));
    }
    let reach = match answer["reach"].as_str() {
        Some("new_sessions") => "new sessions; those that have it keep it to their end".to_owned(),
        _ => {
            format!("every session at its next turn: {} open sessions", print::text(answer, "open_sessions"))
        }
    };
    print::line(&format!("  reach    {reach}"));
    for warning in print::list(answer, "warnings").iter().filter_map(Value::as_str) {
        print::line(&format!("  note     {warning}"));
    }
    if args.dry_run {
        return print::line("  dry run  nothing was changed");
    }
    if answer["revision"].is_null() {
        return print::line("  done     it had been taken back already");
    }
    let laggards: Vec<_> =
        print::list(&answer["activation"], "laggards").iter().filter_map(Value::as_str).collect();
    let late =
        if laggards.is_empty() { String::new() } else { format!("; waiting for {}", laggards.join(", ")) };
    print::line(&format!(
        "  done     revision {}, in effect on {} of {} nodes after {} ms{late}",
        print::text(answer, "revision"),
        print::text(answer, "activation.active"),
        print::text(answer, "activation.nodes"),
        print::text(answer, "activation.after_ms"),
    ));
    let rollout = print::text(answer, "rollout");
    print::line(&format!("  locked   {rollout} stays off until `serinus rollout rearm {rollout}`"));
}
