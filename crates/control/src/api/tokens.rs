//! Tokens: making, listing and revoking them. A secret is shown once, where it is made, and never kept.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    limits::KEY_BYTES_MAX,
    units::{Millis, Timestamp},
};
use serinus_store::{Token, Tokens};
use utoipa::ToSchema;

use crate::{
    auth::{HOME, Scope, mint},
    error::ApiError,
    extract::{Administrator, Body},
    state::App,
};

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What it is for; revisions name their author by it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The environment that it is bound to; `production` where not given.
    #[serde(default)]
    pub environment: Option<String>,
    /// How long it lasts; for ever where not given.
    #[serde(default)]
    pub expires_in_ms: Option<u64>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub struct TokenMade {
    /// Its public id.
    pub id: String,
    /// What its owner sends. Shown this once.
    pub secret: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// Makes a token. The first one ends the open access from this machine.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = TokenBody,
    responses((status = 201, body = TokenMade)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Body(body): Body<TokenBody>,
) -> Result<Response, ApiError> {
    if body.name.trim().is_empty() || body.name.len() > KEY_BYTES_MAX {
        return Err(invalid(format!("token name: use 1 to {KEY_BYTES_MAX} bytes")));
    }
    if body.scopes.is_empty() {
        return Err(invalid(format!("token \"{}\" may do nothing: give it a scope", body.name)));
    }
    let known = app.control.environments.keys();
    if let Some(environment) = body.environment.as_ref().filter(|key| !known.contains(key)) {
        return Err(invalid(format!(
            "environment \"{environment}\" does not exist: there are {}",
            known.join(", ")
        )));
    }
    let mut scopes = body.scopes;
    scopes.sort();
    scopes.dedup();
    // 64 bits tell tokens apart; the 256 of the secret keep them.
    let id = format!("{:016x}", app.random() as u64);
    let minted = mint(&id, [app.random(), app.random()]);
    let token = Token {
        id: id.clone(),
        hash: minted.hash,
        name: body.name,
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: app.now(),
        revoked_at: None,
        person: None,
        environment: body.environment,
        expires_at: body
            .expires_in_ms
            .map(|span| Timestamp(app.now().0.saturating_add(Millis(span).as_micros()))),
    };
    Tokens::put(app.control.auth.home(), &token).await?;
    app.control.auth.forget();
    tracing::info!(token.id = id, "made token {id} for {}", who.actor);
    Ok((StatusCode::CREATED, Json(TokenMade { id, secret: minted.text, scopes })).into_response())
}

fn invalid(detail: String) -> ApiError {
    ApiError::request(StatusCode::UNPROCESSABLE_ENTITY, "token.invalid", detail)
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its public id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<i64>)]
    pub revoked_at: Option<Timestamp>,
    /// Of a person's link: whose.
    pub person: Option<String>,
    /// The environment that it is bound to; a person's is bound to none.
    pub environment: Option<String>,
    /// When it ends by itself.
    #[schema(value_type = Option<i64>)]
    pub expires_at: Option<Timestamp>,
}

/// Every token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    /// Revoked ones included.
    pub tokens: Vec<TokenView>,
}

/// Lists every token, without secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = TokenList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<TokenList>, ApiError> {
    let view = |token: Token| {
        let Token { id, name, scopes, created_at, revoked_at, person, environment, expires_at, hash: _ } =
            token;
        let environment = environment.or_else(|| person.is_none().then(|| HOME.to_owned()));
        TokenView { id, name, scopes, created_at, revoked_at, person, environment, expires_at }
    };
    Ok(Json(TokenList {
        tokens: Tokens::all(app.control.auth.home()).await?.into_iter().map(view).collect(),
    }))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204, description = "revoked")))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if !Tokens::revoke(app.control.auth.home(), &id, app.now()).await? {
        let id: String = id.chars().take(80).collect();
        return Err(ApiError::unknown(
            "token.unknown",
            format!("token \"{id}\" does not exist: see `serinus token list`"),
        ));
    }
    app.control.auth.forget();
    tracing::info!(token.id = id, "token {id} revoked by {}", who.actor);
    Ok(StatusCode::NO_CONTENT)
}
