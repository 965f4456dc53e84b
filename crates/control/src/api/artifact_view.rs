//! A series and its versions as people read them: content, labels, who is served it, what it costs. Changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    bundle::Bundle,
    decide::labels,
    digest::Digest,
    entity::{ArtifactDoc, ArtifactKind, ArtifactRef, Content, ModelContent, Source},
    id::{ArtifactName, FeatureKey, LabelKey},
    units::{MicroUsd, Timestamp},
};
use serinus_store::{Active, Blobs, Failure, Usages};
use utoipa::{IntoParams, ToSchema};

use super::artifacts::RequirementBody;
use crate::{
    error::ApiError,
    extract::{Params, Reader, invalid_key},
    state::App,
    token_count::{self, TokenCount},
};

/// A version on another prompt platform that a content was copied from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArtifactSource)]
pub struct SourceView {
    /// `langfuse` or `promptlayer`.
    pub platform: String,
    /// The prompt's name there.
    pub name: String,
    /// Its version there.
    pub version: u32,
}

impl From<&Source> for SourceView {
    fn from(source: &Source) -> Self {
        Self { platform: source.platform.clone(), name: source.name.clone(), version: source.version }
    }
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
    /// Labels that point to it; `latest` and `production` among them where they do.
    pub labels: Vec<String>,
    /// Where its content was copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceView>,
    /// Whether it was put away.
    pub archived: bool,
    /// Whether its content was removed for good.
    pub redacted: bool,
}

impl VersionView {
    fn new(doc: &ArtifactDoc, active: &Active) -> Self {
        let reference = doc.reference();
        Self {
            version: doc.version,
            digest: doc.content,
            author: doc.author.clone(),
            message: doc.message.clone(),
            created_at: doc.created_at,
            requires: doc.requires.iter().map(Into::into).collect(),
            used_by: used_by(&reference, active),
            labels: labels_of(active, &reference),
            source: doc.source.as_ref().map(Into::into),
            archived: doc.archived,
            redacted: doc.redacted,
            reference,
        }
    }
}

/// All labels of a version, those too that stand for a rule.
pub(crate) fn labels_of(active: &Active, reference: &ArtifactRef) -> Vec<String> {
    let (kind, name) = (reference.kind, &reference.name);
    let set = labels(&active.snapshot, kind, name);
    let mut names: Vec<String> = set
        .into_iter()
        .filter(|doc| doc.version == reference.version)
        .map(|doc| doc.label.to_string())
        .collect();
    let newest = latest(active, kind, name).is_some_and(|doc| doc.version == reference.version);
    names.extend(newest.then(|| "latest".to_owned()));
    let served =
        active.snapshot.features().any(|feature| feature.control.0.values().any(|used| used == reference));
    names.extend(served.then(|| "production".to_owned()));
    names
}

/// The newest version that was not put away.
pub(crate) fn latest<'a>(
    active: &'a Active,
    kind: ArtifactKind,
    name: &'a ArtifactName,
) -> Option<&'a ArtifactDoc> {
    active.snapshot.versions(kind, name.as_str()).into_iter().rfind(|doc| !doc.archived && !doc.redacted)
}

fn has(bundle: &Bundle, reference: &ArtifactRef) -> bool {
    bundle.versions().any(|used| used == reference)
}

fn used_by(reference: &ArtifactRef, active: &Active) -> Vec<String> {
    let features = active.compiled.features.values().filter(|feature| {
        let bundles =
            std::iter::once(&feature.control).chain(feature.variants.iter().map(|(_, bundle)| bundle));
        let judge = feature.doc.judge.as_ref();
        bundles.into_iter().any(|bundle| has(bundle, reference))
            || judge.is_some_and(|judge| judge.rubric == *reference || judge.model == *reference)
    });
    let rollouts = active.compiled.features.values().filter_map(|feature| feature.rollout.as_ref());
    let moving = rollouts.filter(|rollout| has(&rollout.candidate, reference));
    let mut names: Vec<_> = features.map(|feature| feature.doc.key.to_string()).collect();
    names.extend(moving.map(|rollout| rollout.key.to_string()));
    names.sort();
    names.dedup();
    names
}

/// A bundle that a version is, or was, a part of.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// Whose bundle.
    #[schema(value_type = String)]
    pub feature: FeatureKey,
    /// Its fingerprint.
    pub bundle: String,
    /// `control`, a variant, `candidate of` a rollout, or `earlier`.
    pub served_as: String,
    /// When it was last served, as far as nodes have told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub last_at: Option<Timestamp>,
    /// How often it was served.
    pub count: u64,
}

