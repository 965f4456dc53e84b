//! Documents as they are stored for ever, one file per kind, and the one door from JSON to them.
//! Knows nothing of how they are compiled, served or decided on.
//!
//! Stored documents only grow: a new field is optional with a default. Reading never rejects an unknown field or kind;
//! accepting a command always does (that check lives where commands are parsed).

mod artifact;
mod channel;
mod combination;
mod condition;
mod environment;
mod feature;
mod flag;
mod forced;
mod group;
mod label;
mod layer;
mod metric;
mod rollout;
mod schedule;
mod segment;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use artifact::{ArtifactDoc, ArtifactKind, ArtifactRef, LayerKind, Layers, Requirement, Source};
pub use channel::ChannelDoc;
pub use combination::{CombinationDoc, Proof};
pub use condition::{Comparison, Condition};
pub use environment::{ApprovalBy, EnvironmentDoc};
pub use feature::{BucketBy, CallerSystem, FeatureDoc, FeatureRule, JudgePolicy, OffAnswer};
pub use flag::{FlagDoc, FlagKind, FlagRule, Serve, Targeting, WeightedVariant};
pub use forced::{Forced, Prerequisite};
pub use group::{GroupDoc, Slot};
pub use label::LabelDoc;
pub use layer::{
    Content, DatasetCase, DatasetContent, ModelContent, ParserContent, ParserFormat, PromptContent,
    RetrievalContent, RubricContent, SamplingContent, TaxonomyCategory, TaxonomyContent, TemplateSyntax,
    ToolsContent, VariableDecl, VariableType,
};
pub use metric::{Clock, Direction, Metric, Tier};
pub use rollout::{
    GuardrailAction, GuardrailLimit, GuardrailSpec, Hold, HoldReason, Phase, Reach, RolledBack, RolloutDoc,
    RolloutSpec, RolloutState, StageKind, StageSpec, Trust,
};
pub use schedule::{Planned, ScheduleDoc, ScheduleState};
pub use segment::SegmentDoc;

use crate::{
    digest::Digest,
    id::{ChannelKey, FeatureKey, FlagKey, GroupKey, RolloutKey, ScheduleKey, SegmentKey},
};

/// Where a document stands in the snapshot: `kind/…`. Ordered, so that a fold has one order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocKey(Arc<str>);

impl DocKey {
    /// The key of a feature.
    pub fn feature(key: &FeatureKey) -> Self {
        Self(format!("feature/{key}").into())
    }
    /// The key of a plain flag.
    pub fn flag(key: &FlagKey) -> Self {
        Self(format!("flag/{key}").into())
    }
    /// The key of a rollout.
    pub fn rollout(key: &RolloutKey) -> Self {
        Self(format!("rollout/{key}").into())
    }
    /// The key of an artifact's version.
    pub fn artifact(reference: &ArtifactRef) -> Self {
        Self(format!("artifact/{reference}").into())
    }
    /// The key of a notification channel.
    pub fn channel(key: &ChannelKey) -> Self {
        Self(format!("channel/{key}").into())
    }
    /// The key of a combination of layers that a feature has had.
    pub fn combination(feature: &FeatureKey, fingerprint: &crate::bundle::BundleId) -> Self {
        Self(format!("combination/{feature}/{fingerprint}").into())
    }
    /// The key of a segment.
    pub fn segment(key: &SegmentKey) -> Self {
        Self(format!("segment/{key}").into())
    }
    /// The key of an exclusion group.
    pub fn group(key: &GroupKey) -> Self {
        Self(format!("group/{key}").into())
    }
    /// The key of a scheduled change.
    pub fn schedule(key: &ScheduleKey) -> Self {
        Self(format!("schedule/{key}").into())
    }
    /// The key of a label of a series.
    pub fn label(doc: &LabelDoc) -> Self {
        Self(format!("label/{}/{}/{}", doc.artifact_kind, doc.name, doc.label).into())
    }
    /// The key of the environment's own rules; there is one.
    pub fn environment() -> Self {
        Self("environment/settings".into())
    }
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// A key as it stands in a stored revision.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DocKey {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::stored(text))
    }
}

/// A document of a kind that this version knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Document {
    /// A version of an artifact.
    Artifact(ArtifactDoc),
    /// A feature.
    Feature(FeatureDoc),
    /// A plain flag.
    Flag(FlagDoc),
    /// A rollout with its state.
    Rollout(Box<RolloutDoc>),
    /// A combination of layers and whether it is proven.
    Combination(CombinationDoc),
    /// A notification channel.
    Channel(ChannelDoc),
    /// A segment.
    Segment(SegmentDoc),
    /// An exclusion group.
    Group(GroupDoc),
    /// A change that is to be made later.
    Schedule(Box<ScheduleDoc>),
    /// A pointer to a version.
    Label(LabelDoc),
    /// The environment's own rules.
    Environment(EnvironmentDoc),
}

impl Document {
    /// Where the document stands.
    pub fn key(&self) -> DocKey {
        match self {
            Self::Artifact(doc) => DocKey::artifact(&doc.reference()),
            Self::Feature(doc) => DocKey::feature(&doc.key),
            Self::Flag(doc) => DocKey::flag(&doc.key),
            Self::Rollout(doc) => DocKey::rollout(&doc.key),
            Self::Combination(doc) => DocKey::combination(&doc.feature, &doc.fingerprint),
            Self::Channel(doc) => DocKey::channel(&doc.key),
            Self::Segment(doc) => DocKey::segment(&doc.key),
            Self::Group(doc) => DocKey::group(&doc.key),
            Self::Schedule(doc) => DocKey::schedule(&doc.key),
            Self::Label(doc) => DocKey::label(doc),
            Self::Environment(_) => DocKey::environment(),
        }
    }

    /// The blobs that evaluating it takes: the content of a layer, lists of people. What only a judge or a person reads is not there.
    pub fn blobs(&self) -> Vec<Digest> {
        match self {
            Self::Artifact(doc) if matches!(doc.artifact_kind, ArtifactKind::Layer(_)) => vec![doc.content],
            Self::Segment(doc) => doc.included.into_iter().chain(doc.excluded).collect(),
            Self::Flag(FlagDoc { forced, .. }) | Self::Feature(FeatureDoc { forced, .. }) => {
                forced.iter().map(|forced| forced.units).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The stored form.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// The document behind a stored form, or `None` where this version does not know its kind or shape.
    pub fn from_value(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}
