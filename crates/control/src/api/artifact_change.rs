//! What becomes of a version after it was published: labels, archive, redaction. Knows nothing of contents.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{
        archive as decide_archive, label as decide_label, redact as decide_redact, unlabel as decide_unlabel,
    },
    entity::ArtifactRef,
    id::LabelKey,
    revision::RevisionNumber,
};
use serinus_store::Blobs;
use utoipa::ToSchema;

use super::artifact_view::{series_in_path, version_in_path};
use crate::{
    append::{Activation, Committed, Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Administrator, Body, Writer, invalid_key},
    state::App,
};

/// What a change of a version came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {
    /// The versions that it is about.
    #[schema(value_type = Vec<String>)]
    pub references: Vec<ArtifactRef>,
    /// Whether it changed anything.
    pub changed: bool,
    /// The revision that did.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

impl Changed {
    fn of(done: Committed<Vec<ArtifactRef>>) -> Json<Self> {
        let (references, revision, activation) = (done.value, done.revision, done.activation);
        Json(Self { references, changed: revision.is_some(), revision, activation })
    }
}

/// Where a label goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelBody {
    /// The version that it points to from now on.
    pub version: u32,
}

/// Moves a label to a version.
#[utoipa::path(put, path = "/artifacts/{kind}/{name}/labels/{label}", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    request_body = LabelBody, responses((status = 200, body = Changed)))]
pub(crate) async fn label(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Path((kind, name, label)): Path<(String, String, String)>,
    Body(body): Body<LabelBody>,
) -> Result<Json<Changed>, ApiError> {
    let reference = version_in_path(&kind, &name, &body.version.to_string())?;
    let label = LabelKey::new(&label).map_err(|refused| invalid_key(&refused))?;
    let done = commit(&app, &who, (Gate::Free, OnConflict::Tell), |base, _| {
        let draft = decide_label(&base.snapshot, &reference, &label, &who.actor)?;
        Ok(Plan::new(draft, vec![reference.clone()]))
    });
    Ok(Changed::of(done.await?))
}

/// Takes a label off its series.
#[utoipa::path(delete, path = "/artifacts/{kind}/{name}/labels/{label}", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 200, body = Changed)))]
pub(crate) async fn unlabel(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Path((kind, name, label)): Path<(String, String, String)>,
) -> Result<Json<Changed>, ApiError> {
    let (kind, name) = series_in_path(&kind, &name)?;
    let label = LabelKey::new(&label).map_err(|refused| invalid_key(&refused))?;
    let done = commit(&app, &who, (Gate::Free, OnConflict::Tell), |base, _| {
        Ok(Plan::new(decide_unlabel(&base.snapshot, kind, &name, &label, &who.actor)?, Vec::new()))
    });
    Ok(Changed::of(done.await?))
}

/// Whether to put a version away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveBody {
    /// True puts it away, false takes it back.
    pub archived: bool,
}

/// Puts a version away, or takes it back: no new bundle may use it, what uses it already goes on.
#[utoipa::path(post, path = "/artifacts/{kind}/{name}/{version}/archive", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = u32, Path)),
    request_body = ArchiveBody, responses((status = 200, body = Changed)))]
pub(crate) async fn archive(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Path((kind, name, version)): Path<(String, String, String)>,
    Body(body): Body<ArchiveBody>,
) -> Result<Json<Changed>, ApiError> {
    let reference = version_in_path(&kind, &name, &version)?;
    let done = commit(&app, &who, (Gate::Free, OnConflict::Tell), |base, _| {
        let draft = decide_archive(&base.snapshot, &reference, body.archived, &who.actor)?;
        Ok(Plan::new(draft, vec![reference.clone()]))
    });
    Ok(Changed::of(done.await?))
}

/// Why a content has to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactBody {
    /// For those who find it gone.
    pub reason: String,
}

/// Removes a version's content for good, and of every version that has the same. Refused while a feature, a running rollout or a
/// judge uses one of them. Asked again it erases again, should the first time have been cut short.
#[utoipa::path(post, path = "/artifacts/{kind}/{name}/{version}/redact", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = u32, Path)),
    request_body = RedactBody, responses((status = 200, body = Changed)))]
pub(crate) async fn redact(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path((kind, name, version)): Path<(String, String, String)>,
    Body(body): Body<RedactBody>,
) -> Result<Json<Changed>, ApiError> {
    let reference = version_in_path(&kind, &name, &version)?;
    let done = commit(&app, &who, (Gate::Free, OnConflict::Tell), |base, _| {
        let redaction = decide_redact(&base.snapshot, &base.contents, &reference, &body.reason, &who.actor)?;
        Ok(Plan::new(redaction.draft, (redaction.versions, redaction.content)))
    })
    .await?;
    let Committed { value: (references, content), revision, snapshot, activation } = done;
    // Only now: a revision that names a blob which is gone already would lie until it is in.
    Blobs::erase(app.store(), &content).await?;
    tracing::info!(content.digest = %content, "erased content {}", content.short());
    Ok(Changed::of(Committed { value: references, revision, snapshot, activation }))
}
