//! Sample-ratio mismatch: evidence that units are not where their assignment probabilities say. Knows nothing
//! of outcomes.
//!
//! The wealth multiplies, unit by unit, the probability that a prediction gave the arm over the probability
//! that the assignment gave it. The prediction tilts the assignment by how many units each arm has had
//! against how many it was due; with constant probabilities this is the Dirichlet-multinomial test of Lindon
//! and Malek (2022), and probabilities that change from unit to unit keep it valid, because the tilt is known
//! before the unit is.

use libm::log;

use crate::error::{Invalid, require};

/// Prior weight of "no mismatch", in units.
pub const CONCENTRATION: f64 = 100.0;
/// Evidence at which an analysis is frozen.
pub const EVIDENCE_MAX: f64 = 1000.0;

/// The state of one stream: exposures, matured units, judged or labelled ones.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRatio {
    concentration: f64,
    seen: Vec<f64>,
    due: Vec<f64>,
    log_e: f64,
    log_e_max: f64,
}

impl SampleRatio {
    /// A stream of two arms: control is arm 0, the candidate arm 1.
    pub fn two_arms() -> Self {
        SampleRatio {
            concentration: CONCENTRATION,
            seen: vec![0.0; 2],
            due: vec![0.0; 2],
            log_e: 0.0,
            log_e_max: 0.0,
        }
    }

    /// A stream of any number of arms.
    pub fn new(arms: usize, concentration: f64) -> Result<Self, Invalid> {
        require(arms >= 2, "arms", arms as f64, "at least 2")?;
        require(concentration > 0.0, "concentration", concentration, "a number of units above 0")?;
        Ok(SampleRatio { concentration, seen: vec![0.0; arms], due: vec![0.0; arms], ..Self::two_arms() })
    }

    /// Takes in a unit of a two-armed stream. One whose arm was certain weighs nothing.
    pub fn push(&mut self, treated: bool, pi: f64) {
        self.push_arm(usize::from(treated), &[1.0 - pi, pi]);
    }

    /// Takes in a unit that fell into `arm` of arms with these probabilities. Left out: a certain arm, an arm
    /// that does not exist, probabilities that are none.
    pub fn push_arm(&mut self, arm: usize, probabilities: &[f64]) {
        let possible = probabilities.iter().all(|&p| p > 0.0 && p < 1.0);
        if !possible || probabilities.len() != self.seen.len() || arm >= self.seen.len() {
            return;
        }
        let tilted = |j: usize| {
            let prior = self.concentration * probabilities[j];
            probabilities[j] * (prior + self.seen[j]) / (prior + self.due[j])
        };
        let total: f64 = (0..self.seen.len()).map(tilted).sum();
        self.log_e += log(tilted(arm) / total / probabilities[arm]);
        self.log_e_max = self.log_e_max.max(self.log_e);
        self.seen[arm] += 1.0;
        for (due, &probability) in self.due.iter_mut().zip(probabilities) {
            *due += probability;
        }
    }

    /// log of the evidence against "units are where they should be".
    pub fn log_e(&self) -> f64 {
        self.log_e
    }

    /// Whether the evidence has ever reached [`EVIDENCE_MAX`]: the analysis is frozen for good.
    pub fn mismatched(&self) -> bool {
        self.log_e_max >= log(EVIDENCE_MAX)
    }

    /// Units seen in each arm.
    pub fn seen(&self) -> &[f64] {
        &self.seen
    }

    /// Units due to each arm by their probabilities.
    pub fn due(&self) -> &[f64] {
        &self.due
    }
}
