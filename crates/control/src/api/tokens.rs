//! Tokens: making, listing and revoking them. A secret is shown once, where it is made, and never kept.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{limits::KEY_BYTES_MAX, units::Timestamp};
use serinus_store::{Token, Tokens};
use utoipa::ToSchema;

use crate::{
    auth::{Scope, mint},
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
    };
    Tokens::put(app.store(), &token).await?;
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
        let Token { id, name, scopes, created_at, revoked_at, hash: _ } = token;
        TokenView { id, name, scopes, created_at, revoked_at }
    };
    Ok(Json(TokenList { tokens: Tokens::all(app.store()).await?.into_iter().map(view).collect() }))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204, description = "revoked")))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if !Tokens::revoke(app.store(), &id, app.now()).await? {
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
