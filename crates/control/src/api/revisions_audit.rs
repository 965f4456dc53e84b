//! The log as an auditor reads it: every revision with who, when, why, by which way, approved by whom, and what differs; the chain
//! verified and automated decisions computed again. Knows nothing of how either is decided.

use std::sync::Arc;

use axum::{
    Json,
    body::Body as HttpBody,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Serialize;
use serde_json::Value;
use serinus_domain::{
    diff::diff,
    digest::Digest,
    entity::Document,
    revision::{Cause, Change, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_store::{Blobs, Failure, LogReader};
use utoipa::ToSchema;

use super::{
    revisions::{CauseKind, ChangeOp},
    revisions_filter::{ProvenanceView, RevisionFilter},
};
use crate::{
    error::ApiError,
    extract::{Key, Reader},
    state::App,
};

/// Revisions read at once.
const BATCH: usize = 256;

/// A place where a document differs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PathDifference {
    /// Where: `rules[0].serve.variant`; empty for the whole.
    pub path: String,
    /// What was there; absent where the place is new.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now; absent where the place is gone.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What became of a document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeDiff {
    /// What was done.
    pub op: ChangeOp,
    /// To which document.
    pub key: String,
    /// Where it differs.
    pub paths: Vec<PathDifference>,
}

/// A revision with what differs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number.
    #[schema(value_type = u64)]
    pub number: RevisionNumber,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// By whom or what.
    pub cause_kind: CauseKind,
    /// How it came about.
    #[serde(flatten)]
    pub provenance: ProvenanceView,
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The digest of the revision before it.
    #[schema(value_type = String)]
    pub parent: Digest,
    /// What changed.
    pub changes: Vec<ChangeDiff>,
}

/// The revision with what differs from `before`.
pub(super) fn entry(before: &Snapshot, revision: &Revision) -> AuditEntry {
    let body = &revision.body;
    let changes = body.changes.iter().map(|change| {
        let was = before.get(change.key()).map(|stored| &stored.body);
        let (op, is) = match change {
            Change::Put { body, .. } => (ChangeOp::Put, Some(body)),
            Change::Retire { .. } => (ChangeOp::Retire, None),
        };
        let paths = diff(was, is).into_iter();
        let paths = paths.map(|one| PathDifference { path: one.path, before: one.before, after: one.after });
        ChangeDiff { op, key: change.key().to_string(), paths: paths.collect() }
    });
    AuditEntry {
        number: body.number,
        at: body.at,
        actor: body.actor.clone(),
        message: body.message.clone(),
        cause_kind: (&body.cause).into(),
        provenance: (&body.provenance).into(),
        digest: revision.digest,
        parent: body.parent,
        changes: changes.collect(),
    }
}

/// The snapshot as of a revision, folded from the beginning.
pub(super) async fn as_of(app: &App, upto: RevisionNumber) -> Result<Snapshot, ApiError> {
    let mut snapshot = Snapshot::default();
    while snapshot.revision < upto {
        let left = usize::try_from(upto.0 - snapshot.revision.0).unwrap_or(BATCH).min(BATCH);
        let batch = LogReader::read(app.store(), snapshot.revision, left).await?;
        if batch.is_empty() {
            break;
        }
        for revision in &batch {
            snapshot = follow(&snapshot, revision)?;
        }
    }
    Ok(snapshot)
}

fn follow(snapshot: &Snapshot, revision: &Revision) -> Result<Snapshot, Failure> {
    snapshot.apply(revision).map_err(|refused| Failure {
        what: "follow the log",
        reason: refused.to_string(),
        retryable: false,
    })
}

/// The revision and the snapshot before it.
pub(super) async fn with_before(app: &App, number: u64) -> Result<(Snapshot, Revision), ApiError> {
    let unknown = || ApiError::unknown("revision.unknown", format!("revision {number} does not exist"));
    let before = number.checked_sub(1).map(RevisionNumber).ok_or_else(unknown)?;
    let found = LogReader::read(app.store(), before, 1).await?.into_iter().next().ok_or_else(unknown)?;
    Ok((as_of(app, before).await?, found))
}

/// Shows what a revision changed, document by document.
#[utoipa::path(get, path = "/revisions/{number}/diff", tag = "revisions", operation_id = "differences",
    params(("number" = u64, Path)), responses((status = 200, body = AuditEntry)))]
pub(crate) async fn differences(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(number): Key<u64>,
) -> Result<Json<AuditEntry>, ApiError> {
    let (before, revision) = with_before(&app, number).await?;
    Ok(Json(entry(&before, &revision)))
}

/// Every revision that a filter lets through, oldest first, a line of JSON each; made as it is read.
pub(super) fn lines(app: Arc<App>, filter: RevisionFilter) -> Response {
    let start = (app, filter, Snapshot::default());
    let lines = stream::try_unfold(start, async |(app, filter, mut snapshot)| {
        let batch = LogReader::read(app.store(), snapshot.revision, BATCH).await?;
        if batch.is_empty() {
            return Ok::<_, Failure>(None);
        }
        let mut text = String::new();
        for revision in &batch {
            if filter.admits(revision) {
                text.push_str(&serde_json::to_string(&entry(&snapshot, revision)).unwrap_or_default());
                text.push('\n');
            }
            snapshot = follow(&snapshot, revision)?;
        }
        Ok(Some((text, (app, filter, snapshot))))
    });
    ([(http::header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(lines)).into_response()
}

/// A place where the log does not hold together.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokenLink {
    /// After which revision.
    #[schema(value_type = u64)]
    pub after: RevisionNumber,
    /// What is wrong.
    pub reason: String,
}

/// What verifying the log came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verified {
    /// Revisions whose digests were computed again from their stored bytes.
    pub revisions: u64,
    /// The last one's digest.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Where the chain breaks.
    pub broken: Option<BrokenLink>,
    /// Whether what this node serves is the fold of the log.
    pub snapshot_is_fold: bool,
    /// Versions whose contents were read and digested again.
    pub contents: usize,
    /// Versions whose contents are gone without having been redacted.
    pub contents_missing: Vec<String>,
    /// Whether everything holds.
    pub intact: bool,
}

