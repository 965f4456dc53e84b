//! `serinus export`: what is there, as a directory that `plan` and `apply` take.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Client, files, print};

/// Write what is there as a directory of files
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  serinus export config/
  serinus -e staging export staging/")]
pub struct ExportArgs {
    /// The directory; files of the same names are written over, others are left
    pub dir: PathBuf,
}

/// Runs it.
pub async fn run(args: ExportArgs, client: &Client) -> anyhow::Result<u8> {
    let desired = client.get("/export").await?;
    let (written, others) = files::write(&args.dir, &desired)?;
    if client.json {
        print::json(&json!({ "written": written, "others": others }));
        return Ok(0);
    }
    print::line(&format!("wrote {} files to {}", written.len(), args.dir.display()));
    for other in others {
        print::line(&format!("  left  {} (describes nothing that is there)", other.display()));
    }
    Ok(0)
}
