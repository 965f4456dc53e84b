//! `serinus propose`: new versions and the rollout that brings them into use, as one change that somebody else looks at first.
//! Checks nothing that the server checks.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Client, artifact, print, proposal, rollout, rollout_file};

/// What is proposed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus propose support.system_prompt=@concise.md -m \"shorter answers\" --reviewer ana
  serinus propose support.model=model/gpt-4o@2 --from canary --hold
  serinus propose --file rollout.yaml --reviewer ana")]
pub struct ProposeArgs {
    /// FEATURE.LAYER=VERSION, as in support.model=model/gpt-4o@2, gpt-4o@2, or @file for a new version
    pub change: Vec<String>,
    /// The rollout as a file
    #[arg(long)]
    pub file: Option<std::path::PathBuf>,
    /// The rollout's name; FEATURE-N when not given
    #[arg(long)]
    pub name: Option<String>,
    /// Begin with this stage
    #[arg(long, value_parser = ["shadow", "canary", "ab", "full"])]
    pub from: Option<String>,
    /// Why
    #[arg(short, long)]
    pub message: Option<String>,
    /// Who is asked to look; may be given more than once
    #[arg(long = "reviewer")]
    pub reviewers: Vec<String>,
    /// Approval alone does not start it; `serinus proposal apply` does
    #[arg(long)]
    pub hold: bool,
    /// Not for review yet; `serinus proposal submit` hands it in
    #[arg(long)]
    pub draft: bool,
}

/// Proposes, and prints what would be delivered under which rules.
pub async fn run(args: ProposeArgs, client: &Client) -> anyhow::Result<u8> {
    let answer = client.post("/proposals", &body(args)?).await?;
    if client.json {
        print::json(&answer);
        return Ok(0);
    }
    proposal::delivery(&answer);
    for warning in print::list(&answer, "warnings").iter().filter_map(Value::as_str) {
        print::line(&format!("  note       {warning}"));
    }
    print::line(&proposal::headline(&answer, client));
    Ok(0)
}

/// The request that the arguments come to. Files become versions only with the approval.
pub fn body(args: ProposeArgs) -> anyhow::Result<Value> {
    let mut start = match &args.file {
        Some(file) => rollout_file::read(file)?,
        None => json!({"change": {}}),
    };
    if args.change.is_empty() && args.file.is_none() {
        bail!("nothing to change: write FEATURE.LAYER=VERSION, or say --file");
    }
    let mut publish = Vec::new();
    for text in &args.change {
        let (feature, layer, version) = rollout::parts(text)?;
        match version.strip_prefix('@') {
            Some(file) => {
                let file = Path::new(file);
                let content = artifact::content(layer, &artifact::read(file)?, artifact::is_data(file));
                let content =
                    content.with_context(|| format!("{}: neither JSON nor YAML", file.display()))?;
                publish.push(json!({"feature": feature, "layer": layer, "content": content}));
            }
            None => start["change"][feature][layer] = rollout::reference(layer, version).into(),
        }
    }
    for (member, value) in [("name", &args.name), ("from", &args.from)] {
        if let Some(value) = value {
            start[member] = value.as_str().into();
        }
    }
    Ok(json!({
        "rollout": start,
        "publish": publish,
        "message": args.message.unwrap_or_default(),
        "reviewers": args.reviewers,
        "hold": args.hold,
        "draft": args.draft,
    }))
}
