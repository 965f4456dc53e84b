//! What analysis hands to decisions: effects, intervals and wealths as of a watermark. Knows nothing of how they were computed.
//! All numbers are finite; an unbounded one is held to `±1e300` by whoever computes it, so that JSON keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    entity::{Clock, GuardrailAction, GuardrailLimit, Metric, Trust},
    id::{CategoryKey, RolloutKey},
    units::Timestamp,
};

/// The version of the analysis; a change of method starts a new one, never a silent reading of old evidence.
pub const ANALYSIS_VERSION: u32 = 1;

/// How much has been looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The last record that was read.
    pub record: u64,
    /// Units folded on each clock, in enrolment order.
    pub units: BTreeMap<Clock, u64>,
    /// A digest of the folded (unit, arm, probability, outcome) rows.
    pub ledger: Option<Digest>,
}

/// The difference of the arms on one metric, in the metric's own unit, candidate minus control.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Units in the candidate.
    pub candidate_units: u64,
    /// Units in control.
    pub control_units: u64,
    /// The candidate's mean.
    pub candidate_mean: f64,
    /// Control's mean.
    pub control_mean: f64,
    /// The estimated difference.
    pub difference: f64,
    /// Lower end of its confidence sequence.
    pub lower: f64,
    /// Upper end of its confidence sequence.
    pub upper: f64,
}

/// The state of one guardrail, overall or in one category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardrailEvidence {
    /// What is watched.
    pub metric: Metric,
    /// Where, if in one category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryKey>,
    /// On which clock.
    pub clock: Clock,
    /// When it calls a difference harm.
    pub limit: GuardrailLimit,
    /// The margin in the metric's unit, allowance included.
    pub margin: f64,
    /// Its share of its clock's pool.
    pub weight: f64,
    /// What it does.
    pub action: GuardrailAction,
    /// Whether promotion needs its non-inferiority.
    pub headline: bool,
    /// Of judged metrics.
    pub trust: Trust,
    /// The logarithm of its wealth.
    pub log_e: f64,
    /// The largest it has been.
    pub log_e_max: f64,
    /// The difference.
    pub effect: Effect,
    /// Whether harm is shown to be within the margin (one-sided, anytime-valid, at the promotion level).
    pub non_inferior: bool,
    /// Units of both arms that non-inferiority is still expected to take; none where it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_needed: Option<u64>,
    /// Of an absolute limit: whether control breaches it as well.
    #[serde(default)]
    pub control_breaches: bool,
    /// Whether it is blamed, corrected for the number of guardrails.
    #[serde(default)]
    pub blamed: bool,
}

/// The pooled evidence of one clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockEvidence {
    /// Which.
    pub clock: Clock,
    /// Its weight among the clocks.
    pub weight: f64,
    /// The weighted mean of its guardrails' wealths.
    pub e: f64,
}

/// The comparison of shadow pairs on one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairEvidence {
    /// What is compared.
    pub metric: Metric,
    /// Sessions compared.
    pub sessions: u64,
    /// Pairs compared.
    pub pairs: u64,
    /// The mean difference, candidate minus control.
    pub difference: f64,
    /// Lower end of its confidence sequence.
    pub lower: f64,
    /// Upper end of its confidence sequence.
    pub upper: f64,
    /// The logarithm of the wealth against "no worse than the margin".
    pub log_e: f64,
    /// That margin, in the metric's unit; evidence of before it was kept has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Its share of the pool.
    pub weight: f64,
}

/// What the shadow stage has shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShadowEvidence {
    /// Pairs of a served answer and a shadow answer.
    pub pairs: u64,
    /// Control asked again, to see how much it differs from itself.
    pub repeats: u64,
    /// Of those, how many changed their verdict.
    pub repeats_flipped: u64,
    /// The weighted mean of wealths.
    pub e: f64,
    /// By metric.
    pub metrics: Vec<PairEvidence>,
}

/// Units by arm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// In the candidate.
    pub candidate: u64,
    /// In control.
    pub control: u64,
}

/// Everything that a decision looks at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of which rollout.
    pub rollout: Option<RolloutKey>,
    /// Which analysis.
    pub analysis_version: u32,
    /// As of when.
    pub at: Timestamp,
    /// How much was looked at.
    pub watermark: Watermark,
    /// Units enrolled since the start.
    pub enrolled: ArmCounts,
    /// Units enrolled in the present stage and mature on the clock that its minimum counts.
    pub stage_matured: ArmCounts,
    /// Interactions served since the start.
    pub interactions: ArmCounts,
    /// Matured units of this stage by category, both arms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub category_units: BTreeMap<CategoryKey, u64>,
    /// Every guardrail, overall ones first.
    pub guardrails: Vec<GuardrailEvidence>,
    /// Every clock.
    pub clocks: Vec<ClockEvidence>,
    /// The largest weighted evidence over clocks of guardrails that roll back: holds at 5, rolls back at 1/alpha.
    pub e: f64,
    /// Likewise of guardrails that only hold.
    pub e_hold: f64,
    /// Sample ratio: the logarithm of the wealth against the declared probabilities.
    pub sample_ratio_log_e: f64,
    /// The shadow stage's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowEvidence>,
    /// What could not be measured, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
