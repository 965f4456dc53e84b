//! Families that reports show: clusters, regression, labels, repeats. Knows the vectors' field names and
//! nothing of how they are compared.

use serde_json::{Value, json};
use serinus_stats::fixed::clusters::{ClusteredArm, compare};
use serinus_stats::fixed::cuped::Outcomes;
use serinus_stats::fixed::labels::{Judged, Labelled};
use serinus_stats::fixed::proportions::{Count, Proportions};
use serinus_stats::fixed::repeats::Components;
use serinus_stats::fixed::welch::Comparison;

use serinus_stats::special::phi;

use super::{number, numbers, rows};

pub fn evaluate(family: &str, input: &Value) -> Option<Value> {
    match family {
        "ratio_delta" => ratio_delta(input),
        "cuped" => cuped(input),
        "two_proportion" => Some(two_proportion(input)),
        "ppi" => Some(ppi(input)),
        "rogan_gladen" => Some(rogan_gladen(input)),
        "variance_components" => variance_components(input),
        _ => None,
    }
}

fn ratio_delta(input: &Value) -> Option<Value> {
    let [control_rows, treatment_rows] =
        ["control_clusters", "treatment_clusters"].map(|key| rows(&input[key]));
    let (control, treatment) = (ClusteredArm::of(&control_rows)?, ClusteredArm::of(&treatment_rows)?);
    let (absolute, relative) = compare(&control, &treatment);
    let alpha = number(&input["alpha"]);
    let shown = |comparison: &Comparison| {
        let (lower, upper) = comparison.interval(alpha);
        json!({
            "estimate": comparison.estimate, "variance": comparison.variance, "df": comparison.df,
            "p": comparison.p_two_sided(), "ci": [lower, upper],
        })
    };
    let cr0 = (control.cr0() + treatment.cr0()).sqrt();
    let (groups, values) = (control.clusters + treatment.clusters, control.values + treatment.values);
    let naive = |arm: &ClusteredArm| arm.naive_variance / arm.values;
    let components = Components::of(&control_rows)?;
    Some(json!({
        "ratio": [control.ratio, treatment.ratio],
        "cluster_variance": [control.cluster_variance, treatment.cluster_variance],
        "covariance": [control.covariance, treatment.covariance],
        "absolute": shown(&absolute), "relative": shown(&relative),
        "cr0_se": cr0, "cr1_se": cr0 * (groups / (groups - 1.0) * (values - 1.0) / (values - 2.0)).sqrt(),
        "naive_hc0_se": (naive(&control) + naive(&treatment)).sqrt(),
        "icc_anova_control": components.icc(), "msb_control": components.between_mean_square,
        "msw_control": components.within_mean_square, "n0_control": components.size,
        "design_effect_control": control.design_effect(),
    }))
}

fn cuped(input: &Value) -> Option<Value> {
    let [treated, pre, y, category] = ["treatment", "pre", "y", "category"].map(|key| numbers(&input[key]));
    let treated: Vec<bool> = treated.iter().map(|&arm| arm > 0.5).collect();
    let outcomes = Outcomes { treated: &treated, y: &y };
    let theta = outcomes.slope(&pre)?;
    let (adjusted, raw) = (outcomes.compare(|i| theta * pre[i])?, outcomes.compare(|_| 0.0)?);
    let (lower, upper) = adjusted.interval(number(&input["alpha"]));
    let categories = category.iter().copied().fold(0.0, f64::max) as usize;
    let covariates: Vec<Vec<f64>> = pre
        .iter()
        .zip(&category)
        .map(|(&pre, &own)| {
            let dummies = (1..=categories).map(|category| f64::from(u8::from(own as usize == category)));
            std::iter::once(pre).chain(dummies).collect()
        })
        .collect();
    let (lin, ancova) = (outcomes.regress(&covariates, true)?, outcomes.regress(&covariates, false)?);
    Some(json!({
        "theta": theta, "estimate": adjusted.estimate, "variance": adjusted.variance,
        "p": adjusted.p_two_sided(), "ci": [lower, upper],
        "raw_diff": raw.estimate, "raw_p": raw.p_two_sided(), "variance_ratio": adjusted.variance / raw.variance,
        "lin_estimate": lin.coefficients[1], "lin_se_hc2": lin.se_hc2[1],
        "ancova_estimate": ancova.coefficients[1], "ancova_se_hc2": ancova.se_hc2[1],
    }))
}

