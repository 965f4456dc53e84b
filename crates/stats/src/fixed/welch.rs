//! Welch's comparison of two independent means, absolute and relative. Knows nothing of clusters: a value per
//! unit.

use libm::sqrt;

use crate::distributions::{student_quantile, student_sf};
use crate::moments::Moments;

/// A mean with the variance of that mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    pub n: f64,
    pub mean: f64,
    /// Variance of one value, with n - 1.
    pub variance: f64,
}

impl Arm {
    /// From a sum and a sum of squares.
    pub fn from_sums(n: f64, sum: f64, sum_squares: f64) -> Self {
        let mean = sum / n;
        Arm { n, mean, variance: (sum_squares - sum * mean) / (n - 1.0) }
    }

    /// From moments of at least two values.
    pub fn from_moments(moments: &Moments) -> Option<Self> {
        Some(Arm { n: moments.n() as f64, mean: moments.mean()?, variance: moments.variance()? })
    }

    /// Variance of the mean.
    pub fn squared_error(&self) -> f64 {
        self.variance / self.n
    }
}

/// A difference with its variance and degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    pub estimate: f64,
    pub variance: f64,
    pub df: f64,
}

impl Comparison {
    /// Treatment minus control.
    pub fn absolute(control: &Arm, treatment: &Arm) -> Self {
        let (c, t) = (control.squared_error(), treatment.squared_error());
        let variance = c + t;
        let df = variance * variance / (c * c / (control.n - 1.0) + t * t / (treatment.n - 1.0));
        Comparison { estimate: treatment.mean - control.mean, variance, df }
    }

    /// Treatment over control, less 1, by the delta method.
    pub fn relative(control: &Arm, treatment: &Arm) -> Self {
        let absolute = Comparison::absolute(control, treatment);
        let square = control.mean * control.mean;
        let variance = treatment.squared_error() / square
            + treatment.mean * treatment.mean * control.squared_error() / (square * square);
        Comparison { estimate: absolute.estimate / control.mean, variance, df: absolute.df }
    }

    /// The test statistic against a difference of `null`.
    pub fn t(&self, null: f64) -> f64 {
        (self.estimate - null) / sqrt(self.variance)
    }

    /// Two-sided p-value against no difference.
    pub fn p_two_sided(&self) -> f64 {
        (2.0 * student_sf(self.t(0.0).abs(), self.df)).min(1.0)
    }

    /// One-sided p-value against "the difference is at most `null`".
    pub fn p_greater(&self, null: f64) -> f64 {
        student_sf(self.t(null), self.df)
    }

    /// Two-sided interval.
    pub fn interval(&self, alpha: f64) -> (f64, f64) {
        let radius = student_quantile(1.0 - alpha / 2.0, self.df) * sqrt(self.variance);
        (self.estimate - radius, self.estimate + radius)
    }
}
