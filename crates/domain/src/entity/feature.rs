//! A feature: an LLM-powered part of an application, addressed by its key. Knows nothing of rollouts, which stand beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArtifactRef, Condition, Forced, Layers, Prerequisite};
use crate::{
    id::{CategoryKey, FeatureKey, VariantKey},
    units::{Millis, Share},
};

/// What is randomised and analysed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketBy {
    /// The user where one is known, else the session.
    #[default]
    User,
    /// The session.
    Session,
}

/// What becomes of the application's own system message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerSystem {
    /// It gives way to the bundle's.
    #[default]
    Replace,
    /// It follows the bundle's.
    Append,
    /// A request that has one is refused.
    Refuse,
}

/// Who is served which variant before any rollout looks; the first that fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureRule {
    /// Whom it is for.
    pub when: Condition,
    /// One of the feature's variants, or `control`.
    pub serve: VariantKey,
}

/// How answers are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgePolicy {
    /// What the judge looks for.
    pub rubric: ArtifactRef,
    /// Which model judges.
    pub model: ArtifactRef,
    /// The share of interactions that are judged.
    pub rate: Share,
    /// How long after a session's end a verdict still counts.
    #[serde(default = "judge_deadline")]
    pub deadline: Millis,
}

const fn judge_deadline() -> Millis {
    Millis::minutes(15)
}

/// What a killed feature answers: pre-declared, so that it needs nothing that may be broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OffAnswer {
    /// This text, without a call to any provider.
    Text {
        /// The answer.
        text: String,
    },
    /// The control bundle, whatever rollouts say.
    Control,
}

/// A feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDoc {
    /// Its key, also its model name at the gateway.
    pub key: FeatureKey,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is served outside a rollout.
    pub control: Layers,
    /// Named replacements of some of control's layers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<VariantKey, Layers>,
    /// Who is served which of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<FeatureRule>,
    /// What its rollouts randomise.
    #[serde(default)]
    pub bucket_by: BucketBy,
    /// What becomes of the application's system message.
    #[serde(default)]
    pub caller_system: CallerSystem,
    /// Categories that the application declares for its queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryKey>,
    /// How answers are judged; not at all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgePolicy>,
    /// The share of interactions whose texts are kept; what is judged is kept as well.
    #[serde(default = "capture_default")]
    pub capture: Share,
    /// What it answers when it is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<OffAnswer>,
    /// Whether it is killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub killed: bool,
    /// Variants for named units; they decide before prerequisites and rules, and weigh nothing in a rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Forced>,
    /// Plain flags that must come out in a certain way; else control, which weighs nothing in a rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Who is asked about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

const fn capture_default() -> Share {
    Share::percent(10)
}
