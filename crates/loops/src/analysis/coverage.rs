//! Whether the judge sees: the share of answers that were to be judged and had a verdict when their unit was mature. A judge
//! that is away leaves quality missing; this says so, where silence would pass for patience. Knows nothing of tests.

use super::outcome::UnitOutcome;

/// The memory, in answers that were to be judged.
const MEMORY: f64 = 200.0;
/// So many must have been due before anything is said.
const DUE_MIN: u64 = 50;
/// Below this share the judge is blind.
const SHARE_MIN: f64 = 0.5;

/// A running share with forgetting.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    due: u64,
    share: f64,
}

impl Coverage {
    /// Takes in a unit that is mature on the slow clock.
    pub fn observe(&mut self, outcome: &UnitOutcome) {
        for turn in outcome.turns.iter().filter(|turn| turn.sampled) {
            self.due += 1;
            let judged = f64::from(u8::from(turn.quality.is_some()));
            self.share += (judged - self.share) / (self.due as f64).min(MEMORY);
        }
    }

    /// What is wrong, if the judge is blind.
    pub fn problem(&self) -> Option<String> {
        let blind = self.due >= DUE_MIN && self.share < SHARE_MIN;
        blind.then(|| {
            format!(
                "judge is blind: {:.0}% of the last answers that were to be judged had a verdict in time",
                100.0 * self.share
            )
        })
    }
}
