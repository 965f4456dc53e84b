//! A prompt rendered with sample variables before anybody is served it. Changes nothing, calls no provider.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    bundle::{Contents, Library},
    entity::{ArtifactDoc, ArtifactKind, ArtifactRef, Content},
    id::ArtifactName,
    render::Template,
    snapshot::Snapshot,
};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::artifact_view::unknown;
use crate::{
    error::ApiError,
    extract::{Body, Reader, invalid_key},
    state::App,
    token_count::{self, TokenCount},
};

/// What to render.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderBody {
    /// A version; or leave it out and send `kind` and `content`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "system_prompt/support@7")]
    pub reference: Option<ArtifactRef>,
    /// `system_prompt` or `prompt_template`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub kind: Option<ArtifactKind>,
    /// A content that is not published.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// Sample variables; of a prompt template `input` stands for the user's message.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub variables: BTreeMap<String, Value>,
    /// The model to count tokens for, as its provider names it.
    #[serde(default)]
    pub model: Option<String>,
}

/// What it came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RenderView {
    /// The text that would be sent.
    pub text: String,
    /// Its tokens.
    pub tokens: Option<TokenCount>,
    /// What it includes.
    #[schema(value_type = Vec<String>)]
    pub includes: Vec<ArtifactRef>,
}

/// A snapshot's versions, and a content that is none yet.
struct Desk {
    snapshot: Snapshot,
    contents: Arc<Contents>,
}

impl Library for Desk {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        self.snapshot.artifact(reference)
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        let doc = self.snapshot.artifact(reference).ok_or_else(|| format!("{reference} does not exist"))?;
        self.contents.read(doc.artifact_kind, &doc.content)
    }
}

/// Renders a version, or a content that is not published, with sample variables.
#[utoipa::path(post, path = "/artifacts/render", tag = "artifacts", request_body = RenderBody,
    responses((status = 200, body = RenderView)))]
pub(crate) async fn render(
    State(app): State<Arc<App>>,
    _: Reader,
    Body(body): Body<RenderBody>,
) -> Result<Json<RenderView>, ApiError> {
    let active = app.active();
    let desk = Desk { snapshot: active.snapshot.clone(), contents: Arc::clone(&active.contents) };
    let (reference, content) = subject(&body, &desk)?;
    let (Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt)) = content else {
        return Err(invalid_key(&format!(
            "{reference}: only versions of system_prompt and prompt_template are rendered"
        )));
    };
    let variables = body.variables;
    // Rendering is bounded by its fuel, and that is more than a thread that answers requests should wait.
    let rendered = spawn_blocking(move || {
        let template = Template::compile(&reference, &prompt, &desk)
            .map_err(|refused| invalid("artifact.invalid", &refused))?;
        let text = template.render(&variables).map_err(|refused| invalid(refused.code(), &refused))?;
        Ok::<_, ApiError>((text, template.includes().to_vec()))
    });
    let broke =
        |_| ApiError::request(StatusCode::INTERNAL_SERVER_ERROR, "server.bug", "rendering broke down");
    let (text, includes) = rendered.await.map_err(broke)??;
    let tokens = token_count::count(text.clone(), body.model).await;
    Ok(Json(RenderView { text, tokens, includes }))
}

fn invalid(code: &'static str, refused: &dyn std::fmt::Display) -> ApiError {
    ApiError::request(StatusCode::UNPROCESSABLE_ENTITY, code, refused.to_string())
}

fn subject(body: &RenderBody, desk: &Desk) -> Result<(ArtifactRef, Content), ApiError> {
    match (&body.reference, body.kind, &body.content) {
        (Some(reference), None, None) => {
            let doc = desk.artifact(reference).ok_or_else(|| unknown(&reference.to_string()))?;
            if doc.redacted {
                let detail = format!("{reference} was redacted: its content is gone");
                return Err(ApiError::request(StatusCode::GONE, "artifact.redacted", detail));
            }
            let content = desk.content(reference).map_err(|refused| invalid("artifact.invalid", &refused))?;
            Ok((reference.clone(), content))
        }
        (None, Some(kind), Some(content)) => {
            let name = ArtifactName::new("preview").map_err(|refused| invalid_key(&refused))?;
            let content =
                Content::parse(kind, content).map_err(|refused| invalid("artifact.invalid", &refused))?;
            Ok((ArtifactRef { kind, name, version: u32::MAX }, content))
        }
        _ => Err(invalid_key(&"send a reference, or a kind with its content")),
    }
}
