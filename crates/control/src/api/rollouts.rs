//! Rollouts: starting, listing, showing, and moving them by hand. What each verb comes to is the domain's word.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{self, Rejection, StartRequest},
    entity::RolloutDoc,
    id::RolloutKey,
    lint,
    revision::RevisionNumber,
    snapshot::Snapshot,
    units::Timestamp,
};
use utoipa::ToSchema;

use super::{
    rollout_spec::RolloutRequest,
    rollout_view::{RolloutSummary, RolloutView},
    words::StageKind,
};
use crate::{
    append::{Activation, Base, Committed, Gate, OnConflict, Plan, at_head, commit},
    auth::Identity,
    error::ApiError,
    extract::{Body, Key, Operator, Reader, Writer},
    state::App,
};

/// What starting came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Started {
    /// The rollout with every default spelled out.
    pub rollout: RolloutView,
    /// What its author should know.
    pub warnings: Vec<String>,
    /// The revision that started it; none of a dry run.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

/// Starts a rollout.
#[utoipa::path(post, path = "/rollouts", tag = "rollouts", request_body = RolloutRequest,
    responses((status = 201, body = Started), (status = 200, description = "a dry run", body = Started)))]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<RolloutRequest>,
) -> Result<Response, ApiError> {
    let dry_run = body.dry_run;
    let request = body.into_domain(&who.actor)?;
    begin(&app, &who, &request, dry_run).await
}

/// Starts an experiment: a rollout that begins, and ends unless its stages say otherwise, with both arms at half.
#[utoipa::path(post, path = "/experiments", tag = "rollouts", request_body = RolloutRequest,
    responses((status = 201, body = Started), (status = 200, description = "a dry run", body = Started)))]
pub(crate) async fn experiment(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<RolloutRequest>,
) -> Result<Response, ApiError> {
    let dry_run = body.dry_run;
    let mut request = body.into_domain(&who.actor)?;
    let ab = || {
        decide::default_stages()
            .into_iter()
            .filter(|stage| stage.kind == serinus_domain::entity::StageKind::Ab)
    };
    request.stages.get_or_insert_with(|| ab().collect());
    begin(&app, &who, &request, dry_run).await
}

async fn begin(
    app: &App,
    who: &Identity,
    request: &StartRequest,
    dry_run: bool,
) -> Result<Response, ApiError> {
    lint::message(&request.message).map_err(|reason| Rejection::new("rollout.invalid", reason))?;
    if dry_run {
        let Base { snapshot, contents } = at_head(app).await?;
        let now = app.now();
        let (doc, _, warnings) = decide::start(&snapshot, &contents, request, now)?;
        let rollout = RolloutView::new(&doc, None, &BTreeMap::new(), now);
        return Ok(Json(Started { rollout, warnings, revision: None, activation: None }).into_response());
    }
    let done = commit(app, who, (Gate::Review, OnConflict::Tell), |Base { snapshot, contents }, now| {
        let (doc, draft, warnings) = decide::start(snapshot, contents, request, now)?;
        Ok(Plan::new(draft, (doc, warnings)))
    })
    .await?;
    let (doc, warnings) = done.value;
    let rollout = view(app, &doc).await;
    let started = Started { rollout, warnings, revision: done.revision, activation: done.activation };
    Ok((StatusCode::CREATED, Json(started)).into_response())
}

/// A rollout as of now, with the latest evidence.
pub(crate) async fn view(app: &App, doc: &RolloutDoc) -> RolloutView {
    let report = app.control.reports.get(&doc.key);
    // After a command this is what came of it: a log that cannot be read now must not make that an error.
    let entered = app.timeline.stages(app.store(), &doc.key).await.unwrap_or_default();
    RolloutView::new(doc, report.as_ref().map(|report| &report.evidence), &entered, app.now())
}

/// A rollout in a list, as of now.
pub(crate) fn summary(app: &App, doc: &RolloutDoc) -> RolloutSummary {
    let report = app.control.reports.get(&doc.key);
    RolloutSummary::new(doc, report.as_ref().map(|report| &report.evidence), app.now())
}

/// Every rollout.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolloutList {
    /// Latest start first.
    pub rollouts: Vec<RolloutSummary>,
}

/// Lists every rollout.
#[utoipa::path(get, path = "/rollouts", tag = "rollouts", responses((status = 200, body = RolloutList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<RolloutList> {
    Json(RolloutList { rollouts: summaries(&app, &app.active().snapshot) })
}

/// Every rollout, latest start first.
pub(crate) fn summaries(app: &App, snapshot: &Snapshot) -> Vec<RolloutSummary> {
    let mut rollouts: Vec<_> = snapshot.rollouts().map(|doc| summary(app, doc)).collect();
    rollouts.sort_by_key(|rollout| std::cmp::Reverse(rollout.started_at));
    rollouts
}

/// A rollout by its key.
pub(crate) fn find<'a>(snapshot: &'a Snapshot, key: &RolloutKey) -> Result<&'a RolloutDoc, ApiError> {
    snapshot.rollout(key).ok_or_else(|| {
        ApiError::unknown(
            "rollout.unknown",
            format!("rollout \"{key}\" does not exist: see `serinus rollout list`"),
        )
    })
}

