//! Special functions in the log domain, on `libm` alone. Knows no statistics and no state.

use libm::{erfc, exp, lgamma, log, log1p};

const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// log of the standard normal distribution function.
pub fn log_phi(z: f64) -> f64 {
    if z > 0.0 {
        return log1p(-0.5 * erfc(z / std::f64::consts::SQRT_2));
    }
    if z > -20.0 {
        return log(0.5 * erfc(-z / std::f64::consts::SQRT_2));
    }
    // Asymptotic series; at z = -20 the first term left out is below 1e-15.
    let square = z * z;
    let mut term = 1.0;
    let mut tail = 0.0;
    for k in 1..=8 {
        term *= -f64::from(2 * k - 1) / square;
        tail += term;
    }
    -0.5 * square - log(-z) - LN_SQRT_2PI + log1p(tail)
}

/// The standard normal distribution function.
pub fn phi(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// The standard normal quantile; infinite at 0 and 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    if p.is_nan() || p < 0.0 {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 0.5 {
        return 0.0;
    }
    // Abramowitz and Stegun 26.2.23 (error 5e-4), then Newton on log Phi, which is concave: no overshoot.
    let t = libm::sqrt(-2.0 * log(p));
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = numerator / denominator - t;
    for _ in 0..4 {
        let log_cdf = log_phi(z);
        z -= (log_cdf - log(p)) / exp(-0.5 * z * z - LN_SQRT_2PI - log_cdf);
    }
    z
}

/// log(sum of exp) without overflow; negative infinity for an empty slice.
pub fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    largest + log(terms.iter().map(|&term| exp(term - largest)).sum::<f64>())
}

/// log of the mean of exp: the wealth of an even split over several bets.
pub fn log_mean_exp(terms: &[f64]) -> f64 {
    log_sum_exp(terms) - log(terms.len() as f64)
}

/// log of the gamma function.
pub fn ln_gamma(x: f64) -> f64 {
    lgamma(x)
}

/// log of the complete beta function.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    lgamma(a) + lgamma(b) - lgamma(a + b)
}

/// log of the regularised incomplete beta function I_x(a, b).
pub fn ln_beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x >= 1.0 {
        return 0.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return log1p(-exp(ln_beta_inc_fraction(b, a, 1.0 - x)));
    }
    ln_beta_inc_fraction(a, b, x)
}

/// The regularised incomplete beta function I_x(a, b).
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    exp(ln_beta_inc(a, b, x))
}

/// Lentz's continued fraction, for x below the mean of the distribution.
fn ln_beta_inc_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=20_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        fraction *= d * c;
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    a * log(x) + b * log1p(-x) - ln_beta(a, b) - log(a) + log(fraction)
}

/// log of the regularised lower (`.0`) and upper (`.1`) incomplete gamma functions.
pub fn ln_gamma_inc(shape: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (f64::NEG_INFINITY, 0.0);
    }
    let front = shape * log(x) - x - lgamma(shape);
    if x < shape + 1.0 {
        let mut term = 1.0 / shape;
        let mut sum = term;
        let mut n = shape;
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        let lower = front + log(sum);
        return (lower, log1p(-exp(lower)));
    }
    let mut b = x + 1.0 - shape;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for step in 1..=20_000 {
        let i = f64::from(step);
        let a = -i * (i - shape);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    let upper = front + log(fraction);
    (log1p(-exp(upper)), upper)
}

/// The lower branch of Lambert's W, on [-1/e, 0).
pub fn lambert_w_minus1(x: f64) -> f64 {
    let start = -libm::sqrt(2.0 * (1.0 + std::f64::consts::E * x).max(0.0));
    let mut w = if x < -0.1 {
        -1.0 + start
    } else {
        let l = log(-x);
        l - log(-l)
    };
    for _ in 0..60 {
        // Newton on w + log(-w) = log(-x), which stays in range where e^w underflows.
        let next = w * (1.0 + log(-x) - log(-w)) / (1.0 + w);
        if !next.is_finite() || (next - w).abs() <= 1e-16 * w.abs() {
            break;
        }
        w = next;
    }
    w
}

/// Riemann's zeta function for s above 1, by Euler and Maclaurin.
pub fn zeta(s: f64) -> f64 {
    const TERMS: u32 = 20;
    /// B_2k / (2k)! of the correction terms.
    const CORRECTIONS: [f64; 6] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
    ];
    let n = f64::from(TERMS);
    let head: f64 = (1..TERMS).rev().map(|k| libm::pow(f64::from(k), -s)).sum();
    let mut sum = head + libm::pow(n, 1.0 - s) / (s - 1.0) + 0.5 * libm::pow(n, -s);
    let mut rising = s;
    for (k, correction) in CORRECTIONS.iter().enumerate() {
        let order = (2 * k + 1) as f64;
        sum += correction * rising * libm::pow(n, -s - order);
        rising *= (s + order) * (s + order + 1.0);
    }
    sum
}

/// Finds the root of an increasing function between `low` and `high` by bisection to the last bits.
pub(crate) fn bisect(mut low: f64, mut high: f64, increasing: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if increasing(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
