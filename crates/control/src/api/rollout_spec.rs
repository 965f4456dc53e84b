//! A rollout as it is declared: the body of a start, and the same words in answers, so that what a dry run shows can be sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{self, Rejection, StartRequest},
    entity::{self, GuardrailLimit, GuardrailSpec, Layers, RolloutSpec, StageSpec},
    id::{CategoryKey, ChannelKey, FeatureKey, GroupKey, RolloutKey},
    units::{MicroUsd, Millis, Share},
};
use utoipa::ToSchema;

use super::{
    condition::ConditionBody,
    words::{BucketBy, GuardrailAction, Metric, Reach, StageKind, Trust},
};

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Stage)]
pub struct StageBody {
    /// Which kind.
    pub kind: StageKind,
    /// The candidate's share of enrolments; of a shadow stage, the share of sessions that are copied.
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub share_ppm: Share,
    /// Matured candidate units that it takes; of a shadow stage, pairs.
    pub units_min: u32,
    /// How long it lasts at least.
    #[schema(value_type = u64)]
    pub min_ms: Millis,
    /// After how long it holds and pages.
    #[schema(value_type = u64)]
    pub max_ms: Millis,
    /// Matured units of every declared category.
    pub category_units_min: u32,
    /// Of a shadow stage: what its copies may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub spend_max_micro_usd: Option<MicroUsd>,
}

/// A stage as it is asked for; what is left out is as in the usual stage of its kind.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StageRequest {
    /// Which kind.
    pub kind: StageKind,
    /// The candidate's share of enrolments; of a shadow stage, the share of sessions that are copied.
    #[serde(default)]
    #[schema(value_type = Option<u32>, maximum = 1_000_000)]
    pub share_ppm: Option<Share>,
    /// Matured candidate units that it takes; of a shadow stage, pairs.
    #[serde(default)]
    pub units_min: Option<u32>,
    /// How long it lasts at least.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub min_ms: Option<Millis>,
    /// After how long it holds and pages.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub max_ms: Option<Millis>,
    /// Matured units of every declared category.
    #[serde(default)]
    pub category_units_min: Option<u32>,
    /// Of a shadow stage: what its copies may cost.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub spend_max_micro_usd: Option<MicroUsd>,
}

impl From<StageRequest> for StageSpec {
    fn from(asked: StageRequest) -> Self {
        let kind = asked.kind.into();
        let usual = decide::default_stages().into_iter().find(|stage| stage.kind == kind);
        let usual = usual.unwrap_or(Self {
            kind,
            share: Share::NONE,
            units_min: 0,
            min: Millis(0),
            max: Millis(u64::MAX),
            category_units_min: 0,
            spend_max: None,
        });
        let min = asked.min_ms.unwrap_or(usual.min);
        Self {
            kind,
            share: asked.share_ppm.unwrap_or(usual.share),
            units_min: asked.units_min.unwrap_or(usual.units_min),
            min,
            // A longer minimum than usual moves the usual end along.
            max: asked.max_ms.unwrap_or(Millis(usual.max.0.max(min.0.saturating_mul(2)))),
            category_units_min: asked.category_units_min.unwrap_or(usual.category_units_min),
            spend_max: asked.spend_max_micro_usd.or(usual.spend_max),
        }
    }
}

impl From<&StageSpec> for StageBody {
    fn from(spec: &StageSpec) -> Self {
        Self {
            kind: spec.kind.into(),
            share_ppm: spec.share,
            units_min: spec.units_min,
            min_ms: spec.min,
            max_ms: spec.max,
            category_units_min: spec.category_units_min,
            spend_max_micro_usd: spec.spend_max,
        }
    }
}

/// Worse than control by more than the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorseBy {
    /// Of control's mean, in parts per million.
    #[serde(default)]
    pub relative_ppm: u32,
    /// Of the metric's scale, in parts per million.
    #[serde(default)]
    pub absolute_ppm: u32,
}

