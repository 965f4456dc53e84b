//! Tails and quantiles of the sampling distributions that reports need. Knows no test statistic.

use libm::{exp, log, sqrt};

use crate::special::{bisect, ln_beta_inc, ln_gamma_inc, normal_quantile, phi};

/// From here on Student's t is taken as normal: the difference of quantiles is below 1e-8.
const NORMAL_FROM_DF: f64 = 1e8;

/// P(chi squared with `df` degrees of freedom > `x`).
pub fn chi2_sf(x: f64, df: f64) -> f64 {
    exp(ln_gamma_inc(0.5 * df, 0.5 * x).1)
}

/// P(F with these degrees of freedom > `x`).
pub fn f_sf(x: f64, df1: f64, df2: f64) -> f64 {
    exp(ln_beta_inc(0.5 * df2, 0.5 * df1, df2 / (df2 + df1 * x)))
}

/// The quantile of F with these degrees of freedom at `p`.
pub fn f_quantile(p: f64, df1: f64, df2: f64) -> f64 {
    let mut high = 2.0;
    while f_sf(high, df1, df2) > 1.0 - p && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, |x| 1.0 - p - f_sf(x, df1, df2))
}

/// P(Student's t > `t`).
pub fn student_sf(t: f64, df: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - student_sf(-t, df);
    }
    if df > NORMAL_FROM_DF {
        return phi(-t);
    }
    0.5 * exp(ln_beta_inc(0.5 * df, 0.5, df / (df + t * t)))
}

/// The quantile of Student's t at `p`.
pub fn student_quantile(p: f64, df: f64) -> f64 {
    if p < 0.5 {
        return -student_quantile(1.0 - p, df);
    }
    if p == 0.5 || df > NORMAL_FROM_DF {
        return normal_quantile(p);
    }
    let tail = 1.0 - p;
    let mut high = 2.0;
    while student_sf(high, df) > tail && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, |t| tail - student_sf(t, df))
}

/// P(|noncentral t| > `critical`) with noncentrality `shift`: the power of a two-sided t test.
pub fn noncentral_t_two_sided(critical: f64, df: f64, shift: f64) -> f64 {
    // Given the estimated deviation s = chi / sqrt(df) it is a normal probability; average over s by
    // Simpson's rule.
    const STEPS: usize = 2_000;
    let log_scale = 0.5 * df * log(0.5 * df) - libm::lgamma(0.5 * df) + std::f64::consts::LN_2;
    let density = |s: f64| exp(log_scale + (df - 1.0) * log(s) - 0.5 * df * s * s);
    let given = |s: f64| phi(shift - critical * s) + phi(-shift - critical * s);
    let spread = 12.0 / sqrt(2.0 * df);
    let (low, high) = ((1.0 - spread).max(1e-12), 1.0 + spread);
    let width = (high - low) / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|k| {
            let s = low + width * k as f64;
            let weight = if k == 0 || k == STEPS { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
            weight * density(s) * given(s)
        })
        .sum();
    sum * width / 3.0
}
