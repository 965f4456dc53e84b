//! Copying configuration from another environment to this one, and comparing two. Knows nothing of how environments are kept.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{Side, compare, copy as decide_copy},
    desired::Verb,
    id::EnvironmentKey,
    revision::{Citation, RevisionNumber},
};
use serinus_store::Active;
use utoipa::{IntoParams, ToSchema};

use super::{
    desired::{PlanStep, all_of, shown},
    revisions_audit::PathDifference,
};
use crate::{
    append::{Activation, Gate, OnConflict, Plan, at_head, commit},
    auth::Scope,
    error::ApiError,
    extract::{Body, Params, Reader, Writer, invalid_key},
    state::App,
};

/// What to copy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyBody {
    /// From which environment.
    pub from: String,
    /// To which: the one that is asked, which is meant where not given.
    #[serde(default)]
    pub to: Option<String>,
    /// `feature/support`, `flag/x`, `segment/y`, `system_prompt/support@3`, or a feature's or flag's bare key.
    pub subjects: Vec<String>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What copying came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct CopyView {
    /// From which environment.
    pub from: String,
    /// At which of its revisions.
    #[schema(value_type = u64)]
    pub from_revision: RevisionNumber,
    /// To which environment.
    pub to: String,
    /// What changes.
    pub steps: Vec<PlanStep>,
    /// How many things were alike already.
    pub kept: usize,
    /// The revision; none for a dry run, or where nothing had to change.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

/// Copies features, flags, segments and versions from another environment, as one revision that cites it.
#[utoipa::path(post, path = "/environments/copy", tag = "environments", request_body = CopyBody,
    responses((status = 200, body = CopyView)))]
pub(crate) async fn copy(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    headers: HeaderMap,
    Body(body): Body<CopyBody>,
) -> Result<Json<CopyView>, ApiError> {
    let to = app.control.environment.clone();
    if body.to.as_ref().is_some_and(|named| *named != to) || body.from == to {
        let detail = format!(
            "a copy is asked of the environment that it goes to, from another one: this is \"{to}\"; say which is meant \
             with the header Serinus-Environment"
        );
        return Err(ApiError::request(StatusCode::BAD_REQUEST, "copy.target", detail));
    }
    let source = read(&app, &headers, &body.from).await?;
    let citation = Citation {
        environment: EnvironmentKey::new(&body.from).map_err(|refused| invalid_key(&refused))?,
        revision: source.snapshot.revision,
        digest: source.snapshot.digest,
    };
    let plan = |target: Side<'_>, now| {
        decide_copy(target, side(&source), &body.subjects, citation.clone(), &who.actor, now).map_err(all_of)
    };
    let (steps, revision, activation) = if body.dry_run {
        let base = at_head(&app).await?;
        let target = Side { snapshot: &base.snapshot, contents: &base.contents };
        (plan(target, app.now())?.steps, None, None)
    } else {
        let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, now| {
            let planned = plan(Side { snapshot: &base.snapshot, contents: &base.contents }, now)?;
            Ok(Plan { draft: planned.draft, blobs: planned.blobs, value: planned.steps })
        })
        .await?;
        (done.value, done.revision, done.activation)
    };
    let kept = steps.iter().filter(|step| step.verb == Verb::Keep).count();
    let changed = steps.iter().filter(|step| step.verb != Verb::Keep).map(|step| shown(step, None));
    Ok(Json(CopyView {
        from: body.from.clone(),
        from_revision: citation.revision,
        to,
        steps: changed.collect(),
        kept,
        revision,
        activation,
    }))
}

/// Which two to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// The one.
    pub from: String,
    /// The other.
    pub to: String,
}

/// A document that two environments do not have alike.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentDifference {
    /// Its key.
    pub key: String,
    /// Where it differs; versions are compared by their contents.
    pub paths: Vec<PathDifference>,
}

/// What two environments do not have alike.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentDiff {
    /// The one.
    pub from: String,
    /// The other.
    pub to: String,
    /// In the order of their keys.
    pub differences: Vec<EnvironmentDifference>,
}

/// Compares features, flags, segments and versions of two environments.
#[utoipa::path(get, path = "/environments/diff", tag = "environments", params(DiffQuery),
    responses((status = 200, body = EnvironmentDiff)))]
pub(crate) async fn differences(
    State(app): State<Arc<App>>,
    _: Reader,
    headers: HeaderMap,
    Params(query): Params<DiffQuery>,
) -> Result<Json<EnvironmentDiff>, ApiError> {
    let from = read(&app, &headers, &query.from).await?;
    let to = read(&app, &headers, &query.to).await?;
    let differences = compare(side(&from), side(&to)).into_iter().map(|one| {
        let paths = one.paths.into_iter();
        let paths = paths.map(|at| PathDifference { path: at.path, before: at.before, after: at.after });
        EnvironmentDifference { key: one.key, paths: paths.collect() }
    });
    let differences = differences.collect();
    Ok(Json(EnvironmentDiff { from: query.from, to: query.to, differences }))
}

/// What another environment serves, for who may look there.
async fn read(app: &App, headers: &HeaderMap, key: &str) -> Result<Arc<Active>, ApiError> {
    let reader = app.control.environments.get(key).ok_or_else(|| {
        let known = app.control.environments.keys().join(", ");
        let detail = format!("environment \"{key}\" does not exist: use one of {known}");
        ApiError::unknown("environment.unknown", detail)
    })?;
    app.control.auth.within(key).check(headers, Scope::Read).await?;
    Ok(reader.live.load())
}

fn side(active: &Active) -> Side<'_> {
    Side { snapshot: &active.snapshot, contents: &active.contents }
}
