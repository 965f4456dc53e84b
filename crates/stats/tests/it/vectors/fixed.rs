//! Families of fixed-n inference, special functions and design. Knows the vectors' field names and nothing of
//! how they are compared.

use serde_json::{Value, json};
use serinus_stats::distributions as dist;
use serinus_stats::fixed::multiple::{Adjustment, adjust, e_bh};
use serinus_stats::fixed::welch::{Arm, Comparison};
use serinus_stats::fixed::{asymptotic, power};
use serinus_stats::mixtures::{msprt_half_width, msprt_log_e, p_from_log_e};
use serinus_stats::moments::Moments;
use serinus_stats::quantile::{Cap, quantile, sorted};
use serinus_stats::special;

use super::{number, numbers, rows};

pub fn evaluate(family: &str, input: &Value) -> Option<Value> {
    Some(match family {
        "asymptotic_cs" => asymptotic_cs(input),
        "msprt" => msprt(input),
        "welch" => welch(input)?,
        "welch_relative" => welch_relative(input),
        "multiplicity" => multiplicity(input),
        "power" => power_family(input),
        "special" => special_family(input),
        "winsorise" => winsorise(input)?,
        _ => return None,
    })
}

/// Control and treatment from lists of two.
fn arms(input: &Value) -> (Arm, Arm) {
    let [n, sum, squares] = ["n", "sum", "sum_squares"].map(|key| numbers(&input[key]));
    let arm = |i: usize| Arm::from_sums(n[i], sum[i], squares[i]);
    (arm(0), arm(1))
}

fn asymptotic_cs(input: &Value) -> Value {
    let (control, treatment) = arms(input);
    let [alpha, n_star] = ["alpha", "n_star"].map(|key| number(&input[key]));
    let n = control.n + treatment.n;
    let rho = asymptotic::rho(n_star, alpha);
    let exact = asymptotic::rho_exact(n_star, alpha);
    let one_sided = asymptotic::rho(n_star, 2.0 * alpha);
    let shown = |comparison: &Comparison| {
        let radius = asymptotic::half_width(n, comparison.variance, rho, alpha);
        json!({
            "estimate": comparison.estimate, "variance": comparison.variance,
            "ci": [comparison.estimate - radius, comparison.estimate + radius],
            "p": asymptotic::p_value(n, comparison.estimate, comparison.variance, rho),
        })
    };
    let absolute = Comparison::absolute(&control, &treatment);
    json!({
        "rho_approx": rho, "rho_exact_lambert": exact, "one_sided_rho": one_sided,
        "absolute": shown(&absolute), "relative": shown(&Comparison::relative(&control, &treatment)),
        "half_width_rho_exact": asymptotic::half_width(n, absolute.variance, exact, alpha),
        "one_sided_half_width": asymptotic::half_width_one_sided(n, absolute.variance, one_sided, alpha),
    })
}

fn msprt(input: &Value) -> Value {
    let [difference, variance, alpha, tau2] =
        ["diff", "variance_of_diff", "alpha", "tau2"].map(|key| number(&input[key]));
    let log_e = msprt_log_e(difference, variance, tau2);
    let z = special::normal_quantile(1.0 - alpha / 2.0);
    let total = |key: &str| numbers(&input[key]).iter().sum::<f64>();
    let statsig = z * z * total("var") / total("n");
    // That recipe splits alpha over two sides although its statistic is two-sided already.
    let statsig_width = msprt_half_width(variance, statsig, alpha / 2.0);
    json!({
        "lambda_": log_e.exp(), "log_lambda": log_e, "p": p_from_log_e(log_e),
        "half_width": msprt_half_width(variance, tau2, alpha),
        "statsig_tau": statsig, "statsig_z": statsig_width / variance.sqrt(), "statsig_half_width": statsig_width,
    })
}

fn welch(input: &Value) -> Option<Value> {
    let arm = |key: &str| Arm::from_moments(&numbers(&input[key]).into_iter().collect::<Moments>());
    let comparison = Comparison::absolute(&arm("control")?, &arm("treatment")?);
    let (lower, upper) = comparison.interval(number(&input["alpha"]));
    let margin = number(&input["margin"]);
    Some(json!({
        "diff": comparison.estimate, "t": comparison.t(0.0), "df": comparison.df,
        "p_two_sided": comparison.p_two_sided(), "p_less": 1.0 - comparison.p_greater(0.0), "ci": [lower, upper],
        "noninf_t": comparison.t(-margin), "noninf_p": comparison.p_greater(-margin),
    }))
}

fn welch_relative(input: &Value) -> Value {
    let (control, treatment) = arms(input);
    let comparison = Comparison::relative(&control, &treatment);
    let (lower, upper) = comparison.interval(number(&input["alpha"]));
    json!({
        "lift": comparison.estimate, "variance": comparison.variance,
        "ci": [lower, upper], "p": comparison.p_two_sided(),
    })
}

