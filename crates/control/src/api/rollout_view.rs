//! A rollout as it is shown: where it is, what it says, what it waits for. Pure, from documents and evidence.

use std::collections::BTreeMap;

use serde::Serialize;
use serinus_domain::{
    decide::{self, Gate},
    entity::{Hold, LayerKind, RolledBack, RolloutDoc},
    evidence::Evidence,
    id::{CategoryKey, FeatureKey, RolloutKey},
    units::{Millis, Share, Timestamp},
};
use utoipa::ToSchema;

use super::{
    evidence,
    rollout_spec::{SpecView, StageBody},
    words::{HoldReason, Metric, Phase, Reach, StageKind, Verdict},
};
use crate::sentence::{harm_of, sentence};

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// It is over.
    Done,
    /// The rollout is in it.
    Current,
    /// It comes next, or later.
    Next,
    /// The rollout ended before it.
    Skipped,
}

/// The stage that a rollout is in, or was in last.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StageNow {
    /// Counted from 0.
    pub index: usize,
    /// Which kind.
    pub kind: StageKind,
    /// The candidate's share of new enrolments.
    #[schema(value_type = u32)]
    pub share_ppm: Share,
    /// When it was entered.
    #[schema(value_type = Option<i64>)]
    pub entered_at: Option<Timestamp>,
    /// How long it has lasted, held time not counted.
    #[schema(value_type = u64)]
    pub age_ms: Millis,
}

/// A stage with where it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StageView {
    /// As declared.
    #[serde(flatten)]
    pub spec: StageBody,
    /// Where it stands.
    pub status: StageStatus,
    /// When it was entered; none where it was not.
    #[schema(value_type = Option<i64>)]
    pub entered_at: Option<Timestamp>,
}

/// A hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Hold)]
pub struct HoldView {
    /// Why.
    pub reason: HoldReason,
    /// Since when.
    #[schema(value_type = i64)]
    pub since_at: Timestamp,
    /// In words.
    pub detail: String,
}

impl From<&Hold> for HoldView {
    fn from(hold: &Hold) -> Self {
        Self { reason: hold.reason.into(), since_at: hold.since, detail: hold.detail.clone() }
    }
}

/// How a rollout was taken back.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RolledBack)]
pub struct RolledBackView {
    /// When.
    #[schema(value_type = i64)]
    pub rolled_back_at: Timestamp,
    /// Whom it touches.
    pub reach: Reach,
    /// Whether it had been completed before.
    pub after_completion: bool,
    /// The guardrail that fired; none where a person took it back.
    pub metric: Option<Metric>,
    /// Where it fired, if it was in one category.
    #[schema(value_type = Option<String>)]
    pub category: Option<CategoryKey>,
    /// As a sentence.
    pub reason: String,
    /// Whether the latch has been lifted.
    pub rearmed: bool,
}

impl From<&RolledBack> for RolledBackView {
    fn from(back: &RolledBack) -> Self {
        Self {
            rolled_back_at: back.at,
            reach: back.reach.into(),
            after_completion: back.after_completion,
            metric: back.metric.map(Into::into),
            category: back.category.clone(),
            reason: back.reason.clone(),
            rearmed: back.rearmed,
        }
    }
}

/// A layer that a rollout moves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Move {
    /// Of which feature.
    #[schema(value_type = String)]
    pub feature: FeatureKey,
    /// Which layer.
    #[schema(value_type = String)]
    pub layer: LayerKind,
    /// From which version.
    pub from: Option<String>,
    /// To which version.
    pub to: Option<String>,
}

/// The gate of the present stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Gate)]
pub struct GateView {
    /// Its verdict.
    pub verdict: Verdict,
    /// What is still missing.
    pub missing: Vec<String>,
}

impl From<&Gate> for GateView {
    fn from(gate: &Gate) -> Self {
        Self { verdict: gate.verdict.into(), missing: gate.missing.clone() }
    }
}

/// A rollout.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RolloutView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: RolloutKey,
    /// Where it is.
    pub phase: Phase,
    /// The stage that it is in, or was in last.
    pub stage: Option<StageNow>,
    /// All its stages.
    pub stages: Vec<StageView>,
    /// Its hold.
    pub hold: Option<HoldView>,
    /// How it was taken back.
    pub rolled_back: Option<RolledBackView>,
    /// As it was declared.
    pub spec: SpecView,
    /// When it started.
    #[schema(value_type = Option<i64>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<i64>)]
    pub ended_at: Option<Timestamp>,
    /// The layers that it moves.
    pub change: Vec<Move>,
    /// The verdict as a sentence.
    pub sentence: String,
    /// The gate of its stage, while it runs.
    pub gate: Option<GateView>,
    /// What its decisions look at; none before the first analysis.
    #[schema(value_type = Option<evidence::Evidence>)]
    pub evidence: Option<Evidence>,
    /// Evidence at which it is taken back.
    pub e_limit: f64,
    /// As of when the evidence is.
    #[schema(value_type = Option<i64>)]
    pub report_at: Option<Timestamp>,
}

