//! A rollout: the staged delivery of a change, its rules as declared at the start and its state as the last revision left it.
//! Knows nothing of evidence; why it moved stands in the cause of the revision that moved it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BucketBy, Condition, Layers, Metric, Slot};
use crate::{
    id::{CategoryKey, ChannelKey, FeatureKey, RolloutKey},
    revision::RevisionNumber,
    units::{MicroUsd, Millis, Share, Timestamp},
};

/// The kind of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Copies of served requests; nobody sees an answer.
    Shadow,
    /// A few.
    Canary,
    /// Enough to compare.
    Ab,
    /// Everybody but a holdback, watched.
    Full,
}

impl StageKind {
    /// The stage's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Ab => "ab",
            Self::Full => "full",
        }
    }
}

/// A stage: its share and the minima that must be met before its gate is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Which kind.
    pub kind: StageKind,
    /// The candidate's share of enrolments; of a shadow stage, the share of sessions that are copied.
    pub share: Share,
    /// Matured candidate units enrolled in this stage; of a shadow stage, compared pairs.
    pub units_min: u32,
    /// How long it lasts at least, held time not counted.
    pub min: Millis,
    /// After how long it holds and pages if its gate is still shut.
    pub max: Millis,
    /// Matured units of every declared category, both arms together.
    #[serde(default)]
    pub category_units_min: u32,
    /// Of a shadow stage: what its copies may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_max: Option<MicroUsd>,
}

/// How far a judge is trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Not compared with people yet: ten points are added to its margin, so that only a collapse rolls back.
    #[default]
    Uncalibrated,
    /// An operator's declaration that the verdicts are ground truth.
    Full,
    /// An operator's allowance for the judge's bias, in parts per million of the scale.
    Allowance(u32),
}

impl Trust {
    /// What is added to the margin, in parts per million of the scale.
    pub const fn allowance_ppm(self) -> u32 {
        match self {
            Self::Uncalibrated => 100_000,
            Self::Full => 0,
            Self::Allowance(ppm) => ppm,
        }
    }
}

/// When a guardrail calls a difference harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailLimit {
    /// Worse than control by more than the larger of the two.
    WorseBy {
        /// Of control's mean, in parts per million.
        #[serde(default)]
        relative_ppm: u32,
        /// Of the metric's scale, in parts per million.
        #[serde(default)]
        absolute_ppm: u32,
    },
    /// The candidate's own mean beyond this, in parts per million of the metric's scale, whatever control does.
    WorseThan {
        /// The bound.
        limit_ppm: u32,
    },
}

/// What a guardrail that fires does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailAction {
    /// Takes the change back.
    #[default]
    RollBack,
    /// Holds it and asks.
    Hold,
}

/// A guardrail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardrailSpec {
    /// What is watched.
    pub metric: Metric,
    /// When it is harm.
    pub limit: GuardrailLimit,
    /// What then happens.
    #[serde(default)]
    pub action: GuardrailAction,
    /// Its share of the evidence pool; shares are made to add up when the rollout starts.
    pub weight: Share,
    /// Whether every declared category is watched too, at twice the margin.
    #[serde(default)]
    pub per_category: bool,
    /// Weight within the category part; proportional to the square root of its traffic where not given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub category_weights: BTreeMap<CategoryKey, Share>,
    /// Whether promotion at A/B needs its non-inferiority.
    #[serde(default)]
    pub headline: bool,
    /// Of judged metrics: how far the judge is trusted.
    #[serde(default)]
    pub trust: Trust,
    /// Whom a rollback that it causes touches; by the metric where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
}

