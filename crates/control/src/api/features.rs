//! Features: declaring them, killing them, and what each serves now.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    bundle::BundleId,
    decide::{Rejection, kill as decide_kill, put_feature},
    entity::ArtifactRef,
    entity::{CombinationDoc, DocKey, Document, FeatureDoc, FeatureRule, JudgePolicy, Layers, OffAnswer},
    id::{CategoryKey, FeatureKey, RolloutKey, VariantKey},
    revision::RevisionNumber,
    units::{Millis, Share, Timestamp},
};
use serinus_store::Active;
use utoipa::ToSchema;

use super::{
    condition::ConditionBody,
    lists::{ForcedBody, Lists, PrerequisiteBody},
    words::{BucketBy, CallerSystem},
};
use crate::{
    append::{Activation, Base, Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Operator, Reader, Writer},
    state::App,
};

/// Who is served which variant; the first that fits.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FeatureRule)]
pub struct FeatureRuleBody {
    /// Whom it is for.
    pub when: ConditionBody,
    /// One of the feature's variants, or `control`.
    #[schema(value_type = String)]
    pub serve: VariantKey,
}

/// How answers are judged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Judge)]
pub struct JudgeBody {
    /// What the judge looks for.
    #[schema(value_type = String, example = "rubric/helpful@1")]
    pub rubric: ArtifactRef,
    /// Which model judges.
    #[schema(value_type = String, example = "model/gpt-4o-mini@1")]
    pub model: ArtifactRef,
    /// The share of interactions that are judged.
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub rate_ppm: Share,
    /// How long after a session's end a verdict still counts.
    #[serde(default = "judge_deadline")]
    #[schema(value_type = u64)]
    pub deadline_ms: Millis,
}

const fn judge_deadline() -> Millis {
    Millis::minutes(15)
}

/// What a killed feature answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = OffAnswer)]
pub enum OffBody {
    /// This text, without a call to any provider.
    Text {
        /// The answer.
        text: String,
    },
    /// The control bundle, whatever rollouts say.
    Control,
}

/// A feature as it is declared.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureBody {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What is served outside a rollout: one version per layer.
    #[schema(value_type = BTreeMap<String, String>)]
    pub control: Layers,
    /// Named replacements of some of control's layers.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub variants: BTreeMap<VariantKey, Layers>,
    /// Who is served which of them.
    #[serde(default)]
    pub rules: Vec<FeatureRuleBody>,
    /// What its rollouts randomise.
    #[serde(default = "by_user")]
    pub bucket_by: BucketBy,
    /// What becomes of the application's system message.
    #[serde(default = "replace")]
    pub caller_system: CallerSystem,
    /// Categories that the application declares.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub categories: Vec<CategoryKey>,
    /// How answers are judged.
    #[serde(default)]
    pub judge: Option<JudgeBody>,
    /// The share of interactions whose texts are kept.
    #[serde(default = "capture")]
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub capture_ppm: Share,
    /// What it answers when it is killed.
    #[serde(default)]
    pub off: Option<OffBody>,
    /// Variants for named units; they decide before prerequisites and rules, and weigh nothing in a rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<ForcedBody>,
    /// Plain flags that must come out in a certain way; else control.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<PrerequisiteBody>,
    /// Who is asked about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

const fn by_user() -> BucketBy {
    BucketBy::User
}

const fn replace() -> CallerSystem {
    CallerSystem::Replace
}

const fn capture() -> Share {
    Share::percent(10)
}

