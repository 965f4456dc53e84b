//! What a rollout's page shows: the evidence, how it came about, and the arms side by side. A read model: made from records,
//! dropped and made again at will; no decision looks at it.

use serde::{Deserialize, Serialize};

use crate::{
    entity::Metric,
    evidence::Evidence,
    id::CategoryKey,
    resolve::Arm,
    units::{MicroUsd, Timestamp},
};

/// Points of a series that a report keeps; older ones are thinned, the first and the last stay.
pub const POINTS_MAX: usize = 240;

/// One moment of a metric's interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// Units of both arms.
    pub units: u64,
    /// The estimated difference, candidate minus control.
    pub difference: f64,
    /// Lower end of its confidence sequence.
    pub lower: f64,
    /// Upper end of its confidence sequence.
    pub upper: f64,
    /// The guardrail's wealth, held to 1e6.
    pub e: f64,
}

/// A metric's interval over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Which metric.
    pub metric: Metric,
    /// Where, if in one category.
    #[serde(default)]
    pub category: Option<CategoryKey>,
    /// In order of time.
    pub points: Vec<Point>,
}

/// The pooled harm evidence at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HarmPoint {
    /// When.
    pub at: Timestamp,
    /// The evidence, held to 1e6.
    pub e: f64,
}

/// One category of one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CategorySummary {
    /// Which.
    pub category: String,
    /// Interactions.
    pub interactions: u64,
    /// Share of answers that their parser refuses, of those that were read.
    pub invalid_rate: Option<f64>,
    /// Mean judged quality.
    pub quality_mean: Option<f64>,
    /// How many were judged.
    pub judged: u64,
}

/// One arm as it was served, in plain numbers: nothing here is a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// Which.
    pub arm: Arm,
    /// Enrolled units.
    pub units: u64,
    /// Interactions.
    pub interactions: u64,
    /// Failed ones.
    pub errors: u64,
    /// Median time to first token.
    pub ttft_p50_ms: Option<f64>,
    /// 95th percentile of the time to first token.
    pub ttft_p95_ms: Option<f64>,
    /// Median latency.
    pub latency_p50_ms: Option<f64>,
    /// 95th percentile of latency.
    pub latency_p95_ms: Option<f64>,
    /// Mean output tokens of a call.
    pub output_tokens_mean: Option<f64>,
    /// Mean cost of a call.
    pub cost_mean: Option<MicroUsd>,
    /// Share of answers that their parser refuses.
    pub invalid_rate: Option<f64>,
    /// Share of refusals.
    pub refusal_rate: Option<f64>,
    /// Mean judged quality.
    pub quality_mean: Option<f64>,
    /// How many were judged.
    pub judged: u64,
    /// Thumbs up.
    pub thumbs_up: u64,
    /// Thumbs down.
    pub thumbs_down: u64,
    /// By category.
    pub categories: Vec<CategorySummary>,
}

/// Who has met the candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// Units enrolled in the candidate.
    pub candidate_units: u64,
    /// Interactions that it answered.
    pub candidate_interactions: u64,
    /// When a unit was last enrolled in it.
    pub last_enrolment_at: Option<Timestamp>,
    /// When a turn on it last began.
    pub last_turn_at: Option<Timestamp>,
}

/// A rollout's report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The evidence of now.
    pub evidence: Evidence,
    /// Harm evidence over time.
    pub harm: Vec<HarmPoint>,
    /// Intervals over time, overall ones first.
    pub series: Vec<Series>,
    /// Control and candidate.
    pub arms: Vec<ArmSummary>,
    /// Who has met the candidate.
    pub exposure: Exposure,
}