/// A rollout as it was declared; fixed when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutSpec {
    /// The layers that it replaces, by feature.
    pub change: BTreeMap<FeatureKey, Layers>,
    /// The complete combinations that it starts from, resolved at its start.
    pub baseline: BTreeMap<FeatureKey, Layers>,
    /// The complete combinations that it leads to, resolved at its start.
    pub candidate: BTreeMap<FeatureKey, Layers>,
    /// Whom it concerns.
    #[serde(default, skip_serializing_if = "Condition::is_always")]
    pub audience: Condition,
    /// What it randomises.
    pub bucket_by: BucketBy,
    /// Set once at the start; independent of every other rollout's.
    pub salt: String,
    /// Its stages in order.
    pub stages: Vec<StageSpec>,
    /// What takes it back or holds it.
    pub guardrails: Vec<GuardrailSpec>,
    /// False alarms are bounded by this over all guardrails, in parts per million.
    pub alpha: Share,
    /// Of the shadow stage, likewise.
    pub alpha_shadow: Share,
    /// How long a session is watched.
    pub session_window: Millis,
    /// How long a first interaction may take: the provider's total timeout.
    pub fast_window: Millis,
    /// After the session window, how long a verdict still counts.
    pub judge_deadline: Millis,
    /// Categories with guardrails of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryKey>,
    /// Where its pages go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelKey>,
    /// Why, in the author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Who declared it.
    pub author: String,
    /// Its part of an exclusion group: units outside of it are none of its audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Declared.
    Draft,
    /// Checked, not started.
    Validated,
    /// In one of its stages.
    Running,
    /// In a stage, its share frozen.
    Held,
    /// Delivered.
    Completed,
    /// Taken back, and latched.
    RolledBack,
    /// Never started.
    Cancelled,
}

impl Phase {
    /// Whether sessions may be enrolled.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Held)
    }
}

/// Why a rollout is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// A person asked.
    Operator,
    /// Harm evidence reached the hold limit; ends by itself.
    Evidence,
    /// A guardrail whose action is to hold fired.
    Guardrail,
    /// The arms are not split as they should be.
    SampleRatio,
    /// Control breaches the same limit and the arms do not differ.
    CommonCause,
    /// The stage's longest time is over.
    Deadline,
    /// A measurement failed.
    Measurement,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Whom a withdrawal touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// New sessions; those that have the candidate keep it to their end.
    NewSessions,
    /// Every session, at its next turn.
    NextTurn,
}

const fn after_all() -> RevisionNumber {
    RevisionNumber(u64::MAX)
}

/// How a rollout was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// When.
    pub at: Timestamp,
    /// The revision that did it: pins made later were made in knowledge of it. Where it is not said, it reaches every pin.
    #[serde(default = "after_all")]
    pub revision: RevisionNumber,
    /// Whom it touches.
    pub reach: Reach,
    /// Whether it had been completed before.
    #[serde(default)]
    pub after_completion: bool,
    /// The guardrail that fired; none where a person took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Where it fired, if it was in one category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryKey>,
    /// The reason as a sentence.
    pub reason: String,
    /// Whether a person has lifted the latch that keeps the same change from starting again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rearmed: bool,
}

/// A rollout's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutState {
    /// Where it is.
    pub phase: Phase,
    /// Which of its stages it is in, or was in last.
    pub stage: usize,
    /// The candidate's share of new enrolments now.
    pub share: Share,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it entered its stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_entered_at: Option<Timestamp>,
    /// How long it was held in this stage, holds that are over.
    #[serde(default)]
    pub held_before: Millis,
    /// Its hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolledBack>,
    /// When an automatic hold last ended; keeps it from flapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<Timestamp>,
    /// Which automatic holds a person has ended in this stage, and when: the same question is not asked again at once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<HoldReason, Timestamp>,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutDoc {
    /// Its key.
    pub key: RolloutKey,
    /// What was declared.
    pub spec: RolloutSpec,
    /// Where it is.
    pub state: RolloutState,
}

impl RolloutDoc {
    /// The stage it is in.
    pub fn stage(&self) -> Option<&StageSpec> {
        self.spec.stages.get(self.state.stage)
    }

    /// How long it has been in its stage, held time not counted.
    pub fn stage_age(&self, now: Timestamp) -> Millis {
        let Some(entered) = self.state.stage_entered_at else { return Millis(0) };
        let end = self.state.hold.as_ref().map_or(now, |hold| hold.since.min(now));
        Millis(end.since(entered).0.saturating_sub(self.state.held_before.0))
    }
}
