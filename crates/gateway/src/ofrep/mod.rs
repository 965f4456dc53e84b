//! OpenFeature's remote evaluation, single and bulk. Reads contexts, writes results and faults; knows nothing of prompts being
//! rendered for calls or of providers.

mod cors;
mod evaluate;
mod fault;
mod input;
mod value;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use serinus_domain::digest::{Digest, canonical_json};

pub(crate) use cors::cors;

use crate::{
    gateway::Gateway,
    ofrep::{
        evaluate::{Scope, evaluate_all, evaluate_one},
        fault::Fault,
        input::read_context,
    },
    session::Saved,
};

/// One flag or feature. A feature is pinned, and its unit enrolled, before it is answered.
pub(crate) async fn single(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let keyed = |fault: Fault| fault.of(&key);
    let _permit = gateway.enter().ok_or_else(Fault::overloaded).map_err(keyed)?;
    let asker = read_context(&gateway, request).await.map_err(keyed)?;
    gateway.counters.evaluations.one();
    // INVARIANT(one-snapshot): loaded once for the evaluation.
    let head = gateway.live.load();
    let scope = Scope { gateway: &gateway, head: &head, asker: &asker };
    let (item, saved) = evaluate_one(&scope, &key).await.map_err(keyed)?;
    let mut response = json_response(StatusCode::OK, &item);
    if saved == Saved::InMemory {
        response.headers_mut().insert("x-serinus-warning", HeaderValue::from_static("pin-not-durable"));
    }
    Ok(response)
}

/// All flags and features. Respects pins and makes none: a prefetch is no exposure.
pub(crate) async fn bulk(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, Fault> {
    let _permit = gateway.enter().ok_or_else(Fault::overloaded)?;
    let asked_before = request.headers().get(header::IF_NONE_MATCH).cloned();
    let asker = read_context(&gateway, request).await?;
    // INVARIANT(one-snapshot): loaded once for all of them.
    let head = gateway.live.load();
    let flags = evaluate_all(&Scope { gateway: &gateway, head: &head, asker: &asker }).await;
    gateway.counters.evaluations.add(flags.len() as u64);
    // Of the results and nothing else: an attribute that changes must change it, another flag's revision must not.
    let etag = format!("\"{}\"", &Digest::of(&canonical_json(&flags)).to_string()[..32]);
    let mut response = if asked_before.is_some_and(|tags| matches(&tags, &etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let metadata =
            json!({"flagSetId": gateway.environment.as_str(), "version": head.compiled.revision.to_string()});
        json_response(StatusCode::OK, &json!({"flags": flags, "metadata": metadata}))
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// Whether `If-None-Match` names this tag: alone, in a list, weakly, or by a star.
fn matches(tags: &HeaderValue, etag: &str) -> bool {
    let Ok(tags) = tags.to_str() else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, headers, Body::from(body.to_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_in_all_forms() {
        for (tags, met) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(matches(&HeaderValue::from_static(tags), "\"a\""), met, "{tags}");
        }
    }
}
