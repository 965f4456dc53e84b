//! The seams between Serinus and whatever keeps its state: one trait each, an in-memory twin each, one conformance suite for all.
//! Say what is promised; know nothing of how it is kept.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    digest::Digest,
    id::{CategoryKey, FeatureKey, InteractionId, RolloutKey, UnitHash},
    record::{Body, EnrolmentRecord, InteractionRecord, Record, Role, ScoreRecord},
    resolve::{Arm, Pin},
    revision::{Draft, Revision, RevisionNumber},
    units::Timestamp,
};
use tokio::sync::watch;

/// We, or what we depend on, failed; nothing was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("store: {what}: {reason}")]
pub struct Failure {
    /// What was being done.
    pub what: &'static str,
    /// Why it failed.
    pub reason: String,
    /// Whether the same call may go through later.
    pub retryable: bool,
}

/// The last revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: RevisionNumber,
    /// Its digest.
    pub digest: Digest,
}

/// Why an append did not happen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else was first. `since` holds every revision after the one that was expected.
    #[error("revision {expected} is not the head any more: revision {} was appended first", .since.first().map_or(0, |first| first.body.number.0))]
    Conflict {
        /// The head that the draft was made against.
        expected: RevisionNumber,
        /// What has happened since, oldest first.
        since: Vec<Revision>,
    },
    /// The store failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The revision log, to read. The data plane holds nothing more than this, so it cannot append even by mistake.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// The head.
    async fn head(&self) -> Result<Head, Failure>;
    /// The revisions after `after`, oldest first, at most `limit`. Digests are those of the stored bytes.
    async fn read(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Failure>;
    /// Changes after every append here. A hint: who waits reads the head.
    fn watch_head(&self) -> watch::Receiver<RevisionNumber>;
}

/// The revision log.
#[async_trait]
pub trait Log: LogReader {
    /// Appends `draft` if the head is the one it expects. Durable when it answers. A draft whose idempotency key is in the
    /// log already answers that revision.
    async fn append(&self, draft: &Draft, at: Timestamp) -> Result<Revision, AppendError>;
}

/// Content-addressed bytes.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores bytes; durable when it answers. The same bytes twice are stored once.
    async fn put(&self, bytes: &[u8]) -> Result<Digest, Failure>;
    /// The bytes behind a digest, verified against it.
    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure>;
    /// Removes the bytes behind a digest for good; whether they were there. Durable when it answers; a later `put` of the same bytes
    /// fails, so that what had to go does not come back.
    async fn erase(&self, digest: &Digest) -> Result<bool, Failure>;
}

/// What is told to whoever stores bytes again that had to go.
pub(crate) fn erased(digest: &Digest) -> Failure {
    let reason = format!("content {} was redacted and cannot be stored again: change it", digest.short());
    Failure { what: "store a blob", reason, retryable: false }
}

/// A paper: something that people work on before, or beside, the log: a proposal, a person, an environment's existence.
#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    /// What it is: `person`.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Counted from 1 with every write.
    pub version: u64,
    /// When it was last written.
    pub at: Timestamp,
    /// What it says.
    pub body: serde_json::Value,
}

/// The desk: papers by kind and id, each changed by compare-and-swap. Nothing here is served or evaluated; what is comes from the log.
#[async_trait]
pub trait Desk: Send + Sync {
    /// A paper.
    async fn paper(&self, kind: &str, id: &str) -> Result<Option<Paper>, Failure>;
    /// All papers of a kind in the order of their ids.
    async fn papers(&self, kind: &str) -> Result<Vec<Paper>, Failure>;
    /// Writes a paper if `expected` is its version (0 where there must be none yet); whether it was. Durable when it answers.
    async fn write(
        &self,
        kind: &str,
        id: &str,
        expected: u64,
        body: &serde_json::Value,
        at: Timestamp,
    ) -> Result<bool, Failure>;
    /// Throws a paper away; whether it was there.
    async fn discard(&self, kind: &str, id: &str) -> Result<bool, Failure>;
}

/// How often something was used, and when last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// What: a document's key, or `bundle/FEATURE/FINGERPRINT`, or `variant/FLAG/VARIANT`.
    pub subject: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

/// What is used, added up over nodes. A hint for people; losing some of it loses nothing else.
#[async_trait]
pub trait Usages: Send + Sync {
    /// Adds counts, and moves `last_at` on.
    async fn used(&self, batch: &[Usage]) -> Result<(), Failure>;
    /// All whose subject begins with `prefix`, in the order of their subjects.
    async fn usages(&self, prefix: &str) -> Result<Vec<Usage>, Failure>;
}

/// Pins to write together, with the enrolment that they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct PinWrite {
    /// Of one session.
    pub pins: Vec<Pin>,
    /// The unit's enrolment; kept if it is the unit's first in its rollout.
    pub enrolment: Option<EnrolmentRecord>,
    /// Whether they replace older pins, because the head revoked those. A pin made at an earlier revision never replaces one
    /// made at a later.
    pub crossing: bool,
}

