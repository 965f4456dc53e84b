//! Signing the dashboard in and out, and telling a caller who they are.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::people::PersonView;
use crate::{
    auth::{Identity, Scope, Subject, cookie, expired_cookie},
    error::ApiError,
    extract::Body,
    state::App,
};

/// A key to sign in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInBody {
    /// A token.
    pub key: String,
}

/// How somebody got in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// From this machine, while no token exists.
    Open,
    /// With the administrator's token.
    Administrator,
    /// With a token.
    Token,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// As revisions name them.
    pub actor: String,
    /// How they got in.
    pub access: Access,
    /// What they may do in this environment.
    pub scopes: Vec<Scope>,
    /// The environment that was asked.
    pub environment: String,
    /// The person, where it is one.
    pub person: Option<PersonView>,
}

impl SessionView {
    fn new(identity: Identity, app: &App) -> Self {
        let access = match identity.subject {
            Subject::Local => Access::Open,
            Subject::Administrator => Access::Administrator,
            Subject::Token(_) => Access::Token,
        };
        let person = identity.person.and_then(|id| app.control.auth.person(&id)).map(Into::into);
        Self {
            actor: identity.actor,
            access,
            scopes: identity.scopes,
            environment: identity.environment,
            person,
        }
    }
}

/// Signs a browser in: exchanges a token for a cookie that no script reads.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignInBody,
    responses((status = 200, body = SessionView)))]
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    Body(body): Body<SignInBody>,
) -> Result<Response, ApiError> {
    let (identity, secret) = app.control.auth.sign_in(&body.key, [app.random(), app.random()]).await?;
    Ok(([(SET_COOKIE, cookie(&secret))], Json(SessionView::new(identity, &app))).into_response())
}

/// Tells who asks.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = SessionView)))]
pub(crate) async fn whoami(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<SessionView>, ApiError> {
    Ok(Json(SessionView::new(app.control.auth.identify(&headers).await?, &app)))
}

/// Signs a browser out.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204, description = "signed out")))]
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.control.auth.sign_out(&headers);
    (StatusCode::NO_CONTENT, [(SET_COOKIE, expired_cookie())]).into_response()
}
