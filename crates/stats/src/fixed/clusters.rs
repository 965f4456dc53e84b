//! Ratio of sums over clusters by the delta method: the mean over interactions when units are what was
//! randomised. Knows clusters as lists of values.

use super::welch::{Arm, Comparison};
use crate::moments::Moments;

/// One arm: the ratio of sums, with what its variance is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusteredArm {
    pub clusters: f64,
    pub values: f64,
    pub ratio: f64,
    /// Covariance of a cluster's sum and its size, with n - 1.
    pub covariance: f64,
    /// Variance of a cluster's part in the ratio, with n - 1.
    pub cluster_variance: f64,
    /// Variance of the values as if each were on its own, with n.
    pub naive_variance: f64,
}

impl ClusteredArm {
    /// From clusters of values; none with fewer than two clusters.
    pub fn of(clusters: &[Vec<f64>]) -> Option<Self> {
        let sums: Vec<f64> = clusters.iter().map(|cluster| cluster.iter().sum()).collect();
        let sizes: Vec<f64> = clusters.iter().map(|cluster| cluster.len() as f64).collect();
        let (sum, size): (Moments, Moments) =
            (sums.iter().copied().collect(), sizes.iter().copied().collect());
        let all: Moments = clusters.iter().flatten().copied().collect();
        let (mean_sum, mean_size) = (sum.mean()?, size.mean()?);
        let n = clusters.len() as f64;
        let products = sums.iter().zip(&sizes).map(|(a, b)| (a - mean_sum) * (b - mean_size));
        let covariance = products.sum::<f64>() / (n - 1.0);
        let ratio = mean_sum / mean_size;
        let spread = sum.variance()? - 2.0 * ratio * covariance + ratio * ratio * size.variance()?;
        Some(ClusteredArm {
            clusters: n,
            values: all.n() as f64,
            ratio,
            covariance,
            cluster_variance: spread / (mean_size * mean_size),
            naive_variance: all.squared_deviations() / all.n() as f64,
        })
    }

    /// The arm as a mean over clusters, to be compared by [`Comparison`].
    pub fn as_arm(&self) -> Arm {
        Arm { n: self.clusters, mean: self.ratio, variance: self.cluster_variance }
    }

    /// Squared standard error with n in place of n - 1, as cluster-robust regression has it (CR0).
    pub fn cr0(&self) -> f64 {
        self.cluster_variance * (self.clusters - 1.0) / (self.clusters * self.clusters)
    }

    /// How many times the variance of the mean grows over that of as many independent values.
    pub fn design_effect(&self) -> f64 {
        let independent = self.naive_variance / (self.values - 1.0);
        self.as_arm().squared_error() / independent
    }
}

/// Treatment against control.
pub fn compare(control: &ClusteredArm, treatment: &ClusteredArm) -> (Comparison, Comparison) {
    let (control, treatment) = (control.as_arm(), treatment.as_arm());
    (Comparison::absolute(&control, &treatment), Comparison::relative(&control, &treatment))
}