/// Sticky assignments.
#[async_trait]
pub trait Pins: Send + Sync {
    /// The pins of a session that is still open at `now` (not closed, not idle too long, not too old).
    async fn session(&self, session: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Failure>;
    /// Writes pins and enrolment in one transaction; durable when it answers. First writer wins: answers the pins that stand.
    async fn pin(&self, write: PinWrite) -> Result<Vec<Pin>, Failure>;
    /// Ends a session's pins.
    async fn close(&self, session: UnitHash) -> Result<(), Failure>;
    /// How many sessions seen since `since` are pinned to this arm of a rollout.
    async fn open_sessions(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Failure>;
}

/// A record with the texts that go with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// The record.
    pub record: Record,
    /// Of an interaction whose texts are kept.
    pub body: Option<Body>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// New ones.
    pub accepted: usize,
    /// Ones that were there already.
    pub duplicates: usize,
}

/// Which interactions to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InteractionFilter {
    /// Of one feature.
    pub feature: Option<FeatureKey>,
    /// Of one rollout.
    pub rollout: Option<RolloutKey>,
    /// Of one arm.
    pub arm: Option<Arm>,
    /// Of one category.
    pub category: Option<CategoryKey>,
    /// Of one role.
    pub role: Option<Role>,
    /// Only failed, refused by their parser, or scored below this.
    pub score_below: Option<f64>,
    /// Older than this sequence number.
    pub before: Option<u64>,
    /// At most so many, latest first.
    pub limit: usize,
}

/// An interaction with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct InteractionView {
    /// Its place in the log.
    pub seq: u64,
    /// The record.
    pub record: InteractionRecord,
    /// Its texts, where they are kept.
    pub body: Option<Body>,
    /// Its measurements.
    pub scores: Vec<ScoreRecord>,
}

/// An interaction that waits for a judge.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeJob {
    /// The record.
    pub record: InteractionRecord,
    /// Its texts.
    pub body: Body,
    /// How often a judge has failed on it.
    pub attempts: u32,
}

/// The interaction log.
#[async_trait]
pub trait Records: Send + Sync {
    /// Appends a batch in one transaction; durable when it answers; a record whose id is known counts once. An interaction
    /// with `judge` set joins the judge's queue in the same transaction; a judge's score leaves it.
    async fn append(&self, batch: Vec<NewRecord>) -> Result<Appended, Failure>;
    /// Records after `seq` in order, at most `limit`.
    async fn after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Failure>;
    /// Changes after every append here. A hint.
    fn watch_records(&self) -> watch::Receiver<u64>;
    /// The interaction with this id, or whose provider gave its answer this id.
    async fn interaction(&self, id: &str) -> Result<Option<InteractionView>, Failure>;
    /// Interactions, latest first.
    async fn list(&self, filter: &InteractionFilter) -> Result<Vec<InteractionView>, Failure>;
    /// Jobs that are due, latest first, at most `limit`: a judge that cannot keep up then still judges some answers while their
    /// verdict counts; the others wait until it has time.
    async fn judge_due(&self, now: Timestamp, limit: usize) -> Result<Vec<JudgeJob>, Failure>;
    /// A judge failed on a job: try again at `retry_at`, or give it up.
    async fn judge_failed(&self, id: &InteractionId, retry_at: Option<Timestamp>) -> Result<(), Failure>;
    /// How many jobs wait.
    async fn judge_backlog(&self) -> Result<u64, Failure>;
}

/// How far each follower of the log has durably come, by name.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The last revision that `follower` has dealt with.
    async fn cursor(&self, follower: &str) -> Result<RevisionNumber, Failure>;
    /// Moves it on; durable when it answers.
    async fn move_cursor(&self, follower: &str, to: RevisionNumber) -> Result<(), Failure>;
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public id.
    pub id: String,
    /// The SHA-256 of its secret.
    pub hash: Digest,
    /// What it is for.
    pub name: String,
    /// What it may do: evaluate, invoke, record, read, write, operate, approve, admin.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// The person whose it is: it may then do what that person may, and what it does is theirs. None for an application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The environment that it is bound to; `production` where not given. A person's is bound to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Tokens. Not in the revision log, whose entries are for ever.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Stores a token; durable when it answers.
    async fn put(&self, token: &Token) -> Result<(), Failure>;
    /// All tokens, revoked ones included.
    async fn all(&self) -> Result<Vec<Token>, Failure>;
    /// Revokes one; whether it was there.
    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool, Failure>;
}

/// A node's word on which revision it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    /// Which node.
    pub node: String,
    /// What it serves.
    pub revision: RevisionNumber,
    /// Since when.
    pub activated_at: Timestamp,
    /// Why it does not serve a later one.
    pub refusal: Option<String>,
    /// When it last said so: a node that has been silent for long is gone, not lagging.
    pub seen_at: Timestamp,
}

/// Which node serves what.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// A node reports.
    async fn report(&self, report: NodeReport) -> Result<(), Failure>;
    /// All nodes' last reports.
    async fn nodes(&self) -> Result<Vec<NodeReport>, Failure>;
}

/// Everything behind one handle.
pub trait Store: Log + Blobs + Pins + Records + Outbox + Tokens + Nodes + Desk + Usages {}

impl<T: Log + Blobs + Pins + Records + Outbox + Tokens + Nodes + Desk + Usages> Store for T {}

/// How long pins last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinLife {
    /// Without a turn.
    pub idle: serinus_domain::units::Millis,
    /// In all.
    pub age: serinus_domain::units::Millis,
}

impl Default for PinLife {
    fn default() -> Self {
        Self {
            idle: serinus_domain::units::Millis::minutes(30),
            age: serinus_domain::units::Millis::hours(24),
        }
    }
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;
