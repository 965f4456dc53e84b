//! Two versions of a series side by side. Changes nothing.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::entity::ArtifactRef;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::artifact_view::{content_of, unknown, version_in_path};
use crate::{
    diff::{LineChange, PathChange, counted, lines, paths},
    error::ApiError,
    extract::{Params, Reader},
    state::App,
};

/// Which two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffParams {
    /// The one that it was.
    pub from: u32,
    /// The one that it is.
    pub to: u32,
}

/// How contents are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiffForm {
    /// A text by line, with its other members by path.
    Text,
    /// Members by path.
    Json,
}

/// What two versions do not have in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffView {
    /// The one that it was.
    #[schema(value_type = String)]
    pub from: ArtifactRef,
    /// The one that it is.
    #[schema(value_type = String)]
    pub to: ArtifactRef,
    /// How they are compared.
    pub form: DiffForm,
    /// Words that came.
    pub words_added: usize,
    /// Words that went.
    pub words_removed: usize,
    /// Of a text: its lines in order, changed or not.
    pub lines: Vec<LineChange>,
    /// Members that differ.
    pub paths: Vec<PathChange>,
}

/// The difference of any two versions.
#[utoipa::path(get, path = "/artifacts/{kind}/{name}/diff", tag = "artifacts",
    params(("kind" = String, Path), ("name" = String, Path), DiffParams), responses((status = 200, body = DiffView)))]
pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    _: Reader,
    Path((kind, name)): Path<(String, String)>,
    Params(params): Params<DiffParams>,
) -> Result<Json<DiffView>, ApiError> {
    let active = app.active();
    let mut sides = Vec::with_capacity(2);
    for version in [params.from, params.to] {
        let reference = version_in_path(&kind, &name, &version.to_string())?;
        let doc = active.snapshot.artifact(&reference).ok_or_else(|| unknown(&reference.to_string()))?;
        if doc.redacted {
            let detail = format!("{reference} was redacted: there is nothing left to compare");
            return Err(ApiError::request(StatusCode::GONE, "artifact.redacted", detail));
        }
        sides.push((reference, content_of(&app, &active, doc).await?));
    }
    let (Some((to, after)), Some((from, before))) = (sides.pop(), sides.pop()) else {
        return Err(unknown(&name));
    };
    let compared = spawn_blocking(move || compared(before, after)).await;
    let (form, lines, paths) = compared.unwrap_or((DiffForm::Json, Vec::new(), Vec::new()));
    let (words_added, words_removed) = counted(&lines);
    Ok(Json(DiffView { from, to, form, words_added, words_removed, lines, paths }))
}

fn compared(mut before: Value, mut after: Value) -> (DiffForm, Vec<LineChange>, Vec<PathChange>) {
    for member in ["text", "instructions"] {
        if let (Some(Value::String(old)), Some(Value::String(new))) = (before.get(member), after.get(member))
        {
            let lines = lines(old, new);
            for side in [&mut before, &mut after] {
                if let Value::Object(members) = side {
                    members.remove(member);
                }
            }
            return (DiffForm::Text, lines, paths(&before, &after));
        }
    }
    (DiffForm::Json, Vec::new(), paths(&before, &after))
}
