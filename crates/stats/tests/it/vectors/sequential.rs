//! Families of anytime-valid inference. Knows the vectors' field names and nothing of how they are compared.

use serde_json::{Map, Value, json};
use serinus_stats::attribution::Attribution;
use serinus_stats::betting::{Capital, EmpiricalBernstein, PluginStake};
use serinus_stats::detector::{Detector, Restart};
use serinus_stats::fixed::ols;
use serinus_stats::mixtures::{
    BetaBinomial, GammaExponential, GammaPoisson, bernoulli_interval, stitched_boundary,
};
use serinus_stats::moments::Moments;
use serinus_stats::normal_mixture as mixture;
use serinus_stats::pool::holm;
use serinus_stats::pseudo_outcome::pseudo_outcome;
use serinus_stats::score::{ScoreConfig, ScoreProcess, Unit};
use serinus_stats::special::log_sum_exp;
use serinus_stats::srm::SampleRatio;
use serinus_stats::{Harm, Margin, event_share};

use super::{counts, number, numbers, rows};

pub fn evaluate(family: &str, input: &Value) -> Option<Value> {
    Some(match family {
        "score_process" => score_process(input)?,
        "event_share" => event_share_family(input),
        "srm" => srm(input)?,
        "gate" => gate(input),
        "betting" => betting(input),
        "emp_bernstein" => emp_bernstein(input)?,
        "normal_mixture" => normal_mixture(input),
        "e_detector" => e_detector(input)?,
        "pseudo_outcome" => pseudo_outcomes(input),
        "layer_attribution" => layer_attribution(input)?,
        "bernoulli_cs" => bernoulli_cs(input),
        _ => return None,
    })
}

fn score_process(input: &Value) -> Option<Value> {
    let harm = if number(&input["harm"]) > 0.0 { Harm::Higher } else { Harm::Lower };
    let margin = Margin::Absolute(number(&input["delta"]));
    let alpha = number(&input["alpha"]);
    let outcomes = numbers(&input["y"]);
    let config = ScoreConfig {
        low: outcomes.iter().copied().fold(0.0, f64::min),
        high: outcomes.iter().copied().fold(1.0, f64::max),
        alpha,
        ..ScoreConfig::unit_interval(harm, margin, 0.1, 0.1)
    };
    let mut process =
        ScoreProcess::tuned(config, number(&input["v_opt"]), numbers(&input["lambdas"])).ok()?;
    let [treated, probabilities, centres] =
        ["treated", "assign_prob", "centre"].map(|key| numbers(&input[key]));
    let index = counts(&input["index"]);
    let mut at: [Vec<f64>; 5] = Default::default();
    for (i, &y) in outcomes.iter().enumerate() {
        let (pi, centre) = (probabilities[i], centres[i]);
        process.push(Unit { treated: treated[i] > 0.5, pi, y, centre, exposure: 1.0 });
        let rho = mixture::rho_one_sided(number(&input["v_opt"]), alpha);
        let now = [
            process.tested().s,
            process.tested().empirical,
            process.tested().design,
            mixture::log_e_one_sided(process.tested().s, process.tested().v(), rho),
            process.log_e_exact(),
        ];
        let wanted = index.iter().filter(|&&wanted| wanted == i).count();
        for (list, value) in at.iter_mut().zip(now) {
            list.extend(std::iter::repeat_n(value, wanted));
        }
    }
    let effect = process.effect(alpha);
    let [s, empirical, design, normal, bets] = at;
    Some(json!({
        "S": s, "V_empirical": empirical, "V_design": design, "log_e_normal": normal, "log_e_betting": bets,
        "estimate": effect.delta_hat, "two_sided_half_width": 0.5 * (effect.upper - effect.lower),
    }))
}

fn event_share_family(input: &Value) -> Value {
    let theta0 = event_share::share(number(&input["treatment_share"]), number(&input["rate_ratio_margin"]));
    let prior = numbers(&input["beta_prior"]);
    let (treated, events) = (number(&input["events_treatment"]), number(&input["events_total"]));
    let log_e = event_share::log_e_beta(treated as u64, events as u64, theta0, prior[0], prior[1]);
    json!({ "theta0": theta0, "log_e": log_e, "e_over_20": log_e >= 20f64.ln() })
}

fn srm(input: &Value) -> Option<Value> {
    let (counts, theta) = (numbers(&input["counts"]), numbers(&input["theta"]));
    let mut process = SampleRatio::new(theta.len(), number(&input["conc"])).ok()?;
    for (arm, &count) in counts.iter().enumerate() {
        for _ in 0..count as u64 {
            process.push_arm(arm, &theta);
        }
    }
    let total: f64 = counts.iter().sum();
    let chi2: f64 =
        counts.iter().zip(&theta).map(|(n, t)| (n - total * t) * (n - total * t) / (total * t)).sum();
    let p = serinus_stats::distributions::chi2_sf(chi2, (counts.len() - 1) as f64);
    let sequential = serinus_stats::mixtures::p_from_log_e(process.log_e());
    Some(json!({ "chi2": chi2, "p": p, "log_e": process.log_e(), "sequential_p": sequential }))
}

