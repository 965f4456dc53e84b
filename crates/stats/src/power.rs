//! How many units a question needs, asked before a rollout starts. Knows nothing of traffic: units in, never
//! days.
//!
//! Plans count information, the sum of pi (1 - pi): a unit at 5 % brings .0475 of it, one at 50 % brings .25.

use libm::{exp, log, sqrt};

use crate::error::{Invalid, require, require_alpha};
use crate::normal_mixture as mixture;
use crate::special::{bisect, normal_quantile};

/// What a metric's process is tuned and tested with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Variance of a unit's outcome.
    pub sigma2: f64,
    /// The tolerated harm.
    pub margin: f64,
    /// The harm that the process is tuned for.
    pub mde: f64,
    /// The level that the boundary is tuned for.
    pub alpha: f64,
    /// The wanted probability of reaching the answer.
    pub power: f64,
}

/// More information than any rollout gathers; a plan that needs more is out of reach.
const INFORMATION_MAX: f64 = 1e12;

impl Plan {
    fn check(&self) -> Result<(), Invalid> {
        require_alpha(self.alpha)?;
        require(self.sigma2 > 0.0, "sigma2", self.sigma2, "a variance above 0")?;
        require(self.margin >= 0.0, "margin", self.margin, "a harm of 0 or more")?;
        require(self.mde > 0.0, "mde", self.mde, "a harm above 0")?;
        require(
            self.power > 0.0 && self.power < 1.0,
            "power",
            self.power,
            "a probability above 0 and below 1",
        )
    }

    /// Information after which a harmless candidate is shown to be within the margin at `alpha`.
    pub fn information_for_non_inferiority(&self, alpha: f64) -> Result<Option<f64>, Invalid> {
        self.check()?;
        require_alpha(alpha)?;
        Ok(self.information(self.margin, alpha))
    }

    /// Information after which a harm of `harm` is found, with the evidence weighted by `weight` in a pool
    /// that rolls back at 1/`alpha`.
    pub fn information_to_detect(&self, harm: f64, alpha: f64, weight: f64) -> Result<Option<f64>, Invalid> {
        self.check()?;
        require_alpha(alpha)?;
        require(weight > 0.0 && weight <= 1.0, "weight", weight, "a weight above 0, at most 1")?;
        Ok(self.information(harm - self.margin, alpha * weight))
    }

    /// Information at which a score that drifts by `apart` has crossed the boundary with the wanted power.
    fn information(&self, apart: f64, alpha: f64) -> Option<f64> {
        if apart <= 0.0 {
            return None;
        }
        let rho = mixture::rho_one_sided(mixture::v_opt(self.sigma2, self.mde), self.alpha);
        let z = normal_quantile(self.power);
        // Drift grows like information, boundary and noise like its root: one crossing, sought on a log
        // scale.
        let ahead = |log_information: f64| {
            let information = exp(log_information);
            let v = information * self.sigma2;
            (information * apart - mixture::boundary_one_sided(v, rho, alpha)) / sqrt(v) - z
        };
        let high = log(INFORMATION_MAX);
        (ahead(high) >= 0.0).then(|| exp(bisect(-5.0, high, ahead)))
    }

    /// Information that the best test of a known harm needs on average: what detection is measured against.
    pub fn oracle_information(&self, harm: f64, alpha: f64, weight: f64) -> f64 {
        let apart = harm - self.margin;
        2.0 * self.sigma2 * log(1.0 / (alpha * weight)) / (apart * apart)
    }
}

/// Units that bring this information when each is treated with probability `pi`.
pub fn units(information: f64, pi: f64) -> f64 {
    information / (pi * (1.0 - pi))
}

/// Units that the best test on the share of a rare event needs on average: the candidate's rate is `ratio`
/// times control's `rate`, the null allows `ratio_null` times.
pub fn oracle_units_rare(rate: f64, ratio: f64, ratio_null: f64, pi: f64, evidence: f64) -> f64 {
    let share = |r: f64| pi * r / (pi * r + 1.0 - pi);
    let (truth, null) = (share(ratio), share(ratio_null));
    let per_event = truth * log(truth / null) + (1.0 - truth) * log((1.0 - truth) / (1.0 - null));
    let events_per_unit = rate * (pi * ratio + 1.0 - pi);
    log(evidence) / (per_event * events_per_unit)
}

/// How many times the variance grows because interactions of one unit resemble each other: `size`
/// interactions a unit on average with coefficient of variation `cv`, and intra-class correlation `icc`.
pub fn design_effect(size: f64, cv: f64, icc: f64) -> f64 {
    1.0 + ((cv * cv + 1.0) * size - 1.0) * icc
}
