//! The guardrail for a bad event of any prevalence: errors, refusals, malformed output, thumbs-down. Knows
//! nothing of what the event is.
//!
//! Half of the wealth goes to the event-share process, which is quick while events are rare, half to the
//! score process, which is quick when they are not and needs no estimate of control's rate for an absolute
//! floor. Both see the same units in the same order, and an average of e-processes on one filtration is an
//! e-process: so there is no switch at some prevalence that could be peeked at, and the worse half costs at
//! most log 2.

use crate::centre::RunningCentre;
use crate::error::{Invalid, require};
use crate::event_share::EventShare;
use crate::score::{Effect, ScoreConfig, ScoreProcess, Unit};
use crate::special::log_mean_exp;
use crate::{Harm, Margin};

/// What is fixed when the rollout starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RareEventConfig {
    /// The candidate may have this many times control's rate, ...
    pub ratio: f64,
    /// ... or this much more, whichever is more.
    pub floor: f64,
    /// The rate that is planned for; tunes speed, never validity.
    pub rate: f64,
    pub alpha: f64,
}

/// One matured unit, in enrolment order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventUnit {
    pub treated: bool,
    pub pi: f64,
    pub event: bool,
    /// The unit's category, a small number; 0 where there is none.
    pub stratum: usize,
}

/// The state of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct RareEvent {
    config: RareEventConfig,
    share: EventShare,
    score: ScoreProcess,
    centre: RunningCentre,
}

impl RareEvent {
    /// A process at the start of a rollout, with wealth 1.
    pub fn new(config: RareEventConfig) -> Result<Self, Invalid> {
        require(config.rate > 0.0 && config.rate < 1.0, "rate", config.rate, "a rate above 0 and below 1")?;
        let margin = Margin::Larger { relative: config.ratio - 1.0, floor: config.floor };
        // At a ratio of 1 without floor any harm counts; half of the planned rate is then what must be found.
        let allowed = margin.at(config.rate);
        let mde = if allowed > 0.0 { 2.0 * allowed } else { 0.5 * config.rate };
        let score = ScoreConfig {
            alpha: config.alpha,
            ..ScoreConfig::unit_interval(Harm::Higher, margin, mde, config.rate * (1.0 - config.rate))
        };
        Ok(RareEvent {
            config,
            share: EventShare::new(config.ratio, config.floor)?,
            score: ScoreProcess::new(score)?,
            centre: RunningCentre::new(config.rate),
        })
    }

    /// Takes in the next matured unit. One whose arm was certain weighs nothing.
    pub fn push(&mut self, unit: EventUnit) {
        if !(unit.pi > 0.0 && unit.pi < 1.0) {
            return;
        }
        let y = f64::from(u8::from(unit.event));
        let centre = self.centre.predict(unit.stratum);
        self.share.push(unit.treated, unit.pi, unit.event);
        self.score.push(Unit::of_mean(unit.treated, unit.pi, y, centre));
        self.centre.observe(unit.stratum, y);
    }

    /// log of the evidence against "within the margin".
    pub fn log_e(&self) -> f64 {
        log_mean_exp(&[self.share.log_e(), self.score.log_e()])
    }

    /// The difference of rates with its interval.
    pub fn effect(&self, alpha: f64) -> Effect {
        self.score.effect(alpha)
    }

    /// What was fixed at the start.
    pub fn config(&self) -> &RareEventConfig {
        &self.config
    }

    /// The event-share half.
    pub fn share(&self) -> &EventShare {
        &self.share
    }

    /// The score half; promotion asks it for non-inferiority.
    pub fn score(&self) -> &ScoreProcess {
        &self.score
    }
}