fn gate(input: &Value) -> Value {
    let (table, weights) = (rows(&input["log_e"]), numbers(&input["weights"]));
    let alpha = number(&input["alpha"]);
    let mut highest = vec![f64::NEG_INFINITY; weights.len()];
    let mut gates = Vec::new();
    for row in &table {
        let terms: Vec<f64> = row.iter().zip(&weights).map(|(log_e, weight)| weight.ln() + log_e).collect();
        gates.push(log_sum_exp(&terms));
        for (high, &log_e) in highest.iter_mut().zip(row) {
            *high = high.max(log_e);
        }
    }
    let rollback: Vec<bool> = gates.iter().map(|&log_e| log_e >= (1.0 / alpha).ln()).collect();
    let equal = vec![1.0; weights.len()];
    json!({ "gate_log_e": gates, "rollback": rollback, "holm_blame": holm(&highest, &equal, alpha) })
}

fn betting(input: &Value) -> Value {
    let (x, alpha) = (numbers(&input["x"]), number(&input["alpha"]));
    let index = counts(&input["index"]);
    let up_to = |count: usize, mean: f64, alpha: f64| {
        let mut stake = PluginStake::new(alpha);
        let mut capital = Capital::default();
        for &value in &x[..count] {
            capital.bet(stake.next(), value, mean);
            stake.push(value);
        }
        capital
    };
    let (mut one_sided, mut hedged) = (Map::new(), Map::new());
    for mean in input["m"].as_array().into_iter().flatten() {
        let at = |i: usize, alpha: f64| up_to(i + 1, number(mean), alpha);
        let half: Vec<f64> = index.iter().map(|&i| at(i, alpha / 2.0).hedged().exp()).collect();
        let whole: Vec<f64> = index.iter().map(|&i| at(i, alpha).0.exp()).collect();
        hedged.insert(mean.to_string(), json!(half));
        one_sided.insert(mean.to_string(), json!(whole));
    }
    let mut stakes = Vec::new();
    let mut stake = PluginStake::new(alpha / 2.0);
    for (i, &value) in x.iter().enumerate() {
        if index.contains(&i) {
            stakes.push(stake.next());
        }
        stake.push(value);
    }
    let roots = |i: usize| interval_by_root(&x[..=i], alpha, |mean| up_to(i + 1, mean, alpha / 2.0).hedged());
    let grid = |i: usize| interval_by_grid(alpha, |mean| up_to(i + 1, mean, alpha / 2.0).hedged());
    json!({
        "hedged_capital": hedged, "positive_capital": one_sided, "lambda_predmix": stakes,
        "root_lower": index.iter().map(|&i| roots(i).0).collect::<Vec<_>>(),
        "root_upper": index.iter().map(|&i| roots(i).1).collect::<Vec<_>>(),
        "grid_lower": index.iter().map(|&i| grid(i).0).collect::<Vec<_>>(),
        "grid_upper": index.iter().map(|&i| grid(i).1).collect::<Vec<_>>(),
    })
}

/// Where the hedged capital falls to 1/alpha on either side of the mean; none where it does not.
fn interval_by_root(x: &[f64], alpha: f64, log_capital: impl Fn(f64) -> f64) -> (Option<f64>, Option<f64>) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let limit = (1.0 / alpha).ln();
    let solve = |outside: f64| {
        if log_capital(outside) < limit {
            return None;
        }
        let (mut out, mut inside) = (outside, mean);
        for _ in 0..100 {
            let middle = 0.5 * (out + inside);
            if log_capital(middle) >= limit { out = middle } else { inside = middle }
        }
        Some(0.5 * (out + inside))
    };
    (solve(1e-6), solve(1.0 - 1e-6))
}

/// The first and last of 1001 candidate means that are kept, widened by one step.
fn interval_by_grid(alpha: f64, log_capital: impl Fn(f64) -> f64) -> (f64, f64) {
    let kept: Vec<f64> = (0..=1000)
        .map(|step| f64::from(step) / 1000.0)
        .filter(|&mean| log_capital(mean) <= (1.0 / alpha).ln())
        .collect();
    let (first, last) = (kept.first().copied().unwrap_or(0.0), kept.last().copied().unwrap_or(1.0));
    ((first - 0.001).max(0.0), (last + 0.001).min(1.0))
}

fn emp_bernstein(input: &Value) -> Option<Value> {
    let index = counts(&input["index"]);
    let mut process = EmpiricalBernstein::new(number(&input["alpha"])).ok()?;
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    for (i, value) in numbers(&input["x"]).into_iter().enumerate() {
        process.push(value);
        if index.contains(&i) {
            lower.push(process.bounds().0);
            upper.push(process.bounds().1);
        }
    }
    Some(json!({ "lower": lower, "upper": upper }))
}

