//! The members of a description, strict: a word that is not known is refused by name. Knows nothing of what is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Reference, Series};
use crate::{
    digest::Digest,
    entity::{
        ApprovalBy, ArtifactKind, BucketBy, CallerSystem, Condition, FeatureRule, FlagKind, FlagRule, Forced,
        LayerKind, Prerequisite, Requirement, Targeting,
    },
    id::{
        ArtifactName, CategoryKey, ChannelKey, FeatureKey, FlagKey, GroupKey, LabelKey, SegmentKey,
        VariantKey,
    },
    units::{Millis, Share},
};

/// Everything that a directory describes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// Versions with their contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<DesiredArtifact>,
    /// Features.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<FeatureKey, DesiredFeature>,
    /// Plain flags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<FlagKey, DesiredFlag>,
    /// Segments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<SegmentKey, DesiredSegment>,
    /// Exclusion groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupKey, DesiredGroup>,
    /// Notification channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<ChannelKey, DesiredChannel>,
    /// Labels by series.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Series, BTreeMap<LabelKey, Reference>>,
    /// The environment's own rules; left as they are where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<DesiredEnvironment>,
    /// Whether flags, segments, groups, channels and labels that are not described are retired. Features and versions never are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
}

/// A version of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredArtifact {
    /// Of which kind.
    pub kind: ArtifactKind,
    /// Of which series.
    pub name: ArtifactName,
    /// Which version, where it is said; else the one with this content, published where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its content, in the shape of its kind.
    pub content: Value,
    /// Its needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub requires: Vec<Requirement>,
}

/// How answers are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredJudge {
    /// What the judge looks for.
    pub rubric: Reference,
    /// Which model judges.
    pub model: Reference,
    /// The share of interactions that are judged.
    pub rate: Share,
    /// How long after a session's end a verdict still counts.
    #[serde(default = "judge_deadline")]
    pub deadline: Millis,
}

const fn judge_deadline() -> Millis {
    Millis::minutes(15)
}

/// What a killed feature answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum DesiredOff {
    /// This text.
    Text {
        /// The answer.
        text: String,
    },
    /// The control bundle.
    Control,
}

/// A feature. Whether it is killed is not described: that has verbs of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredFeature {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is served outside a rollout.
    pub control: BTreeMap<LayerKind, Reference>,
    /// Named replacements of some of control's layers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<VariantKey, BTreeMap<LayerKind, Reference>>,
    /// Who is served which of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub rules: Vec<FeatureRule>,
    /// What its rollouts randomise.
    #[serde(default)]
    pub bucket_by: BucketBy,
    /// What becomes of the application's system message.
    #[serde(default)]
    pub caller_system: CallerSystem,
    /// Categories that the application declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryKey>,
    /// How answers are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<DesiredJudge>,
    /// The share of interactions whose texts are kept.
    #[serde(default = "capture_default")]
    pub capture: Share,
    /// What it answers when it is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<DesiredOff>,
    /// Variants for named units, by the digest of their list.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub forced: Vec<Forced>,
    /// Flags that must come out in a certain way.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
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

/// A plain flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredFlag {
    /// The type of all its values.
    pub kind: FlagKind,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its values by name.
    pub variants: BTreeMap<VariantKey, Value>,
    /// What those get whom no rule fits.
    pub default: VariantKey,
    /// Its rules in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub rules: Vec<FlagRule>,
    /// Of a flag that is new: its salt, where it is not the usual one. A flag that exists keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Whether it answers the caller's default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Variants for named units, by the digest of their list.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub forced: Vec<Forced>,
    /// Other flags that must come out in a certain way.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict")]
    pub prerequisites: Vec<Prerequisite>,
    /// What every variant of an object flag must meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// In place of rules.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "strict")]
    pub targeting: Option<Targeting>,
    /// Whether those whom no rule fits get the caller's own default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_default: bool,
    /// Facts that go out with every answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// Who is asked about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it is meant to stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
    /// Whether it was put away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// A segment. A list that is not given stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredSegment {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who belongs to it by what is known of them.
    #[serde(default = "nobody", skip_serializing_if = "is_nobody", deserialize_with = "strict")]
    pub when: Condition,
    /// The digest of the list of those who belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<Digest>,
    /// The digest of the list of those who do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Digest>,
}

fn nobody() -> Condition {
    Condition::Or(Vec::new())
}

fn is_nobody(condition: &Condition) -> bool {
    *condition == nobody()
}

/// An exclusion group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredGroup {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// A notification channel. An address that is not given stays as it is: webhook paths are often secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredChannel {
    /// Where messages are posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The name under which the server's configuration holds the signing secret.
    pub secret_name: String,
}

/// The environment's own rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredEnvironment {
    /// Whether a change waits for a second person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// How many approvals it takes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approvals_min: u32,
    /// What counts as one.
    #[serde(default)]
    pub approve: ApprovalBy,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Reads a stored shape, which takes unknown words for a later version's, and refuses those.
fn strict<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Serialize,
{
    let given = Value::deserialize(deserializer)?;
    let read = T::deserialize(&given).map_err(serde::de::Error::custom)?;
    let again = serde_json::to_value(&read).map_err(serde::de::Error::custom)?;
    match unknown(&given, &again) {
        Some(word) => Err(serde::de::Error::custom(format!("unknown field `{word}`"))),
        None => Ok(read),
    }
}

/// The first member that reading lost, unless it said what leaving it out says.
fn unknown(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            given.iter().find_map(|(name, value)| match read.get(name) {
                Some(kept) => unknown(value, kept),
                None => (!says_nothing(value)).then(|| name.clone()),
            })
        }
        (Value::Array(given), Value::Array(read)) => {
            given.iter().zip(read).find_map(|(given, read)| unknown(given, read))
        }
        _ => None,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "always",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
