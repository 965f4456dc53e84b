//! Exclusion groups: declaring them, and which rollout has which part of one.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::put_group,
    entity::{DocKey, Document, GroupDoc},
    id::{GroupKey, RolloutKey},
    snapshot::Snapshot,
    units::Share,
};
use utoipa::ToSchema;

use super::features::Stored;
use crate::{
    append::{Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Reader, Writer},
    state::App,
};

/// A group as it is declared.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupBody {
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A live rollout's part of a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct Held {
    /// The rollout.
    #[schema(value_type = String)]
    pub rollout: RolloutKey,
    /// The first bucket.
    pub from_ppm: u32,
    /// The bucket after the last.
    pub to_ppm: u32,
}

/// A group as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: GroupKey,
    /// What it is for.
    pub description: String,
    /// Who has which part of it.
    pub held: Vec<Held>,
    /// What nobody has.
    #[schema(value_type = u32)]
    pub free_ppm: Share,
}

impl GroupView {
    fn new(doc: &GroupDoc, snapshot: &Snapshot) -> Self {
        let live = snapshot.rollouts().filter(|rollout| rollout.state.phase.is_live());
        let mut held: Vec<_> = live
            .filter_map(|rollout| {
                let slot = rollout.spec.slot.as_ref().filter(|slot| slot.group == doc.key)?;
                Some(Held { rollout: rollout.key.clone(), from_ppm: slot.from, to_ppm: slot.to })
            })
            .collect();
        held.sort_by_key(|held| held.from_ppm);
        let taken: u32 = held.iter().map(|held| held.to_ppm.saturating_sub(held.from_ppm)).sum();
        let free_ppm = Share::ppm(Share::WHOLE.as_ppm().saturating_sub(taken));
        Self { key: doc.key.clone(), description: doc.description.clone(), held, free_ppm }
    }
}

/// Every group.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupList {
    /// In the order of their keys.
    pub groups: Vec<GroupView>,
}

/// Creates or changes an exclusion group. The same declaration again changes nothing.
#[utoipa::path(put, path = "/groups/{key}", tag = "groups", params(("key" = String, Path)),
    request_body = GroupBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<GroupKey>,
    Body(body): Body<GroupBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let before = base.snapshot.group(&key);
        let salt = before.map(|before| before.salt.clone()).unwrap_or_default();
        let doc = GroupDoc { key: key.clone(), description: body.description.clone(), salt };
        if before == Some(&doc) {
            return Ok(Plan::new(None, ()));
        }
        Ok(Plan::new(put_group(&base.snapshot, &doc, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::group(&key), done))
}

/// Lists every exclusion group with who has which part of it.
#[utoipa::path(get, path = "/groups", tag = "groups", responses((status = 200, body = GroupList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<GroupList> {
    let active = app.active();
    let groups = active.snapshot.under("group/").filter_map(|document| match document {
        Document::Group(doc) => Some(GroupView::new(doc, &active.snapshot)),
        _ => None,
    });
    Json(GroupList { groups: groups.collect() })
}
