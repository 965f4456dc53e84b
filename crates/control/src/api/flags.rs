//! Plain flags: declaring, reading and retiring them, and where each is in its life. Knows nothing of how one is evaluated.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{put_flag, retire_flag},
    entity::{DocKey, Document, FlagDoc},
    id::FlagKey,
    lint::{self, FlagUsage, lifecycle},
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_store::{Active, Usage, Usages};
use utoipa::{IntoParams, ToSchema};

pub use super::flag_body::{FlagBody, FlagRuleBody, ServeBody, SplitPart, VariantName};
use super::{features::Stored, lists::Lists};
use crate::{
    append::{Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Params, Reader, Writer},
    state::App,
};

/// Creates or changes a flag. The same declaration again changes nothing.
#[utoipa::path(put, path = "/flags/{key}", tag = "flags", params(("key" = String, Path)),
    request_body = FlagBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<FlagKey>,
    Body(body): Body<FlagBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let before = base.snapshot.flag(&key);
        // A flag keeps the salt that it has; a new one is given one.
        let salt = before.map(|before| before.salt.clone()).unwrap_or_default();
        let mut lists = Lists::new(&base.contents);
        let doc = body.to_doc(&key, salt, &mut lists)?;
        if before == Some(&doc) {
            return Ok(Plan::new(None, ()));
        }
        let draft = Some(put_flag(&base.snapshot, &doc, &who.actor)?);
        Ok(Plan { draft, blobs: lists.blobs, value: () })
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::flag(&key), done))
}

/// Deletes a flag: whoever asks for it then gets their default. Refused while another document needs it.
#[utoipa::path(delete, path = "/flags/{key}", tag = "flags", params(("key" = String, Path)),
    responses((status = 200, body = Stored)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<FlagKey>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        Ok(Plan::new(retire_flag(&base.snapshot, &key, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::flag(&key), done))
}

/// Where a flag is in its life.
#[derive(Debug, Serialize, ToSchema)]
pub struct LifecycleView {
    /// `new`, `active`, `settled` (everybody has had one variant for thirty days) or `unused` (nobody asked for thirty days).
    pub state: String,
    /// How often it was evaluated, as far as nodes have counted.
    pub evaluations: u64,
    /// When last.
    #[schema(value_type = Option<i64>)]
    pub last_evaluated_at: Option<Timestamp>,
    /// The documents that refer to it.
    pub used_by: Vec<String>,
}

/// A flag as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlagView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: FlagKey,
    /// As it is declared.
    #[serde(flatten)]
    pub declared: FlagBody,
    /// Why it does not compile; it then answers the caller's default.
    pub broken: Option<String>,
    /// The revision that put it as it is.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// When that was.
    #[schema(value_type = i64)]
    pub changed_at: Timestamp,
    /// Where it is in its life.
    pub lifecycle: LifecycleView,
}

/// What was counted, by subject.
struct Counted(BTreeMap<String, Usage>);

impl Counted {
    async fn all(app: &App) -> Result<Self, ApiError> {
        let mut all = BTreeMap::new();
        for prefix in ["flag/", "variant/"] {
            let usages = Usages::usages(app.store(), prefix).await?;
            all.extend(usages.into_iter().map(|usage| (usage.subject.clone(), usage)));
        }
        Ok(Self(all))
    }

    fn of(&self, doc: &FlagDoc) -> FlagUsage {
        let whole = self.0.get(&format!("flag/{}", doc.key));
        let variants = doc.variants.keys().filter_map(|name| {
            let usage = self.0.get(&format!("variant/{}/{name}", doc.key))?;
            Some((name.to_string(), usage.last_at))
        });
        FlagUsage {
            evaluations: whole.map_or(0, |usage| usage.count),
            last_at: whole.map(|usage| usage.last_at),
            variants: variants.collect(),
        }
    }
}

async fn view(app: &App, active: &Active, counted: &Counted, doc: &FlagDoc) -> Result<FlagView, ApiError> {
    let at = DocKey::flag(&doc.key);
    let revision = active.snapshot.get(&at).map_or(active.snapshot.revision, |stored| stored.revision);
    let events = app.timeline.of(app.store(), &at).await?;
    let put = events.iter().rev().find(|event| event.revision <= revision);
    let changed_at = put.map_or(active.snapshot.at, |event| event.at);
    let usage = counted.of(doc);
    let state = lifecycle(doc, changed_at, &usage, app.now());
    let used_by = lint::users_of_flag(&active.snapshot, &doc.key).iter().map(ToString::to_string).collect();
    Ok(FlagView {
        key: doc.key.clone(),
        declared: FlagBody::shown(doc, Some(&active.contents)),
        broken: active.compiled.flags.get(&doc.key).and_then(|flag| flag.broken.clone()),
        revision,
        changed_at,
        lifecycle: LifecycleView {
            state: state.as_str().to_owned(),
            evaluations: usage.evaluations,
            last_evaluated_at: usage.last_at,
            used_by,
        },
    })
}

/// Which flags to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FlagFilter {
    /// Those that were put away as well.
    #[serde(default)]
    archived: bool,
    /// Only candidates for removal.
    #[serde(default)]
    stale: bool,
}

/// Every flag.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlagList {
    /// In the order of their keys.
    pub flags: Vec<FlagView>,
}

/// Lists flags with where each is in its life.
#[utoipa::path(get, path = "/flags", tag = "flags", params(FlagFilter), responses((status = 200, body = FlagList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(filter): Params<FlagFilter>,
) -> Result<Json<FlagList>, ApiError> {
    let (active, counted) = (app.active(), Counted::all(&app).await?);
    let mut flags = Vec::new();
    for document in active.snapshot.under("flag/") {
        let Document::Flag(doc) = document else { continue };
        if doc.archived && !filter.archived {
            continue;
        }
        let view = view(&app, &active, &counted, doc).await?;
        if !filter.stale || matches!(view.lifecycle.state.as_str(), "settled" | "unused") {
            flags.push(view);
        }
    }
    Ok(Json(FlagList { flags }))
}

/// Shows a flag.
#[utoipa::path(get, path = "/flags/{key}", tag = "flags", params(("key" = String, Path)),
    responses((status = 200, body = FlagView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FlagKey>,
) -> Result<Json<FlagView>, ApiError> {
    let active = app.active();
    let doc = active.snapshot.flag(&key).ok_or_else(|| unknown(&key))?;
    Ok(Json(view(&app, &active, &Counted::all(&app).await?, doc).await?))
}

pub(super) fn unknown(key: &FlagKey) -> ApiError {
    ApiError::unknown("flag.unknown", format!("flag \"{key}\" does not exist: see `serinus flag list`"))
}
