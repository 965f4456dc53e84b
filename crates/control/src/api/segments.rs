//! Segments: declaring, reading and retiring them. Their lists of people come in by id and are never shown.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    bundle::Contents,
    decide::{Rejection, put_segment, retire_segment},
    digest::Digest,
    entity::{Condition, DocKey, Document, SegmentDoc},
    id::SegmentKey,
    lint,
    revision::RevisionNumber,
};
use serinus_store::Active;
use utoipa::ToSchema;

use super::{
    condition::ConditionBody,
    features::Stored,
    lists::{Lists, length},
};
use crate::{
    append::{Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Reader, Writer},
    state::App,
};

/// A segment as it is declared.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentBody {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Who belongs to it by what is known of them; nobody where not given.
    #[serde(default)]
    pub when: Option<ConditionBody>,
    /// Ids of units that belong to it whatever is known of them. Kept as keyed hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<Vec<String>>,
    /// In place of ids: the list that stands already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub included_list: Option<Digest>,
    /// Ids of units that do not belong to it whatever else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Vec<String>>,
    /// In place of ids: the list that stands already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub excluded_list: Option<Digest>,
}

impl SegmentBody {
    /// The document; ids in it become lists.
    pub(crate) fn to_doc(&self, key: &SegmentKey, lists: &mut Lists<'_>) -> Result<SegmentDoc, Rejection> {
        let (included, excluded) =
            (format!("segment \"{key}\": included"), format!("segment \"{key}\": excluded"));
        Ok(SegmentDoc {
            key: key.clone(),
            description: self.description.clone(),
            when: self.when.clone().map_or(Condition::Or(Vec::new()), Into::into),
            included: lists.list(&included, self.included.as_deref(), self.included_list)?,
            excluded: lists.list(&excluded, self.excluded.as_deref(), self.excluded_list)?,
        })
    }

    /// As an answer shows it.
    pub(crate) fn shown(doc: &SegmentDoc) -> Self {
        Self {
            description: doc.description.clone(),
            when: Some((&doc.when).into()),
            included: None,
            included_list: doc.included,
            excluded: None,
            excluded_list: doc.excluded,
        }
    }
}

/// A segment as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: SegmentKey,
    /// As it is declared.
    #[serde(flatten)]
    pub declared: SegmentBody,
    /// How many units are included by list.
    pub included_count: usize,
    /// How many are excluded.
    pub excluded_count: usize,
    /// The documents that refer to it.
    pub used_by: Vec<String>,
    /// Why it is nobody at the moment.
    pub broken: Option<String>,
    /// The revision that put it as it is.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
}

impl SegmentView {
    fn new(doc: &SegmentDoc, active: &Active) -> Self {
        let at = DocKey::segment(&doc.key);
        let contents: &Contents = &active.contents;
        let count =
            |list: &Option<Digest>| list.as_ref().and_then(|list| length(contents, list)).unwrap_or(0);
        let diagnostics = active.compiled.diagnostics.iter();
        let broken =
            diagnostics.filter(|one| one.subject == at.as_str()).map(|one| one.reason.clone()).next();
        let stored = active.snapshot.get(&at);
        Self {
            key: doc.key.clone(),
            declared: SegmentBody::shown(doc),
            included_count: count(&doc.included),
            excluded_count: count(&doc.excluded),
            used_by: lint::users_of_segment(&active.snapshot, &doc.key)
                .iter()
                .map(ToString::to_string)
                .collect(),
            broken,
            revision: stored.map_or(active.snapshot.revision, |stored| stored.revision),
        }
    }
}

/// Every segment.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentList {
    /// In the order of their keys.
    pub segments: Vec<SegmentView>,
}

/// Creates or changes a segment. The same declaration again changes nothing.
#[utoipa::path(put, path = "/segments/{key}", tag = "segments", params(("key" = String, Path)),
    request_body = SegmentBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<SegmentKey>,
    Body(body): Body<SegmentBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let mut lists = Lists::new(&base.contents);
        let doc = body.to_doc(&key, &mut lists)?;
        if base.snapshot.segment(&key) == Some(&doc) {
            return Ok(Plan::new(None, ()));
        }
        let draft = Some(put_segment(&base.snapshot, &doc, &who.actor)?);
        Ok(Plan { draft, blobs: lists.blobs, value: () })
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::segment(&key), done))
}

/// Deletes a segment. Refused while another document refers to it.
#[utoipa::path(delete, path = "/segments/{key}", tag = "segments", params(("key" = String, Path)),
    responses((status = 200, body = Stored)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<SegmentKey>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        Ok(Plan::new(retire_segment(&base.snapshot, &key, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::segment(&key), done))
}

/// Lists every segment.
#[utoipa::path(get, path = "/segments", tag = "segments", responses((status = 200, body = SegmentList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<SegmentList> {
    let active = app.active();
    let segments = active.snapshot.under("segment/").filter_map(|document| match document {
        Document::Segment(doc) => Some(SegmentView::new(doc, &active)),
        _ => None,
    });
    Json(SegmentList { segments: segments.collect() })
}

/// Shows a segment.
#[utoipa::path(get, path = "/segments/{key}", tag = "segments", params(("key" = String, Path)),
    responses((status = 200, body = SegmentView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<SegmentKey>,
) -> Result<Json<SegmentView>, ApiError> {
    let active = app.active();
    let doc = active.snapshot.segment(&key).ok_or_else(|| {
        let text = format!("segment \"{key}\" does not exist: see `serinus segment list`");
        ApiError::unknown("segment.unknown", text)
    })?;
    Ok(Json(SegmentView::new(doc, &active)))
}
