//! The same deliveries over many seeds, each on a server of its own: how often they end as they must. Knows nothing
//! of how one run goes.

use std::path::Path;

use serde::Serialize;

use crate::options::DemoOptions;
use crate::outcome::{Outcome, RunOutcome};
use crate::play::Play;
use crate::terminal::Terminal;

/// One delivery over all seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub delivery: u8,
    pub rollout: String,
    pub must: String,
    pub runs: u64,
    pub as_it_must: u64,
    pub completed: u64,
    pub rolled_back: u64,
    pub held: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct SeedsOutcome {
    pub seeds: u64,
    /// Seeds with every delivery as it must.
    pub seeds_as_they_must: u64,
    pub shares: Vec<Share>,
    pub runs: Vec<RunOutcome>,
}

impl SeedsOutcome {
    pub fn add(&mut self, run: RunOutcome) {
        self.seeds += 1;
        self.seeds_as_they_must += u64::from(run.as_it_must);
        for outcome in &run.deliveries {
            match self.shares.iter_mut().find(|share| share.delivery == outcome.delivery) {
                Some(share) => share.add(outcome),
                None => {
                    let mut share = Share {
                        delivery: outcome.delivery,
                        rollout: outcome.rollout.clone(),
                        must: outcome.must.clone(),
                        ..Share::default()
                    };
                    share.add(outcome);
                    self.shares.push(share);
                }
            }
        }
        self.runs.push(run);
    }

    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} of {} seeds ended with every delivery as it must",
            self.seeds_as_they_must, self.seeds
        )];
        lines.extend(self.shares.iter().map(|share| {
            let Share { delivery, rollout, must, runs, as_it_must, completed, rolled_back, held } = share;
            format!(
                "  {delivery} {rollout:<14} {as_it_must} of {runs} {must} (completed {completed}, rolled back {rolled_back}, held {held})"
            )
        }));
        lines
    }

    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.seeds_as_they_must != self.seeds)
    }
}

impl Share {
    fn add(&mut self, outcome: &Outcome) {
        use crate::outcome::End;
        self.runs += 1;
        self.as_it_must += u64::from(outcome.as_it_must);
        match outcome.outcome {
            End::Completed => self.completed += 1,
            End::RolledBack => self.rolled_back += 1,
            End::Held => self.held += 1,
        }
    }
}

/// Runs `count` seeds from `options.seed` on. Two cores carry one run at a time.
pub async fn run(
    options: &DemoOptions,
    count: u64,
    serinus: &Path,
    terminal: &mut Terminal,
) -> anyhow::Result<SeedsOutcome> {
    let options = DemoOptions { port: 0, ..options.clone() };
    let mut all = SeedsOutcome::default();
    for seed in options.seed..options.seed + count {
        let mut play = Play::begin(&options, seed, serinus).await?;
        let mut unseen = Terminal::on(Box::new(std::io::sink()), false);
        let delivered = play.deliver(&mut unseen).await;
        play.end().await?;
        let run = delivered?;
        terminal.say(&[line(&run)]);
        all.add(run);
    }
    terminal.say(&all.lines());
    Ok(all)
}

fn line(run: &RunOutcome) -> String {
    let told = run.deliveries.iter().map(|outcome| {
        let mark =
            if outcome.as_it_must { String::new() } else { format!(" (NOT as it must: {})", outcome.reason) };
        format!("{} {}{mark}", outcome.rollout, outcome.outcome.words())
    });
    let told: Vec<String> = told.collect();
    format!(
        "seed {:>3}  {}  {:.0} s  {:.0} turns/s",
        run.seed,
        told.join(", "),
        run.took_ms / 1_000.0,
        run.traffic.turns_per_s
    )
}