fn normal_mixture(input: &Value) -> Value {
    let [alpha, v_opt, alpha_opt, s] = ["alpha", "v_opt", "alpha_opt", "s"].map(|key| number(&input[key]));
    let (two, one) = (mixture::rho_two_sided(v_opt, alpha_opt), mixture::rho_one_sided(v_opt, alpha_opt));
    let exponential = GammaExponential::new(v_opt, alpha_opt, 1.0);
    let poisson = GammaPoisson::new(v_opt, alpha_opt, 1.0);
    let times = numbers(&input["v"]);
    let each = |of: &dyn Fn(f64) -> f64| -> Vec<f64> { times.iter().map(|&v| of(v)).collect() };
    // The library's stitched boundary starts at a tenth of the tuned time in these vectors.
    let stitched = |v: f64, c: f64| stitched_boundary(v, alpha, 10.0, c, 1.4, 2.0);
    json!({
        "two_sided": each(&|v| mixture::boundary_two_sided(v, two, alpha)),
        "one_sided": each(&|v| mixture::boundary_one_sided(v, one, alpha)),
        "log_mixture_two": each(&|v| mixture::log_e_two_sided(s, v, two)),
        "log_mixture_one": each(&|v| mixture::log_e_one_sided(s, v, one)),
        "poly_stitching_c0": each(&|v| stitched(v, 0.0)),
        "poly_stitching_c1": each(&|v| stitched(v, 1.0)),
        "gamma_exponential_c1": each(&|v| exponential.boundary(v, alpha)),
        "gamma_poisson_c1": each(&|v| poisson.boundary(v, alpha)),
    })
}

fn bernoulli_cs(input: &Value) -> Value {
    let [n, successes, alpha, null] = ["n", "successes", "alpha", "p0"].map(|key| number(&input[key]));
    let log_e = |one_sided| BetaBinomial::new(null, n, alpha, one_sided).log_e(successes, n);
    let (lower, upper) = bernoulli_interval(successes as u64, n as u64, alpha, n);
    json!({ "ci": [lower, upper], "log_mixture_two": log_e(false), "log_mixture_one": log_e(true) })
}

fn e_detector(input: &Value) -> Option<Value> {
    let (level, bets) = (number(&input["m0"]), numbers(&input["lambdas"]));
    let index = counts(&input["index"]);
    let evidence = |restart| -> Option<Vec<f64>> {
        let mut detector = Detector::new(level, restart, bets.clone()).ok()?;
        let mut evidence = Vec::new();
        for value in numbers(&input["x"]) {
            detector.push(value);
            evidence.push(detector.log_evidence().exp());
        }
        Some(evidence)
    };
    let (sums, best) = (evidence(Restart::Sum)?, evidence(Restart::Best)?);
    let at = |evidence: &[f64]| -> Vec<f64> { index.iter().map(|&i| evidence[i]).collect() };
    let first = sums.iter().position(|&evidence| evidence >= 1000.0);
    Some(json!({ "e_sr": at(&sums), "e_cusum": at(&best), "first_sr_over_1000": first }))
}

fn pseudo_outcomes(input: &Value) -> Value {
    let [judge, probability, labelled, human] =
        ["judge", "label_prob", "labelled", "human"].map(|key| numbers(&input[key]));
    let weight = number(&input["lam"]);
    let outcome =
        |i: usize| pseudo_outcome(weight * judge[i], probability[i], (labelled[i] > 0.5).then_some(human[i]));
    let outcomes: Vec<f64> = (0..judge.len()).map(outcome).collect();
    let moments: Moments = outcomes.iter().copied().collect();
    let error = moments.variance().map(|variance| (variance / moments.n() as f64).sqrt());
    json!({ "mean": moments.mean(), "se": error, "first5": &outcomes[..5] })
}

fn layer_attribution(input: &Value) -> Option<Value> {
    let (z, first, second) = (rows(&input["z"]), numbers(&input["y_z"]), numbers(&input["y_complement"]));
    let mut process = Attribution::new(z[0].len(), number(&input["eps"]), numbers(&input["lambdas"])).ok()?;
    let (mut design, mut scores) = (Vec::new(), Vec::new());
    for (i, row) in z.iter().enumerate() {
        let changed: Vec<bool> = row.iter().map(|&layer| layer > 0.5).collect();
        process.push(&changed, first[i], second[i]);
        design.push([&[1.0][..], row].concat());
        design.push(std::iter::once(1.0).chain(row.iter().map(|layer| 1.0 - layer)).collect());
        scores.extend([first[i], second[i]]);
    }
    let errors = process.effects().map(|layer| layer.variance().map(|v| (v / layer.n() as f64).sqrt()));
    Some(json!({
        "effect": process.effects().map(Moments::mean).collect::<Vec<_>>(),
        "se": errors.collect::<Vec<_>>(),
        "log_e": process.log_e(),
        "ols_all_layers": ols::fit(&design, &scores)?.coefficients,
    }))
}