async fn usage(app: &App, active: &Active, reference: &ArtifactRef) -> Result<Vec<UsageView>, Failure> {
    let told = Usages::usages(app.store(), "bundle/").await?;
    let told: BTreeMap<_, _> = told.iter().map(|usage| (usage.subject.as_str(), usage)).collect();
    let mut features: Vec<_> = active.compiled.features.values().collect();
    features.sort_by(|a, b| a.doc.key.cmp(&b.doc.key));
    let mut views = Vec::new();
    for feature in features {
        for bundle in feature.bundles.values().filter(|bundle| has(bundle, reference)) {
            let variant = feature.variants.iter().find(|(_, of_it)| of_it.id == bundle.id);
            let rollout = feature.rollout.as_ref().filter(|rollout| rollout.candidate.id == bundle.id);
            let served_as = match (feature.control.id == bundle.id, variant, rollout) {
                (true, ..) => "control".to_owned(),
                (false, Some((name, _)), _) => name.to_string(),
                (false, None, Some(rollout)) => format!("candidate of {}", rollout.key),
                (false, None, None) => "earlier".to_owned(),
            };
            let usage = told.get(format!("bundle/{}/{}", feature.doc.key, bundle.id).as_str());
            views.push(UsageView {
                feature: feature.doc.key.clone(),
                bundle: bundle.id.to_string(),
                served_as,
                last_at: usage.map(|usage| usage.last_at),
                count: usage.map_or(0, |usage| usage.count),
            });
        }
    }
    views.sort_by(|a, b| (&a.feature, &a.served_as, &a.bundle).cmp(&(&b.feature, &b.served_as, &b.bundle)));
    Ok(views)
}

/// A series with its versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesView {
    /// A layer's name, or `rubric`, `taxonomy`, `dataset`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// Its labels with the versions that they point to.
    #[schema(value_type = BTreeMap<String, u32>)]
    pub labels: BTreeMap<LabelKey, u32>,
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
    let (kind, name) = series_in_path(&kind, &name)?;
    let active = app.active();
    let docs = active.snapshot.versions(kind, name.as_str());
    let versions: Vec<_> = docs.into_iter().map(|doc| VersionView::new(doc, &active)).collect();
    if versions.is_empty() {
        return Err(unknown(&format!("{kind}/{name}")));
    }
    let labels = labels(&active.snapshot, kind, &name);
    let labels = labels.into_iter().map(|doc| (doc.label.clone(), doc.version)).collect();
    Ok(Json(SeriesView { kind, name, labels, versions }))
}

/// A version with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactView {
    /// A layer's name, or `rubric`, `taxonomy`, `dataset`.
    #[schema(value_type = String)]
    pub kind: ArtifactKind,
    /// The series.
    #[schema(value_type = String)]
    pub name: ArtifactName,
    /// The version.
    #[serde(flatten)]
    pub version: VersionView,
    /// Its content, in the shape of its kind; null where it was redacted.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Bundles that it is or was a part of.
    pub usage: Vec<UsageView>,
    /// Of a content that is sent with every call: its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// Where the model's price is known: what these tokens cost in a thousand calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub cost_per_1000_calls_micro_usd: Option<MicroUsd>,
    /// The model that was counted and priced for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub counted_for: Option<ArtifactRef>,
}

/// For which model.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VersionParams {
    /// Counts and prices for this model, as in `model/gpt-4o@1`; for that of a feature that uses the version where not said.
    #[param(value_type = Option<String>)]
    pub model: Option<ArtifactRef>,
}

/// Shows a version with its content.
#[utoipa::path(get, path = "/artifacts/{kind}/{name}/{version}", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), ("version" = u32, Path), VersionParams),
    responses((status = 200, body = ArtifactView)))]
