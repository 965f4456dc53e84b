//! Versions copied from other prompt platforms: importing one, and whether the cited ones still say the same. Knows nothing of how
//! a platform is asked.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{PublishRequest, PublishTerms},
    entity::{ArtifactKind, ArtifactRef, Document, Source},
    id::{ArtifactName, LabelKey},
    source::{CitedPrompt, SourceError},
    units::Timestamp,
};
use serinus_store::{Desk, Failure};
use utoipa::ToSchema;

use super::artifacts::{PersonalDataWord, Published, publish_as};
use crate::{
    error::ApiError,
    extract::{Body, Reader, Writer, invalid_key},
    state::App,
};

/// The kind of the papers on which the loop that looks after sources writes what it found.
pub const SOURCE_PAPER: &str = "source";

/// What to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// `langfuse` or `promptlayer`.
    #[schema(example = "langfuse")]
    pub platform: String,
    /// The prompt's name there.
    pub name: String,
    /// Its version there.
    #[serde(default)]
    pub version: Option<u32>,
    /// Or the label that points to one; `production` where neither is said.
    #[serde(default)]
    pub label: Option<String>,
    /// What it becomes here: `system_prompt` or `prompt_template`.
    #[schema(value_type = String, example = "system_prompt")]
    pub kind: ArtifactKind,
    /// The series here; of the same name where not said.
    #[serde(default, rename = "as")]
    #[schema(value_type = Option<String>)]
    pub as_name: Option<ArtifactName>,
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

/// What an import came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// The version here.
    #[serde(flatten)]
    pub published: Published,
    /// The version there.
    pub source_version: u32,
    /// What the platform has and has no place here.
    pub not_carried: Vec<String>,
}

/// Copies a prompt from another platform and publishes it with its source.
#[utoipa::path(post, path = "/artifacts/import", tag = "artifacts", request_body = ImportBody,
    responses((status = 201, body = Imported), (status = 200, description = "a version already", body = Imported)))]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<ImportBody>,
) -> Result<Response, ApiError> {
    let name = match body.as_name {
        Some(name) => name,
        None => ArtifactName::new(&body.name).map_err(|refused| {
            invalid_key(&format!("{refused}; or say with \"as\" what it is called here"))
        })?,
    };
    let cited =
        CitedPrompt { platform: body.platform, name: body.name, version: body.version, label: body.label };
    let copied = (app.control.sources)(cited.clone()).await.map_err(refused)?;
    let source =
        Source { platform: cited.platform, name: cited.name, version: copied.version, digest: copied.digest };
    let cites = format!("{}:{}@{}", source.platform, source.name, source.version);
    let content = serde_json::to_value(&copied.content).map_err(|failed| Failure {
        what: "copy a prompt",
        reason: failed.to_string(),
        retryable: false,
    })?;
    let request = PublishRequest {
        kind: body.kind,
        name,
        content,
        requires: Vec::new(),
        message: if body.message.is_empty() { format!("copied from {cites}") } else { body.message },
        actor: who.actor.clone(),
    };
    let terms =
        PublishTerms { labels: body.labels, source: Some(source), personal_data: body.personal_data.into() };
    let published = publish_as(&app, &who, &request, &terms).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    let imported = Imported { published, source_version: copied.version, not_carried: copied.not_carried };
    Ok((status, Json(imported)).into_response())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a result's error is mapped")]
fn refused(refused: SourceError) -> ApiError {
    let (status, code) = match &refused {
        SourceError::Unconfigured(_) => (StatusCode::UNPROCESSABLE_ENTITY, "source.unconfigured"),
        SourceError::Gone(_) => (StatusCode::NOT_FOUND, "source.unknown"),
        SourceError::Unreachable(_) => (StatusCode::BAD_GATEWAY, "source.unreachable"),
        SourceError::Unreadable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "source.unreadable"),
    };
    ApiError::request(status, code, refused.to_string())
}

/// Whether a source still says what was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It does.
    Same,
    /// The same version says something else now.
    Drifted,
    /// It is not there any more.
    Gone,
    /// It could not be asked.
    Unreachable,
}

/// A version that was copied.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceStanding {
    /// The version here.
    #[schema(value_type = String)]
    pub reference: ArtifactRef,
    /// `langfuse` or `promptlayer`.
    pub platform: String,
    /// The prompt's name there.
    pub name: String,
    /// Its version there.
    pub version: u32,
    /// Whether it still says the same.
    pub state: SourceState,
    /// What the platform said, where it is not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was last looked at.
    #[schema(value_type = i64)]
    pub checked_at: Timestamp,
}

/// Every version that was copied.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceList {
    /// In the order of their references.
    pub sources: Vec<SourceStanding>,
}

#[derive(Deserialize)]
struct Found {
    state: SourceState,
    #[serde(default)]
    detail: Option<String>,
}

/// Lists every version that was copied from another platform, with whether its source still says the same.
#[utoipa::path(get, path = "/artifacts/sources", tag = "artifacts", responses((status = 200, body = SourceList)))]
pub(crate) async fn sources(State(app): State<Arc<App>>, _: Reader) -> Result<Json<SourceList>, ApiError> {
    let papers = Desk::papers(app.store(), SOURCE_PAPER).await?;
    let papers: BTreeMap<_, _> = papers.iter().map(|paper| (paper.id.as_str(), paper)).collect();
    let active = app.active();
    let standing = active.snapshot.under("artifact/").filter_map(|document| {
        let Document::Artifact(doc) = document else { return None };
        let source = doc.source.as_ref()?;
        let reference = doc.reference();
        let paper = papers.get(reference.to_string().as_str());
        let found = paper.and_then(|paper| Found::deserialize(&paper.body).ok());
        let (state, detail) = found.map_or((SourceState::Same, None), |found| (found.state, found.detail));
        Some(SourceStanding {
            reference,
            platform: source.platform.clone(),
            name: source.name.clone(),
            version: source.version,
            state,
            detail,
            checked_at: paper.map_or(doc.created_at, |paper| paper.at),
        })
    });
    Ok(Json(SourceList { sources: standing.collect() }))
}