impl FeatureBody {
    /// The document; ids in it become lists.
    pub(crate) fn to_doc(
        &self,
        key: &FeatureKey,
        killed: bool,
        lists: &mut Lists<'_>,
    ) -> Result<FeatureDoc, Rejection> {
        let rule = |rule: &FeatureRuleBody| FeatureRule {
            when: rule.when.clone().into(),
            serve: rule.serve.clone(),
        };
        Ok(FeatureDoc {
            key: key.clone(),
            description: self.description.clone(),
            control: self.control.clone(),
            variants: self.variants.clone(),
            rules: self.rules.iter().map(rule).collect(),
            bucket_by: self.bucket_by.into(),
            caller_system: self.caller_system.into(),
            categories: self.categories.clone(),
            judge: self.judge.clone().map(|judge| JudgePolicy {
                rubric: judge.rubric,
                model: judge.model,
                rate: judge.rate_ppm,
                deadline: judge.deadline_ms,
            }),
            capture: self.capture_ppm,
            off: self.off.clone().map(|off| match off {
                OffBody::Text { text } => OffAnswer::Text { text },
                OffBody::Control => OffAnswer::Control,
            }),
            killed,
            forced: lists.forced(&format!("feature \"{key}\""), &self.forced)?,
            prerequisites: self.prerequisites.iter().map(Into::into).collect(),
            owner: self.owner.clone(),
            tags: self.tags.clone(),
        })
    }
}

impl From<&FeatureDoc> for FeatureBody {
    fn from(doc: &FeatureDoc) -> Self {
        let rule =
            |rule: &FeatureRule| FeatureRuleBody { when: (&rule.when).into(), serve: rule.serve.clone() };
        Self {
            description: doc.description.clone(),
            control: doc.control.clone(),
            variants: doc.variants.clone(),
            rules: doc.rules.iter().map(rule).collect(),
            bucket_by: doc.bucket_by.into(),
            caller_system: doc.caller_system.into(),
            categories: doc.categories.clone(),
            judge: doc.judge.clone().map(|judge| JudgeBody {
                rubric: judge.rubric,
                model: judge.model,
                rate_ppm: judge.rate,
                deadline_ms: judge.deadline,
            }),
            capture_ppm: doc.capture,
            off: doc.off.clone().map(|off| match off {
                OffAnswer::Text { text } => OffBody::Text { text },
                OffAnswer::Control => OffBody::Control,
            }),
            forced: doc.forced.iter().map(|forced| ForcedBody::shown(forced, None)).collect(),
            prerequisites: doc.prerequisites.iter().map(Into::into).collect(),
            owner: doc.owner.clone(),
            tags: doc.tags.clone(),
        }
    }
}

/// What a command on a document came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stored {
    /// The document's key.
    pub key: String,
    /// The revision that put it so; an earlier one where nothing had to change.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Whether this command changed anything.
    pub changed: bool,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

impl Stored {
    /// What `done` came to for the document at `at`.
    pub(crate) fn of(key: String, at: &DocKey, done: crate::append::Committed<()>) -> Json<Self> {
        let stored = done.snapshot.get(at).map_or(done.snapshot.revision, |stored| stored.revision);
        let revision = done.revision.unwrap_or(stored);
        Json(Self { key, revision, changed: done.revision.is_some(), activation: done.activation })
    }
}

/// Creates or changes a feature. The same declaration again changes nothing.
#[utoipa::path(put, path = "/features/{key}", tag = "features", params(("key" = String, Path)),
    request_body = FeatureBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<FeatureKey>,
    Body(body): Body<FeatureBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |Base { snapshot, contents }, now| {
        let before = snapshot.feature(&key);
        let mut lists = Lists::new(contents);
        let doc = body.to_doc(&key, before.is_some_and(|before| before.killed), &mut lists)?;
        if before == Some(&doc) {
            return Ok(Plan::new(None, ()));
        }
        let draft = Some(put_feature(snapshot, contents, &doc, &who.actor, now)?);
        Ok(Plan { draft, blobs: lists.blobs, value: () })
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::feature(&key), done))
}

/// Whether to turn a feature off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KillBody {
    /// True turns it off, false on again.
    pub killed: bool,
}

/// Turns a feature off, or on again, at every session's next turn. Decided again until it is in.
#[utoipa::path(post, path = "/features/{key}/kill", tag = "features", params(("key" = String, Path)),
    request_body = KillBody, responses((status = 200, body = Stored)))]