pub(crate) async fn version(
    State(app): State<Arc<App>>,
    _: Reader,
    Path((kind, name, version)): Path<(String, String, String)>,
    Params(params): Params<VersionParams>,
) -> Result<Json<ArtifactView>, ApiError> {
    let reference = version_in_path(&kind, &name, &version)?;
    let active = app.active();
    let doc = active.snapshot.artifact(&reference).ok_or_else(|| unknown(&reference.to_string()))?;
    let content = content_of(&app, &active, doc).await?;
    let model = priced_model(&active, &reference, params.model)?;
    let tokens = match Content::parse(doc.artifact_kind, &content).ok().as_ref().and_then(sent_text) {
        Some(text) => token_count::count(text, model.as_ref().map(|(_, model)| model.model.clone())).await,
        None => None,
    };
    let cost = tokens.as_ref().zip(model.as_ref()).and_then(|(tokens, (_, model))| cost(tokens, model));
    let usage = usage(&app, &active, &reference).await?;
    Ok(Json(ArtifactView {
        kind: reference.kind,
        name: reference.name,
        version: VersionView::new(doc, &active),
        content,
        usage,
        counted_for: tokens.as_ref().and(model).map(|(reference, _)| reference),
        tokens,
        cost_per_1000_calls_micro_usd: cost,
    }))
}

/// What of a content every call sends.
pub(crate) fn sent_text(content: &Content) -> Option<String> {
    match content {
        Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt) => Some(prompt.text.clone()),
        Content::Rubric(rubric) => Some(rubric.instructions.clone()),
        Content::Tools(tools) => serde_json::to_string(&tools.tools).ok(),
        Content::Model(_)
        | Content::Sampling(_)
        | Content::Retrieval(_)
        | Content::OutputParser(_)
        | Content::Taxonomy(_)
        | Content::Dataset(_) => None,
    }
}

/// The model that is asked for, or that of a bundle that uses the version.
fn priced_model(
    active: &Active,
    reference: &ArtifactRef,
    asked: Option<ArtifactRef>,
) -> Result<Option<(ArtifactRef, ModelContent)>, ApiError> {
    use serinus_domain::entity::LayerKind::Model;
    let Some(asked) = asked else {
        let features = active.compiled.features.values();
        let candidates = features.clone().filter_map(|feature| Some(&feature.rollout.as_ref()?.candidate));
        let mut bundles: Vec<_> = features
            .flat_map(|feature| {
                std::iter::once(&feature.control).chain(feature.variants.iter().map(|(_, of_it)| of_it))
            })
            .chain(candidates)
            .filter(|bundle| has(bundle, reference))
            .collect();
        bundles.sort_by(|a, b| a.layers.cmp(&b.layers));
        let first = bundles
            .first()
            .and_then(|bundle| Some((bundle.layers.get(Model)?.clone(), bundle.model.clone())));
        return Ok(first);
    };
    let doc = active.snapshot.artifact(&asked).ok_or_else(|| unknown(&asked.to_string()))?;
    match active.contents.read(doc.artifact_kind, &doc.content) {
        Ok(Content::Model(model)) => Ok(Some((asked, model))),
        _ => Err(invalid_key(&format!("model: {asked} is no model"))),
    }
}

/// A thousand calls' input; none where nobody said what the model costs.
pub(crate) fn cost(tokens: &TokenCount, model: &ModelContent) -> Option<MicroUsd> {
    let price = model.input_micro_usd_per_million.0;
    let count = i64::try_from(tokens.count).ok()?;
    (price > 0).then(|| MicroUsd(price.saturating_mul(count) / 1000))
}

/// The content of a version; null where it was redacted.
pub(crate) async fn content_of(app: &App, active: &Active, doc: &ArtifactDoc) -> Result<Value, ApiError> {
    if doc.redacted {
        return Ok(Value::Null);
    }
    if let Some(content) = active.contents.held.get(&doc.content) {
        return Ok(Value::clone(content));
    }
    let lost = |reason: String| Failure { what: "read a content", reason, retryable: false };
    let digest = &doc.content;
    let bytes =
        Blobs::get(app.store(), digest).await?.ok_or_else(|| lost(format!("blob {digest} is not there")))?;
    Ok(serde_json::from_slice(&bytes).map_err(|refused| lost(refused.to_string()))?)
}

/// The series that a path names.
pub(crate) fn series_in_path(kind: &str, name: &str) -> Result<(ArtifactKind, ArtifactName), ApiError> {
    let kind: ArtifactKind = kind.parse().map_err(|refused: String| invalid_key(&refused))?;
    Ok((kind, ArtifactName::new(name).map_err(|refused| invalid_key(&refused))?))
}

/// The version that a path names.
pub(crate) fn version_in_path(kind: &str, name: &str, version: &str) -> Result<ArtifactRef, ApiError> {
    format!("{kind}/{name}@{version}").parse().map_err(|refused: String| invalid_key(&refused))
}

/// What does not exist.
pub(crate) fn unknown(what: &str) -> ApiError {
    ApiError::unknown("artifact.unknown", format!("{what} does not exist: see `serinus artifact list`"))
}
