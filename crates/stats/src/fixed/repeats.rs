//! Variance between prompts and within a prompt, from several answers to each. Knows nothing of judges or
//! prompts.

use libm::sqrt;

use crate::distributions::f_quantile;
use crate::moments::Moments;

/// One-way analysis of variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Components {
    pub groups: f64,
    /// Size of a group; with unequal sizes the one that makes the expectation right.
    pub size: f64,
    pub values: f64,
    pub between_mean_square: f64,
    pub within_mean_square: f64,
}

impl Components {
    /// From groups of values; none with fewer than two groups or no group of two.
    pub fn of(groups: &[Vec<f64>]) -> Option<Self> {
        let moments: Vec<Moments> = groups.iter().map(|group| group.iter().copied().collect()).collect();
        let whole: Moments = groups.iter().flatten().copied().collect();
        let (count, values) = (groups.len() as f64, whole.n() as f64);
        let grand = whole.mean()?;
        if count < 2.0 || values <= count {
            return None;
        }
        let within: f64 = moments.iter().map(Moments::squared_deviations).sum();
        let apart = |group: &Moments| {
            group.mean().map_or(0.0, |mean| group.n() as f64 * (mean - grand) * (mean - grand))
        };
        let between: f64 = moments.iter().map(apart).sum();
        let squares: f64 = moments.iter().map(|group| (group.n() * group.n()) as f64).sum();
        Some(Components {
            groups: count,
            size: (values - squares / values) / (count - 1.0),
            values,
            between_mean_square: between / (count - 1.0),
            within_mean_square: within / (values - count),
        })
    }

    /// Variance between groups.
    pub fn between(&self) -> f64 {
        (self.between_mean_square - self.within_mean_square) / self.size
    }

    /// Intra-class correlation.
    pub fn icc(&self) -> f64 {
        (self.between_mean_square - self.within_mean_square)
            / (self.between_mean_square + (self.size - 1.0) * self.within_mean_square)
    }

    /// Exact interval of the intra-class correlation for groups of equal size.
    pub fn icc_interval(&self, alpha: f64) -> (f64, f64) {
        let f = self.between_mean_square / self.within_mean_square;
        let (between, within) = (self.groups - 1.0, self.values - self.groups);
        let to_icc = |f: f64| (f - 1.0) / (f + self.size - 1.0);
        let lower = f / f_quantile(1.0 - alpha / 2.0, between, within);
        let upper = f * f_quantile(1.0 - alpha / 2.0, within, between);
        (to_icc(lower), to_icc(upper))
    }

    /// Variance of the mean of all values.
    pub fn variance_of_mean(&self) -> f64 {
        self.between_mean_square / self.values
    }

    /// Repeats per prompt that give the least variance for the money.
    pub fn best_repeats(&self, cost_prompt: f64, cost_repeat: f64) -> f64 {
        sqrt(cost_prompt * self.within_mean_square / (cost_repeat * self.between()))
    }
}