pub(crate) async fn kill(
    State(app): State<Arc<App>>,
    Operator(who): Operator,
    Key(key): Key<FeatureKey>,
    Body(body): Body<KillBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Free, OnConflict::Retry), |Base { snapshot, .. }, _| {
        if snapshot.feature(&key).is_some_and(|feature| feature.killed == body.killed) {
            return Ok(Plan::new(None, ()));
        }
        Ok(Plan::new(decide_kill(snapshot, &key, body.killed, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::feature(&key), done))
}

/// A feature as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureView {
    /// Its key, also its model name at the gateway.
    #[schema(value_type = String)]
    pub key: FeatureKey,
    /// As it is declared.
    #[serde(flatten)]
    pub declared: FeatureBody,
    /// The fingerprint of what it serves outside a rollout.
    #[schema(value_type = String)]
    pub fingerprint: BundleId,
    /// Since when it serves that.
    #[schema(value_type = Option<i64>)]
    pub control_since_at: Option<Timestamp>,
    /// The rollout that moves it now.
    #[schema(value_type = Option<String>)]
    pub rollout: Option<RolloutKey>,
    /// Whether it is killed.
    pub killed: bool,
    /// Whether what it serves is proven.
    pub proven: bool,
    /// What of it does not compile.
    pub diagnostics: Vec<String>,
    /// The revision that put it as it is.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
}

impl FeatureView {
    /// A feature as this node serves it.
    pub(crate) fn new(doc: &FeatureDoc, active: &Active) -> Self {
        let (snapshot, key) = (&active.snapshot, &doc.key);
        let fingerprint = BundleId::of(&doc.control);
        let combination = combination(active, key, &fingerprint);
        let subject = DocKey::feature(key);
        let of_it = |subject_of: &str| {
            subject_of
                .strip_prefix(subject.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let diagnostics = active.compiled.diagnostics.iter().filter(|diagnostic| of_it(&diagnostic.subject));
        Self {
            key: key.clone(),
            declared: doc.into(),
            fingerprint,
            control_since_at: combination.and_then(|doc| doc.current_since),
            rollout: live_rollout(active, key),
            killed: doc.killed,
            proven: combination.is_some_and(|doc| doc.proof.is_some()),
            diagnostics: diagnostics.map(|diagnostic| diagnostic.reason.clone()).collect(),
            revision: snapshot.get(&subject).map_or(snapshot.revision, |stored| stored.revision),
        }
    }
}

fn combination<'a>(
    active: &'a Active,
    feature: &FeatureKey,
    fingerprint: &BundleId,
) -> Option<&'a CombinationDoc> {
    match active.snapshot.get(&DocKey::combination(feature, fingerprint))?.document.as_ref()? {
        Document::Combination(doc) => Some(doc),
        _ => None,
    }
}

fn live_rollout(active: &Active, feature: &FeatureKey) -> Option<RolloutKey> {
    let mut live = active.snapshot.rollouts().filter(|doc| doc.state.phase.is_live());
    live.find(|doc| doc.spec.change.contains_key(feature)).map(|doc| doc.key.clone())
}

/// Every feature.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureList {
    /// In the order of their keys.
    pub features: Vec<FeatureView>,
}

/// Lists every feature.
#[utoipa::path(get, path = "/features", tag = "features", responses((status = 200, body = FeatureList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<FeatureList> {
    let active = app.active();
    Json(FeatureList {
        features: active.snapshot.features().map(|doc| FeatureView::new(doc, &active)).collect(),
    })
}

/// Shows a feature.
#[utoipa::path(get, path = "/features/{key}", tag = "features", params(("key" = String, Path)),
    responses((status = 200, body = FeatureView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FeatureKey>,
) -> Result<Json<FeatureView>, ApiError> {
    let active = app.active();
    let doc = active.snapshot.feature(&key).ok_or_else(|| {
        ApiError::unknown(
            "feature.unknown",
            format!("feature \"{key}\" does not exist: see `serinus feature list`"),
        )
    })?;
    Ok(Json(FeatureView::new(doc, &active)))
}
