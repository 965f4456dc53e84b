//! Artifacts: publishing versions, and the list of series. Knows nothing of bundles.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    decide::{PersonalData, PublishRequest, PublishTerms, labels, publish_on_terms},
    digest::Digest,
    entity::{ArtifactDoc, ArtifactKind, ArtifactRef, Document, Requirement},
    id::{ArtifactName, LabelKey},
    revision::RevisionNumber,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    append::{Activation, Gate, OnConflict, Plan, commit},
    auth::Identity,
    error::ApiError,
    extract::{Body, Params, Reader, Writer},
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
    /// Labels that move to the version with the same revision.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub labels: Vec<LabelKey>,
    /// Whether the content may hold what looks like personal data.
    #[serde(default)]
    pub personal_data: PersonalDataWord,
}

/// Whether a content may hold what looks like personal data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PersonalData)]
pub enum PersonalDataWord {
    /// It is refused.
    #[default]
    Refused,
    /// It belongs there.
    Intended,
}

impl From<PersonalDataWord> for PersonalData {
    fn from(word: PersonalDataWord) -> Self {
        match word {
            PersonalDataWord::Refused => Self::Refused,
            PersonalDataWord::Intended => Self::Intended,
        }
    }
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
    let terms = PublishTerms { labels: body.labels, source: None, personal_data: body.personal_data.into() };
    let published = publish_as(&app, &who, &request, &terms).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(published)).into_response())
}

/// Publishes for somebody.
pub(crate) async fn publish_as(
    app: &App,
    who: &Identity,
    request: &PublishRequest,
    terms: &PublishTerms,
) -> Result<Published, ApiError> {
    let done = commit(app, who, (Gate::Free, OnConflict::Tell), |base, now| {
        let published = publish_on_terms(&base.snapshot, &base.contents, request, terms, now)?;
        let value = (published.reference, published.digest, published.created);
        let blobs = if published.created { vec![published.blob] } else { Vec::new() };
        Ok(Plan { draft: published.draft, blobs, value })
    })
    .await?;
    let (reference, digest, created) = done.value;
    let (version, revision, activation) = (reference.version, done.revision, done.activation);
    Ok(Published { reference, version, digest, created, revision, activation })
}

/// A series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesSummary {
    /// A layer's name, or `rubric`, `taxonomy`, `dataset`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// Its latest version.
    pub latest: u32,
    /// How many versions there are.
    pub versions: usize,
    /// Its labels with the versions that they point to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, u32>)]
    pub labels: BTreeMap<LabelKey, u32>,
}

/// Every series.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList {
    /// In the order of their kinds and names.
    pub artifacts: Vec<SeriesSummary>,
}

/// Which series.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Of one kind.
    #[param(value_type = Option<String>)]
    pub kind: Option<ArtifactKind>,
    /// Those too of which every version is put away.
    #[serde(default)]
    pub archived: bool,
}

/// Lists every series.
#[utoipa::path(get, path = "/artifacts", tag = "artifacts", params(ListParams),
    responses((status = 200, body = ArtifactList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(params): Params<ListParams>,
) -> Json<ArtifactList> {
    let snapshot = &app.active().snapshot;
    let mut series: BTreeMap<(ArtifactKind, ArtifactName), Vec<&ArtifactDoc>> = BTreeMap::new();
    for document in snapshot.under("artifact/") {
        if let Document::Artifact(doc) = document {
            series.entry((doc.artifact_kind, doc.name.clone())).or_default().push(doc);
        }
    }
    let wanted = |(kind, _): &(ArtifactKind, ArtifactName), versions: &[&ArtifactDoc]| {
        params.kind.is_none_or(|only| only == *kind)
            && (params.archived || versions.iter().any(|doc| !doc.archived))
    };
    let listed = series.into_iter().filter(|(key, versions)| wanted(key, versions));
    let artifacts = listed.map(|((kind, name), versions)| SeriesSummary {
        latest: versions.iter().map(|doc| doc.version).max().unwrap_or_default(),
        versions: versions.len(),
        labels: labels(snapshot, kind, &name)
            .into_iter()
            .map(|doc| (doc.label.clone(), doc.version))
            .collect(),
        kind,
        name,
    });
    Json(ArtifactList { artifacts: artifacts.collect() })
}
