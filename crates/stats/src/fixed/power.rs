//! Sample sizes of fixed-n tests, for comparison in plans. Knows nothing of sequential boundaries except the
//! one that others show.

use libm::{asin, exp, log, sqrt};

use super::asymptotic;
use crate::distributions::{noncentral_t_two_sided, student_quantile};
use crate::special::{bisect, normal_quantile, phi};

/// The smallest size in (low, 1e12) at which `power` is reached, sought on a log scale.
fn size_for(power: f64, low: f64, at: impl Fn(f64) -> f64) -> f64 {
    exp(bisect(log(low), log(1e12), |log_n| at(exp(log_n)) - power))
}

/// Units for two arms of n and `ratio` n.
fn effective(n: f64, ratio: f64) -> f64 {
    n * ratio / (1.0 + ratio)
}

/// Power of the two-sided t test for a standardised effect `d` with n and `ratio` n units.
pub fn t_power(d: f64, n: f64, ratio: f64, alpha: f64) -> f64 {
    let df = n * (1.0 + ratio) - 2.0;
    noncentral_t_two_sided(student_quantile(1.0 - alpha / 2.0, df), df, d * sqrt(effective(n, ratio)))
}

/// Units of the first arm for the two-sided t test.
pub fn t_size(d: f64, power: f64, ratio: f64, alpha: f64) -> f64 {
    size_for(power, 2.0, |n| t_power(d, n, ratio, alpha))
}

/// Units of the first arm for the two-sided z test.
pub fn z_size(d: f64, power: f64, ratio: f64, alpha: f64) -> f64 {
    let critical = normal_quantile(1.0 - alpha / 2.0);
    size_for(power, 1e-3, |n| {
        let shift = d.abs() * sqrt(effective(n, ratio));
        phi(shift - critical) + phi(-shift - critical)
    })
}

/// Units of the first arm for the one-sided z test.
pub fn z_size_one_sided(d: f64, power: f64, ratio: f64, alpha: f64) -> f64 {
    let z = normal_quantile(1.0 - alpha) + normal_quantile(power);
    z * z / (d * d) * (1.0 + ratio) / ratio
}

/// Cohen's h: the difference of two proportions on the scale where its variance is constant.
pub fn cohen_h(p1: f64, p0: f64) -> f64 {
    2.0 * asin(sqrt(p1)) - 2.0 * asin(sqrt(p0))
}

/// Power of the two-sided pooled z test of two proportions with n and `ratio` n units.
pub fn proportions_power(p1: f64, p0: f64, n: f64, ratio: f64, alpha: f64) -> f64 {
    let pooled = (p1 + p0 * ratio) / (1.0 + ratio);
    let deviation = |first: f64, second: f64| sqrt(first * (1.0 - first) + second * (1.0 - second) / ratio);
    let (null, truth) = (deviation(pooled, pooled), deviation(p1, p0));
    let critical = normal_quantile(1.0 - alpha / 2.0) * null / truth;
    let shift = (p1 - p0) * sqrt(n) / truth;
    phi(shift - critical) + phi(-shift - critical)
}

/// Units in both arms together, half in each and with unit variance, for which the asymptotic confidence
/// sequence tuned for `n_star` excludes zero with this power.
pub fn asymptotic_size(d: f64, power: f64, alpha: f64, n_star: f64) -> f64 {
    let rho = asymptotic::rho(n_star, alpha);
    size_for(power, 4.0, |n| {
        let variance = 4.0 / n;
        let critical = asymptotic::half_width(n, variance, rho, alpha) / sqrt(variance);
        let shift = d.abs() / sqrt(variance);
        phi(shift - critical) + phi(-shift - critical)
    })
}
