//! Paired differences of the shadow stage: candidate and control answered the same request, so what varies
//! between requests cancels. Knows nothing of requests. Pairs of one session are not independent: push their
//! mean.

use crate::Harm;
use crate::betting::{MeanBeyond, MeanInterval};
use crate::error::{Invalid, require};

/// The state of one paired metric whose values lie in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct PairedDifference {
    harm: Harm,
    beyond: MeanBeyond,
    interval: MeanInterval,
}

impl PairedDifference {
    /// Evidence against "candidate less control is worse by at most `margin`", and an interval at `alpha`.
    pub fn new(harm: Harm, margin: f64, alpha: f64) -> Result<Self, Invalid> {
        require((0.0..1.0).contains(&margin), "margin", margin, "a difference from 0 to below 1")?;
        let beyond = MeanBeyond::new(harm, to_unit(harm.sign() * margin))?;
        Ok(PairedDifference { harm, beyond, interval: MeanInterval::new(alpha)? })
    }

    /// Takes in the next difference, candidate less control, in [-1, 1].
    pub fn push(&mut self, difference: f64) {
        self.beyond.push(to_unit(difference));
        self.interval.push(to_unit(difference));
    }

    /// log of the evidence against "within the margin".
    pub fn log_e(&self) -> f64 {
        self.beyond.log_e()
    }

    /// The interval for the mean difference, candidate less control.
    pub fn bounds(&self) -> (f64, f64) {
        let (lower, upper) = self.interval.bounds();
        (from_unit(lower), from_unit(upper))
    }

    /// The largest harm that the interval leaves.
    pub fn harm_upper(&self) -> f64 {
        let (lower, upper) = self.bounds();
        if self.harm == Harm::Higher { upper } else { -lower }
    }

    /// The mean difference, if there are pairs.
    pub fn mean(&self) -> Option<f64> {
        self.interval.mean().map(from_unit)
    }

    /// How many differences were taken in.
    pub fn n(&self) -> u64 {
        self.interval.n()
    }
}

fn to_unit(difference: f64) -> f64 {
    0.5 * (difference + 1.0)
}

fn from_unit(value: f64) -> f64 {
    2.0 * value - 1.0
}
