//! How a margin is read for one unit, and the worst score that unit can bring. Knows one unit and no history.

use crate::{Harm, Margin};

/// What a unit's outcome may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub low: f64,
    pub high: f64,
    pub exposure_max: f64,
}

/// The margin as it applies to one unit, fixed before its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    Absolute(f64),
    Relative(f64),
    Both { fraction: f64, delta: f64 },
}

impl Reading {
    /// Of max(relative, floor) the control mean says which one binds; near the switch both say the same, so
    /// an error of that mean matters little. Without a mean the unit is read both ways, which is valid
    /// without it.
    pub fn of(margin: Margin, control_mean: Option<f64>) -> Self {
        match (margin, control_mean) {
            (Margin::Absolute(delta), _) => Reading::Absolute(delta),
            (Margin::Relative(fraction), _) => Reading::Relative(fraction),
            (Margin::Larger { relative, floor }, Some(mean)) if relative * mean.abs() >= floor => {
                Reading::Relative(relative)
            }
            (Margin::Larger { floor, .. }, Some(_)) => Reading::Absolute(floor),
            (Margin::Larger { relative, floor }, None) => Reading::Both { fraction: relative, delta: floor },
        }
    }

    /// Y - m, less what the margin allows a treated unit.
    pub fn bracket(self, harm: Harm, treated: bool, y: f64, centre: f64, exposure: f64) -> f64 {
        if !treated {
            return y - centre;
        }
        let sign = harm.sign();
        let absolute = |delta: f64| y - centre - sign * delta * exposure;
        let relative = |fraction: f64| y / (1.0 + sign * fraction) - centre;
        match self {
            Reading::Absolute(delta) => absolute(delta),
            Reading::Relative(fraction) => relative(fraction),
            // The less harmful of both: whichever margin is the larger one, the mean of this is within it.
            Reading::Both { fraction, delta } => match harm {
                Harm::Higher => absolute(delta).min(relative(fraction)),
                Harm::Lower => absolute(delta).max(relative(fraction)),
            },
        }
    }

    /// The lowest score that a unit with this probability and centre could bring: harm in control, or none in
    /// treatment with the whole margin taken off.
    pub fn worst(self, harm: Harm, pi: f64, centre: f64, range: Range) -> f64 {
        let (harmless, harmed) = match harm {
            Harm::Higher => (range.low, range.high),
            Harm::Lower => (range.high, range.low),
        };
        let in_control = -pi * self.bracket(harm, false, harmed, centre, 0.0);
        let in_treatment = (1.0 - pi) * self.bracket(harm, true, harmless, centre, range.exposure_max);
        (harm.sign() * in_control).min(harm.sign() * in_treatment)
    }
}
