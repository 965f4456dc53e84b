//! What the demo is asked for on the command line. Knows nothing of how it is done.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

/// One day a minute: three deliveries of about a day each fit in two minutes.
pub const CLOCK_FACTOR: f64 = 1_440.0;

/// Turns a real second. Gateway, judge, analysis, replay and traffic together take about one core at this rate, so
/// that a machine of two that does something else as well still keeps up.
pub const REQUESTS_PER_S: f64 = 1_000.0;

/// Deliver three changes of one feature on recorded LLM traffic, with the dashboard up
///
/// Starts a server of its own, a replay upstream with recorded answers of real models, and sessions of
/// recorded prompts. A better model is delivered, a cheaper one that is worse in one category is taken back,
/// and the same model on both arms is left alone. All on an accelerated clock: one factor for everything.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  serinus demo                                   # three deliveries, then it stays up to be explored
  serinus demo --exit --json                     # for machines; the exit code says whether all ended as they must
  serinus demo --only 2 --seed 7                 # one delivery, another traffic
  serinus demo --seeds 30                        # share of deliveries that ended as they must
  serinus demo --corpus my.jsonl.gz --baseline small --candidate large")]
pub struct DemoOptions {
    /// Seed of traffic, answers' times and faults
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run this many seeds, one after the other, and print the share that ended as they must
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub seeds: Option<u64>,
    /// Print the outcome as JSON on standard output; progress goes to standard error
    #[arg(long)]
    pub json: bool,
    /// End when the deliveries have ended instead of staying up
    #[arg(long)]
    pub exit: bool,
    /// Port of the server; 0 takes a free one
    #[arg(long, default_value_t = 7171)]
    pub port: u16,
    /// How many times as fast as the wall the clock runs
    #[arg(long, value_name = "K", default_value_t = CLOCK_FACTOR)]
    pub clock_factor: f64,
    /// Turns a real second
    #[arg(long, value_name = "PER_SECOND", default_value_t = REQUESTS_PER_S)]
    pub rate: f64,
    /// Recorded prompts and answers (gzipped JSON lines) instead of those that come along
    #[arg(long, value_name = "FILE", requires = "baseline", requires = "candidate")]
    pub corpus: Option<PathBuf>,
    /// Recorded model to deliver from; with --candidate the only delivery
    #[arg(long, value_name = "MODEL", requires = "candidate")]
    pub baseline: Option<String>,
    /// Recorded model to deliver
    #[arg(long, value_name = "MODEL", requires = "baseline")]
    pub candidate: Option<String>,
    /// Where the server keeps everything; an empty or new directory. A temporary one, removed at the end, when
    /// not given
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Only this delivery
    #[arg(long, value_name = "1|2|3", value_parser = clap::value_parser!(u8).range(1..=3), conflicts_with = "baseline")]
    pub only: Option<u8>,
}

impl DemoOptions {
    /// What no single option can be asked by itself.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { clock_factor, rate, .. } = *self;
        ensure!(
            (60.0..=100_000.0).contains(&clock_factor),
            "--clock-factor {clock_factor}: use 60 to 100000; slower takes longer than anybody watches"
        );
        ensure!(rate > 0.0 && rate <= 20_000.0, "--rate {rate}: use a number above 0, up to 20000");
        ensure!(
            self.seeds.is_none() || self.data.is_none(),
            "--seeds with --data: every seed needs a store of its own, leave --data out"
        );
        Ok(())
    }
}
