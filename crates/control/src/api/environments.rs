//! Environments: which there are, making one, and the rules of each. Another one's rules are changed in its own log, not from here.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serinus_domain::{
    decide::{Rejection, put_environment},
    entity::{DocKey, EnvironmentDoc},
    id::EnvironmentKey,
    revision::RevisionNumber,
};
use serinus_store::{Desk, Log};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::people;
use crate::{
    append::{Activation, Gate, OnConflict, Plan, commit, signed},
    auth::{Identity, Role, Scope},
    environments::{ENVIRONMENT, EnvironmentReader},
    error::ApiError,
    extract::{Body, Key, Reader},
    proposal,
    state::App,
};

/// How long an answer waits for a new environment to be open on this node.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(10);

/// What counts as an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalBy {
    /// A person with the role.
    Person,
    /// A merge counts too: what a token with the scope `approve` applies from files.
    Git,
}

/// An environment's rules; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EnvironmentRules)]
pub struct EnvironmentBody {
    /// Whether a change waits for a person other than its author. Rollback, kill and hold never wait.
    #[serde(default)]
    pub protected: Option<bool>,
    /// How many approvals it takes.
    #[serde(default)]
    pub approvals_min: Option<u32>,
    /// What counts as one.
    #[serde(default)]
    pub approve: Option<ApprovalBy>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
}

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentView {
    /// Its key.
    pub key: String,
    /// Whether a change waits for a person other than its author.
    pub protected: bool,
    /// How many approvals it takes.
    pub approvals_min: u32,
    /// What counts as one.
    pub approve: ApprovalBy,
    /// What it is for.
    pub description: String,
    /// The head of its log, as this node serves it.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Where a change of its rules is in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

/// Every environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentList {
    /// In the order of their keys.
    pub environments: Vec<EnvironmentView>,
}

/// Lists every environment.
#[utoipa::path(get, path = "/environments", tag = "environments", responses((status = 200, body = EnvironmentList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<EnvironmentList> {
    let keys = app.control.environments.keys();
    Json(EnvironmentList { environments: keys.iter().filter_map(|key| view(&app, key)).collect() })
}

/// Shows an environment.
#[utoipa::path(get, path = "/environments/{key}", tag = "environments", params(("key" = String, Path)),
    responses((status = 200, body = EnvironmentView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<EnvironmentKey>,
) -> Result<Json<EnvironmentView>, ApiError> {
    view(&app, key.as_str()).map(Json).ok_or_else(|| unknown(&app, key.as_str()))
}

/// Makes an environment, or changes the rules of the one that is asked.
#[utoipa::path(put, path = "/environments/{key}", tag = "environments", params(("key" = String, Path)),
    request_body = EnvironmentBody,
    responses((status = 200, body = EnvironmentView), (status = 201, description = "made", body = EnvironmentView)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Key(key): Key<EnvironmentKey>,
    Body(body): Body<EnvironmentBody>,
) -> Result<Response, ApiError> {
    if app.control.environments.get(key.as_str()).is_none() {
        return make(&app, &headers, &key, &body).await;
    }
    if key.as_str() != app.control.environment {
        app.control.auth.check_administrator(&headers).await?;
        let detail =
            format!("the rules of \"{key}\" are in its own log: send this with `serinus-environment: {key}`");
        return Err(ApiError::request(StatusCode::MISDIRECTED_REQUEST, "environment.elsewhere", detail));
    }
    let who = app.control.auth.check(&headers, Scope::Admin).await?;
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let before = proposal::rules(&base.snapshot);
        let after = EnvironmentDoc {
            protected: body.protected.unwrap_or(before.protected),
            approvals_min: body.approvals_min.unwrap_or(before.approvals_min),
            approve: body.approve.map_or(before.approve, Into::into),
            description: body.description.clone().unwrap_or_else(|| before.description.clone()),
        };
        let known = base.snapshot.get(&DocKey::environment()).is_some();
        if after == before && (known || after == EnvironmentDoc::default()) {
            return Ok(Plan::new(None, ()));
        }
        Ok(Plan::new(put_environment(&base.snapshot, &after, &who.actor)?, ()))
    })
    .await?;
    let rules = proposal::rules(&done.snapshot);
    Ok(Json(EnvironmentView {
        activation: done.activation,
        ..shown(key.as_str(), rules, done.snapshot.revision)
    })
    .into_response())
}

