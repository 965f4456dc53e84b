//! Why a caller gets what they get: the steps of an evaluation, told by the code that evaluates. Pins nobody and counts nothing.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serinus_domain::{
    context::{Attributes, Context},
    id::{FeatureKey, FlagKey},
    resolve::{Asking, Step, Trace, evaluate, resolve_traced},
    revision::RevisionNumber,
};
use serinus_store::Pins;
use utoipa::ToSchema;

use super::flags;
use crate::{
    error::ApiError,
    extract::{Body, Key, Reader},
    state::App,
};

/// Who is asking.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Context)]
pub struct ContextBody {
    /// The user.
    #[serde(default)]
    pub user: Option<String>,
    /// The session or task.
    #[serde(default)]
    pub session: Option<String>,
    /// What rules look at.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Object>)]
    pub attributes: Map<String, Value>,
}

/// Whose answer is to be explained.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainBody {
    /// Who is asking.
    pub context: ContextBody,
}

impl ExplainBody {
    fn context(self, app: &App) -> Result<Context, ApiError> {
        let ContextBody { user, session, attributes } = self.context;
        let context = Attributes::new(attributes)
            .and_then(|attributes| Context::new(session.as_deref(), user.as_deref(), attributes));
        let refused = |reason: &dyn std::fmt::Display| {
            ApiError::request(StatusCode::BAD_REQUEST, "context.invalid", reason.to_string())
        };
        Ok(context.map_err(|reason| refused(&reason))?.at(app.now()))
    }
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    /// What was looked at: `forced`, `prerequisite`, `rule`, `condition`, `split`, `segment`, `pin`, `rollout`, `answer`.
    pub step: String,
    /// Which.
    pub subject: String,
    /// What it came to.
    pub outcome: String,
    /// What that rests on.
    pub detail: String,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self { step: step.step.to_owned(), subject: step.subject, outcome: step.outcome, detail: step.detail }
    }
}

/// What the caller gets.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// The variant; none where the caller's own default stands.
    pub variant: Option<String>,
    /// Of a flag: its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// Why, in a word.
    pub reason: String,
    /// Of a flag: the rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of a feature: the fingerprint of what is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Of a feature: the rollout that the unit is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// Of a feature: the probability of the candidate arm there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pi_ppm: Option<u32>,
    /// The revision that the answer is by.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
}

/// An answer and how it came about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// What the caller gets.
    pub decision: DecisionView,
    /// In the order in which they were taken.
    pub steps: Vec<StepView>,
}

/// Explains what a caller gets of a flag.
#[utoipa::path(post, path = "/flags/{key}/explain", tag = "flags", params(("key" = String, Path)),
    request_body = ExplainBody, responses((status = 200, body = Explanation)))]
pub(crate) async fn flag(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FlagKey>,
    Body(body): Body<ExplainBody>,
) -> Result<Json<Explanation>, ApiError> {
    let context = body.context(&app)?;
    let active = app.active();
    let flag = active.compiled.flags.get(&key).ok_or_else(|| flags::unknown(&key))?;
    let mut trace = Trace::default();
    let decision = evaluate(flag, &Asking::new(&context), &mut trace);
    let decision = DecisionView {
        variant: decision.variant.map(str::to_owned),
        value: decision.value.cloned(),
        reason: decision.reason.as_str().to_owned(),
        rule: decision.rule.map(str::to_owned),
        bundle: None,
        rollout: None,
        pi_ppm: None,
        revision: active.compiled.revision,
    };
    Ok(Json(Explanation { decision, steps: trace.0.into_iter().map(Into::into).collect() }))
}

/// Explains what a caller gets of a feature, by the pin of their session where it has one.
#[utoipa::path(post, path = "/features/{key}/explain", tag = "features", params(("key" = String, Path)),
    request_body = ExplainBody, responses((status = 200, body = Explanation)))]
pub(crate) async fn feature(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FeatureKey>,
    Body(body): Body<ExplainBody>,
) -> Result<Json<Explanation>, ApiError> {
    let context = body.context(&app)?;
    let active = app.active();
    let feature = active.compiled.features.get(&key).ok_or_else(|| {
        let text = format!("feature \"{key}\" is not served: see `serinus feature list`");
        ApiError::unknown("feature.unknown", text)
    })?;
    let pins = match context.session.as_deref() {
        Some(session) => Pins::session(app.store(), (app.control.pseudonym)(session), app.now()).await?,
        None => Vec::new(),
    };
    let pin = pins.iter().find(|pin| pin.feature == key);
    let mut trace = Trace::default();
    let revision = active.compiled.revision;
    let resolved = resolve_traced(feature, revision, pin, &Asking::new(&context), &mut trace);
    let decision = DecisionView {
        variant: Some(resolved.variant.to_owned()),
        value: None,
        reason: resolved.reason.as_str().to_owned(),
        rule: None,
        bundle: Some(resolved.bundle.id.to_string()),
        rollout: resolved.enrolled.map(|enrolled| enrolled.rollout.to_string()),
        pi_ppm: resolved.enrolled.map(|enrolled| enrolled.pi.as_ppm()),
        revision,
    };
    Ok(Json(Explanation { decision, steps: trace.0.into_iter().map(Into::into).collect() }))
}
