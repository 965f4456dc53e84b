//! `serinus demo`: hands this very binary to the demo, which runs it as a user would. Knows nothing of what it shows.

use anyhow::Context;
use clap::Args;

use crate::cli::ServerArgs;

/// Deliver three changes of a feature on recorded LLM traffic, with the dashboard up
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to deliver.
    #[command(flatten)]
    pub options: serinus_demo::DemoOptions,
}

/// Runs it; answers the exit code.
pub async fn run(args: DemoArgs, server: &ServerArgs) -> anyhow::Result<u8> {
    let binary = std::env::current_exe().context("finding this program's own file")?;
    let mut options = args.options;
    // Both may stand before or after the verb.
    options.data = options.data.or_else(|| server.data.clone());
    options.json |= server.json;
    serinus_demo::run(options, &binary).await
}
