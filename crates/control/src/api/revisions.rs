//! The revision log as it stands: a page of it, or one entry with its cause and evidence.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use serinus_domain::{
    digest::Digest,
    revision::{Cause, Change, Revision, RevisionNumber},
    units::Timestamp,
};
use serinus_store::LogReader;
use utoipa::ToSchema;

use super::{
    evidence::Evidence,
    revisions_audit::lines,
    revisions_filter::{ApprovalView, CopiedFrom, ProvenanceView, RevisionFilter, RevisionQuery},
    words::{HoldReason, Metric, Reach, Verdict},
};
use crate::{
    error::ApiError,
    extract::{Key, Params, Reader},
    state::App,
};

/// Revisions in one answer.
const LIMIT_MAX: u64 = 500;
/// Revisions in one answer where the caller does not say.
const LIMIT: u64 = 50;

/// Who caused a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A person.
    Person,
    /// A token of an application or a pipeline.
    Token,
    /// The controller.
    Controller,
}

impl From<&Cause> for CauseKind {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Person => Self::Person,
            Cause::Token => Self::Token,
            Cause::Controller { .. } => Self::Controller,
        }
    }
}

impl FromStr for CauseKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "person" => Ok(Self::Person),
            "token" => Ok(Self::Token),
            "controller" => Ok(Self::Controller),
            other => Err(format!("cause \"{other}\" is not known: use one of person, token, controller")),
        }
    }
}

/// What was done to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOp {
    /// It reads like this now.
    Put,
    /// It is no more.
    Retire,
}

/// A change without the document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeSummary {
    /// What was done.
    pub op: ChangeOp,
    /// To which document.
    pub key: String,
}

impl From<&Change> for ChangeSummary {
    fn from(change: &Change) -> Self {
        let op = match change {
            Change::Put { .. } => ChangeOp::Put,
            Change::Retire { .. } => ChangeOp::Retire,
        };
        Self { op, key: change.key().to_string() }
    }
}

/// A revision in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RevisionSummary {
    /// Its number.
    #[schema(value_type = u64)]
    pub number: RevisionNumber,
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The digest of the revision before it.
    #[schema(value_type = String)]
    pub parent: Digest,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// By whom or what.
    pub cause_kind: CauseKind,
    /// Of the controller's: the verdict that it acted on.
    pub verdict: Option<Verdict>,
    /// How it came about.
    #[serde(flatten)]
    pub provenance: ProvenanceView,
    /// What changed.
    pub changes: Vec<ChangeSummary>,
}

impl From<&Revision> for RevisionSummary {
    fn from(revision: &Revision) -> Self {
        let body = &revision.body;
        let verdict = match &body.cause {
            Cause::Person | Cause::Token => None,
            Cause::Controller { decision } => Some(decision.decided.verdict.into()),
        };
        Self {
            number: body.number,
            digest: revision.digest,
            parent: body.parent,
            at: body.at,
            actor: body.actor.clone(),
            message: body.message.clone(),
            cause_kind: (&body.cause).into(),
            verdict,
            provenance: (&body.provenance).into(),
            changes: body.changes.iter().map(Into::into).collect(),
        }
    }
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionList {
    /// Latest first.
    pub revisions: Vec<RevisionSummary>,
    /// The log's head.
    #[schema(value_type = u64)]
    pub head: RevisionNumber,
}

/// Lists revisions, latest first; or exports them, oldest first.
#[utoipa::path(get, path = "/revisions", tag = "revisions", params(RevisionQuery),
    responses((status = 200, body = RevisionList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(query): Params<RevisionQuery>,
) -> Result<Response, ApiError> {
    let filter = RevisionFilter::of(&query)?;
    if query.format.is_some() {
        return Ok(lines(app, filter));
    }
    let head = LogReader::head(app.store()).await?.number;
    let limit = usize::try_from(query.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)).unwrap_or(1);
    let mut last = query.before.map_or(head.0, |before| before.saturating_sub(1).min(head.0));
    let mut revisions: Vec<RevisionSummary> = Vec::new();
    // Backwards, a page at a time, until there are enough.
    while last > 0 && revisions.len() < limit {
        let after = last.saturating_sub(LIMIT_MAX.min(u64::try_from(limit).unwrap_or(LIMIT_MAX)));
        let count = usize::try_from(last - after).unwrap_or(1);
        let page = LogReader::read(app.store(), RevisionNumber(after), count).await?;
        let found = page.iter().rev().filter(|revision| filter.admits(revision));
        revisions.extend(found.take(limit - revisions.len()).map(Into::into));
        let oldest = page.first().map(|revision| revision.body.at);
        if oldest.is_none_or(|at| filter.ends_at(at)) {
            break;
        }
        last = after;
    }
    Ok(Json(RevisionList { revisions, head }).into_response())
}

/// A decision of the controller, complete enough to be computed again.
#[derive(ToSchema)]
pub struct Decision {
    /// Of which rollout.
    pub rollout: String,
    /// What was decided.
    pub decided: Decided,
    /// When.
    pub at: i64,
    /// Where the rollout was.
    #[schema(value_type = Object)]
    pub state_before: Value,
    /// What was looked at.
    pub evidence: Evidence,
}

/// What is to happen to a rollout.
#[derive(ToSchema)]
#[cfg_attr(test, derive(Debug, serde::Deserialize))]
#[schema(as = Action)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ActionShape {
    /// Nothing.
    Stay,
    /// It goes to its next stage.
    Advance,
    /// Its last stage is over.
    Complete,
    /// Its share freezes.
    Hold {
        /// Why.
        reason: HoldReason,
    },
    /// An automatic hold is over.
    Resume,
    /// It is taken back.
    RollBack {
        /// Whom it touches.
        reach: Reach,
        /// What fired.
        metric: Metric,
        /// Where; absent where it was not one category.
        category: Option<String>,
    },
}

