//! Plans sessions: who comes when, what they ask and how long they think, all from a seed. Knows nothing of
//! the answers and of how a turn is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

use crate::chance::{self, Purpose};
use crate::corpus::{Corpus, PromptIndex};
use crate::pace::{lognormal, millis};

/// Share of sessions with one, two, three and four turns.
const TURN_SHARES: [f64; 4] = [0.45, 0.27, 0.16, 0.12];

/// Turns of a session on average, by `TURN_SHARES`.
const TURNS_MEAN: f64 = 0.45 + 2.0 * 0.27 + 3.0 * 0.16 + 4.0 * 0.12;

/// What stays the same while the traffic runs.
#[derive(Clone, Debug)]
pub struct Shape {
    pub seed: u64,
    /// First part of every session id, so that two runs never share one.
    pub run: String,
    /// How many people there are to come back; 0 = requests name no user.
    pub users: u32,
    /// Median pause between an answer and the next turn, in real time.
    pub think_ms_p50: f64,
    pub think_log_sd: f64,
    pub stream_share: f64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            seed: 1,
            run: "demo".to_owned(),
            users: 0,
            think_ms_p50: 8_000.0,
            think_log_sd: 0.8,
            stream_share: 0.1,
        }
    }
}

/// What may be changed while the traffic runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Turns a real second, on average, once sessions come and go evenly.
    pub requests_per_s: f64,
    /// Category → weight relative to its share of the corpus; what is not named weighs 1.
    pub mix: BTreeMap<String, f64>,
}

/// A load made ready to draw prompts from.
#[derive(Debug)]
pub struct Mix {
    pub sessions_per_s: f64,
    /// Running sums of the prompts' weights.
    cumulative: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SessionPlan {
    pub id: Arc<str>,
    pub user: Option<String>,
    pub turns: Vec<TurnPlan>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnPlan {
    pub prompt: PromptIndex,
    /// Pause before this turn; none before the first.
    pub think: Duration,
    pub stream: bool,
}

/// Poisson arrivals: times are open loop, whatever the answers take.
pub struct Arrivals {
    rng: ChaCha8Rng,
}

impl Mix {
    pub fn new(corpus: &Corpus, load: &Load) -> anyhow::Result<Self> {
        let rate = load.requests_per_s;
        ensure!(rate > 0.0 && rate.is_finite(), "requests_per_s {rate}: must be a positive number");
        let categories = corpus.categories();
        for (category, weight) in &load.mix {
            let known = categories.contains(category.as_str());
            ensure!(known, "mix: no category {category:?} in the corpus, there are {categories:?}");
            ensure!(
                *weight >= 0.0 && weight.is_finite(),
                "mix: weight {weight} of {category:?} must be 0 or more"
            );
        }
        let mut sum = 0.0;
        let weights =
            corpus.prompts().map(|(_, prompt)| load.mix.get(&prompt.category).copied().unwrap_or(1.0));
        let cumulative: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        ensure!(sum > 0.0, "mix: every category weighs 0, leave one above");
        Ok(Self { sessions_per_s: rate / TURNS_MEAN, cumulative })
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> PromptIndex {
        let at = rng.random::<f64>() * self.cumulative.last().copied().unwrap_or(0.0);
        let index =
            self.cumulative.partition_point(|sum| *sum <= at).min(self.cumulative.len().saturating_sub(1));
        PromptIndex(index as u32)
    }
}

impl Shape {
    /// The same number gives the same session for the same seed and mix.
    #[must_use]
    pub fn session(&self, number: u64, mix: &Mix) -> SessionPlan {
        let mut rng = chance::rng(self.seed, Purpose::Session, [number as u32, (number >> 32) as u32, 0]);
        let user = (self.users > 0).then(|| format!("user-{}", rng.random_range(0..self.users)));
        let turn_count = turn_count(rng.random());
        let mut turns: Vec<TurnPlan> = Vec::with_capacity(turn_count);
        for turn in 0..turn_count {
            let mut prompt = mix.draw(&mut rng);
            // Nobody asks the same twice in a row of four; one more draw makes it rare, and may not loop for
            // ever.
            if turns.iter().any(|earlier| earlier.prompt == prompt) {
                prompt = mix.draw(&mut rng);
            }
            let pause = millis(lognormal(&mut rng, self.think_ms_p50, self.think_log_sd));
            let think = if turn == 0 { Duration::ZERO } else { pause };
            turns.push(TurnPlan { prompt, think, stream: rng.random::<f64>() < self.stream_share });
        }
        SessionPlan { id: format!("{}-{number}", self.run).into(), user, turns }
    }

    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals { rng: chance::rng(self.seed, Purpose::Arrivals, [0; 3]) }
    }
}

impl Arrivals {
    /// The pause until the next session.
    pub fn gap(&mut self, sessions_per_s: f64) -> Duration {
        let unit: f64 = self.rng.sample(Exp1);
        millis(1000.0 * unit / sessions_per_s)
    }
}

fn turn_count(at: f64) -> usize {
    let mut sum = 0.0;
    for (index, share) in TURN_SHARES.iter().enumerate() {
        sum += share;
        if at < sum {
            return index + 1;
        }
    }
    TURN_SHARES.len()
}
