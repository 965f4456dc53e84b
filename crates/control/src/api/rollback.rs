//! Taking a change back by hand: one request, never gated, decided again until it is in.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{self, Rejection, RollbackPlan, RollbackRequest},
    entity::{Layers, Phase},
    id::{FeatureKey, RolloutKey},
    lint,
    resolve::Arm,
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_store::{PinLife, Pins};
use utoipa::ToSchema;

use super::words::Reach;
use crate::{
    append::{Activation, Gate, OnConflict, Plan, at_head, commit},
    error::ApiError,
    extract::{Body, Operator},
    state::App,
};

/// What is to be taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// A rollout, or a feature whose rollout is meant; the only running one where not given.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whom it touches; the next turn of every session where not given.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// Why.
    #[serde(default)]
    pub message: String,
    /// Whether a target that is not proven will do.
    #[serde(default)]
    pub force: bool,
    /// Whether to answer what would be done, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a feature goes from, and to.
#[derive(Debug, Serialize, ToSchema)]
pub struct BundleMove {
    /// Which feature.
    #[schema(value_type = String)]
    pub feature: FeatureKey,
    /// What the candidate serves.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub from: Layers,
    /// What everybody is served after it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub to: Layers,
}

/// What a rollback came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolledBackNow {
    /// Which rollout.
    #[schema(value_type = String)]
    pub rollout: RolloutKey,
    /// By feature.
    pub moves: Vec<BundleMove>,
    /// Whom it touches.
    pub reach: Reach,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// The revision; none of a dry run, or where it had been taken back already.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
    /// Sessions on the candidate that had a turn within the idle time.
    pub open_sessions: u64,
    /// Whether the change had been delivered before.
    pub after_completion: bool,
}

/// Takes a change back.
#[utoipa::path(post, path = "/rollback", tag = "rollouts", request_body = RollbackBody,
    responses((status = 200, body = RolledBackNow)))]
pub(crate) async fn rollback(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Body(body): Body<RollbackBody>,
) -> Result<Json<RolledBackNow>, ApiError> {
    lint::message(&body.message).map_err(|reason| Rejection::new("request.message", reason))?;
    let request = RollbackRequest {
        subject: body.subject,
        reach: body.reach.map(Into::into),
        message: body.message,
        actor: who.actor.clone(),
        force: body.force,
    };
    if body.dry_run {
        let base = at_head(&app).await?;
        let plan = decide::plan_rollback(&base.snapshot, &request, app.now())?;
        let completed =
            base.snapshot.rollout(&plan.rollout).is_some_and(|doc| doc.state.phase == Phase::Completed);
        return told(&app, (plan, completed), None, None).await;
    }
    let done = commit(&app, &who, (Gate::Free, OnConflict::Retry), |base, now| {
        let mut plan = decide::plan_rollback(&base.snapshot, &request, now)?;
        let completed =
            base.snapshot.rollout(&plan.rollout).is_some_and(|doc| doc.state.phase == Phase::Completed);
        Ok(Plan::new(plan.draft.take(), (plan, completed)))
    })
    .await?;
    told(&app, done.value, done.revision, done.activation).await
}

async fn told(
    app: &App,
    (plan, after_completion): (RollbackPlan, bool),
    revision: Option<RevisionNumber>,
    activation: Option<Activation>,
) -> Result<Json<RolledBackNow>, ApiError> {
    let since = Timestamp(app.now().0.saturating_sub(PinLife::default().idle.as_micros()));
    let open_sessions = match Pins::open_sessions(app.store(), &plan.rollout, Arm::Candidate, since).await {
        Ok(sessions) => sessions,
        // What is told beside it must not make a rollback that is in look like one that is not.
        Err(failure) => {
            tracing::warn!(rollout.key = %plan.rollout, "cannot count open sessions: {failure}");
            0
        }
    };
    Ok(Json(RolledBackNow {
        rollout: plan.rollout,
        moves: plan.moves.into_iter().map(|(feature, from, to)| BundleMove { feature, from, to }).collect(),
        reach: plan.reach.into(),
        warnings: plan.warnings,
        revision,
        activation,
        open_sessions,
        after_completion,
    }))
}
