//! The entries of the revision log and what is proposed for it. Knows nothing of what documents mean.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decide::DecisionRecord,
    digest::{Digest, canonical_json},
    entity::{DocKey, Document},
    id::{EnvironmentKey, ScheduleKey},
    units::Timestamp,
};

/// The number of a revision: the head's plus one, without gaps; 0 is the empty log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionNumber(pub u64);

impl RevisionNumber {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One change of one document. Documents, not commands: applying it needs no business rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The document now reads like this.
    Put {
        /// Where it stands.
        key: DocKey,
        /// Its stored form, kept as it is even where this version does not know its kind.
        body: Value,
    },
    /// The document is no more.
    Retire {
        /// Where it stood.
        key: DocKey,
    },
}

impl Change {
    /// Puts `document` where it belongs.
    pub fn put(document: &Document) -> Self {
        Self::Put { key: document.key(), body: document.to_value() }
    }

    /// Which document it changes.
    pub fn key(&self) -> &DocKey {
        match self {
            Self::Put { key, .. } | Self::Retire { key } => key,
        }
    }
}

/// Who caused a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Cause {
    /// A person, by command or on the dashboard.
    Person,
    /// A token of an application or a pipeline.
    Token,
    /// The controller, with the evidence that it decided on.
    Controller {
        /// The decision, complete enough to be computed again from this revision alone.
        decision: Box<DecisionRecord>,
    },
}

/// How a revision came about, beside who and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// What it was sent with: `cli 0.1`, `dashboard`, `api`, `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Of a copy: where from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Citation>,
    /// The revision that it reverts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<RevisionNumber>,
    /// The scheduled change that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleKey>,
    /// The commit that the files were of, as the pipeline says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Provenance {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who approved a change, and what exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The proposal.
    pub proposal: u64,
    /// Who proposed it.
    pub author: String,
    /// Who approved it.
    pub approvers: Vec<String>,
    /// The digest of what they approved.
    pub digest: Digest,
}

/// A revision of another environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// Which environment.
    pub environment: EnvironmentKey,
    /// Its revision.
    pub revision: RevisionNumber,
    /// That revision's digest.
    pub digest: Digest,
}

/// What is to become a revision if the head is still where the proposer saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The head that it was made against.
    pub expected_head: RevisionNumber,
    /// Who.
    pub actor: String,
    /// Why, as a sentence.
    pub message: String,
    /// By whom or what.
    pub cause: Cause,
    /// All of it or nothing.
    pub changes: Vec<Change>,
    /// A second append with the same key answers the first one's revision.
    pub idempotency_key: Option<String>,
    /// How it came about.
    pub provenance: Provenance,
}

/// What a revision says; its digest is taken over the canonical bytes of this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionBody {
    /// Its number.
    pub number: RevisionNumber,
    /// The digest of the revision before it.
    pub parent: Digest,
    /// When it was appended, by the appender's clock.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// By whom or what.
    pub cause: Cause,
    /// What changed.
    pub changes: Vec<Change>,
    /// The proposer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How it came about.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub provenance: Provenance,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// What it says.
    #[serde(flatten)]
    pub body: RevisionBody,
    /// The digest of what it says.
    pub digest: Digest,
}

impl Revision {
    /// Seals a draft as the revision after (`head`, `parent`).
    pub fn seal(draft: &Draft, head: RevisionNumber, parent: Digest, at: Timestamp) -> Self {
        let body = RevisionBody {
            number: head.next(),
            parent,
            at,
            actor: draft.actor.clone(),
            message: draft.message.clone(),
            cause: draft.cause.clone(),
            changes: draft.changes.clone(),
            idempotency_key: draft.idempotency_key.clone(),
            provenance: draft.provenance.clone(),
        };
        let digest = Digest::of(&canonical_json(&body));
        Self { body, digest }
    }

    /// The stored bytes: the canonical JSON of the body.
    pub fn to_stored(&self) -> Vec<u8> {
        canonical_json(&self.body)
    }

    /// A revision out of stored bytes. The digest is that of the bytes, so that an altered entry shows as a fork.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { body: serde_json::from_slice(bytes)?, digest: Digest::of(bytes) })
    }
}