/// A guardrail. Has either `worse_by` or `worse_than_ppm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Guardrail)]
pub struct GuardrailBody {
    /// What is watched.
    pub metric: Metric,
    /// Against control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse_by: Option<WorseBy>,
    /// Whatever control does: in parts per million of the metric's scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse_than_ppm: Option<u32>,
    /// What then happens.
    #[serde(default = "roll_back")]
    pub action: GuardrailAction,
    /// Its share of the evidence pool.
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub weight_ppm: Share,
    /// Whether every declared category is watched too.
    #[serde(default)]
    pub per_category: bool,
    /// Weight within the category part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, u32>)]
    pub category_weights: BTreeMap<CategoryKey, Share>,
    /// Whether promotion at A/B needs its non-inferiority.
    #[serde(default)]
    pub headline: bool,
    /// Of judged metrics: how far the judge is trusted.
    #[serde(default = "uncalibrated")]
    pub trust: Trust,
    /// Whom a rollback that it causes touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
}

const fn roll_back() -> GuardrailAction {
    GuardrailAction::RollBack
}

const fn uncalibrated() -> Trust {
    Trust::Uncalibrated
}

impl TryFrom<GuardrailBody> for GuardrailSpec {
    type Error = Rejection;

    fn try_from(body: GuardrailBody) -> Result<Self, Rejection> {
        let limit = match (body.worse_by, body.worse_than_ppm) {
            (Some(WorseBy { relative_ppm, absolute_ppm }), None) => {
                GuardrailLimit::WorseBy { relative_ppm, absolute_ppm }
            }
            (None, Some(limit_ppm)) => GuardrailLimit::WorseThan { limit_ppm },
            (None, None) | (Some(_), Some(_)) => {
                let metric = entity::Metric::from(body.metric);
                let text = format!("guardrail on {metric}: say either worse_by or worse_than_ppm");
                return Err(Rejection::new("rollout.invalid", text));
            }
        };
        Ok(Self {
            metric: body.metric.into(),
            limit,
            action: body.action.into(),
            weight: body.weight_ppm,
            per_category: body.per_category,
            category_weights: body.category_weights,
            headline: body.headline,
            trust: body.trust.into(),
            reach: body.reach.map(Into::into),
        })
    }
}

impl From<&GuardrailSpec> for GuardrailBody {
    fn from(spec: &GuardrailSpec) -> Self {
        let (worse_by, worse_than_ppm) = match spec.limit {
            GuardrailLimit::WorseBy { relative_ppm, absolute_ppm } => {
                (Some(WorseBy { relative_ppm, absolute_ppm }), None)
            }
            GuardrailLimit::WorseThan { limit_ppm } => (None, Some(limit_ppm)),
        };
        Self {
            metric: spec.metric.into(),
            worse_by,
            worse_than_ppm,
            action: spec.action.into(),
            weight_ppm: spec.weight,
            per_category: spec.per_category,
            category_weights: spec.category_weights.clone(),
            headline: spec.headline,
            trust: spec.trust.into(),
            reach: spec.reach.map(Into::into),
        }
    }
}

/// A part of an exclusion group.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Exclusive)]
pub struct ExclusiveBody {
    /// The group.
    #[schema(value_type = String)]
    pub group: GroupKey,
    /// How much of it.
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub share_ppm: Share,
}

/// A rollout's part of an exclusion group, by buckets.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Slot)]
pub struct SlotView {
    /// The group.
    #[schema(value_type = String)]
    pub group: GroupKey,
    /// The first bucket.
    pub from_ppm: u32,
    /// The bucket after the last.
    pub to_ppm: u32,
}

/// A rollout as it is asked for; what is left out has a default.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    /// Its key; `<feature>-<n>` where not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub name: Option<RolloutKey>,
    /// The layers that it replaces, by feature.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub change: BTreeMap<FeatureKey, Layers>,
    /// Whom it concerns; everybody where not given.
    #[serde(default)]
    pub audience: Option<ConditionBody>,
    /// What it randomises; the feature's choice where not given.
    #[serde(default)]
    pub bucket_by: Option<BucketBy>,
    /// The stage that it begins with.
    #[serde(default)]
    pub from: Option<StageKind>,
    /// Its stages; shadow, canary, A/B and full where not given.
    #[serde(default)]
    pub stages: Option<Vec<StageRequest>>,
    /// Guardrails in place of built-in ones of the same metric and kind of limit, or beside them.
    #[serde(default)]
    pub guardrails: Vec<GuardrailBody>,
    /// Whether the built-in guardrails are in force.
    #[serde(default = "yes")]
    pub builtin: bool,
    /// False alarms are bounded by this over all guardrails; 5% where not given.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub alpha_ppm: Option<Share>,
    /// How long a session is watched.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub session_window_ms: Option<Millis>,
    /// How long a first interaction may take.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub fast_window_ms: Option<Millis>,
    /// How long after a session a verdict counts.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub judge_deadline_ms: Option<Millis>,
    /// Categories with guardrails of their own; the features' where not given.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub categories: Option<Vec<CategoryKey>>,
    /// A part of an exclusion group: nobody meets two of its rollouts.
    #[serde(default)]
    pub exclusive: Option<ExclusiveBody>,
    /// Where pages go.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub channels: Vec<ChannelKey>,
    /// Why; from the difference where not given.
    #[serde(default)]
    pub message: String,
    /// Whether to answer what would be started, and start nothing.
    #[serde(default)]
    pub dry_run: bool,
}

