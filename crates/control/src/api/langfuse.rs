//! The prompt endpoints of Langfuse, so that its clients fetch the version that a feature serves. Text prompts only: what such a
//! client cannot fill in it is not given. Knows nothing of users: who is served a candidate is decided at the gateway or by OFREP.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use serinus_domain::{
    decide::labels,
    digest::Digest,
    entity::{ArtifactDoc, ArtifactKind, ArtifactRef, Content, Document, LayerKind, PromptContent},
    id::{ArtifactName, FeatureKey},
    render::plain_variables,
};
use serinus_store::Active;

use super::artifact_view::{labels_of, latest};
use crate::{
    auth::{AuthError, Scope},
    state::App,
};

/// Names on one page of the list where the client does not say.
const PAGE: usize = 50;

/// A refusal in Langfuse's shape.
struct Refused(StatusCode, &'static str, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, error, message) = self;
        (status, Json(json!({ "message": message, "error": error }))).into_response()
    }
}

impl From<AuthError> for Refused {
    fn from(refused: AuthError) -> Self {
        Self(refused.status(), "UnauthorizedError", refused.to_string())
    }
}

fn not_found(message: impl Into<String>) -> Refused {
    Refused(StatusCode::NOT_FOUND, "LangfuseNotFoundError", message.into())
}

/// The paths below `/api/public`.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/public/v2/prompts", routing::get(list))
        .route("/api/public/v2/prompts/{*name}", routing::get(prompt))
        .route("/api/public/projects", routing::get(projects))
}

/// Basic authentication: the password is a token that may read or evaluate.
async fn let_in(app: &App, headers: &HeaderMap) -> Result<(), AuthError> {
    match app.control.auth.check(headers, Scope::Read).await {
        Err(AuthError::Scope { .. }) => app.control.auth.check(headers, Scope::Evaluate).await.map(drop),
        checked => checked.map(drop),
    }
}

async fn projects(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    let_in(&app, &headers).await?;
    let name = &app.control.environment;
    let organization = json!({ "id": "serinus", "name": "serinus" });
    let project = json!({ "id": name, "name": name, "organization": organization, "metadata": {} });
    Ok(Json(json!({ "data": [project] })))
}

#[derive(Debug, Default, Deserialize)]
struct Which {
    version: Option<u32>,
    label: Option<String>,
}

async fn prompt(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refused> {
    let_in(&app, &headers).await?;
    let active = app.active();
    let reference = find(&active, &name, &which)?;
    let (doc, prompt) = text_of(&active, &reference)?;
    let body = view(&active, &name, doc, &prompt);
    // The answer of this very moment: a client that asks again hears of a label that moved, or in few bytes that none did.
    let tag = format!("\"{}\"", Digest::of(body.to_string().as_bytes()).short());
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let mut response =
        if same { StatusCode::NOT_MODIFIED.into_response() } else { Json(body).into_response() };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// What a name stands for.
enum Named {
    /// A series.
    Series(ArtifactKind, ArtifactName),
    /// What a feature, or a flag that holds a version's id, serves outside a rollout.
    Served(ArtifactRef),
}

fn named(active: &Active, name: &str) -> Result<Named, Refused> {
    let unknown = || {
        not_found(format!(
            "no prompt \"{name}\": ask for kind/name as in system_prompt/support, or for a feature's key"
        ))
    };
    if let Some((kind, series)) = name.split_once('/') {
        let kind: ArtifactKind = kind.parse().map_err(|_| unknown())?;
        return Ok(Named::Series(kind, ArtifactName::new(series).map_err(|_| unknown())?));
    }
    let feature = FeatureKey::new(name).ok().and_then(|key| active.snapshot.feature(&key));
    if let Some(feature) = feature {
        let prompts = [LayerKind::SystemPrompt, LayerKind::PromptTemplate];
        let served = prompts.into_iter().find_map(|kind| feature.control.get(kind));
        return served
            .cloned()
            .map(Named::Served)
            .ok_or_else(|| not_found(format!("feature \"{name}\" has no prompt")));
    }
    let flags = flag_references(active);
    if let Some((_, reference)) = flags.into_iter().find(|(key, _)| key == name) {
        return Ok(Named::Served(reference));
    }
    let series = ArtifactName::new(name).map_err(|_| unknown())?;
    Ok(Named::Series(ArtifactKind::Layer(LayerKind::SystemPrompt), series))
}

/// Plain flags whose default is a version's id, with that version.
fn flag_references(active: &Active) -> Vec<(String, ArtifactRef)> {
    let flags = active.snapshot.under("flag/").filter_map(|document| match document {
        Document::Flag(flag) => {
            let value = flag.variants.get(&flag.default)?.as_str()?;
            Some((flag.key.to_string(), value.parse().ok()?))
        }
        _ => None,
    });
    flags.collect()
}

fn find(active: &Active, name: &str, which: &Which) -> Result<ArtifactRef, Refused> {
    let named = named(active, name)?;
    let (kind, series) = match &named {
        Named::Series(kind, series) => (*kind, series.clone()),
        Named::Served(reference) => (reference.kind, reference.name.clone()),
    };
    let at = |version| ArtifactRef { kind, name: series.clone(), version };
    let production = || match &named {
        Named::Served(reference) => Ok(reference.clone()),
        Named::Series(..) => served(active, kind, &series),
    };
    match (which.version, which.label.as_deref()) {
        (Some(_), Some(_)) => {
            let message = "both a version and a label: ask for one of them".to_owned();
            Err(Refused(StatusCode::BAD_REQUEST, "InvalidRequestError", message))
        }
        (Some(version), None) => Ok(at(version)),
        (None, None | Some("production")) => production(),
        (None, Some("latest")) => {
            let newest = latest(active, kind, &series).map(ArtifactDoc::reference);
            newest.ok_or_else(|| not_found(format!("no prompt {kind}/{series}")))
        }
        (None, Some(label)) => {
            let docs = labels(&active.snapshot, kind, &series);
            let doc = docs.into_iter().find(|doc| doc.label.as_str() == label);
            doc.map(|doc| at(doc.version))
                .ok_or_else(|| not_found(format!("no version of {kind}/{series} has the label \"{label}\"")))
        }
    }
}

/// The one version of a series that features and flags serve outside a rollout.
fn served(active: &Active, kind: ArtifactKind, series: &ArtifactName) -> Result<ArtifactRef, Refused> {
    let controls = active.snapshot.features().flat_map(|feature| feature.control.0.values().cloned());
    let flags = flag_references(active).into_iter().map(|(_, reference)| reference);
    let of_it = |reference: &ArtifactRef| reference.kind == kind && reference.name == *series;
    let versions: BTreeSet<_> = controls.chain(flags).filter(of_it).collect();
    let mut versions = versions.into_iter();
    match (versions.next(), versions.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(not_found(format!(
            "{kind}/{series} is served by no feature, so no version is production: ask for a version or another label"
        ))),
        (Some(one), Some(other)) => Err(not_found(format!(
            "features serve {one} and {other}: ask by a feature's key, or for a version"
        ))),
    }
}

fn text_of<'a>(
    active: &'a Active,
    reference: &ArtifactRef,
) -> Result<(&'a ArtifactDoc, PromptContent), Refused> {
    let doc =
        active.snapshot.artifact(reference).ok_or_else(|| not_found(format!("no prompt {reference}")))?;
    if doc.redacted {
        return Err(not_found(format!("{reference} was redacted: its content is gone")));
    }
    match active.contents.read(doc.artifact_kind, &doc.content) {
        Ok(Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt)) => {
            if plain_variables(reference, &prompt).is_some() {
                return Ok((doc, prompt));
            }
            let message = format!(
                "{reference} uses more than plain variables, which this client cannot fill in: ask POST /api/v1/artifacts/render, or the gateway"
            );
            Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableContentError", message))
        }
        _ => Err(not_found(format!("{reference} is no prompt"))),
    }
}

