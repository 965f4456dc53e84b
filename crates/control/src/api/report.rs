//! A rollout's report: evidence, how it came about, the arms side by side, what happened and the worst answers.
//! Shows what analysis left on the board; computes no statistic.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use serinus_domain::{
    entity::DocKey,
    evidence::Evidence,
    id::{CategoryKey, RolloutKey},
    report::{ArmSummary, CategorySummary, Exposure, HarmPoint, Point, Report, Series},
    resolve,
    revision::RevisionNumber,
    units::{MicroUsd, Timestamp},
};
use serinus_store::{InteractionFilter, Records};
use utoipa::ToSchema;

use super::{
    evidence,
    interactions::InteractionView,
    rollouts::{find, summary},
    words::{Arm, Metric, Verdict},
};
use crate::{
    error::ApiError,
    extract::{Key, Reader},
    state::App,
    timeline::Event,
};

/// How many of the worst answers a report shows.
const WORST: usize = 3;
/// Below this a judged answer is among the bad ones.
const BAD_SCORE: f64 = 0.5;

/// One moment of a metric's interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Point)]
pub struct PointView {
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Units of both arms.
    pub n: u64,
    /// The estimated difference, candidate minus control.
    pub difference: f64,
    /// Lower end of its confidence sequence.
    pub lower: f64,
    /// Upper end of its confidence sequence.
    pub upper: f64,
    /// The guardrail's wealth.
    pub e: f64,
}

impl From<&Point> for PointView {
    fn from(point: &Point) -> Self {
        let Point { at, units, difference, lower, upper, e } = *point;
        Self { at, n: units, difference, lower, upper, e }
    }
}

/// A metric's interval over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Series)]
pub struct SeriesOfPoints {
    /// Which metric.
    pub metric: Metric,
    /// Where, if in one category.
    #[schema(value_type = Option<String>)]
    pub category: Option<CategoryKey>,
    /// In order of time.
    pub points: Vec<PointView>,
}

impl From<&Series> for SeriesOfPoints {
    fn from(series: &Series) -> Self {
        Self {
            metric: series.metric.into(),
            category: series.category.clone(),
            points: series.points.iter().map(Into::into).collect(),
        }
    }
}

/// The pooled evidence of harm at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HarmPoint)]
pub struct HarmView {
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The evidence.
    pub e: f64,
}

impl From<&HarmPoint> for HarmView {
    fn from(point: &HarmPoint) -> Self {
        Self { at: point.at, e: point.e }
    }
}

/// One category of one arm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CategorySummary)]
pub struct CategoryView {
    /// Which.
    pub category: String,
    /// Interactions.
    pub interactions: u64,
    /// Mean judged quality.
    pub quality_mean: Option<f64>,
    /// Share of answers that their parser refuses.
    pub invalid_rate: Option<f64>,
    /// How many were judged.
    pub judged: u64,
}

impl From<&CategorySummary> for CategoryView {
    fn from(summary: &CategorySummary) -> Self {
        Self {
            category: summary.category.clone(),
            interactions: summary.interactions,
            quality_mean: summary.quality_mean,
            invalid_rate: summary.invalid_rate,
            judged: summary.judged,
        }
    }
}

/// One arm as it was served, in plain numbers: nothing here is a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArmSummary)]
pub struct ArmView {
    /// Which.
    pub arm: Arm,
    /// Enrolled units.
    pub units: u64,
    /// Interactions.
    pub interactions: u64,
    /// Failed ones.
    pub errors: u64,
    /// Their share.
    pub error_rate: Option<f64>,
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
    #[schema(value_type = Option<i64>)]
    pub cost_mean_micro_usd: Option<MicroUsd>,
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
    pub categories: Vec<CategoryView>,
}

