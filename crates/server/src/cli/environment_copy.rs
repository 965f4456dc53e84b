//! `serinus environment copy` and `diff`: configuration from one environment to another, and what differs between two.

use clap::Args;
use serde_json::{Value, json};

use super::{Client, plan, print};

/// Copy features, flags, segments and versions to another environment, as a revision that cites its source
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus environment copy support --from staging --to production --dry-run
  serinus environment copy feature/support flag/dark-mode segment/beta --from staging --to production")]
pub struct CopyArgs {
    /// feature/KEY, flag/KEY, segment/KEY, KIND/NAME@VERSION, or a feature's or flag's key
    #[arg(required = true)]
    pub subjects: Vec<String>,
    /// From which environment
    #[arg(long)]
    pub from: String,
    /// To which
    #[arg(long)]
    pub to: String,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// Say what two environments do not have alike
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  serinus environment diff staging production")]
pub struct DiffArgs {
    /// The one
    pub from: String,
    /// The other
    pub to: String,
}

/// Runs `copy`.
pub async fn copy(args: CopyArgs, client: &Client) -> anyhow::Result<u8> {
    let body = json!({
        "from": args.from, "to": args.to, "subjects": args.subjects, "dry_run": args.dry_run,
    });
    let answer = client.within(&args.to).post("/environments/copy", &body).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    plan::show(&answer);
    if !answer["revision"].is_null() {
        print::line(&format!(
            "copied from {} at revision {} as revision {} of {}",
            args.from,
            print::text(&answer, "from_revision"),
            print::text(&answer, "revision"),
            args.to
        ));
    }
    Ok(0)
}

/// Runs `diff`.
pub async fn diff(args: DiffArgs, client: &Client) -> anyhow::Result<u8> {
    let answer = client.get(&format!("/environments/diff?from={}&to={}", args.from, args.to)).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    for one in print::list(&answer, "differences") {
        print::line(&print::text(one, "key"));
        print::list(one, "paths").iter().for_each(|path| print::line(&format!("  {}", path_line(path))));
    }
    print::line(&format!("{} differences", print::list(&answer, "differences").len()));
    Ok(0)
}

/// A place that differs, on a line.
pub fn path_line(path: &Value) -> String {
    let side = |name: &str| match path.get(name) {
        None => "nothing".to_owned(),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace('\n', "\\n");
            if text.chars().count() <= 100 {
                text
            } else {
                format!("{}...", text.chars().take(97).collect::<String>())
            }
        }
    };
    let place = path["path"].as_str().filter(|place| !place.is_empty()).unwrap_or("all of it");
    format!("{place}: {} -> {}", side("before"), side("after"))
}
