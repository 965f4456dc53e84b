//! What users and applications say about answers: thumbs and scores. Each counts once however often it is sent.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    id::InteractionId,
    limits::{KEY_BYTES_MAX, MESSAGE_BYTES_MAX},
    record::{Record, ScoreRecord, Source, THUMBS},
    units::Timestamp,
};
use serinus_store::{NewRecord, Records};
use utoipa::ToSchema;

use super::interactions;
use crate::{
    error::ApiError,
    extract::{Body, Recorder},
    state::App,
};

/// Scores in one request; each is looked up by its interaction.
const SCORES_MAX: usize = 1000;

/// A user's thumb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thumbs {
    /// Content.
    Up,
    /// Not content.
    Down,
}

/// A user's word on an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackBody {
    /// The interaction's id, or the id that the provider gave its answer.
    pub id: String,
    /// The thumb.
    pub thumbs: Thumbs,
    /// In the user's words.
    #[serde(default)]
    pub text: Option<String>,
}

/// Which interaction the feedback went to.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackTaken {
    /// Its id.
    #[schema(value_type = String)]
    pub interaction: InteractionId,
}

/// Takes a user's thumb.
#[utoipa::path(post, path = "/feedback", tag = "interactions", request_body = FeedbackBody,
    responses((status = 202, body = FeedbackTaken)))]
pub(crate) async fn feedback(
    State(app): State<Arc<App>>,
    _: Recorder,
    Body(body): Body<FeedbackBody>,
) -> Result<Response, ApiError> {
    bounded("text", body.text.as_deref().unwrap_or_default())?;
    let found = Records::interaction(app.store(), &body.id).await?;
    let interaction = found.ok_or_else(|| interactions::unknown(&body.id))?.record.id;
    let (word, value) = match body.thumbs {
        Thumbs::Up => ("up", 1.0),
        Thumbs::Down => ("down", 0.0),
    };
    let score = ScoreRecord {
        id: format!("{THUMBS}/{interaction}/{word}"),
        interaction: interaction.clone(),
        name: THUMBS.into(),
        value,
        reason: body.text,
        source: Source::Feedback,
        at: app.now(),
    };
    Records::append(app.store(), vec![NewRecord { record: Record::Score(score), body: None }]).await?;
    Ok((StatusCode::ACCEPTED, Json(FeedbackTaken { interaction })).into_response())
}

/// A measurement by the application.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreBody {
    /// The interaction's id, or the id that the provider gave its answer.
    pub id: String,
    /// What was measured.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// An id of the caller's: the same one twice counts once.
    #[serde(default)]
    pub score_id: Option<String>,
}

/// What became of the scores.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ScoresTaken {
    /// New ones.
    pub accepted: usize,
    /// Ones that were there already.
    pub duplicates: usize,
    /// Ids of interactions that are not known; their scores were not taken.
    pub unknown: Vec<String>,
}

/// Takes measurements by the application.
#[utoipa::path(post, path = "/scores", tag = "interactions", request_body = Vec<ScoreBody>,
    responses((status = 200, body = ScoresTaken)))]
pub(crate) async fn scores(
    State(app): State<Arc<App>>,
    _: Recorder,
    Body(scores): Body<Vec<ScoreBody>>,
) -> Result<Json<ScoresTaken>, ApiError> {
    if scores.len() > SCORES_MAX {
        return Err(invalid(format!("{} scores in one request: send at most {SCORES_MAX}", scores.len())));
    }
    for score in &scores {
        check(score)?;
    }
    let now = app.now();
    let mut taken = ScoresTaken::default();
    let mut batch = Vec::with_capacity(scores.len());
    for score in scores {
        match Records::interaction(app.store(), &score.id).await? {
            Some(found) => {
                let id = score.score_id.clone().unwrap_or_else(|| format!("{:032x}", app.random()));
                let record = Record::Score(record(score, &id, found.record.id, now));
                batch.push(NewRecord { record, body: None });
            }
            None => taken.unknown.push(score.id),
        }
    }
    let appended = Records::append(app.store(), batch).await?;
    (taken.accepted, taken.duplicates) = (appended.accepted, appended.duplicates);
    Ok(Json(taken))
}

fn record(score: ScoreBody, id: &str, interaction: InteractionId, at: Timestamp) -> ScoreRecord {
    let (name, value, reason) = (score.name, score.value, score.reason);
    ScoreRecord { id: format!("app/{id}"), interaction, name, value, reason, source: Source::Application, at }
}

fn check(score: &ScoreBody) -> Result<(), ApiError> {
    if score.name.is_empty() || score.name.len() > KEY_BYTES_MAX {
        return Err(invalid(format!("score name: use 1 to {KEY_BYTES_MAX} bytes")));
    }
    if score.score_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > KEY_BYTES_MAX) {
        return Err(invalid(format!("score_id: use 1 to {KEY_BYTES_MAX} bytes")));
    }
    if !score.value.is_finite() {
        return Err(invalid(format!("score \"{}\": value is no finite number", score.name)));
    }
    bounded("reason", score.reason.as_deref().unwrap_or_default())
}

fn bounded(what: &str, text: &str) -> Result<(), ApiError> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(invalid(format!("{what} has {} bytes: send at most {MESSAGE_BYTES_MAX}", text.len())));
    }
    Ok(())
}

fn invalid(detail: String) -> ApiError {
    ApiError::request(StatusCode::UNPROCESSABLE_ENTITY, "score.invalid", detail)
}