/// Computes the whole chain of digests again from the stored bytes, and the snapshot from the log.
#[utoipa::path(get, path = "/revisions/verify", tag = "revisions", responses((status = 200, body = Verified)))]
pub(crate) async fn verify(State(app): State<Arc<App>>, _: Reader) -> Result<Json<Verified>, ApiError> {
    let active = app.active();
    let (mut folded, mut broken, mut snapshot_is_fold) =
        (Snapshot::default(), None, active.snapshot.revision.0 == 0);
    'log: loop {
        let batch = match readable(&app, folded.revision).await? {
            Ok(batch) => batch,
            Err(link) => {
                broken = Some(link);
                break;
            }
        };
        if batch.is_empty() {
            break;
        }
        for revision in &batch {
            folded = match folded.apply(revision) {
                Ok(next) => next,
                Err(refused) => {
                    broken = Some(BrokenLink { after: folded.revision, reason: refused.to_string() });
                    break 'log;
                }
            };
            if folded.revision == active.snapshot.revision {
                snapshot_is_fold = folded == active.snapshot;
            }
        }
    }
    let (mut contents, mut contents_missing) = (0, Vec::new());
    for document in folded.under("artifact/") {
        let Document::Artifact(doc) = document else { continue };
        if doc.redacted {
            continue;
        }
        contents += 1;
        let held = match Blobs::get(app.store(), &doc.content).await {
            Err(failure) if failure.retryable => return Err(failure.into()),
            read => read.is_ok_and(|content| content.is_some()),
        };
        if !held {
            contents_missing.push(doc.reference().to_string());
        }
    }
    let intact = broken.is_none() && snapshot_is_fold && contents_missing.is_empty();
    let (revisions, digest) = (folded.revision.0, folded.digest);
    Ok(Json(Verified { revisions, digest, broken, snapshot_is_fold, contents, contents_missing, intact }))
}

/// The revisions after this one, as many as can be read; or the place where the next one is not what was stored.
async fn readable(app: &App, after: RevisionNumber) -> Result<Result<Vec<Revision>, BrokenLink>, ApiError> {
    let whole = match LogReader::read(app.store(), after, BATCH).await {
        Ok(batch) => return Ok(Ok(batch)),
        Err(failure) => failure,
    };
    if whole.retryable {
        return Err(whole.into());
    }
    // One that is damaged hides those around it in a batch.
    match LogReader::read(app.store(), after, 1).await {
        Ok(one) => Ok(Ok(one)),
        Err(failure) if failure.retryable => Err(failure.into()),
        Err(failure) => Ok(Err(BrokenLink { after, reason: failure.reason })),
    }
}

/// A decision that comes out otherwise when it is made again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Otherwise {
    /// In which revision.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Of which rollout.
    pub rollout: String,
    /// What was decided then.
    #[schema(value_type = Object)]
    pub recorded: Value,
    /// What is decided now; absent where the revision does not hold the rollout.
    #[schema(value_type = Option<Object>)]
    pub recomputed: Option<Value>,
}

/// What deciding again came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Automated decisions in the log.
    pub decisions: usize,
    /// Those that come out the same.
    pub identical: usize,
    /// Those that do not.
    pub different: Vec<Otherwise>,
}

/// Makes every automated decision again from its revision alone.
#[utoipa::path(get, path = "/revisions/replay-decisions", tag = "revisions",
    responses((status = 200, body = Replayed)))]
pub(crate) async fn replay(State(app): State<Arc<App>>, _: Reader) -> Result<Json<Replayed>, ApiError> {
    let mut answer = Replayed { decisions: 0, identical: 0, different: Vec::new() };
    let mut after = RevisionNumber(0);
    loop {
        let batch = LogReader::read(app.store(), after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(Json(answer)) };
        after = last.body.number;
        for revision in &batch {
            let Cause::Controller { decision } = &revision.body.cause else { continue };
            answer.decisions += 1;
            let doc = revision.body.changes.iter().find_map(|change| match change {
                Change::Put { body, .. } => match Document::from_value(body) {
                    Some(Document::Rollout(doc)) if doc.key == decision.rollout => Some(doc),
                    _ => None,
                },
                Change::Retire { .. } => None,
            });
            let recomputed = doc.map(|doc| decision.recompute(&doc));
            if recomputed.as_ref() == Some(&decision.decided) {
                answer.identical += 1;
                continue;
            }
            answer.different.push(Otherwise {
                revision: revision.body.number,
                rollout: decision.rollout.to_string(),
                recorded: serde_json::to_value(&decision.decided).unwrap_or_default(),
                recomputed: recomputed.map(|decided| serde_json::to_value(decided).unwrap_or_default()),
            });
        }
    }
}
