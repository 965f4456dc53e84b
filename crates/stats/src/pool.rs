//! The evidence of all guardrails of a rollout as one number, and whom to blame. Knows nothing of what the
//! guardrails measure.
//!
//! Guardrails on one clock are advanced by the same units at the same watermark, so a weighted mean of their
//! evidence is evidence, under any dependence. Different clocks share no filtration (an early outcome is
//! known before a late one of the same unit), so clocks are combined by weighted Bonferroni: E = max over
//! clocks of w_c E_c, which reaches 1/alpha with probability at most alpha.

use libm::{log, sqrt};

use crate::error::{Invalid, require};
use crate::special::log_sum_exp;

/// How long a unit is watched before its outcome counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    Fast,
    Session,
    Slow,
}

impl Clock {
    pub const ALL: [Clock; 3] = [Clock::Fast, Clock::Session, Clock::Slow];
}

/// The part of a metric's weight that goes to its categories, if it has any.
const CATEGORIES_PART: f64 = 0.4;

/// How the categories of a metric share their part of its weight.
#[derive(Clone, Debug, PartialEq)]
pub enum Categories {
    None,
    /// In proportion to the square root of each category's share of traffic.
    ByShare(Vec<f64>),
    /// In proportion to weights that were registered beforehand.
    ByWeight(Vec<f64>),
}

/// One metric that is present when the rollout starts.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricWeight {
    pub weight: f64,
    pub clock: Clock,
    pub categories: Categories,
}

/// One guardrail: a metric, or a metric within a category.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Place of the metric in the list that the weights were made from.
    pub metric: usize,
    pub category: Option<usize>,
    pub clock: Clock,
    /// All weights of a pool sum to 1.
    pub weight: f64,
}

/// Splits 1 over the metrics that are present, and over their categories. Done once, at the start.
pub fn flat_weights(metrics: &[MetricWeight]) -> Result<Vec<Slot>, Invalid> {
    let total: f64 = metrics.iter().map(|metric| metric.weight).sum();
    require(
        total > 0.0 && total.is_finite(),
        "sum of weights",
        total,
        "metrics with a finite weight above 0",
    )?;
    let mut slots = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        require(metric.weight >= 0.0, "weight", metric.weight, "a weight of 0 or more")?;
        let weight = metric.weight / total;
        let slot = Slot { metric: index, category: None, clock: metric.clock, weight };
        let parts = parts(&metric.categories);
        let sum: f64 = parts.iter().sum();
        if sum > 0.0 && sum.is_finite() {
            slots.push(Slot { weight: weight * (1.0 - CATEGORIES_PART), ..slot });
            slots.extend(parts.iter().enumerate().map(|(category, part)| Slot {
                category: Some(category),
                weight: weight * CATEGORIES_PART * part / sum,
                ..slot
            }));
        } else {
            slots.push(slot);
        }
    }
    Ok(slots)
}

fn parts(categories: &Categories) -> Vec<f64> {
    match categories {
        Categories::None => Vec::new(),
        Categories::ByShare(shares) => shares.iter().map(|&share| sqrt(share.max(0.0))).collect(),
        Categories::ByWeight(weights) => weights.iter().map(|&weight| weight.max(0.0)).collect(),
    }
}

/// The evidence at which a rollout is held, resumed and rolled back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub hold: f64,
    pub resume: f64,
    pub rollback: f64,
}

impl Thresholds {
    /// Rolls back at 1/alpha, holds at 5 and resumes below 2.
    pub fn at(alpha: f64) -> Self {
        Thresholds { hold: 5.0, resume: 2.0, rollback: 1.0 / alpha }
    }

    /// Where the evidence stands. Between resume and hold a held rollout stays held and another one runs on.
    pub fn standing(&self, log_e: f64, held: bool) -> Standing {
        if log_e >= log(self.rollback) {
            Standing::Rollback
        } else if log_e >= log(self.hold) || (held && log_e >= log(self.resume)) {
            Standing::Hold
        } else {
            Standing::Clear
        }
    }
}

