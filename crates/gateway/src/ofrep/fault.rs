//! Why an evaluation has no result, in OFREP's shape, and the one place where that becomes a response.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::ofrep::json_response;

/// An evaluation without a result.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    code: &'static str,
    details: String,
    key: Option<String>,
}

impl Fault {
    fn new(status: StatusCode, code: &'static str, details: impl Into<String>) -> Self {
        Self { status, code, details: details.into(), key: None }
    }

    pub(crate) fn parse(details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PARSE_ERROR", details)
    }

    pub(crate) fn invalid_context(details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_CONTEXT", details)
    }

    pub(crate) fn targeting_key_missing(key: &str) -> Self {
        let details =
            format!("\"{key}\" is split over targetingKey: send the session in context.targetingKey");
        Self::new(StatusCode::BAD_REQUEST, "TARGETING_KEY_MISSING", details)
    }

    /// A flag that does not compile; the client's default stands.
    pub(crate) fn broken(key: &str, reason: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "GENERAL", format!("flag \"{key}\": {reason}"))
    }

    pub(crate) fn not_found(key: &str) -> Self {
        let key: String = key.chars().take(80).collect();
        let details = format!("flag \"{key}\" does not exist: create it, or correct the key");
        Self::new(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", details)
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let details = format!("context is larger than {bytes_max} bytes: send fewer attributes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "GENERAL", details)
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "GENERAL",
            "too many requests are in work: try again in a second",
        )
    }

    /// A state that this node has not reached yet.
    pub(crate) fn behind(details: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "GENERAL", details)
    }

    pub(crate) fn forbidden(details: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "GENERAL", details)
    }

    /// By whoever checks who may ask.
    pub(crate) fn refused(status: StatusCode, details: &str) -> Self {
        Self::new(status, "GENERAL", details)
    }

    pub(crate) fn no_such_path() -> Self {
        let details = "no such path: use /ofrep/v1/evaluate/flags, with a key or without";
        Self::new(StatusCode::NOT_FOUND, "GENERAL", details)
    }

    pub(crate) fn method(allowed: &Method) -> Self {
        let details = format!("this path takes {allowed}: send that");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "GENERAL", details)
    }

    pub(crate) fn internal(details: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "GENERAL", details)
    }

    /// Says which flag it was about.
    #[must_use]
    pub(crate) fn of(mut self, key: &str) -> Self {
        self.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// As an item of a bulk answer, or the whole body of another.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut item = json!({"errorCode": self.code, "errorDetails": self.details});
        if let Some(key) = &self.key {
            item["key"] = Value::from(key.as_str());
        }
        out.extend_from_slice(item.to_string().as_bytes());
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = Vec::new();
        self.write(&mut body);
        let mut response = json_response(self.status, body);
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            // Whole seconds: the one form that all clients read.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
