//! Ratio metrics (cost per call, failures per step) as a score process: numerator less the running control
//! ratio times denominator, per unit. Knows nothing of the interactions inside a unit. Exact where the change
//! leaves denominators alone, else for large samples.

use crate::centre::RunningCentre;
use crate::error::{Invalid, require};
use crate::score::{Effect, ScoreConfig, ScoreProcess, UNITS_PER_ARM_MIN, Unit};
use crate::{Harm, Margin};

/// What is fixed when the rollout starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioConfig {
    pub harm: Harm,
    /// The tolerated rise (or fall) of the ratio, in its own scale.
    pub margin: f64,
    /// The largest numerator and denominator of a unit; larger ones are cut.
    pub numerator_max: f64,
    pub denominator_max: f64,
    /// The planned ratio, and the planned variance of numerator less ratio times denominator.
    pub ratio: f64,
    pub sigma2: f64,
    pub alpha: f64,
}

/// One matured unit, in enrolment order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioUnit {
    pub treated: bool,
    pub pi: f64,
    pub numerator: f64,
    pub denominator: f64,
    pub stratum: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Totals {
    units: u64,
    numerator: f64,
    denominator: f64,
}

impl Totals {
    fn ratio(&self) -> Option<f64> {
        (self.denominator > 0.0).then(|| self.numerator / self.denominator)
    }
}

/// The state of one ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioProcess {
    config: RatioConfig,
    score: ScoreProcess,
    centre: RunningCentre,
    treated: Totals,
    control: Totals,
}

impl RatioProcess {
    /// A process at the start of a rollout, with wealth 1.
    pub fn new(config: RatioConfig) -> Result<Self, Invalid> {
        let RatioConfig { numerator_max, denominator_max, ratio, .. } = config;
        require(numerator_max > 0.0, "numerator_max", numerator_max, "a number above 0")?;
        require(denominator_max > 0.0, "denominator_max", denominator_max, "a number above 0")?;
        require(ratio >= 0.0, "ratio", ratio, "a ratio of 0 or more")?;
        // The running ratio is held below twice the planned one, so that the range is known beforehand.
        let score = ScoreConfig {
            harm: config.harm,
            margin: Margin::Absolute(config.margin),
            low: -2.0 * ratio * denominator_max,
            high: numerator_max,
            mde: 2.0 * config.margin,
            sigma2: config.sigma2,
            alpha: config.alpha,
            exposure_max: denominator_max,
        };
        Ok(RatioProcess {
            config,
            score: ScoreProcess::new(score)?,
            centre: RunningCentre::new(0.0),
            treated: Totals::default(),
            control: Totals::default(),
        })
    }

    /// Takes in the next matured unit. One whose arm was certain weighs nothing.
    pub fn push(&mut self, unit: RatioUnit) {
        let certain = !(unit.pi > 0.0 && unit.pi < 1.0);
        if certain || !unit.numerator.is_finite() || !unit.denominator.is_finite() {
            return;
        }
        let numerator = unit.numerator.clamp(0.0, self.config.numerator_max);
        let denominator = unit.denominator.clamp(0.0, self.config.denominator_max);
        let y = numerator - self.kappa() * denominator;
        let centre = self.centre.predict(unit.stratum);
        self.score.push(Unit { treated: unit.treated, pi: unit.pi, y, centre, exposure: denominator });
        self.centre.observe(unit.stratum, y);
        let arm = if unit.treated { &mut self.treated } else { &mut self.control };
        arm.units += 1;
        arm.numerator += numerator;
        arm.denominator += denominator;
    }

    /// The control ratio of earlier units, the planned one until it can be believed.
    fn kappa(&self) -> f64 {
        let planned = self.config.ratio;
        let believed = self.control.units >= UNITS_PER_ARM_MIN;
        self.control.ratio().filter(|_| believed).unwrap_or(planned).min(2.0 * planned)
    }

    /// log of the evidence against "within the margin".
    pub fn log_e(&self) -> f64 {
        self.score.log_e()
    }

    /// The difference of ratios with its interval; the means are the arms' ratios.
    pub fn effect(&self, alpha: f64) -> Effect {
        Effect {
            mean_treated: self.treated.ratio(),
            mean_control: self.control.ratio(),
            ..self.score.effect(alpha)
        }
    }

    /// What was fixed at the start.
    pub fn config(&self) -> &RatioConfig {
        &self.config
    }

    /// The process underneath.
    pub fn score(&self) -> &ScoreProcess {
        &self.score
    }
}