/// What the evidence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Clear,
    Hold,
    Rollback,
}

/// The guardrails of a rollout with their evidence now and the most they ever had.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    slots: Vec<Slot>,
    log_e: Vec<f64>,
    log_e_max: Vec<f64>,
    gate_max: f64,
}

impl Pool {
    /// All guardrails start with evidence 1.
    pub fn new(slots: Vec<Slot>) -> Result<Self, Invalid> {
        let total: f64 = slots.iter().map(|slot| slot.weight).sum();
        require((total - 1.0).abs() < 1e-9, "sum of weights", total, "weights that sum to 1")?;
        let zeros = vec![0.0; slots.len()];
        Ok(Pool { slots, log_e: zeros.clone(), log_e_max: zeros, gate_max: f64::NEG_INFINITY })
    }

    /// Sets the evidence of all guardrails, in the order of the slots, as of one watermark. Missing or
    /// undefined values leave a guardrail where it was.
    pub fn observe(&mut self, log_e: impl IntoIterator<Item = f64>) {
        for (index, value) in log_e.into_iter().enumerate().take(self.slots.len()) {
            if value.is_nan() {
                continue;
            }
            self.log_e[index] = value;
            self.log_e_max[index] = self.log_e_max[index].max(value);
        }
        self.gate_max = self.gate_max.max(self.log_e());
    }

    /// log E: the most that any clock says, weighted.
    pub fn log_e(&self) -> f64 {
        Clock::ALL.iter().map(|&clock| self.clock_log_e(clock)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// log of w_c E_c of one clock; negative infinity for a clock without guardrails.
    pub fn clock_log_e(&self, clock: Clock) -> f64 {
        let terms: Vec<f64> = self
            .slots
            .iter()
            .zip(&self.log_e)
            .filter(|(slot, _)| slot.clock == clock && slot.weight > 0.0)
            .map(|(slot, log_e)| log(slot.weight) + log_e)
            .collect();
        log_sum_exp(&terms)
    }

    /// The largest log E at any observation.
    pub fn log_e_max(&self) -> f64 {
        self.gate_max
    }

    /// What each guardrail adds to E now, in logs, with its slot.
    pub fn contributions(&self) -> impl Iterator<Item = (&Slot, f64)> + '_ {
        self.slots
            .iter()
            .zip(self.log_e.iter().copied())
            .map(|(slot, log_e)| (slot, log(slot.weight) + log_e))
    }

    /// The guardrails that are harmed, with a family-wise error of at most alpha: e-Holm with the pool's
    /// weights over the most that each ever had. Places of slots, most certain first.
    pub fn blame(&self, alpha: f64) -> Vec<usize> {
        let weights: Vec<f64> = self.slots.iter().map(|slot| slot.weight).collect();
        holm(&self.log_e_max, &weights, alpha)
    }

    /// The guardrails.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The evidence of each guardrail now.
    pub fn log_es(&self) -> &[f64] {
        &self.log_e
    }

    /// The most evidence that each guardrail ever had.
    pub fn log_es_max(&self) -> &[f64] {
        &self.log_e_max
    }
}

/// Weighted e-Holm: convicts the hypothesis with the largest weighted evidence while that reaches the weight
/// of all that are not convicted yet, over alpha. With equal weights step i of J needs (J - i + 1)/alpha.
/// Legal for running maxima, because each step is a union bound.
pub fn holm(log_e: &[f64], weights: &[f64], alpha: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..log_e.len().min(weights.len())).filter(|&j| weights[j] > 0.0).collect();
    let weighted = |j: usize| log(weights[j]) + log_e[j];
    order.sort_by(|&a, &b| weighted(b).total_cmp(&weighted(a)).then(a.cmp(&b)));
    let mut convicted = Vec::new();
    for (step, &candidate) in order.iter().enumerate() {
        let left: f64 = order[step..].iter().map(|&j| weights[j]).sum();
        if weighted(candidate) < log(left / alpha) {
            break;
        }
        convicted.push(candidate);
    }
    convicted
}
