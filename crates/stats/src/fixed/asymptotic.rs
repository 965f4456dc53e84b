//! The asymptotic confidence sequence of two independent arms, as other products show it. Knows nothing of
//! ramps or clusters, both of which break it; reports only (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
//! 2024).

use libm::{exp, log, log1p, sqrt};

use crate::special::lambert_w_minus1;

/// Tuning for `n_star` units at `alpha`, to first order.
pub fn rho(n_star: f64, alpha: f64) -> f64 {
    let twice = -2.0 * log(alpha);
    sqrt((twice + log1p(twice)) / n_star)
}

/// The exact optimum for `n_star` units at `alpha`.
pub fn rho_exact(n_star: f64, alpha: f64) -> f64 {
    let w = lambert_w_minus1(-alpha * alpha / std::f64::consts::E);
    sqrt((-w - 1.0) / n_star)
}

/// Half-width after `n` units for an estimate with this variance.
pub fn half_width(n: f64, variance: f64, rho: f64, alpha: f64) -> f64 {
    let time = n * rho * rho + 1.0;
    sqrt(variance * 2.0 * time / (n * rho * rho) * log(sqrt(time) / alpha))
}

/// One-sided half-width in closed form, a little wider than the exact one.
pub fn half_width_one_sided(n: f64, variance: f64, rho: f64, alpha: f64) -> f64 {
    let time = n * rho * rho + 1.0;
    sqrt(variance * 2.0 * time / (n * rho * rho) * log1p(sqrt(time) / (2.0 * alpha)))
}

/// Anytime-valid p-value against an effect of zero.
pub fn p_value(n: f64, estimate: f64, variance: f64, rho: f64) -> f64 {
    let time = n * rho * rho + 1.0;
    let square = estimate * estimate / variance;
    (sqrt(time) * exp(-0.5 * square * n * rho * rho / time)).min(1.0)
}
