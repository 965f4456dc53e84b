//! Which revisions are asked for, and how each came about. Knows nothing of the log itself.

use std::str::FromStr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    digest::Digest,
    revision::{Provenance, Revision, RevisionNumber},
    units::Timestamp,
};
use utoipa::{IntoParams, ToSchema};

use super::revisions::CauseKind;
use crate::error::ApiError;

/// Where a page begins, how long it is, and what it leaves out.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevisionQuery {
    /// Older than this one.
    pub before: Option<u64>,
    /// At most so many; 50 where not given, 500 at most. Not of an export.
    pub limit: Option<u64>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of a document by its key, or of all whose keys begin so.
    pub subject: Option<String>,
    /// `person`, `token` or `controller`.
    pub cause: Option<String>,
    /// Not before this, in microseconds since the epoch.
    pub since: Option<i64>,
    /// Before this, in microseconds since the epoch.
    pub until: Option<i64>,
    /// `jsonl`: an export of all, oldest first, a line each, with what differs.
    pub format: Option<String>,
}

/// A filter, checked.
#[derive(Debug, Default, Clone)]
pub struct RevisionFilter {
    before: Option<u64>,
    actor: Option<String>,
    subject: Option<String>,
    cause: Option<CauseKind>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl RevisionFilter {
    /// Checks what was asked.
    pub fn of(query: &RevisionQuery) -> Result<Self, ApiError> {
        let cause = query.cause.as_deref().map(CauseKind::from_str).transpose().map_err(invalid)?;
        if let Some(format) = query.format.as_deref().filter(|format| *format != "jsonl") {
            return Err(invalid(format!("format \"{format}\" is not known: leave it out, or use jsonl")));
        }
        Ok(Self {
            before: query.before,
            actor: query.actor.clone(),
            subject: query.subject.clone(),
            cause,
            since: query.since.map(Timestamp),
            until: query.until.map(Timestamp),
        })
    }

    /// Whether a revision is asked for.
    pub fn admits(&self, revision: &Revision) -> bool {
        let body = &revision.body;
        self.before.is_none_or(|before| body.number.0 < before)
            && self.actor.as_ref().is_none_or(|actor| body.actor == *actor)
            && self.cause.is_none_or(|cause| cause == (&body.cause).into())
            && self.since.is_none_or(|since| body.at >= since)
            && self.until.is_none_or(|until| body.at < until)
            && self.subject.as_ref().is_none_or(|subject| {
                body.changes.iter().any(|change| change.key().as_str().starts_with(subject.as_str()))
            })
    }

    /// Whether everything at or before `at` is left out.
    pub fn ends_at(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since)
    }
}

fn invalid(detail: String) -> ApiError {
    ApiError::request(StatusCode::BAD_REQUEST, "request.invalid_query", detail)
}

/// Who approved a change.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RevisionApproval)]
pub struct ApprovalView {
    /// The proposal.
    pub proposal: u64,
    /// Who proposed it.
    pub author: String,
    /// Who approved it.
    pub approvers: Vec<String>,
    /// The digest of what they approved.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// Where a copy is from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CopiedFrom {
    /// Which environment.
    pub environment: String,
    /// Its revision.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// That revision's digest.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// How a revision came about, beside who and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProvenanceView {
    /// What it was sent with: the command line, the dashboard, the API, files.
    pub via: Option<String>,
    /// Who approved it.
    pub approval: Option<ApprovalView>,
    /// Of a copy: where from.
    pub copied: Option<CopiedFrom>,
    /// The revision that it takes back.
    #[schema(value_type = Option<u64>)]
    pub reverts: Option<RevisionNumber>,
    /// The scheduled change that it makes.
    pub schedule: Option<String>,
    /// The commit that its files were of.
    pub commit: Option<String>,
}

impl From<&Provenance> for ProvenanceView {
    fn from(from: &Provenance) -> Self {
        Self {
            via: from.via.clone(),
            approval: from.approval.as_ref().map(|approval| ApprovalView {
                proposal: approval.proposal,
                author: approval.author.clone(),
                approvers: approval.approvers.clone(),
                digest: approval.digest,
            }),
            copied: from.copied.as_ref().map(|copied| CopiedFrom {
                environment: copied.environment.to_string(),
                revision: copied.revision,
                digest: copied.digest,
            }),
            reverts: from.reverts,
            schedule: from.schedule.as_ref().map(ToString::to_string),
            commit: from.commit.clone(),
        }
    }
}
