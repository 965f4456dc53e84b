//! Cross-origin evaluation: which browsers may read results, and what they may send. Knows nothing of what is evaluated.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::gateway::Gateway;

/// By name, because a star does not cover `authorization`.
const HEADERS_SENT: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-none-match, x-api-key");
const HEADERS_READ: HeaderValue = HeaderValue::from_static("ETag, Retry-After");
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Answers preflights and marks what configured origins may read.
pub(crate) async fn cors(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let origin =
        request.headers().get(header::ORIGIN).filter(|origin| gateway.origins.contains(origin)).cloned();
    if request.method() == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            allow(headers, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS_SENT);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
        }
        return response;
    }
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        allow(response.headers_mut(), origin);
        response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HEADERS_READ);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    // A cache must not hand one origin's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
