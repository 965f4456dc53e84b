//! Artifacts: publishing versions, and reading them with their contents. Knows nothing of bundles.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Path, State};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    decide::{PublishRequest, publish_artifact},
    digest::Digest,
    entity::{ArtifactDoc, ArtifactKind, ArtifactRef, Document, Requirement},
    id::ArtifactName,
    revision::RevisionNumber,
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_store::{Blobs, Failure};
use utoipa::ToSchema;

use crate::{
    append::{Activation, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Reader, Writer, invalid_key},
    state::App,
};

/// A need that a bundle with this version must meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Requirement)]
pub struct RequirementBody {
    /// The kind that is needed.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series that it must come from, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<ArtifactName>,
    /// The lowest version that will do.
    #[serde(default = "first")]
    pub version_min: u32,
}

const fn first() -> u32 {
    1
}

impl From<RequirementBody> for Requirement {
    fn from(body: RequirementBody) -> Self {
        Self { kind: body.kind, name: body.name, version_min: body.version_min }
    }
}

impl From<&Requirement> for RequirementBody {
    fn from(need: &Requirement) -> Self {
        Self { kind: need.kind, name: need.name.clone(), version_min: need.version_min }
    }
}

/// A content to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// A layer's name, or `rubric`.
    #[schema(value_type = String, example = "system_prompt")]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String, example = "support")]
    pub name: ArtifactName,
    /// The content, in the shape of its kind.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Its needs.
    #[serde(default)]
    pub requires: Vec<RequirementBody>,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// What publishing came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    /// How the version is referred to.
    #[schema(value_type = String, example = "system_prompt/support@7")]
    pub reference: ArtifactRef,
    /// Counted from 1.
    pub version: u32,
    /// The digest of its content.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Whether it is new; the same content again is the same version.
    pub created: bool,
    /// The revision that published it now.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

/// Publishes a version. The same content with the same needs is the same version.
#[utoipa::path(post, path = "/artifacts", tag = "artifacts", request_body = PublishBody,
    responses((status = 201, body = Published), (status = 200, description = "a version already", body = Published)))]
pub(crate) async fn publish(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<PublishBody>,
) -> Result<Response, ApiError> {
    let request = PublishRequest {
        kind: body.kind,
        name: body.name,
        content: body.content,
        requires: body.requires.into_iter().map(Into::into).collect(),
        message: body.message,
        actor: who.actor.clone(),
    };
    let done = commit(&app, &who, OnConflict::Tell, |base, now| {
        let published = publish_artifact(&base.snapshot, &base.contents, &request, now)?;
        let value = (published.reference, published.digest);
        Ok(Plan { draft: published.draft, blobs: vec![published.blob], value })
    })
    .await?;
    let (reference, digest) = done.value;
    let created = done.revision.is_some();
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let (version, revision, activation) = (reference.version, done.revision, done.activation);
    Ok((status, Json(Published { reference, version, digest, created, revision, activation }))
        .into_response())
}

/// A series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesSummary {
    /// A layer's name, or `rubric`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// Its latest version.
    pub latest: u32,
    /// How many versions there are.
    pub versions: usize,
}

/// Every series.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList {
    /// In the order of their kinds and names.
    pub artifacts: Vec<SeriesSummary>,
}

/// Lists every series.
#[utoipa::path(get, path = "/artifacts", tag = "artifacts", responses((status = 200, body = ArtifactList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<ArtifactList> {
    let active = app.active();
    let mut series: BTreeMap<(ArtifactKind, ArtifactName), (u32, usize)> = BTreeMap::new();
    for document in active.snapshot.documents() {
        if let Document::Artifact(doc) = document {
            let (latest, versions) = series.entry((doc.artifact_kind, doc.name.clone())).or_default();
            *latest = doc.version.max(*latest);
            *versions += 1;
        }
    }
    let artifacts = series
        .into_iter()
        .map(|((kind, name), (latest, versions))| SeriesSummary { kind, name, latest, versions })
        .collect();
    Json(ArtifactList { artifacts })
}

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// How it is referred to.
    #[schema(value_type = String)]
    pub reference: ArtifactRef,
    /// Counted from 1.
    pub version: u32,
    /// The digest of its content.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// When.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// Its needs.
    pub requires: Vec<RequirementBody>,
    /// Features that serve it and running rollouts that would.
    pub used_by: Vec<String>,
}

