//! The command line: one file per noun, each verb a few lines over the control API. Holds no rule of the product.

mod artifact;
mod artifact_diff;
mod artifact_publish;
mod artifact_read;
mod channel;
mod client;
mod completions;
mod environment;
mod environment_copy;
mod explain;
mod export;
mod feature;
mod files;
mod flag;
mod group;
mod import;
mod interaction;
mod person;
mod plan;
mod print;
mod proposal;
mod propose;
mod revisions;
mod rollback;
mod rollout;
mod rollout_file;
mod schedule;
mod segment;
mod status;
mod token;

use std::collections::HashMap;

use clap::{Parser, Subcommand};

pub use client::{Client, Refusal, ServerArgs, Waiting};

use crate::{config::ServeArgs, demo::DemoArgs};

/// Progressive delivery for LLM-powered features
#[derive(Debug, Parser)]
#[command(
    name = "serinus",
    version,
    propagate_version = true,
    after_help = "Examples:
  serinus serve                                              # the server, on http://127.0.0.1:7171
  serinus demo                                               # a staged rollout on recorded traffic, in two minutes
  serinus rollout start support.model=model/gpt-4o@2 --from canary
  serinus rollback support"
)]
pub struct Cli {
    /// Where the server is.
    #[command(flatten)]
    pub server: ServerArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Deliver three changes of a feature on recorded LLM traffic, with the dashboard up.
    Demo(DemoArgs),
    /// Say what needs somebody, and what goes on.
    Status(status::StatusArgs),
    /// List and show what was asked and answered.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus interaction list --feature support --score-below 0.5"
    )]
    Interaction(interaction::Verb),
    /// Publish, list and compare versions of layers.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus artifact publish system_prompt/support concise.md"
    )]
    Artifact(artifact::Verb),
    /// Create, change and show features.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus feature put support --layer model/gpt-4o@1 --layer system_prompt/support@1"
    )]
    Feature(feature::Verb),
    /// Get and put plain flags.
    #[command(subcommand, after_help = "Examples:\n  serinus flag put dark-mode --value true")]
    Flag(flag::Verb),
    /// Name sets of people that rules refer to.
    #[command(subcommand, after_help = "Examples:\n  serinus segment put beta --include ana")]
    Segment(segment::Verb),
    /// Keep rollouts apart: nobody meets two of one group.
    #[command(subcommand, after_help = "Examples:\n  serinus group put checkout")]
    Group(group::Verb),
    /// Have changes made later.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus schedule put launch --at 2026-12-01T08:00:00Z --enable new-search"
    )]
    Schedule(schedule::Verb),
    /// Start, watch and steer rollouts.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus rollout start support.system_prompt=@concise.md --from canary\n  serinus rollout watch support-1"
    )]
    Rollout(rollout::Verb),
    /// Take a change back, everywhere and at once.
    Rollback(rollback::RollbackArgs),
    /// Compare two bundles at 50/50, without a shadow or canary stage.
    #[command(subcommand, after_help = "Examples:\n  serinus experiment start support.model=model/gpt-4o@2")]
    Experiment(rollout::ExperimentVerb),
    /// Read, verify and export the revision log, and take a revision back.
    Revisions(revisions::RevisionsArgs),
    /// Say what applying a directory of files would change.
    Plan(plan::PlanArgs),
    /// Make what a directory of files describes true.
    Apply(plan::ApplyArgs),
    /// Write what is there as a directory of files.
    Export(export::ExportArgs),
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
    /// Propose new versions and the rollout that brings them into use, as one change.
    Propose(propose::ProposeArgs),
    /// List, show, discuss and edit proposals.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus proposal list --state open\n  serinus proposal show 42"
    )]
    Proposal(proposal::Verb),
    /// Approve a proposal, exactly as it reads now.
    Approve(proposal::ApproveArgs),
    /// Add people, give them roles, make their sign-in links.
    #[command(subcommand, after_help = "Examples:\n  serinus person add ana --role production=approver")]
    Person(person::Verb),
    /// List, make and protect environments.
    #[command(subcommand, after_help = "Examples:\n  serinus environment protect production")]
    Environment(environment::Verb),
    /// Make, list and revoke tokens.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus token create my-app --scope invoke --scope evaluate"
    )]
    Token(token::Verb),
    /// Say where pages go.
    #[command(
        subcommand,
        after_help = "Examples:\n  serinus channel put oncall https://hooks.example.com/serinus --secret oncall"
    )]
    Channel(channel::Verb),
}

/// Runs a command that talks to a server; answers the exit code.
pub async fn run(
    command: Command,
    server: &ServerArgs,
    environment: &HashMap<String, String>,
) -> anyhow::Result<u8> {
    let client = Client::find(server, environment)?;
    match command {
        Command::Status(_) => status::run(&client).await,
        Command::Interaction(verb) => interaction::run(verb, &client).await,
        Command::Artifact(verb) => artifact::run(verb, &client).await,
        Command::Feature(verb) => feature::run(verb, &client).await,
        Command::Flag(verb) => flag::run(verb, &client).await,
        Command::Segment(verb) => segment::run(verb, &client).await,
        Command::Group(verb) => group::run(verb, &client).await,
        Command::Schedule(verb) => schedule::run(verb, &client).await,
        Command::Rollout(verb) => rollout::run(verb, &client).await,
        Command::Rollback(args) => rollback::run(args, &client).await,
        Command::Experiment(verb) => rollout::experiment(verb, &client).await,
        Command::Revisions(args) => revisions::run(args, &client).await,
        Command::Plan(args) => plan::run(args, &client).await,
        Command::Apply(args) => plan::apply(args, &client).await,
        Command::Export(args) => export::run(args, &client).await,
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Propose(args) => propose::run(args, &client).await,
        Command::Proposal(verb) => proposal::run(verb, &client).await,
        Command::Approve(args) => proposal::approve(args, &client).await,
        Command::Person(verb) => person::run(verb, &client).await,
        Command::Environment(verb) => environment::run(verb, &client).await,
        Command::Token(verb) => token::run(verb, &client).await,
        Command::Channel(verb) => channel::run(verb, &client).await,
        Command::Serve(_) | Command::Demo(_) => anyhow::bail!("runs a server of its own"),
    }
}
