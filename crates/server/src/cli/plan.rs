//! `serinus plan` and `serinus apply`: a directory of files against what is there. What has to change is the server's word.

use std::{io::IsTerminal, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Client, files, print};
use crate::human;

/// The exit code of a plan with changes.
const CHANGES: u8 = 2;

/// Say what applying a directory would change
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus plan config/                          # exit code 0: nothing to do, 2: changes, 1: a mistake
  serinus plan config/ --comment plan.md        # the plan as markdown, for a pull request")]
pub struct PlanArgs {
    /// The directory
    pub dir: PathBuf,
    /// Write the plan as markdown to this file
    #[arg(long, value_name = "FILE")]
    pub comment: Option<PathBuf>,
    /// Retire flags, segments, groups, channels and labels that no file describes; features and versions never are
    #[arg(long)]
    pub prune: bool,
}

/// Make what a directory describes true, as one revision
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus apply config/
  serinus apply config/ --yes -m \"shorter answers\" --commit \"$GITHUB_SHA\"
  serinus apply config/ --yes --digest 3f1c...    # only what that plan said")]
pub struct ApplyArgs {
    /// The directory
    pub dir: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Why
    #[arg(short, long, default_value = "")]
    pub message: String,
    /// The commit that the files are of; with a token that may approve, a merge, where the environment takes one for an approval
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// The digest of the plan that was looked at; anything else is refused
    #[arg(long)]
    pub digest: Option<String>,
    /// Retire flags, segments, groups, channels and labels that no file describes; features and versions never are
    #[arg(long)]
    pub prune: bool,
}

/// Runs `plan`.
pub async fn run(args: PlanArgs, client: &Client) -> anyhow::Result<u8> {
    let Some(desired) = described(&args.dir, args.prune) else { return Ok(1) };
    let plan = client.post("/plan", &json!({ "desired": desired })).await?;
    if let Some(file) = &args.comment {
        std::fs::write(file, markdown(&plan)).with_context(|| format!("writing {}", file.display()))?;
    }
    if client.json {
        print::json(&plan);
    } else {
        show(&plan);
        if !steps(&plan).is_empty() {
            print::line(&format!(
                "plan {}: apply it with `serinus apply {}`",
                digest(&plan),
                args.dir.display()
            ));
        }
    }
    Ok(if steps(&plan).is_empty() { 0 } else { CHANGES })
}

/// Runs `apply`.
pub async fn apply(args: ApplyArgs, client: &Client) -> anyhow::Result<u8> {
    let Some(desired) = described(&args.dir, args.prune) else { return Ok(1) };
    let plan = client.post("/plan", &json!({ "desired": desired })).await?;
    if !client.json {
        show(&plan);
    }
    if steps(&plan).is_empty() && args.digest.is_none() {
        if client.json {
            print::json(&json!({ "steps": [], "kept": plan["kept"], "revision": null }));
        }
        return Ok(0);
    }
    if !args.yes && !confirmed()? {
        print::line("nothing was changed");
        return Ok(1);
    }
    let seen = args.digest.map_or_else(|| plan["digest"].clone(), Value::from);
    let body = json!({
        "desired": desired, "digest": seen, "base": plan["base"], "message": args.message, "commit": args.commit,
    });
    let done = client.post("/apply", &body).await?;
    if client.json {
        print::json(&done);
    } else {
        print::line(&format!(
            "applied {} as revision {}",
            human::counted(steps(&done).len() as u64, "change"),
            print::text(&done, "revision")
        ));
    }
    Ok(0)
}

/// What the directory describes; a mistake in it is told, and is no failure of ours.
fn described(dir: &std::path::Path, prune: bool) -> Option<Value> {
    match files::read(dir) {
        Ok(described) => {
            let mut desired = described.desired;
            desired["prune"] = prune.into();
            tracing::debug!("read {} files", described.files);
            Some(desired)
        }
        Err(refused) => {
            eprintln!("serinus: {refused:#}");
            None
        }
    }
}

fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to be asked: say --yes");
    }
    print::line("apply? [y/N]");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}

fn steps(plan: &Value) -> &[Value] {
    print::list(plan, "steps")
}

fn digest(plan: &Value) -> String {
    print::text(plan, "digest").chars().take(12).collect()
}

fn texts<'a>(step: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    print::list(step, name).iter().filter_map(Value::as_str)
}

/// Prints what a plan's or a copy's steps change.
pub fn show(plan: &Value) {
    for step in steps(plan) {
        print::line(&format!("  {:8} {}", print::text(step, "verb"), print::text(step, "subject")));
        for line in texts(step, "detail").chain(texts(step, "lines")) {
            print::line(&format!("           {line}"));
        }
        if let Some(warning) = outside(step) {
            print::line(&format!("         ! {warning}"));
        }
    }
    let unmanaged: Vec<_> = texts(plan, "unmanaged").collect();
    if !unmanaged.is_empty() {
        print::line(&format!("  not described, left as they are: {}", unmanaged.join(", ")));
    }
    let changes = human::counted(steps(plan).len() as u64, "change");
    print::line(&format!("{changes}, {} as described", print::text(plan, "kept")));
}

fn outside(step: &Value) -> Option<String> {
    let by = step.get("outside").filter(|by| !by.is_null())?;
    Some(format!(
        "{} changed this past the files in revision {} ({}): applying overwrites that",
        print::text(by, "actor"),
        print::text(by, "revision"),
        print::text(by, "message")
    ))
}

fn markdown(plan: &Value) -> String {
    let count = steps(plan).len();
    if count == 0 {
        return "**Serinus plan: nothing to change.**\n".to_owned();
    }
    let mut text =
        format!("**Serinus plan: {count} changes**, {} as described\n\n", print::text(plan, "kept"));
    for step in steps(plan) {
        text.push_str(&format!("- {} `{}`\n", print::text(step, "verb"), print::text(step, "subject")));
        if let Some(warning) = outside(step) {
            text.push_str(&format!("  - **{warning}**\n"));
        }
        let lines: Vec<_> = texts(step, "detail").chain(texts(step, "lines")).collect();
        if !lines.is_empty() {
            // Indented by four, so that nothing in a prompt can end the block.
            text.push('\n');
            lines.iter().for_each(|line| text.push_str(&format!("      {line}\n")));
            text.push('\n');
        }
    }
    text.push_str(&format!("\nPlan `{}` against revision {}\n", digest(plan), print::text(plan, "base")));
    text
}
