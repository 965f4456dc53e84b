//! What one mature unit came to, as guardrails read it. Knows nothing of tests.

use serinus_domain::{digest::Digest, entity::Metric};

/// One interaction of a unit, as far as guardrails care.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Turn {
    /// Index of its category among the rollout's; none outside them.
    pub category: Option<usize>,
    pub error: bool,
    pub ttft_ms: Option<f64>,
    pub latency_ms: f64,
    pub output_tokens: f64,
    pub cost: f64,
    pub invalid: Option<bool>,
    pub refusal: Option<bool>,
    /// Whether a judge was to score it.
    pub sampled: bool,
    pub quality: Option<f64>,
    pub thumbs_down: Option<bool>,
}

/// One unit, mature on one clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitOutcome {
    /// Its place in the order of enrolment, from 1.
    pub place: u64,
    pub treated: bool,
    pub pi: f64,
    /// The stage that it was enrolled in.
    pub stage: usize,
    /// Its interactions within the clock: the first alone on the fast clock.
    pub turns: Vec<Turn>,
}

impl UnitOutcome {
    /// The unit's category for centring: that of its first interaction, counted from 1; 0 where it has none.
    pub fn stratum(&self) -> usize {
        self.turns.first().and_then(|turn| turn.category).map_or(0, |category| category + 1)
    }

    /// The categories of its interactions, each once.
    pub fn categories(&self) -> Vec<usize> {
        let mut all: Vec<_> = self.turns.iter().filter_map(|turn| turn.category).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the unit had this bad event; none where nothing can be said. With a category only its turns count.
    pub fn event(&self, metric: Metric, category: Option<usize>) -> Option<bool> {
        let mut said = None;
        for turn in self.within(category) {
            let event = match metric {
                Metric::ErrorRate => Some(turn.error),
                Metric::InvalidOutput => turn.invalid,
                Metric::RefusalRate => turn.refusal,
                // Silence is no thumbs-down: every unit counts, whether it said something or not.
                Metric::ThumbsDown => Some(turn.thumbs_down.unwrap_or(false)),
                Metric::TtftP95
                | Metric::LatencyP95
                | Metric::OutputTokens
                | Metric::Cost
                | Metric::Quality => None,
            };
            said = match (said, event) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (said, None) => said,
                (_, Some(false)) => Some(false),
            };
        }
        said
    }

    /// The unit's mean judged quality; none where none of its turns was judged.
    pub fn quality(&self, category: Option<usize>) -> Option<f64> {
        let scores: Vec<f64> = self.within(category).filter_map(|turn| turn.quality).collect();
        if scores.is_empty() {
            return None;
        }
        Some(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// The unit's tail values of a latency metric; failed calls are errors, not slow answers.
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        let answered = self.turns.iter().filter(|turn| !turn.error);
        answered
            .filter_map(|turn| if metric == Metric::TtftP95 { turn.ttft_ms } else { Some(turn.latency_ms) })
            .collect()
    }

    /// The unit's sum over its calls, and how many there were.
    pub fn ratio(&self, metric: Metric) -> Option<(f64, f64)> {
        if self.turns.is_empty() {
            return None;
        }
        let sum = self
            .turns
            .iter()
            .map(|turn| if metric == Metric::Cost { turn.cost } else { turn.output_tokens })
            .sum();
        Some((sum, self.turns.len() as f64))
    }

    /// The value of a 0-to-1 metric, for absolute limits.
    pub fn value(&self, metric: Metric, category: Option<usize>) -> Option<f64> {
        if metric == Metric::Quality {
            return self.quality(category);
        }
        self.event(metric, category).map(|event| f64::from(u8::from(event)))
    }

    /// The ledger after this row.
    pub fn digest(&self, before: Digest) -> Digest {
        let mut row = Vec::with_capacity(64 + self.turns.len() * 64);
        row.extend_from_slice(&before.0);
        row.extend_from_slice(&self.place.to_le_bytes());
        row.push(u8::from(self.treated));
        row.extend_from_slice(&self.pi.to_le_bytes());
        row.extend_from_slice(&(self.stage as u64).to_le_bytes());
        for turn in &self.turns {
            let flag = |value: Option<bool>| value.map_or(2, u8::from);
            row.extend_from_slice(&[
                u8::from(turn.error),
                flag(turn.invalid),
                flag(turn.refusal),
                flag(turn.thumbs_down),
            ]);
            let numbers = [turn.ttft_ms.unwrap_or(-1.0), turn.latency_ms, turn.output_tokens, turn.cost];
            for number in numbers.into_iter().chain([turn.quality.unwrap_or(-1.0)]) {
                row.extend_from_slice(&number.to_le_bytes());
            }
        }
        Digest::of(&row)
    }

    fn within(&self, category: Option<usize>) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| category.is_none() || turn.category == category)
    }
}
