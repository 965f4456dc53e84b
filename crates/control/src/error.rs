//! What can go wrong with a request, and the one function that turns it into an answer.
//! Knows nothing of which command was given.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serinus_domain::{
    decide::Rejection,
    digest::Digest,
    proposal::Proposal,
    revision::{Revision, RevisionNumber},
};
use serinus_store::{AppendError, Failure};
use utoipa::ToSchema;

use crate::auth::AuthError;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request itself is not one that this API takes.
    #[error("{detail}")]
    Request {
        /// How HTTP puts it.
        status: StatusCode,
        /// Stable code.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// Who asks may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The caller can mend it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Somebody else was first.
    #[error("revision {expected} is not the head any more: look at what changed, then repeat")]
    Conflict {
        /// The head that the command was made against.
        expected: RevisionNumber,
        /// What happened since.
        since: Vec<Revision>,
    },
    /// Nothing is wrong: it waits for somebody else's approval.
    #[error("waits for approval as proposal {}", .0.id)]
    Proposed(Box<Proposal>),
    /// We, or what we depend on, failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl ApiError {
    /// A request that this API does not take.
    pub fn request(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Request { status, code, detail: detail.into() }
    }

    /// Something that does not exist.
    pub fn unknown(code: &'static str, detail: impl Into<String>) -> Self {
        Self::request(StatusCode::NOT_FOUND, code, detail)
    }
}

impl From<AppendError> for ApiError {
    fn from(refused: AppendError) -> Self {
        match refused {
            AppendError::Conflict { expected, since } => Self::Conflict { expected, since },
            AppendError::Failure(failure) => Self::Failed(failure),
        }
    }
}

/// A command that waits for somebody else's approval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Waiting {
    /// The proposal's number.
    pub proposal: u64,
    /// Where it is looked at.
    pub url: String,
    /// What an approval has to name.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Who was asked to look; anybody who may approve where it is empty.
    pub reviewers: Vec<String>,
    /// Why.
    pub message: String,
}

impl From<&Proposal> for Waiting {
    fn from(proposal: &Proposal) -> Self {
        Self {
            proposal: proposal.id,
            url: format!("/p/{}", proposal.id),
            digest: proposal.digest,
            reviewers: proposal.reviewers.clone(),
            message: proposal.message.clone(),
        }
    }
}

/// A refusal, in the form of RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    pub r#type: String,
    /// The kind of refusal, the same for every request.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable, dotted: `rollout.overlap`.
    pub code: String,
    /// What is wrong with this request, and the way out.
    pub detail: String,
    /// Of a lost race: who won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<Winner>,
    /// Whether the same request may go through later.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
}

/// The revision that was appended first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Winner {
    /// Its number.
    pub number: u64,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// The keys of the documents that it changed.
    pub changed: Vec<String>,
}

impl From<&Revision> for Winner {
    fn from(revision: &Revision) -> Self {
        Self {
            number: revision.body.number.0,
            actor: revision.body.actor.clone(),
            message: revision.body.message.clone(),
            changed: revision.body.changes.iter().map(|change| change.key().to_string()).collect(),
        }
    }
}

impl Problem {
    /// A refusal without a winner.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("https://serinus.dev/errors/{code}"),
            title: status.canonical_reason().unwrap_or("error").to_lowercase(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            winner: None,
            retryable: false,
        }
    }
}

/// A rejection's status: what is not there, what is in the way, or what cannot be.
fn rejection_status(code: &str) -> StatusCode {
    const IN_THE_WAY: [&str; 18] = [
        "artifact.in_use",
        "desired.drift",
        "feature.rollout_running",
        "flag.in_use",
        "group.full",
        "person.last_admin",
        "proposal.conflict",
        "proposal.edited",
        "revert.conflict",
        "rollback.ambiguous",
        "rollback.nothing_running",
        "rollback.unproven_target",
        "rollout.exists",
        "rollout.held",
        "rollout.latched",
        "rollout.overlap",
        "rollout.stage_moved",
        "segment.in_use",
    ];
    let (_, reason) = code.split_once('.').unwrap_or(("", code));
    if reason.starts_with("unknown") {
        StatusCode::NOT_FOUND
    } else if IN_THE_WAY.contains(&code) || reason.starts_with("not_") {
        StatusCode::CONFLICT
    } else if code == "proposal.own" || code == "environment.needs_admin" {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

/// The one place where a refusal becomes a status.
pub fn problem(error: &ApiError) -> Problem {
    let detail = error.to_string();
    match error {
        ApiError::Request { status, code, .. } => Problem::new(*status, code, detail),
        ApiError::Rejected(rejection) => {
            Problem::new(rejection_status(rejection.code), rejection.code, detail)
        }
        ApiError::Proposed(_) => Problem::new(StatusCode::ACCEPTED, "proposal.waits", detail),
        ApiError::Conflict { since, .. } => Problem {
            winner: since.first().map(Winner::from),
            retryable: true,
            ..Problem::new(StatusCode::CONFLICT, "revision.conflict", detail)
        },
        ApiError::Failed(failure) | ApiError::Auth(AuthError::Unavailable(failure)) => {
            // The reason may quote paths or statements of the store: it goes to the log, not to the caller.
            tracing::error!(store.operation = failure.what, "control: {failure}");
            let status = if failure.retryable {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            let detail = format!("cannot {} now: see the server's log", failure.what);
            Problem { retryable: failure.retryable, ..Problem::new(status, "store.unavailable", detail) }
        }
        ApiError::Auth(refused) => Problem::new(refused.status(), refused.code(), detail),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Proposed(proposal) = &self {
            return (StatusCode::ACCEPTED, Json(Waiting::from(&**proposal))).into_response();
        }
        problem(&self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_have_the_status_of_their_reason() {
        for (code, status) in [
            ("rollout.unknown", 404),
            ("rollback.unknown_subject", 404),
            ("rollout.overlap", 409),
            ("rollout.not_running", 409),
            ("artifact.invalid", 422),
            ("bundle.invalid", 422),
        ] {
            assert_eq!(rejection_status(code).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn a_failure_keeps_its_reason_to_itself() {
        let failure = Failure {
            what: "append a revision",
            reason: "/var/lib/serinus: disk full".into(),
            retryable: true,
        };
        let told = problem(&ApiError::Failed(failure));
        assert_eq!((told.status, told.retryable), (503, true));
        assert!(!told.detail.contains("/var/lib"), "{}", told.detail);
    }
}