fn multiplicity(input: &Value) -> Value {
    let (p, e, alpha) = (numbers(&input["p"]), numbers(&input["e"]), number(&input["alpha"]));
    let shown = |adjustment| {
        let adjusted = adjust(&p, adjustment);
        let reject: Vec<usize> = (0..p.len()).filter(|&i| adjusted[i] <= alpha).collect();
        json!({ "reject": reject, "adjusted": adjusted })
    };
    json!({
        "fdr_bh": shown(Adjustment::BenjaminiHochberg), "fdr_by": shown(Adjustment::BenjaminiYekutieli),
        "holm": shown(Adjustment::Holm), "bonferroni": shown(Adjustment::Bonferroni),
        "hommel": shown(Adjustment::Hommel), "ebh_reject": e_bh(&e, alpha),
        "mean_e": e.iter().sum::<f64>() / e.len() as f64,
    })
}

fn power_family(input: &Value) -> Value {
    let [d, alpha, wanted, ratio, n] = ["d", "alpha", "power", "ratio", "n"].map(|key| number(&input[key]));
    let [p1, p0, size, cv, icc, n_star] =
        ["p1", "p0", "mbar", "cv", "icc", "nstar"].map(|key| number(&input[key]));
    let effect = serinus_stats::power::design_effect(size, cv, icc);
    let z = power::z_size(d, wanted, ratio, alpha);
    let closed_form = power::z_size_one_sided(d, wanted, ratio, alpha / 2.0) * effect;
    let h = power::cohen_h(p1, p0);
    json!({
        "t_nobs1": power::t_size(d, wanted, ratio, alpha), "z_nobs1": z,
        "z_nobs1_one_sided": power::z_size_one_sided(d, wanted, ratio, alpha),
        "t_power_at_n": power::t_power(d, n, ratio, alpha), "cohen_h": h,
        "z_nobs1_prop_h": power::z_size(h, wanted, ratio, alpha),
        "prop_power_pooled": power::proportions_power(p1, p0, n, 1.0, alpha),
        "design_effect_unequal_clusters": effect,
        "z_interactions_arm1_clustered": closed_form, "z_clusters_arm1": closed_form / size,
        "asymp_cs_total_n_for_power": power::asymptotic_size(d, wanted, alpha, n_star),
    })
}

fn special_family(input: &Value) -> Value {
    let each = |key: &str, of: &dyn Fn(f64) -> f64| -> Vec<f64> {
        numbers(&input[key]).into_iter().map(of).collect()
    };
    let tuples = |key: &str, of: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        rows(&input[key]).iter().map(|row| of(row)).collect()
    };
    json!({
        "norm_ppf": each("p", &decimal_quantile),
        "norm_logsf": each("z", &|z| special::log_phi(-z)),
        "t_sf": tuples("tv", &|row| dist::student_sf(row[0], row[1])),
        "chi2_sf": tuples("chi", &|row| dist::chi2_sf(row[0], row[1])),
        "f_sf": tuples("f", &|row| dist::f_sf(row[0], row[1], row[2])),
        "betainc_reg": tuples("beta", &|row| special::beta_inc(row[0], row[1], row[2])),
        "log_gamma": each("g", &special::ln_gamma),
        "gamma_p": tuples("gp", &|row| special::ln_gamma_inc(row[0], row[1]).0.exp()),
        "lambert_wm1": each("w", &special::lambert_w_minus1),
        "zeta": each("s", &special::zeta),
        "t_ppf": tuples("tp", &|row| dist::student_quantile(row[0], row[1])),
    })
}

/// The quantile of a decimal. Its complement is taken in decimals too: of a double near 1 it is off by 1e-11.
fn decimal_quantile(p: f64) -> f64 {
    let tail = ((1.0 - p) * 1e15).round() / 1e15;
    if p > 0.5 { -special::normal_quantile(tail) } else { special::normal_quantile(p) }
}

fn winsorise(input: &Value) -> Option<Value> {
    let (x, q) = (numbers(&input["x"]), numbers(&input["q"]));
    let ascending = sorted(&x);
    let cap = Cap::frozen(&x, *q.last()?)?;
    let capped: Moments = x.iter().map(|&value| cap.apply(value)).collect();
    let raw: Moments = x.iter().copied().collect();
    let at = |q: f64| quantile(&ascending, q);
    let median = at(0.5)?;
    let deviations: Vec<f64> = x.iter().map(|value| (value - median).abs()).collect();
    Some(json!({
        "quantiles": q.iter().map(|&q| at(q)).collect::<Vec<_>>(),
        "mean": capped.mean(), "var": capped.variance(), "raw_mean": raw.mean(), "raw_var": raw.variance(),
        "iqr": at(0.75)? - at(0.25)?, "mad": quantile(&sorted(&deviations), 0.5),
    }))
}
