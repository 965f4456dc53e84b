//! Normal mixtures of exponential supermartingales: evidence and boundaries from a sum S at intrinsic time V.
//! Knows nothing of where S and V come from (Howard, Ramdas, McAuliffe and Sekhon 2021, propositions 4 and
//! 5).

use libm::{log, sqrt};

use crate::special::{bisect, log_phi};

/// The precision of the mixing distribution that makes the two-sided boundary narrowest near `v_opt`.
pub fn rho_two_sided(v_opt: f64, alpha: f64) -> f64 {
    let twice = 2.0 * log(1.0 / alpha);
    v_opt / (twice + log(1.0 + twice))
}

/// The same for the one-sided boundary: a one-sided test at alpha is one half of a two-sided one at 2 alpha.
pub fn rho_one_sided(v_opt: f64, alpha: f64) -> f64 {
    rho_two_sided(v_opt, 2.0 * alpha)
}

/// log E against "mean zero".
pub fn log_e_two_sided(s: f64, v: f64, rho: f64) -> f64 {
    0.5 * log(rho / (v + rho)) + s * s / (2.0 * (v + rho))
}

/// log E against "mean zero or below" (half-normal mixing).
pub fn log_e_one_sided(s: f64, v: f64, rho: f64) -> f64 {
    0.5 * log(4.0 * rho / (v + rho)) + s * s / (2.0 * (v + rho)) + log_phi(s / sqrt(v + rho))
}

/// The |S| at which the two-sided evidence reaches 1/alpha.
pub fn boundary_two_sided(v: f64, rho: f64, alpha: f64) -> f64 {
    sqrt((v + rho) * (log((v + rho) / rho) + 2.0 * log(1.0 / alpha)))
}

/// The S at which the one-sided evidence reaches 1/alpha.
pub fn boundary_one_sided(v: f64, rho: f64, alpha: f64) -> f64 {
    let target = log(1.0 / alpha);
    // The evidence grows with S, and the two-sided boundary at the same alpha lies above the root.
    let high = boundary_two_sided(v, rho, alpha);
    bisect(0.0, high, |s| log_e_one_sided(s, v, rho) - target)
}

/// The intrinsic time at which a harm of `mde` is found with 80 % power by a test at 5 %; it depends on the
/// variance of the outcome but not on the probability of treatment.
pub fn v_opt(sigma2: f64, mde: f64) -> f64 {
    const Z95_PLUS_Z80: f64 = 1.644_853_626_951_472_7 + 0.841_621_233_572_914_3;
    Z95_PLUS_Z80 * Z95_PLUS_Z80 * sigma2 * sigma2 / (mde * mde)
}
