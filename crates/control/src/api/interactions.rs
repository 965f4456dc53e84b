//! Interactions as they were recorded: a list by filter, and one with its texts. Adds nothing up.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    id::{CategoryKey, FeatureKey, InteractionId, RolloutKey},
    record::{InteractionRecord, ScoreRecord},
};
use serinus_store::{InteractionFilter, Records};
use utoipa::{IntoParams, ToSchema};

use super::{
    evidence,
    words::{Arm, Role},
};
use crate::{
    error::ApiError,
    extract::{Key, Params, Reader},
    state::App,
};

/// Interactions in one answer.
const LIMIT_MAX: usize = 200;
/// Interactions in one answer where the caller does not say.
const LIMIT: usize = 50;
/// Characters of a text in a list: a line to recognise it by.
const SHORT_CHARS: usize = 280;

/// An interaction.
#[derive(Debug, Serialize, ToSchema)]
pub struct InteractionView {
    /// Its place in the log; `before` takes it.
    pub seq: u64,
    /// What was recorded.
    #[schema(value_type = evidence::InteractionRecord)]
    pub record: InteractionRecord,
    /// What the user asked, where texts are kept; cut short in lists.
    pub question: Option<String>,
    /// The answer, where texts are kept; cut short in lists.
    pub answer: Option<String>,
    /// The messages as they were sent upstream; not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub messages: Vec<Value>,
    /// Its measurements.
    #[schema(value_type = Vec<evidence::ScoreRecord>)]
    pub scores: Vec<ScoreRecord>,
}

impl From<serinus_store::InteractionView> for InteractionView {
    fn from(view: serinus_store::InteractionView) -> Self {
        let (question, answer, messages) = match view.body {
            Some(body) => (Some(body.question), Some(body.answer), body.messages),
            None => (None, None, Vec::new()),
        };
        Self { seq: view.seq, record: view.record, question, answer, messages, scores: view.scores }
    }
}

impl InteractionView {
    /// An interaction as a line of a list.
    pub(crate) fn short(view: serinus_store::InteractionView) -> Self {
        let cut = |text: String| match text.char_indices().nth(SHORT_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        let view = Self::from(view);
        Self { question: view.question.map(cut), answer: view.answer.map(cut), messages: Vec::new(), ..view }
    }
}

/// Which interactions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InteractionQuery {
    /// Of one feature.
    #[param(value_type = Option<String>)]
    pub feature: Option<FeatureKey>,
    /// Of one rollout.
    #[param(value_type = Option<String>)]
    pub rollout: Option<RolloutKey>,
    /// Of one arm.
    pub arm: Option<Arm>,
    /// Of one category.
    #[param(value_type = Option<String>)]
    pub category: Option<CategoryKey>,
    /// Of one role.
    pub role: Option<Role>,
    /// Only failed, refused by their parser, or scored below this.
    pub score_below: Option<f64>,
    /// Older than this sequence number.
    pub before: Option<u64>,
    /// At most so many; 50 where not given, 200 at most.
    pub limit: Option<usize>,
}

/// Interactions, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InteractionList {
    /// Latest first.
    pub interactions: Vec<InteractionView>,
}

/// Lists interactions.
#[utoipa::path(get, path = "/interactions", tag = "interactions", params(InteractionQuery),
    responses((status = 200, body = InteractionList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(query): Params<InteractionQuery>,
) -> Result<Json<InteractionList>, ApiError> {
    let filter = InteractionFilter {
        feature: query.feature,
        rollout: query.rollout,
        arm: query.arm.map(Into::into),
        category: query.category,
        role: query.role.map(Into::into),
        score_below: query.score_below,
        before: query.before,
        limit: query.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX),
    };
    let found = Records::list(app.store(), &filter).await?;
    Ok(Json(InteractionList { interactions: found.into_iter().map(InteractionView::short).collect() }))
}

/// Shows an interaction with its texts. The provider's response id is accepted as well.
#[utoipa::path(get, path = "/interactions/{id}", tag = "interactions", params(("id" = String, Path)),
    responses((status = 200, body = InteractionView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(id): Key<InteractionId>,
) -> Result<Json<InteractionView>, ApiError> {
    let found = Records::interaction(app.store(), id.as_str()).await?;
    let view = found.ok_or_else(|| unknown(id.as_str()))?;
    Ok(Json(view.into()))
}

/// An interaction that is not there.
pub(crate) fn unknown(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    let text = format!(
        "interaction \"{id}\" is not known: send the id in x-serinus-interaction, or the response's id"
    );
    ApiError::unknown("interaction.unknown", text)
}