/// Writes an environment's existence down; this node and every other opens it when it sees that.
async fn make(
    app: &App,
    headers: &HeaderMap,
    key: &EnvironmentKey,
    body: &EnvironmentBody,
) -> Result<Response, ApiError> {
    let who = app.control.auth.check_administrator(headers).await?;
    if body.protected.is_some() || body.approvals_min.is_some() || body.approve.is_some() {
        let text = format!("environment \"{key}\" does not exist: make it first, then say its rules");
        return Err(Rejection::new("environment.invalid", text).into());
    }
    let (home, now) = (app.control.auth.home(), app.now());
    let paper = json!({ "key": key, "created_at": now });
    // Somebody who made it at the same moment made the same.
    Desk::write(home, ENVIRONMENT, key.as_str(), 0, &paper, now).await?;
    people::grant(app, &who, key.as_str(), Role::Admin).await?;
    tracing::info!(environment = %key, "{} made environment {key}", who.actor);
    let deadline = Instant::now() + OPEN_WAIT_MAX;
    loop {
        if let Some(reader) = app.control.environments.get(key.as_str()) {
            describe(app, &who, &reader, body.description.as_deref().unwrap_or_default()).await?;
            let rules = EnvironmentDoc {
                description: body.description.clone().unwrap_or_default(),
                ..proposal::rules(&reader.live.load().snapshot)
            };
            let view = shown(key.as_str(), rules, reader.live.load().snapshot.revision);
            return Ok((StatusCode::CREATED, Json(view)).into_response());
        }
        if Instant::now() >= deadline {
            let detail =
                format!("environment \"{key}\" is made but not open on this node yet: see the server's log");
            return Err(ApiError::request(StatusCode::SERVICE_UNAVAILABLE, "environment.not_open", detail));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a new environment is for, as the first revision of its own log.
async fn describe(
    app: &App,
    who: &Identity,
    reader: &EnvironmentReader,
    description: &str,
) -> Result<(), ApiError> {
    let active = reader.live.load();
    if description.is_empty() || active.snapshot.revision != RevisionNumber(0) {
        return Ok(());
    }
    let rules = EnvironmentDoc { description: description.to_owned(), ..EnvironmentDoc::default() };
    let draft = signed(put_environment(&active.snapshot, &rules, &who.actor)?, who);
    Log::append(&*reader.store, &draft, app.now()).await?;
    Ok(())
}

fn view(app: &App, key: &str) -> Option<EnvironmentView> {
    let reader = app.control.environments.get(key)?;
    let active = reader.live.load();
    Some(shown(key, proposal::rules(&active.snapshot), active.snapshot.revision))
}

fn shown(key: &str, rules: EnvironmentDoc, revision: RevisionNumber) -> EnvironmentView {
    EnvironmentView {
        key: key.to_owned(),
        protected: rules.protected,
        approvals_min: rules.approvals_min.max(1),
        approve: rules.approve.into(),
        description: rules.description,
        revision,
        activation: None,
    }
}

fn unknown(app: &App, key: &str) -> ApiError {
    let detail = format!(
        "environment \"{key}\" does not exist: there are {}",
        app.control.environments.keys().join(", ")
    );
    ApiError::unknown("environment.unknown", detail)
}

impl From<ApprovalBy> for serinus_domain::entity::ApprovalBy {
    fn from(by: ApprovalBy) -> Self {
        match by {
            ApprovalBy::Person => Self::Person,
            ApprovalBy::Git => Self::Git,
        }
    }
}

impl From<serinus_domain::entity::ApprovalBy> for ApprovalBy {
    fn from(by: serinus_domain::entity::ApprovalBy) -> Self {
        match by {
            serinus_domain::entity::ApprovalBy::Person => Self::Person,
            serinus_domain::entity::ApprovalBy::Git => Self::Git,
        }
    }
}