impl From<&ArmSummary> for ArmView {
    fn from(arm: &ArmSummary) -> Self {
        Self {
            arm: arm.arm.into(),
            units: arm.units,
            interactions: arm.interactions,
            errors: arm.errors,
            error_rate: (arm.interactions > 0).then(|| arm.errors as f64 / arm.interactions as f64),
            ttft_p50_ms: arm.ttft_p50_ms,
            ttft_p95_ms: arm.ttft_p95_ms,
            latency_p50_ms: arm.latency_p50_ms,
            latency_p95_ms: arm.latency_p95_ms,
            output_tokens_mean: arm.output_tokens_mean,
            cost_mean_micro_usd: arm.cost_mean,
            invalid_rate: arm.invalid_rate,
            refusal_rate: arm.refusal_rate,
            quality_mean: arm.quality_mean,
            judged: arm.judged,
            thumbs_up: arm.thumbs_up,
            thumbs_down: arm.thumbs_down,
            categories: arm.categories.iter().map(Into::into).collect(),
        }
    }
}

/// Who has met the candidate.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Exposure)]
pub struct ExposureView {
    /// Units enrolled in the candidate.
    pub candidate_sessions: u64,
    /// Interactions that it answered.
    pub candidate_interactions: u64,
    /// When a unit was last enrolled in it.
    #[schema(value_type = Option<i64>)]
    pub last_enrolment_at: Option<Timestamp>,
    /// When a turn on it last began.
    #[schema(value_type = Option<i64>)]
    pub last_turn_at: Option<Timestamp>,
}

impl From<&Exposure> for ExposureView {
    fn from(exposure: &Exposure) -> Self {
        Self {
            candidate_sessions: exposure.candidate_units,
            candidate_interactions: exposure.candidate_interactions,
            last_enrolment_at: exposure.last_enrolment_at,
            last_turn_at: exposure.last_turn_at,
        }
    }
}

/// A revision that touched the rollout.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolloutEvent {
    /// Its number.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// Of the controller's: the verdict that it acted on.
    pub verdict: Option<Verdict>,
}

impl From<Event> for RolloutEvent {
    fn from(event: Event) -> Self {
        Self {
            revision: event.revision,
            at: event.at,
            actor: event.actor,
            message: event.message,
            verdict: event.verdict.map(Into::into),
        }
    }
}

/// A rollout's report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportView {
    /// Which rollout.
    #[schema(value_type = String)]
    pub rollout: RolloutKey,
    /// The verdict as a sentence.
    pub sentence: String,
    /// What its decisions look at; none before the first analysis.
    #[schema(value_type = Option<evidence::Evidence>)]
    pub evidence: Option<Evidence>,
    /// Intervals over time, overall ones first.
    pub series: Vec<SeriesOfPoints>,
    /// Evidence of harm over time.
    pub harm: Vec<HarmView>,
    /// Control and candidate.
    pub arms: Vec<ArmView>,
    /// Who has met the candidate.
    pub exposure: ExposureView,
    /// What happened, oldest first.
    pub events: Vec<RolloutEvent>,
    /// The latest of the candidate's answers that failed, were refused by their parser, or judged badly.
    pub worst: Vec<InteractionView>,
}

/// Shows a rollout's report.
#[utoipa::path(get, path = "/rollouts/{key}/report", tag = "rollouts", params(("key" = String, Path)),
    responses((status = 200, body = ReportView)))]
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<RolloutKey>,
) -> Result<Json<ReportView>, ApiError> {
    let sentence = summary(&app, find(&app.active().snapshot, &key)?).sentence;
    let events = app.timeline.of(app.store(), &DocKey::rollout(&key)).await?;
    let worst = InteractionFilter {
        rollout: Some(key.clone()),
        arm: Some(resolve::Arm::Candidate),
        score_below: Some(BAD_SCORE),
        limit: WORST,
        ..InteractionFilter::default()
    };
    let worst = Records::list(app.store(), &worst).await?;
    let report = app.control.reports.get(&key);
    let none = Report::default();
    let shown = report.as_deref().unwrap_or(&none);
    Ok(Json(ReportView {
        rollout: key,
        sentence,
        evidence: report.as_ref().map(|report| report.evidence.clone()),
        series: shown.series.iter().map(Into::into).collect(),
        harm: shown.harm.iter().map(Into::into).collect(),
        arms: shown.arms.iter().map(Into::into).collect(),
        exposure: (&shown.exposure).into(),
        events: events.into_iter().map(Into::into).collect(),
        worst: worst.into_iter().map(InteractionView::short).collect(),
    }))
}