impl VersionView {
    fn new(doc: &ArtifactDoc, snapshot: &Snapshot) -> Self {
        let reference = doc.reference();
        Self {
            version: doc.version,
            digest: doc.content,
            author: doc.author.clone(),
            message: doc.message.clone(),
            created_at: doc.created_at,
            requires: doc.requires.iter().map(Into::into).collect(),
            used_by: used_by(&reference, snapshot),
            reference,
        }
    }
}

fn used_by(reference: &ArtifactRef, snapshot: &Snapshot) -> Vec<String> {
    let features = snapshot.features().filter(|feature| {
        let layers = std::iter::once(&feature.control).chain(feature.variants.values());
        layers.flat_map(|layers| layers.0.values()).any(|used| used == reference)
            || feature
                .judge
                .as_ref()
                .is_some_and(|judge| judge.rubric == *reference || judge.model == *reference)
    });
    let rollouts = snapshot.rollouts().filter(|rollout| {
        rollout.state.phase.is_live()
            && rollout.spec.change.values().flat_map(|layers| layers.0.values()).any(|used| used == reference)
    });
    features
        .map(|feature| feature.key.to_string())
        .chain(rollouts.map(|rollout| rollout.key.to_string()))
        .collect()
}

/// A series with its versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesView {
    /// A layer's name, or `rubric`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// Oldest first.
    pub versions: Vec<VersionView>,
}

/// Shows a series.
#[utoipa::path(get, path = "/artifacts/{kind}/{name}", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = SeriesView)))]
pub(crate) async fn series(
    State(app): State<Arc<App>>,
    _: Reader,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<SeriesView>, ApiError> {
    let kind: ArtifactKind = kind.parse().map_err(|refused: String| invalid_key(&refused))?;
    let name = ArtifactName::new(&name).map_err(|refused| invalid_key(&refused))?;
    let snapshot = &app.active().snapshot;
    let versions: Vec<_> = snapshot
        .versions(kind, name.as_str())
        .into_iter()
        .map(|doc| VersionView::new(doc, snapshot))
        .collect();
    if versions.is_empty() {
        return Err(unknown(&format!("{kind}/{name}")));
    }
    Ok(Json(SeriesView { kind, name, versions }))
}

/// A version with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactView {
    /// A layer's name, or `rubric`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// The version.
    #[serde(flatten)]
    pub version: VersionView,
    /// Its content, in the shape of its kind.
    #[schema(value_type = Object)]
    pub content: Value,
}

/// Shows a version with its content.
#[utoipa::path(get, path = "/artifacts/{kind}/{name}/{version}", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = ArtifactView)))]
pub(crate) async fn version(
    State(app): State<Arc<App>>,
    _: Reader,
    Path((kind, name, version)): Path<(String, String, String)>,
) -> Result<Json<ArtifactView>, ApiError> {
    let text = format!("{kind}/{name}@{version}");
    let reference: ArtifactRef = text.parse().map_err(|refused: String| invalid_key(&refused))?;
    let active = app.active();
    let doc = active.snapshot.artifact(&reference).ok_or_else(|| unknown(&text))?;
    let content = match active.contents.0.get(&doc.content) {
        Some(content) => Value::clone(content),
        None => stored(&app, &doc.content).await?,
    };
    let version = VersionView::new(doc, &active.snapshot);
    Ok(Json(ArtifactView { kind: reference.kind, name: reference.name, version, content }))
}

async fn stored(app: &App, digest: &Digest) -> Result<Value, ApiError> {
    let lost = |reason: String| Failure { what: "read a content", reason, retryable: false };
    let bytes =
        Blobs::get(app.store(), digest).await?.ok_or_else(|| lost(format!("blob {digest} is not there")))?;
    Ok(serde_json::from_slice(&bytes).map_err(|refused| lost(refused.to_string()))?)
}

fn unknown(what: &str) -> ApiError {
    ApiError::unknown("artifact.unknown", format!("{what} does not exist: see `serinus artifact list`"))
}