fn view(active: &Active, name: &str, doc: &ArtifactDoc, prompt: &PromptContent) -> Value {
    let reference = doc.reference();
    json!({
        "id": reference,
        "name": name,
        "version": doc.version,
        "type": "text",
        "prompt": prompt.text,
        "config": { "reference": reference, "variables": prompt.variables },
        "labels": labels_of(active, &reference),
        "tags": [doc.artifact_kind.to_string()],
        "commitMessage": doc.message,
        "resolutionGraph": null,
        "createdBy": doc.author,
        "createdAt": doc.created_at.to_rfc3339(),
        "updatedAt": doc.created_at.to_rfc3339(),
        "isActive": true,
    })
}

#[derive(Debug, Default, Deserialize)]
struct Paging {
    name: Option<String>,
    label: Option<String>,
    page: Option<usize>,
    limit: Option<usize>,
}

async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, Refused> {
    let_in(&app, &headers).await?;
    let active = app.active();
    let mut series: BTreeSet<(ArtifactKind, ArtifactName)> = BTreeSet::new();
    for document in active.snapshot.under("artifact/") {
        if let Document::Artifact(ArtifactDoc {
            artifact_kind: kind,
            name,
            archived: false,
            redacted: false,
            ..
        }) = document
            && matches!(kind, ArtifactKind::Layer(LayerKind::SystemPrompt | LayerKind::PromptTemplate))
        {
            series.insert((*kind, name.clone()));
        }
    }
    let all = series.into_iter().filter_map(|(kind, name)| {
        let text = format!("{kind}/{name}");
        let docs = active.snapshot.versions(kind, name.as_str());
        let docs: Vec<_> = docs.into_iter().filter(|doc| !doc.archived && !doc.redacted).collect();
        let last = docs.last()?;
        let labels: BTreeSet<_> = docs.iter().flat_map(|doc| labels_of(&active, &doc.reference())).collect();
        let wanted = paging.name.as_ref().is_none_or(|name| *name == text)
            && paging.label.as_ref().is_none_or(|label| labels.contains(label));
        wanted.then(|| {
            json!({
                "name": text,
                "type": "text",
                "versions": docs.iter().map(|doc| doc.version).collect::<Vec<_>>(),
                "labels": labels,
                "tags": [kind.to_string()],
                "lastUpdatedAt": last.created_at.to_rfc3339(),
                "lastConfig": { "reference": last.reference() },
            })
        })
    });
    let all: Vec<_> = all.collect();
    let limit = paging.limit.unwrap_or(PAGE).clamp(1, 100);
    let page = paging.page.unwrap_or(1).max(1);
    let total = all.len();
    let shown: Vec<_> = all.into_iter().skip((page - 1).saturating_mul(limit)).take(limit).collect();
    let meta =
        json!({ "page": page, "limit": limit, "totalItems": total, "totalPages": total.div_ceil(limit) });
    Ok(Json(json!({ "data": shown, "meta": meta })))
}