const fn yes() -> bool {
    true
}

impl RolloutRequest {
    /// What the domain is asked for.
    pub fn into_domain(self, actor: &str) -> Result<StartRequest, Rejection> {
        Ok(StartRequest {
            key: self.name,
            change: self.change,
            audience: self.audience.map(Into::into).unwrap_or_default(),
            bucket_by: self.bucket_by.map(Into::into),
            stages: self.stages.map(|stages| stages.into_iter().map(Into::into).collect()),
            from: self.from.map(Into::into),
            guardrails: self.guardrails.into_iter().map(GuardrailSpec::try_from).collect::<Result<_, _>>()?,
            no_builtin: !self.builtin,
            alpha: self.alpha_ppm,
            session_window: self.session_window_ms,
            fast_window: self.fast_window_ms,
            judge_deadline: self.judge_deadline_ms,
            categories: self.categories,
            group: self.exclusive.map(|part| (part.group, part.share_ppm)),
            channels: self.channels,
            message: self.message,
            actor: actor.to_owned(),
        })
    }
}

/// A rollout as it was declared, every default spelled out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RolloutSpec)]
pub struct SpecView {
    /// The layers that it replaces, by feature.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub change: BTreeMap<FeatureKey, Layers>,
    /// The complete combinations that it starts from.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub baseline: BTreeMap<FeatureKey, Layers>,
    /// The complete combinations that it leads to.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub candidate: BTreeMap<FeatureKey, Layers>,
    /// Whom it concerns.
    pub audience: ConditionBody,
    /// What it randomises.
    pub bucket_by: BucketBy,
    /// Its stages in order.
    pub stages: Vec<StageBody>,
    /// What takes it back or holds it.
    pub guardrails: Vec<GuardrailBody>,
    /// False alarms are bounded by this over all guardrails.
    #[schema(value_type = u32)]
    pub alpha_ppm: Share,
    /// Of the shadow stage, likewise.
    #[schema(value_type = u32)]
    pub alpha_shadow_ppm: Share,
    /// How long a session is watched.
    #[schema(value_type = u64)]
    pub session_window_ms: Millis,
    /// How long a first interaction may take.
    #[schema(value_type = u64)]
    pub fast_window_ms: Millis,
    /// How long after a session a verdict counts.
    #[schema(value_type = u64)]
    pub judge_deadline_ms: Millis,
    /// Categories with guardrails of their own.
    #[schema(value_type = Vec<String>)]
    pub categories: Vec<CategoryKey>,
    /// Where its pages go.
    #[schema(value_type = Vec<String>)]
    pub channels: Vec<ChannelKey>,
    /// Its part of an exclusion group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotView>,
    /// Why.
    pub message: String,
    /// Who declared it.
    pub author: String,
}

impl From<&RolloutSpec> for SpecView {
    fn from(spec: &RolloutSpec) -> Self {
        Self {
            change: spec.change.clone(),
            baseline: spec.baseline.clone(),
            candidate: spec.candidate.clone(),
            audience: (&spec.audience).into(),
            bucket_by: spec.bucket_by.into(),
            stages: spec.stages.iter().map(Into::into).collect(),
            guardrails: spec.guardrails.iter().map(Into::into).collect(),
            alpha_ppm: spec.alpha,
            alpha_shadow_ppm: spec.alpha_shadow,
            session_window_ms: spec.session_window,
            fast_window_ms: spec.fast_window,
            judge_deadline_ms: spec.judge_deadline,
            categories: spec.categories.clone(),
            channels: spec.channels.clone(),
            slot: spec.slot.as_ref().map(|slot| SlotView {
                group: slot.group.clone(),
                from_ppm: slot.from,
                to_ppm: slot.to,
            }),
            message: spec.message.clone(),
            author: spec.author.clone(),
        }
    }
}
