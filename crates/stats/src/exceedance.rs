//! The guardrail for a tail: latency, time to first token. Compares how often interactions exceed a threshold
//! that was frozen from control, because a quantile of clustered interactions has no anytime-valid interval.
//! Knows nothing of milliseconds.

use crate::centre::RunningCentre;
use crate::error::{Invalid, require};
use crate::quantile::quantile;
use crate::score::{Effect, ScoreConfig, ScoreProcess, Unit};
use crate::{Harm, Margin};

/// What is fixed when the rollout starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExceedanceConfig {
    /// The quantile that is guarded: .95 for a p95.
    pub quantile: f64,
    /// Control values in the reference window, after which the threshold is frozen.
    pub reference_values: usize,
    /// The tolerated rise of the share above the threshold: .01 for one point over 5 %.
    pub margin: f64,
    pub alpha: f64,
}

/// One matured unit with the values of all its interactions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValuesUnit<'a> {
    pub treated: bool,
    pub pi: f64,
    pub values: &'a [f64],
    /// The unit's category, a small number; 0 where there is none.
    pub stratum: usize,
}

/// The state of one tail: values of the reference window until it is full, then a score process.
#[derive(Clone, Debug, PartialEq)]
pub struct Exceedance {
    config: ExceedanceConfig,
    threshold: Option<f64>,
    reference: Vec<f64>,
    score: ScoreProcess,
    centre: RunningCentre,
}

impl Exceedance {
    /// Freezes the threshold from the first control values; until then no unit weighs anything.
    pub fn calibrating(config: ExceedanceConfig) -> Result<Self, Invalid> {
        let q = config.quantile;
        require(q > 0.0 && q < 1.0, "quantile", q, "a probability above 0 and below 1")?;
        let wanted = config.reference_values as f64;
        require(wanted >= 20.0, "reference_values", wanted, "at least 20 values to take a quantile of")?;
        require(
            config.margin > 0.0 && config.margin < 1.0,
            "margin",
            config.margin,
            "a share above 0 and below 1",
        )?;
        let share = 1.0 - q;
        let margin = Margin::Absolute(config.margin);
        let score = ScoreConfig {
            alpha: config.alpha,
            ..ScoreConfig::unit_interval(Harm::Higher, margin, 2.0 * config.margin, share * q)
        };
        Ok(Exceedance {
            config,
            threshold: None,
            reference: Vec::new(),
            score: ScoreProcess::new(score)?,
            centre: RunningCentre::new(share),
        })
    }

    /// Uses a threshold that is known from an earlier window: the shadow stage, or last week.
    pub fn frozen(config: ExceedanceConfig, threshold: f64) -> Result<Self, Invalid> {
        require(threshold.is_finite(), "threshold", threshold, "a finite value")?;
        Ok(Exceedance { threshold: Some(threshold), ..Self::calibrating(config)? })
    }

    /// Takes in the next matured unit. A control unit of the reference window only sets the threshold.
    pub fn push(&mut self, unit: ValuesUnit<'_>) {
        let finite = || unit.values.iter().copied().filter(|value| value.is_finite());
        let count = finite().count();
        if count == 0 {
            return;
        }
        let Some(threshold) = self.threshold else {
            if !unit.treated {
                self.reference.extend(finite());
                self.freeze();
            }
            return;
        };
        if !(unit.pi > 0.0 && unit.pi < 1.0) {
            return;
        }
        let y = finite().filter(|&value| value > threshold).count() as f64 / count as f64;
        let centre = self.centre.predict(unit.stratum);
        self.score.push(Unit::of_mean(unit.treated, unit.pi, y, centre));
        self.centre.observe(unit.stratum, y);
    }

    fn freeze(&mut self) {
        if self.reference.len() >= self.config.reference_values {
            self.reference.sort_by(f64::total_cmp);
            self.threshold = quantile(&self.reference, self.config.quantile);
            self.reference = Vec::new();
        }
    }

    /// The frozen threshold, once there is one.
    pub fn threshold(&self) -> Option<f64> {
        self.threshold
    }

    /// log of the evidence against "the share above the threshold rose by at most the margin".
    pub fn log_e(&self) -> f64 {
        self.score.log_e()
    }

    /// The difference of shares above the threshold with its interval.
    pub fn effect(&self, alpha: f64) -> Effect {
        self.score.effect(alpha)
    }

    /// What was fixed at the start.
    pub fn config(&self) -> &ExceedanceConfig {
        &self.config
    }

    /// The process underneath.
    pub fn score(&self) -> &ScoreProcess {
        &self.score
    }
}
