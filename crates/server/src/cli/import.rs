//! `serinus flag import`: flags of other platforms. Reads no format; the server does.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Client, artifact, print};

/// Where an export comes from.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum From {
    /// A flag definition file
    Flagd,
    /// An export, or what it serves its clients
    Unleash,
    /// Flags of the REST API, or all data of an environment
    Launchdarkly,
    /// What it serves its SDKs
    Growthbook,
    /// An environment document
    Flagsmith,
}

/// Arguments of `flag import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus flag import --format flagd flags.flagd.json --dry-run     # what would come of it
  serinus flag import --format launchdarkly flags.json")]
pub struct ImportArgs {
    /// The exported document, JSON or YAML
    file: PathBuf,
    /// Where it comes from
    #[arg(long)]
    format: From,
    /// Say what would come of it, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub async fn run(args: ImportArgs, client: &Client) -> anyhow::Result<u8> {
    let document: Value = serde_yaml_ng::from_str(&artifact::read(&args.file)?)
        .with_context(|| format!("{}: neither JSON nor YAML", args.file.display()))?;
    let format = args.format.to_possible_value().map(|value| value.get_name().to_owned());
    let body = json!({"format": format, "document": document, "dry_run": args.dry_run});
    let answer = client.post("/import/flags", &body).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    let names = |member: &str| {
        print::list(&answer, member)
            .iter()
            .map(|one| print::text(&json!({"one": one}), "one"))
            .collect::<Vec<_>>()
    };
    let waiting = print::list(&answer, "proposals");
    let verb = match (args.dry_run, waiting.is_empty()) {
        (true, _) => "would import",
        (false, true) => "imported",
        (false, false) => "asked to import",
    };
    let (flags, segments, revisions) = (names("flags"), names("segments"), names("revisions"));
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    print::line(&format!("{verb} {}, {}", count(flags.len(), "flag"), count(segments.len(), "segment")));
    for (what, keys) in [("flags", flags), ("segments", segments)] {
        if !keys.is_empty() {
            print::line(&format!("  {what}: {}", keys.join(", ")));
        }
    }
    match revisions.as_slice() {
        [] if args.dry_run || !waiting.is_empty() => {}
        [] => print::line("nothing changed: everything is here already"),
        [one] => print::line(&format!("revision {one}")),
        several => print::line(&format!("revisions {}, since one holds 512 changes", several.join(", "))),
    }
    for one in waiting {
        print::line(&format!("proposal {}: {}{}", one["proposal"], client.base(), print::text(one, "url")));
    }
    if waiting.len() > 1 {
        print::line("approve them in this order: a later one may need what an earlier one brings");
    }
    let lost = print::list(&answer, "not_carried");
    if !lost.is_empty() {
        print::line("");
        print::line(&format!("{} not carried over as it was:", count(lost.len(), "thing")));
        let row =
            |one: &Value| ["subject", "what", "why"].iter().map(|member| print::text(one, member)).collect();
        print::table(&["of", "what", "why"], &lost.iter().map(row).collect::<Vec<_>>());
    }
    Ok(0)
}
