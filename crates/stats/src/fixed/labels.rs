//! Means of a judged quality with few human labels: prediction-powered, or corrected for a judge's known
//! error rates. Knows nothing of time; the gate uses [`crate::pseudo_outcome`] instead.

use libm::sqrt;

use crate::special::normal_quantile;

/// An estimate with the variance of its error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub variance: f64,
}

impl Estimate {
    /// Two-sided normal interval.
    pub fn interval(&self, alpha: f64) -> (f64, f64) {
        let radius = normal_quantile(1.0 - alpha / 2.0) * sqrt(self.variance);
        (self.value - radius, self.value + radius)
    }
}

/// Labels with the judge's scores of the same units, and its scores of units without a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labelled<'a> {
    pub labels: &'a [f64],
    pub judged: &'a [f64],
    pub judged_only: &'a [f64],
}

impl Labelled<'_> {
    /// The weight of the judge that makes the variance least, within [0, 1].
    pub fn best_weight(&self) -> f64 {
        let (n, more) = (self.judged.len() as f64, self.judged_only.len() as f64);
        let (y, f) = (mean(self.labels), mean(self.judged));
        let products: Vec<f64> =
            self.labels.iter().zip(self.judged).map(|(a, b)| (a - y) * (b - f)).collect();
        let pooled: Vec<f64> = self.judged.iter().chain(self.judged_only).copied().collect();
        let spread = variance(&pooled) * (n + more) / (n + more - 1.0);
        (mean(&products) / ((1.0 + n / more) * spread)).clamp(0.0, 1.0)
    }

    /// The mean of labels with the judge at `weight`: 0 is labels alone, 1 is plain prediction-powered
    /// inference.
    pub fn estimate(&self, weight: f64) -> Estimate {
        let residuals: Vec<f64> = self.labels.iter().zip(self.judged).map(|(y, f)| y - weight * f).collect();
        let (n, more) = (self.judged.len() as f64, self.judged_only.len() as f64);
        Estimate {
            value: weight * mean(self.judged_only) + mean(&residuals),
            variance: weight * weight * variance(self.judged_only) / more + variance(&residuals) / n,
        }
    }
}

/// A judge's verdicts on `n` units and its error rates from `positives` and `negatives` units of known truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    pub rate: f64,
    pub n: f64,
    pub sensitivity: f64,
    pub positives: f64,
    pub specificity: f64,
    pub negatives: f64,
}

impl Judged {
    /// The true rate by Rogan and Gladen. It presumes error rates that are equal in both arms, which a change
    /// of style breaks: for reports only.
    pub fn corrected(&self) -> Estimate {
        let youden = self.sensitivity + self.specificity - 1.0;
        let value = (self.rate + self.specificity - 1.0) / youden;
        let binomial = |p: f64, n: f64| p * (1.0 - p) / n;
        let noise = binomial(self.rate, self.n)
            + (1.0 - value) * (1.0 - value) * binomial(self.specificity, self.negatives)
            + value * value * binomial(self.sensitivity, self.positives);
        Estimate { value, variance: noise / (youden * youden) }
    }

    /// The same with all rates drawn towards one half, whose interval holds near 0 and 1 (Lang and
    /// Reiczigel).
    pub fn shrunk(&self, alpha: f64) -> Judged {
        let z = normal_quantile(1.0 - alpha / 2.0);
        let drawn = |p: f64, n: f64| (n * p + 1.0) / (n + 2.0);
        Judged {
            rate: (self.n * self.rate + 0.5 * z * z) / (self.n + z * z),
            n: self.n + z * z,
            sensitivity: drawn(self.sensitivity, self.positives),
            positives: self.positives + 2.0,
            specificity: drawn(self.specificity, self.negatives),
            negatives: self.negatives + 2.0,
        }
    }

    /// How far the middle of the shrunk interval lies from the shrunk estimate.
    pub fn shift(&self, alpha: f64) -> f64 {
        let z = normal_quantile(1.0 - alpha / 2.0);
        let theta = self.corrected().value;
        let part = |p: f64, n: f64| p * (1.0 - p) / n;
        2.0 * z
            * z
            * (theta * part(self.sensitivity, self.positives)
                - (1.0 - theta) * part(self.specificity, self.negatives))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance with n.
fn variance(values: &[f64]) -> f64 {
    let middle = mean(values);
    values.iter().map(|value| (value - middle) * (value - middle)).sum::<f64>() / values.len() as f64
}
