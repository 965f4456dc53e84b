//! Which direction hurts, and how much of it is tolerated. Knows nothing of metrics or of their names.

use crate::error::{Invalid, require};

/// The direction in which a metric gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Errors, latency, cost.
    Higher,
    /// Quality, thumbs-up.
    Lower,
}

impl Harm {
    /// +1 where higher is worse, -1 where lower is.
    pub fn sign(self) -> f64 {
        match self {
            Harm::Higher => 1.0,
            Harm::Lower => -1.0,
        }
    }
}

/// The harm that the null hypothesis still allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// Up to this difference of means, in the metric's own scale.
    Absolute(f64),
    /// Up to this fraction of the control mean at the time: .25 allows a quarter more (or less).
    Relative(f64),
    /// Up to the larger of a fraction of the control mean and an absolute floor.
    Larger { relative: f64, floor: f64 },
}

impl Margin {
    /// The margin in the metric's scale where the control mean is `control`.
    pub fn at(self, control: f64) -> f64 {
        match self {
            Margin::Absolute(delta) => delta,
            Margin::Relative(relative) => relative * control.abs(),
            Margin::Larger { relative, floor } => (relative * control.abs()).max(floor),
        }
    }

    pub(crate) fn relative(self) -> Option<f64> {
        match self {
            Margin::Absolute(_) => None,
            Margin::Relative(relative) | Margin::Larger { relative, .. } => Some(relative),
        }
    }

    pub(crate) fn absolute(self) -> Option<f64> {
        match self {
            Margin::Relative(_) => None,
            Margin::Absolute(delta) | Margin::Larger { floor: delta, .. } => Some(delta),
        }
    }

    pub(crate) fn check(self, harm: Harm) -> Result<(), Invalid> {
        if let Some(delta) = self.absolute() {
            require(delta >= 0.0 && delta.is_finite(), "margin", delta, "a finite difference of 0 or more")?;
        }
        if let Some(relative) = self.relative() {
            // A mean that may fall by all of itself leaves nothing to test.
            let below = if harm == Harm::Lower { 1.0 } else { f64::INFINITY };
            let holds = relative >= 0.0 && relative < below;
            require(
                holds,
                "relative margin",
                relative,
                "a fraction of 0 or more, below 1 where lower is worse",
            )?;
        }
        Ok(())
    }
}
