//! Cross-origin evaluation: which browsers may read results, and what they may send. Knows nothing of what is evaluated.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::gateway::Gateway;

/// By name, because a star does not cover `authorization`.
const HEADERS_SENT: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-none-match, x-api-key, last-event-id");
const HEADERS_READ: HeaderValue = HeaderValue::from_static("ETag, Retry-After");
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET");
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// The origin that asks, if it is one of those that may.
pub(crate) fn origin(gateway: &Gateway, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    gateway.origins.contains(origin).then(|| origin.clone())
}

/// Answers what a browser asks before it calls.
pub(crate) fn preflight(allowed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS_SENT);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    }
    response
}

/// Lets an origin read a response, refusals included: a browser that cannot see a 401 takes it for a broken network.
pub(crate) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HEADERS_READ);
    // A cache must not hand one origin's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