impl RolloutView {
    /// A rollout as of `now`. `entered` says when it came to the stages before the present one.
    pub fn new(
        doc: &RolloutDoc,
        evidence: Option<&Evidence>,
        entered: &BTreeMap<usize, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let gate = gate(doc, evidence, now);
        Self {
            key: doc.key.clone(),
            phase: doc.state.phase.into(),
            stage: doc.stage().map(|stage| StageNow {
                index: doc.state.stage,
                kind: stage.kind.into(),
                share_ppm: doc.state.share,
                entered_at: doc.state.stage_entered_at,
                age_ms: doc.stage_age(doc.state.ended_at.unwrap_or(now)),
            }),
            stages: stages(doc, entered),
            hold: doc.state.hold.as_ref().map(Into::into),
            rolled_back: doc.state.rolled_back.as_ref().map(Into::into),
            spec: (&doc.spec).into(),
            started_at: doc.state.started_at,
            ended_at: doc.state.ended_at,
            change: moves(doc),
            sentence: sentence(doc, evidence, gate.as_ref(), now),
            gate: gate.as_ref().map(Into::into),
            evidence: evidence.cloned(),
            e_limit: limit_of(doc.spec.alpha),
            report_at: evidence.map(|evidence| evidence.at),
        }
    }
}

fn gate(doc: &RolloutDoc, evidence: Option<&Evidence>, now: Timestamp) -> Option<Gate> {
    doc.state.phase.is_live().then(|| match evidence {
        Some(evidence) => decide::gate(doc, evidence, now),
        None => decide::gate(doc, &Evidence::default(), now),
    })
}

/// The evidence at which an error budget is spent.
fn limit_of(alpha: Share) -> f64 {
    1.0 / alpha.probability().max(1e-6)
}

fn stages(doc: &RolloutDoc, entered: &BTreeMap<usize, Timestamp>) -> Vec<StageView> {
    let live = doc.state.phase.is_live();
    let completed = doc.state.phase == serinus_domain::entity::Phase::Completed;
    let status = |index: usize| match index.cmp(&doc.state.stage) {
        std::cmp::Ordering::Less => StageStatus::Done,
        std::cmp::Ordering::Equal if completed => StageStatus::Done,
        std::cmp::Ordering::Equal => StageStatus::Current,
        std::cmp::Ordering::Greater if live => StageStatus::Next,
        std::cmp::Ordering::Greater => StageStatus::Skipped,
    };
    doc.spec
        .stages
        .iter()
        .enumerate()
        .map(|(index, spec)| {
            let now = doc.state.stage_entered_at.filter(|_| index == doc.state.stage);
            let entered_at = now.or_else(|| entered.get(&index).copied());
            StageView { spec: spec.into(), status: status(index), entered_at }
        })
        .collect()
}

fn moves(doc: &RolloutDoc) -> Vec<Move> {
    let of = |(feature, layers): (&FeatureKey, &serinus_domain::entity::Layers)| {
        let baseline = doc.spec.baseline.get(feature);
        let moves = layers.0.iter().map(|(layer, to)| Move {
            feature: feature.clone(),
            layer: *layer,
            from: baseline.and_then(|baseline| baseline.get(*layer)).map(ToString::to_string),
            to: Some(to.to_string()),
        });
        moves.collect::<Vec<_>>()
    };
    doc.spec.change.iter().flat_map(of).collect()
}

/// A rollout in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RolloutSummary {
    /// Its key.
    #[schema(value_type = String)]
    pub key: RolloutKey,
    /// Whose layers it moves.
    #[schema(value_type = Vec<String>)]
    pub features: Vec<FeatureKey>,
    /// Where it is.
    pub phase: Phase,
    /// The stage that it is in, or was in last.
    pub stage: Option<StageKind>,
    /// Its stages in order.
    pub stages: Vec<StageKind>,
    /// The candidate's share of new enrolments.
    #[schema(value_type = u32)]
    pub share_ppm: Share,
    /// The verdict as a sentence.
    pub sentence: String,
    /// Why, in its author's words.
    pub message: String,
    /// Evidence of harm; in shadow the pairs', because nobody has been served anything.
    pub e: Option<f64>,
    /// Evidence at which it is taken back; in shadow, at which the stage stops it.
    pub e_limit: f64,
    /// When it started.
    #[schema(value_type = Option<i64>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<i64>)]
    pub ended_at: Option<Timestamp>,
}

impl RolloutSummary {
    /// A rollout as of `now`.
    pub fn new(doc: &RolloutDoc, evidence: Option<&Evidence>, now: Timestamp) -> Self {
        let in_shadow =
            doc.stage().is_some_and(|stage| stage.kind == serinus_domain::entity::StageKind::Shadow);
        Self {
            key: doc.key.clone(),
            features: doc.spec.change.keys().cloned().collect(),
            phase: doc.state.phase.into(),
            stage: doc.stage().map(|stage| stage.kind.into()),
            stages: doc.spec.stages.iter().map(|stage| stage.kind.into()).collect(),
            share_ppm: doc.state.share,
            sentence: sentence(doc, evidence, gate(doc, evidence, now).as_ref(), now),
            message: doc.spec.message.clone(),
            e: evidence.map(|evidence| harm_of(doc, evidence)),
            e_limit: limit_of(if in_shadow { doc.spec.alpha_shadow } else { doc.spec.alpha }),
            started_at: doc.state.started_at,
            ended_at: doc.state.ended_at,
        }
    }
}
