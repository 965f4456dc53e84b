//! The entries of the interaction log: enrolments, interactions, scores. Everything that was observed, nothing that was decided.
//! Knows nothing of how they are kept or added up. Stored for ever, so these shapes only grow.

use serde::{Deserialize, Serialize};

use crate::{
    bundle::BundleId,
    digest::Digest,
    entity::ArtifactRef,
    id::{CategoryKey, FeatureKey, InteractionId, UnitHash, VariantKey},
    resolve::ArmFacts,
    revision::RevisionNumber,
    units::{MicroUsd, Timestamp},
};

/// A unit's enrolment in a rollout: once, at its first exposure. Their order in the log is the order of the analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrolmentRecord {
    /// Who, as a pseudonym.
    pub unit: UnitHash,
    /// The session that brought it.
    pub session: UnitHash,
    /// The feature that it met first.
    pub feature: FeatureKey,
    /// Which arm of which rollout, with which probability.
    pub arm: ArmFacts,
    /// When.
    pub at: Timestamp,
}

impl EnrolmentRecord {
    /// The record's id: a unit is enrolled once in a rollout, however often it is reported.
    pub fn id(&self) -> String {
        format!("enr/{}/{}", self.arm.rollout, self.unit)
    }
}

/// What an interaction was for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A user got the answer.
    #[default]
    Served,
    /// A copy to a shadow stage's candidate; nobody got the answer.
    Shadow,
    /// A copy to control again, to see how much control differs from itself.
    ShadowRepeat,
}

/// How a call ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    #[default]
    Ok,
    /// Without one.
    Error {
        /// Stable code: `provider.first_token_timeout`.
        code: String,
    },
    /// The client went away first; says nothing of the answer.
    Cancelled,
}

/// What the checks read off an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Characters of the answer.
    pub chars: u32,
    /// Whether its parser accepts it; none where there is no answer to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<String>,
    /// Whether it refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<bool>,
    /// As the provider said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
}

/// One call of an LLM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InteractionRecord {
    /// Its id.
    pub id: InteractionId,
    /// For what.
    #[serde(default)]
    pub role: Role,
    /// Of a shadow: the served one that it copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_of: Option<InteractionId>,
    /// Of which feature.
    pub feature: FeatureKey,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<UnitHash>,
    /// The randomised unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitHash>,
    /// Which variant answered.
    pub variant: VariantKey,
    /// Which bundle answered.
    pub bundle: BundleId,
    /// Its place in a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmFacts>,
    /// The head that the request was served at.
    pub head: RevisionNumber,
    /// The revision at which the session was assigned.
    pub assigned: RevisionNumber,
    /// Why it was served this variant.
    pub reason: String,
    /// The topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryKey>,
    /// When the request came.
    pub at: Timestamp,
    /// How it ended.
    #[serde(default)]
    pub outcome: Outcome,
    /// The provider's HTTP status; 0 where there was none.
    #[serde(default)]
    pub status: u16,
    /// Whether it was streamed.
    #[serde(default)]
    pub stream: bool,
    /// Microseconds to the first token, as the user waited; none where none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_us: Option<u64>,
    /// Microseconds to the end.
    pub latency_us: u64,
    /// Input tokens, cached ones included.
    #[serde(default)]
    pub input_tokens: u64,
    /// Input tokens that the provider had cached.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Output tokens.
    #[serde(default)]
    pub output_tokens: u64,
    /// Whether tokens are an estimate, because the provider did not count them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tokens_estimated: bool,
    /// By the price of the model artifact.
    #[serde(default)]
    pub cost: MicroUsd,
    /// What the checks read.
    #[serde(default)]
    pub facts: Facts,
    /// The digest of the body that was sent upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_digest: Option<Digest>,
    /// The id that the provider gave its answer; also accepted wherever an interaction id is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// The model that the provider says answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_returned: Option<String>,
    /// The provider's fingerprint of what answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
    /// Whether a judge is to score it; its texts are then kept until it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub judge: bool,
}

/// The texts of an interaction, kept apart from it, with a retention of their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// What the user asked: the last user message.
    pub question: String,
    /// The messages as they were sent upstream.
    #[serde(default)]
    pub messages: Vec<serde_json::Value>,
    /// The answer.
    pub answer: String,
}

/// Who measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Source {
    /// A judge.
    Judge {
        /// By which rubric.
        rubric: ArtifactRef,
        /// Which model.
        model: ArtifactRef,
    },
    /// The user.
    Feedback,
    /// A person who was asked to.
    Human {
        /// Who.
        annotator: String,
    },
    /// The application.
    Application,
}

/// One measurement of one interaction. A judge that fails leaves none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// Its id; the same one twice counts once.
    pub id: String,
    /// Of which interaction.
    pub interaction: InteractionId,
    /// What was measured: `quality`, `thumbs`, or a name of the application's.
    pub name: String,
    /// The value; 0 to 1 for built-in names.
    pub value: f64,
    /// Why, in the words of who measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By whom.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

/// The name of judged quality among scores.
pub const QUALITY: &str = "quality";
/// The name of a user's thumb among scores: 1 up, 0 down.
pub const THUMBS: &str = "thumbs";

/// An entry of the interaction log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A unit's enrolment.
    Enrolment(EnrolmentRecord),
    /// A call.
    Interaction(Box<InteractionRecord>),
    /// A measurement.
    Score(ScoreRecord),
}

impl Record {
    /// The id by which it counts once.
    pub fn id(&self) -> String {
        match self {
            Self::Enrolment(record) => record.id(),
            Self::Interaction(record) => format!("int/{}", record.id),
            Self::Score(record) => format!("scr/{}", record.id),
        }
    }
}
