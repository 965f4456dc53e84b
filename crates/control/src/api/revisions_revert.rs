//! Taking a revision back. Decides nothing: what goes back and what is in the way is asked of the domain.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{Rejection, RevertConflict, RevertRefused, Reverting, revert as decide_revert},
    entity::DocKey,
    revision::{Revision, RevisionNumber},
};
use serinus_store::LogReader;
use utoipa::ToSchema;

use super::{desired::needs_admin, revisions_audit::with_before};
use crate::{
    append::{Activation, Gate, OnConflict, Plan, at_head, commit},
    auth::{Identity, Scope},
    error::ApiError,
    extract::{Body, Key, Writer},
    state::App,
};

/// How to take a revision back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevertBody {
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// A document that stays.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftAlone {
    /// Which.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// What taking back came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reverted {
    /// The revision that is taken back.
    pub reverts: u64,
    /// Documents that go back to what they were.
    pub back: Vec<String>,
    /// Documents that stay.
    pub left: Vec<LeftAlone>,
    /// The revision that took it back; none for a dry run, or where all was as before already.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

/// Takes a revision back, forward: each document that it changed goes back to what it was, if nobody changed it since.
#[utoipa::path(post, path = "/revisions/{number}/revert", tag = "revisions", params(("number" = u64, Path)),
    request_body = RevertBody, responses((status = 200, body = Reverted)))]
pub(crate) async fn revert(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(number): Key<u64>,
    Body(body): Body<RevertBody>,
) -> Result<Json<Reverted>, ApiError> {
    let (before, revision) = with_before(&app, number).await?;
    let base = at_head(&app).await?;
    let planned = decide_revert(&base.snapshot, &base.contents, &before, &revision, &who.actor, app.now());
    let planned = match planned {
        Err(RevertRefused::Conflicts(conflicts)) => {
            return Err(in_the_way(&app, &revision, &conflicts).await?.into());
        }
        planned => planned.map_err(refused)?,
    };
    check_rules(&who, &planned)?;
    if body.dry_run {
        return Ok(Json(shown(number, &planned, None, None)));
    }
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, now| {
        let planned = decide_revert(&base.snapshot, &base.contents, &before, &revision, &who.actor, now);
        let planned = planned.map_err(refused)?;
        Ok(Plan::new(planned.draft.clone(), planned))
    })
    .await?;
    Ok(Json(shown(number, &done.value, done.revision, done.activation)))
}

fn check_rules(who: &Identity, planned: &Reverting) -> Result<(), Rejection> {
    if planned.back.contains(&DocKey::environment()) && !who.may(Scope::Admin) {
        return Err(needs_admin());
    }
    Ok(())
}

fn refused(refused: RevertRefused) -> Rejection {
    match refused {
        RevertRefused::Rejected(rejection) => rejection,
        RevertRefused::Conflicts(conflicts) => {
            let keys: Vec<_> = conflicts.iter().map(|one| one.key.as_str()).collect();
            Rejection::new(
                "revert.conflict",
                format!("changed since: {}; look, then edit by hand", keys.join(", ")),
            )
        }
    }
}

/// The refusal that names who changed what since.
async fn in_the_way(
    app: &App,
    revision: &Revision,
    conflicts: &[RevertConflict],
) -> Result<Rejection, ApiError> {
    let mut lines = Vec::new();
    for conflict in conflicts {
        let by = match conflict.by.and_then(|by| by.0.checked_sub(1)) {
            Some(before) => LogReader::read(app.store(), RevisionNumber(before), 1).await?.into_iter().next(),
            None => None,
        };
        lines.push(match by {
            Some(by) => format!("{} by {} in revision {}", conflict.key, by.body.actor, by.body.number),
            None => format!("{} was retired", conflict.key),
        });
    }
    let text = format!(
        "revision {} cannot be taken back, others have changed since what it changed: {}; revert those first, or edit by hand",
        revision.body.number,
        lines.join("; ")
    );
    Ok(Rejection::new("revert.conflict", text))
}

fn shown(
    number: u64,
    planned: &Reverting,
    revision: Option<RevisionNumber>,
    activation: Option<Activation>,
) -> Reverted {
    let left =
        planned.left.iter().map(|(key, reason)| LeftAlone { key: key.to_string(), reason: reason.clone() });
    Reverted {
        reverts: number,
        back: planned.back.iter().map(DocKey::to_string).collect(),
        left: left.collect(),
        revision,
        activation,
    }
}