/// What the controller decided.
#[derive(ToSchema)]
pub struct Decided {
    /// The verdict.
    pub verdict: Verdict,
    /// What was to happen.
    pub action: ActionShape,
    /// Why, as a sentence.
    pub reason: String,
}

/// By whom or what a revision was caused.
#[derive(ToSchema)]
#[schema(as = Cause)]
pub struct CauseShape {
    /// By whom or what.
    pub by: CauseKind,
    /// Of the controller: its decision with the evidence.
    pub decision: Option<Decision>,
}

/// A document that was put: `{"put": {"key", "body"}}`.
#[derive(ToSchema)]
pub struct PutShape {
    /// Where it stands.
    pub key: String,
    /// Its stored form.
    #[schema(value_type = Object)]
    pub body: Value,
}

/// A document that was retired: `{"retire": {"key"}}`.
#[derive(ToSchema)]
pub struct RetireShape {
    /// Where it stood.
    pub key: String,
}

/// One change of one document: either of the two.
#[derive(ToSchema)]
#[schema(as = Change)]
pub struct ChangeShape {
    /// The document now reads like this.
    pub put: Option<PutShape>,
    /// The document is no more.
    pub retire: Option<RetireShape>,
}

/// An entry of the log as it is stored, with its digest.
#[derive(ToSchema)]
#[schema(as = Revision)]
pub struct RevisionShape {
    /// Its number.
    pub number: u64,
    /// Its digest.
    pub digest: String,
    /// The digest of the revision before it.
    pub parent: String,
    /// When.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// By whom or what.
    pub cause: CauseShape,
    /// What changed.
    pub changes: Vec<ChangeShape>,
    /// The proposer's key.
    pub idempotency_key: Option<String>,
    /// How it came about; absent where there is nothing to say.
    pub provenance: Option<ProvenanceShape>,
}

/// How a revision came about, as it is stored: what is not known is left out.
#[derive(ToSchema)]
#[schema(as = Provenance)]
pub struct ProvenanceShape {
    /// What it was sent with.
    pub via: Option<String>,
    /// Who approved it.
    pub approval: Option<ApprovalView>,
    /// Of a copy: where from.
    pub copied: Option<CopiedFrom>,
    /// The revision that it takes back.
    pub reverts: Option<u64>,
    /// The scheduled change that it makes.
    pub schedule: Option<String>,
    /// The commit that its files were of.
    pub commit: Option<String>,
}

/// Shows a revision with its cause and evidence.
#[utoipa::path(get, path = "/revisions/{number}", tag = "revisions", params(("number" = u64, Path)),
    responses((status = 200, body = RevisionShape)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(number): Key<u64>,
) -> Result<Json<Revision>, ApiError> {
    let unknown = || ApiError::unknown("revision.unknown", format!("revision {number} does not exist"));
    let before = number.checked_sub(1).map(RevisionNumber).ok_or_else(unknown)?;
    let found = LogReader::read(app.store(), before, 1).await?;
    found.into_iter().next().map(Json).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serinus_domain::decide::Action;

    use super::*;

    #[test]
    fn actions_have_the_documented_shape() {
        for (written, shape) in [
            (json!({ "type": "stay" }), "Stay"),
            (json!({ "type": "advance" }), "Advance"),
            (json!({ "type": "complete" }), "Complete"),
            (json!({ "type": "hold", "reason": "sample_ratio" }), "Hold"),
            (json!({ "type": "resume" }), "Resume"),
            (
                json!({ "type": "roll_back", "reach": "next_turn", "metric": "cost", "category": "billing" }),
                "RollBack",
            ),
        ] {
            let stored: Action = serde_json::from_value(written).unwrap();
            let read: ActionShape = serde_json::from_value(serde_json::to_value(stored).unwrap()).unwrap();
            assert!(format!("{read:?}").starts_with(shape), "{read:?}");
        }
    }
}
