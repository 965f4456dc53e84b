//! Mixture boundaries for scores that are not sub-Gaussian, and the stitched boundary they are compared with.
//! Knows nothing of where S and V come from (Howard, Ramdas, McAuliffe and Sekhon 2021, propositions 6 to 10
//! and theorem 1).

use libm::{exp, lgamma, log, pow, sqrt};

use crate::normal_mixture::{rho_one_sided, rho_two_sided};
use crate::special::{bisect, ln_beta, ln_beta_inc, ln_gamma_inc, zeta};

/// Sub-exponential scores with scale `c`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaExponential {
    rho: f64,
    c: f64,
}

impl GammaExponential {
    /// Narrowest near `v_opt` at `alpha`.
    pub fn new(v_opt: f64, alpha: f64, c: f64) -> Self {
        GammaExponential { rho: rho_one_sided(v_opt, alpha), c }
    }

    /// log E against "mean zero or below".
    pub fn log_e(&self, s: f64, v: f64) -> f64 {
        let square = self.c * self.c;
        let prior = self.rho / square;
        let shape = (v + self.rho) / square;
        let moved = (self.c * s + v) / square;
        let x = moved + prior;
        prior * log(prior) - lgamma(prior) - ln_gamma_inc(prior, prior).0
            + lgamma(shape)
            + ln_gamma_inc(shape, x).0
            - shape * log(x)
            + moved
    }

    /// The S at which the evidence reaches 1/alpha.
    pub fn boundary(&self, v: f64, alpha: f64) -> f64 {
        boundary(v, alpha, |s| self.log_e(s, v))
    }
}

/// Sub-Poisson scores with scale `c`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaPoisson {
    rho: f64,
    c: f64,
}

impl GammaPoisson {
    /// Narrowest near `v_opt` at `alpha`.
    pub fn new(v_opt: f64, alpha: f64, c: f64) -> Self {
        GammaPoisson { rho: rho_one_sided(v_opt, alpha), c }
    }

    /// log E against "mean zero or below".
    pub fn log_e(&self, s: f64, v: f64) -> f64 {
        let square = self.c * self.c;
        let prior = self.rho / square;
        let rate = (v + self.rho) / square;
        let shape = s / self.c + rate;
        prior * log(prior) - lgamma(prior) - ln_gamma_inc(prior, prior).1
            + lgamma(shape)
            + ln_gamma_inc(shape, rate).1
            - shape * log(rate)
            + v / square
    }

    /// The S at which the evidence reaches 1/alpha.
    pub fn boundary(&self, v: f64, alpha: f64) -> f64 {
        boundary(v, alpha, |s| self.log_e(s, v))
    }
}

fn boundary(v: f64, alpha: f64, log_e: impl Fn(f64) -> f64) -> f64 {
    let target = log(1.0 / alpha);
    let mut high = v;
    while log_e(high) < target && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, |s| log_e(s) - target)
}

/// Sums of Bernoulli trials against a null proportion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaBinomial {
    null: f64,
    r: f64,
    one_sided: bool,
}

impl BetaBinomial {
    /// Narrowest after `n_opt` trials at `alpha`.
    pub fn new(null: f64, n_opt: f64, alpha: f64, one_sided: bool) -> Self {
        let per_trial = null * (1.0 - null);
        let rho = if one_sided { rho_one_sided } else { rho_two_sided };
        // Below one imagined thousandth of a trial the mixing distribution would be improper.
        let r = (rho(n_opt * per_trial, alpha) - per_trial).max(1e-3 * per_trial);
        BetaBinomial { null, r, one_sided }
    }

    /// log E after `n` trials with `successes`.
    pub fn log_e(&self, successes: f64, n: f64) -> f64 {
        let (g, h) = (self.null, 1.0 - self.null);
        let failures = n - successes;
        self.ln_mass(self.r / g + failures, self.r / h + successes)
            - self.ln_mass(self.r / g, self.r / h)
            - successes * log(g)
            - failures * log(h)
    }

    /// The mass of the mixing distribution on the side that is tested.
    fn ln_mass(&self, a: f64, b: f64) -> f64 {
        let inside = if self.one_sided { ln_beta_inc(a, b, 1.0 - self.null) } else { 0.0 };
        ln_beta(a, b) + inside
    }
}

/// The proportions that a two-sided beta-binomial test at `alpha` has not rejected after `n` trials.
pub fn bernoulli_interval(successes: u64, n: u64, alpha: f64, n_opt: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (hits, trials) = (successes as f64, n as f64);
    let rate = hits / trials;
    let excess = |p: f64| BetaBinomial::new(p, n_opt, 0.05, false).log_e(hits, trials) - log(1.0 / alpha);
    let lower =
        if rate > 0.0 { bisect(0.0, rate, |p| if p <= 0.0 { -1.0 } else { -excess(p) }) } else { 0.0 };
    let upper = if rate < 1.0 { bisect(rate, 1.0, |p| if p >= 1.0 { 1.0 } else { excess(p) }) } else { 1.0 };
    (lower, upper)
}

/// The polynomial stitched boundary with exponent `s` over epochs that grow by `eta`: closed form, hardly
/// tuned, wider than a mixture over any practical range.
pub fn stitched_boundary(v: f64, alpha: f64, v_min: f64, c: f64, s: f64, eta: f64) -> f64 {
    let v = v.max(v_min);
    let k1 = (pow(eta, 0.25) + pow(eta, -0.25)) / std::f64::consts::SQRT_2;
    let k2 = (sqrt(eta) + 1.0) / 2.0;
    let ell = s * log(log(eta * v / v_min)) + log(zeta(s) / pow(log(eta), s)) + log(1.0 / alpha);
    let linear = k2 * c * ell;
    sqrt(k1 * k1 * v * ell + linear * linear) + linear
}

/// The evidence of a difference with known variance under a normal prior of variance `tau2`
/// (mSPRT): log of the mixture likelihood ratio.
pub fn msprt_log_e(difference: f64, variance: f64, tau2: f64) -> f64 {
    0.5 * log(variance / (variance + tau2))
        + tau2 * difference * difference / (2.0 * variance * (variance + tau2))
}

/// The difference at which the mSPRT reaches 1/alpha.
pub fn msprt_half_width(variance: f64, tau2: f64, alpha: f64) -> f64 {
    let total = variance + tau2;
    sqrt(variance * total / tau2 * (2.0 * log(1.0 / alpha) + log(total / variance)))
}

/// An anytime-valid p-value from log evidence at its largest.
pub fn p_from_log_e(log_e: f64) -> f64 {
    exp(-log_e).min(1.0)
}