fn two_proportion(input: &Value) -> Value {
    let (successes, n) = (numbers(&input["successes"]), numbers(&input["n"]));
    let count = |i: usize| Count { successes: successes[i], n: n[i] };
    let both = Proportions { control: count(0), treatment: count(1) };
    let [alpha, margin] = ["alpha", "margin"].map(|key| number(&input[key]));
    let pair = |(lower, upper): (f64, f64)| [lower, upper];
    let (z, score, welch) = (both.z_pooled(), both.z_score_statsmodels(-margin), both.welch());
    json!({
        "z_pooled": z, "p_pooled": 2.0 * phi(-z.abs()), "diff": both.difference(),
        "ci_wald": pair(both.wald(alpha)), "ci_agresti-caffo": pair(both.agresti_caffo(alpha)),
        "ci_newcomb": pair(both.newcombe(alpha)), "ci_score": pair(both.score_interval(alpha, Proportions::z_score_statsmodels)),
        "noninf_score_z": score, "noninf_score_p": phi(-score), "fisher_p": both.fisher_p(),
        "wilson_control": pair(both.control.wilson(alpha)),
        "clopper_pearson_treatment": pair(both.treatment.clopper_pearson(alpha)),
        "gbstats_t_p": welch.p_two_sided(), "gbstats_t_ci": pair(welch.interval(alpha)),
    })
}

fn ppi(input: &Value) -> Value {
    let [labels, judged, judged_only] =
        ["y", "judge_labelled", "judge_unlabelled"].map(|key| numbers(&input[key]));
    let data = Labelled { labels: &labels, judged: &judged, judged_only: &judged_only };
    let [alpha, null] = ["alpha", "null"].map(|key| number(&input[key]));
    let shown = |weight: f64| {
        let estimate = data.estimate(weight);
        let (lower, upper) = estimate.interval(alpha);
        json!({ "estimate": estimate.value, "ci": [lower, upper] })
    };
    let weight = data.best_weight();
    let plain = data.estimate(1.0);
    json!({
        "tuned": shown(weight), "lam1": shown(1.0), "classical": shown(0.0), "lambda_hat": weight,
        "p_value_vs_null": phi((plain.value - null) / plain.variance.sqrt()),
        "effective_sample_ratio": data.estimate(0.0).variance / data.estimate(weight).variance,
    })
}

fn rogan_gladen(input: &Value) -> Value {
    let [rate, n, sensitivity, positives, specificity, negatives, alpha] =
        ["p_judge", "n_test", "sensitivity", "m_pos", "specificity", "m_neg", "alpha"]
            .map(|key| number(&input[key]));
    let judged = Judged { rate, n, sensitivity, positives, specificity, negatives };
    let shrunk = judged.shrunk(alpha);
    let (plain, drawn, shift) = (judged.corrected(), shrunk.corrected(), shrunk.shift(alpha));
    let (low, high) = plain.interval(alpha);
    let (shrunk_low, shrunk_high) = drawn.interval(alpha);
    json!({
        "theta": plain.value, "var_plain": plain.variance, "ci_plain": [low, high],
        "theta_shrunk": drawn.value, "var_shrunk": drawn.variance, "shift": shift,
        "ci_shrunk": [(shrunk_low + shift).max(0.0), (shrunk_high + shift).min(1.0)],
    })
}

fn variance_components(input: &Value) -> Option<Value> {
    let components = Components::of(&rows(&input["y"]))?;
    let (lower, upper) = components.icc_interval(0.05);
    let [prompt, repeat] = ["cost_prompt", "cost_repeat"].map(|key| number(&input[key]));
    Some(json!({
        "msb": components.between_mean_square, "msw": components.within_mean_square,
        "sigma2_between": components.between(), "sigma2_within": components.within_mean_square,
        "icc": components.icc(), "icc_ci": [lower, upper], "var_mean": components.variance_of_mean(),
        "k_star": components.best_repeats(prompt, repeat),
    }))
}
