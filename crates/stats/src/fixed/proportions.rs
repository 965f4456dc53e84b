//! Two proportions: tests and intervals that hold for small counts. Knows counts only.

use libm::{acos, cos, exp, sqrt};

use super::welch::{Arm, Comparison};
use crate::special::{beta_inc, bisect, ln_gamma, normal_quantile};

/// Successes among units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    pub successes: f64,
    pub n: f64,
}

impl Count {
    /// Successes per unit.
    pub fn rate(&self) -> f64 {
        self.successes / self.n
    }

    /// Wilson's interval.
    pub fn wilson(&self, alpha: f64) -> (f64, f64) {
        let z = normal_quantile(1.0 - alpha / 2.0);
        let (p, share) = (self.rate(), z * z / self.n);
        let middle = (p + share / 2.0) / (1.0 + share);
        let radius = z / (1.0 + share) * sqrt(p * (1.0 - p) / self.n + share / (4.0 * self.n));
        (middle - radius, middle + radius)
    }

    /// The exact interval of Clopper and Pearson.
    pub fn clopper_pearson(&self, alpha: f64) -> (f64, f64) {
        let (hits, misses) = (self.successes, self.n - self.successes);
        let quantile = |p: f64, a: f64, b: f64| bisect(0.0, 1.0, |x| beta_inc(a, b, x) - p);
        let lower = if hits > 0.0 { quantile(alpha / 2.0, hits, misses + 1.0) } else { 0.0 };
        let upper = if misses > 0.0 { quantile(1.0 - alpha / 2.0, hits + 1.0, misses) } else { 1.0 };
        (lower, upper)
    }

    fn variance(&self) -> f64 {
        self.rate() * (1.0 - self.rate()) / self.n
    }
}

/// Treatment against control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportions {
    pub control: Count,
    pub treatment: Count,
}

impl Proportions {
    /// Treatment's rate minus control's.
    pub fn difference(&self) -> f64 {
        self.treatment.rate() - self.control.rate()
    }

    /// The pooled z statistic against no difference.
    pub fn z_pooled(&self) -> f64 {
        let (c, t) = (self.control, self.treatment);
        let pooled = (c.successes + t.successes) / (c.n + t.n);
        self.difference() / sqrt(pooled * (1.0 - pooled) * (1.0 / c.n + 1.0 / t.n))
    }

    /// Wald's interval: too short for rare events.
    pub fn wald(&self, alpha: f64) -> (f64, f64) {
        let radius =
            normal_quantile(1.0 - alpha / 2.0) * sqrt(self.control.variance() + self.treatment.variance());
        (self.difference() - radius, self.difference() + radius)
    }

    /// Wald's interval after one success and one failure more in each arm.
    pub fn agresti_caffo(&self, alpha: f64) -> (f64, f64) {
        let more = |count: Count| Count { successes: count.successes + 1.0, n: count.n + 2.0 };
        Proportions { control: more(self.control), treatment: more(self.treatment) }.wald(alpha)
    }

    /// Newcombe's interval from the two Wilson intervals.
    pub fn newcombe(&self, alpha: f64) -> (f64, f64) {
        let (c, t) = (self.control.wilson(alpha), self.treatment.wilson(alpha));
        let (p, q) = (self.treatment.rate(), self.control.rate());
        let apart = |a: f64, b: f64| sqrt(a * a + b * b);
        (self.difference() - apart(p - t.0, c.1 - q), self.difference() + apart(t.1 - p, q - c.0))
    }

    /// The score statistic against a difference of `null`, with the variance at the rates that are most
    /// likely under it (Miettinen and Nurminen).
    pub fn z_score(&self, null: f64) -> f64 {
        self.z_score_with(null, self.control.n)
    }

    /// The same as statsmodels 0.15 computes it, whose cubic has control's successes in a place where its n
    /// belongs; for checking a report against that library only.
    pub fn z_score_statsmodels(&self, null: f64) -> f64 {
        self.z_score_with(null, self.control.successes)
    }

    fn z_score_with(&self, null: f64, first: f64) -> f64 {
        let (c, t) = (self.control, self.treatment);
        let (total, hits) = (c.n + t.n, c.successes + t.successes);
        // Control's most likely rate is the middle root of a cubic with these coefficients.
        let square = (t.n + 2.0 * c.n) * null - total - hits;
        let linear = (first * null - total - 2.0 * c.successes) * null + hits;
        let constant = c.successes * null * (1.0 - null);
        let third = square / (3.0 * total);
        let v = third * third * third - square * linear / (6.0 * total * total) + constant / (2.0 * total);
        let u = v.signum() * sqrt((third * third - linear / (3.0 * total)).max(0.0));
        let cosine = if u == 0.0 { 0.0 } else { (v / (u * u * u)).clamp(-1.0, 1.0) };
        let likely = 2.0 * u * cos((std::f64::consts::PI + acos(cosine)) / 3.0) - third;
        let (control, treated) = (likely.clamp(0.0, 1.0), (likely + null).clamp(0.0, 1.0));
        let variance = treated * (1.0 - treated) / t.n + control * (1.0 - control) / c.n;
        (self.difference() - null) / sqrt((variance * total / (total - 1.0)).max(1e-300))
    }

    /// The interval of differences that a score statistic such as [`Proportions::z_score`] does not reject.
    pub fn score_interval(&self, alpha: f64, z_score: impl Fn(&Self, f64) -> f64) -> (f64, f64) {
        let z = normal_quantile(1.0 - alpha / 2.0);
        let (end, middle) = (1.0 - 1e-12, self.difference());
        let lower = bisect(-end, middle, |null| z - z_score(self, null));
        let upper = bisect(middle, end, |null| -z_score(self, null) - z);
        (lower, upper)
    }

    /// Fisher's exact two-sided p-value.
    pub fn fisher_p(&self) -> f64 {
        let (c, t) = (self.control, self.treatment);
        let hits = c.successes + t.successes;
        let ln_choose = |n: f64, k: f64| ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
        let ln_probability =
            |k: f64| ln_choose(t.n, k) + ln_choose(c.n, hits - k) - ln_choose(c.n + t.n, hits);
        let observed = ln_probability(t.successes) + 1e-7;
        let (low, high) = ((hits - c.n).max(0.0) as u64, hits.min(t.n) as u64);
        let tables = (low..=high).map(|k| ln_probability(k as f64));
        tables.filter(|&table| table <= observed).map(exp).sum::<f64>().min(1.0)
    }

    /// Welch's comparison with the variances of proportions.
    pub fn welch(&self) -> Comparison {
        let arm = |count: Count| Arm {
            n: count.n,
            mean: count.rate(),
            variance: count.rate() * (1.0 - count.rate()),
        };
        Comparison::absolute(&arm(self.control), &arm(self.treatment))
    }
}