/// Shows a rollout.
#[utoipa::path(get, path = "/rollouts/{key}", tag = "rollouts", params(("key" = String, Path)),
    responses((status = 200, body = RolloutView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<RolloutKey>,
) -> Result<Json<RolloutView>, ApiError> {
    let active = app.active();
    Ok(Json(view(&app, find(&active.snapshot, &key)?).await))
}

/// What goes with a verb.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerbBody {
    /// Why, for the log.
    #[serde(default)]
    pub message: String,
    /// The stage that the caller saw; refused where the rollout is in another by now.
    #[serde(default)]
    pub stage: Option<StageKind>,
}

/// What a verb came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Moved {
    /// The revision.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// The rollout after it.
    pub rollout: RolloutView,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

async fn moved(app: &App, key: &RolloutKey, done: Committed<()>) -> Result<Json<Moved>, ApiError> {
    let rollout = view(app, find(&done.snapshot, key)?).await;
    Ok(Json(Moved { revision: done.revision, rollout, activation: done.activation }))
}

/// Carries out a verb that takes a key and answers a draft.
async fn carry_out(
    app: &App,
    who: &Identity,
    on_conflict: OnConflict,
    (key, body): (&RolloutKey, &VerbBody),
    decide: impl Fn(&Snapshot, Timestamp) -> Result<serinus_domain::revision::Draft, Rejection>,
) -> Result<Json<Moved>, ApiError> {
    lint::message(&body.message).map_err(|reason| Rejection::new("request.message", reason))?;
    let done = commit(app, who, (Gate::Free, on_conflict), |Base { snapshot, .. }, now| {
        if let Some(seen) = body.stage {
            still_in(snapshot, key, seen.into())?;
        }
        let mut draft = decide(snapshot, now)?;
        if !body.message.is_empty() && !draft.message.contains(&body.message) {
            draft.message = format!("{}: {}", draft.message, body.message);
        }
        Ok(Plan::new(draft, ()))
    })
    .await?;
    moved(app, key, done).await
}

/// Two people who press "advance" on the same stage advance it once.
fn still_in(
    snapshot: &Snapshot,
    key: &RolloutKey,
    seen: serinus_domain::entity::StageKind,
) -> Result<(), Rejection> {
    match snapshot.rollout(key).and_then(RolloutDoc::stage) {
        Some(stage) if stage.kind != seen => {
            let (now, seen) = (stage.kind.as_str(), seen.as_str());
            let text =
                format!("rollout \"{key}\" is in {now} by now, not in {seen}: look at it, then repeat");
            Err(Rejection::new("rollout.stage_moved", text))
        }
        _ => Ok(()),
    }
}

/// Freezes a rollout's share. Decided again until it is in.
#[utoipa::path(post, path = "/rollouts/{key}/hold", tag = "rollouts", params(("key" = String, Path)),
    request_body = VerbBody, responses((status = 200, body = Moved)))]
pub(crate) async fn hold(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Key(key): Key<RolloutKey>,
    Body(body): Body<VerbBody>,
) -> Result<Json<Moved>, ApiError> {
    let decide = |snapshot: &Snapshot, now| decide::hold(snapshot, &key, &who.actor, &body.message, now);
    carry_out(&app, &who, OnConflict::Retry, (&key, &body), decide).await
}

/// Lets a held rollout go on.
#[utoipa::path(post, path = "/rollouts/{key}/resume", tag = "rollouts", params(("key" = String, Path)),
    request_body = VerbBody, responses((status = 200, body = Moved)))]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Key(key): Key<RolloutKey>,
    Body(body): Body<VerbBody>,
) -> Result<Json<Moved>, ApiError> {
    let decide = |snapshot: &Snapshot, now| decide::resume(snapshot, &key, &who.actor, now);
    carry_out(&app, &who, OnConflict::Tell, (&key, &body), decide).await
}

/// Takes a rollout to its next stage, its gate notwithstanding.
#[utoipa::path(post, path = "/rollouts/{key}/advance", tag = "rollouts", params(("key" = String, Path)),
    request_body = VerbBody, responses((status = 200, body = Moved)))]
pub(crate) async fn advance(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Key(key): Key<RolloutKey>,
    Body(body): Body<VerbBody>,
) -> Result<Json<Moved>, ApiError> {
    let decide = |snapshot: &Snapshot, now| decide::advance(snapshot, &key, &who.actor, now);
    carry_out(&app, &who, OnConflict::Tell, (&key, &body), decide).await
}

/// Lifts the latch of a change that was taken back.
#[utoipa::path(post, path = "/rollouts/{key}/rearm", tag = "rollouts", params(("key" = String, Path)),
    request_body = VerbBody, responses((status = 200, body = Moved)))]
pub(crate) async fn rearm(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Key(key): Key<RolloutKey>,
    Body(body): Body<VerbBody>,
) -> Result<Json<Moved>, ApiError> {
    let decide = |snapshot: &Snapshot, _| decide::rearm(snapshot, &key, &who.actor);
    carry_out(&app, &who, OnConflict::Tell, (&key, &body), decide).await
}
