//! Why a request to the LLM surfaces is not answered, and the one place where that becomes a response in OpenAI's error shape.
//! Knows nothing of OFREP, whose errors look otherwise.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serinus_domain::{context::InvalidContext, render::RenderError};
use serinus_llm::{ErrorBody, ErrorKind, ErrorObject, ProviderError};

use crate::body::Unread;

/// A request that is not answered.
#[derive(Debug)]
pub(crate) struct Refused(Box<Reply>);

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    error: ErrorObject,
    headers: HeaderMap,
}

const CALLER: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl Refused {
    fn new(status: StatusCode, kind: &str, code: &str, message: impl Into<String>) -> Self {
        let error = ErrorObject::new(message, kind, code);
        Self(Box::new(Reply { status, error, headers: HeaderMap::new() }))
    }

    fn at(mut self, param: &str) -> Self {
        self.0.error.param = Some(param.to_owned());
        self
    }

    /// A member of the body that is not what it must be.
    pub(crate) fn member(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, CALLER, code, message).at(param)
    }

    pub(crate) fn invalid_json(reason: &serde_json::Error) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            CALLER,
            "invalid_json",
            format!("body is not JSON: {reason}; send a JSON object"),
        )
    }

    pub(crate) fn invalid_body() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            CALLER,
            "invalid_type",
            "body is not an object: send a JSON object",
        )
    }

    pub(crate) fn unread(unread: Unread, bytes_max: usize) -> Self {
        match unread {
            Unread::Incomplete => {
                let text = "body ended early: send all of it";
                Self::new(StatusCode::BAD_REQUEST, CALLER, "body_incomplete", text)
            }
            Unread::TooLarge => {
                let text = format!("body is larger than {bytes_max} bytes: send less");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, CALLER, "request_too_large", text)
            }
        }
    }

    pub(crate) fn context(refused: &InvalidContext) -> Self {
        Self::member("serinus", "invalid_context", refused.to_string())
    }

    pub(crate) fn header(name: &str, reason: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, CALLER, "invalid_header", format!("header {name}: {reason}"))
    }

    /// Names what there is, so that a slip of the pen is found at once.
    pub(crate) fn feature_not_found<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Self {
        const NAMED_MAX: usize = 20;
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        let more = known.len().saturating_sub(NAMED_MAX);
        let names = known[..known.len() - more].join(", ");
        let asked: String = asked.chars().take(80).collect();
        let text = match (known.len(), more) {
            (0, _) => format!(
                "feature \"{asked}\" does not exist, and no other does: create one, then name it as the model"
            ),
            (_, 0) => format!("feature \"{asked}\" does not exist: name one of {names} as the model"),
            _ => format!(
                "feature \"{asked}\" does not exist: name one of {names} (and {more} more) as the model"
            ),
        };
        Self::new(StatusCode::NOT_FOUND, CALLER, "feature_not_found", text).at("model")
    }

    pub(crate) fn feature_killed(feature: &str) -> Self {
        let text =
            format!("feature \"{feature}\" is turned off and declares no answer: show your own fallback");
        // An SDK that tries again would only be told the same.
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "feature_killed", text)
            .with_header("x-should-retry", HeaderValue::from_static("false"))
    }

    pub(crate) fn overloaded() -> Self {
        let text = "too many requests are in work on this node: try again in a second";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "overloaded", text)
            .with_header("retry-after", HeaderValue::from_static("1"))
    }

    pub(crate) fn provider_unknown(provider: &str) -> Self {
        let text =
            format!("provider \"{provider}\" is not configured on this node: give it a base URL and a key");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, "provider_not_configured", text)
    }

    /// Our own fault.
    pub(crate) fn internal(what: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            SERVER,
            "internal",
            format!("{what}: this is a defect of serinus"),
        )
    }

    pub(crate) fn render(refused: &RenderError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, CALLER, refused.code(), refused.to_string())
    }

    /// A call that its provider failed. What the provider said of the request is passed on as it said it.
    pub(crate) fn provider(failed: &ProviderError) -> Self {
        let own = |status| Self::new(status, "upstream_error", failed.code(), failed.to_string());
        match &failed.kind {
            ErrorKind::Status(failure) => {
                let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_GATEWAY);
                // It is our key that was refused, not the caller's: 401 would send them looking in the wrong place, and
                // providers quote parts of the key.
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    let text = format!(
                        "provider \"{}\" refuses this gateway's key (status {}): check the key in the configuration",
                        failed.provider,
                        status.as_u16()
                    );
                    return Self::new(
                        StatusCode::BAD_GATEWAY,
                        "upstream_error",
                        "provider_key_refused",
                        text,
                    );
                }
                let usable = status.is_client_error() || status.is_server_error();
                let status = if usable { status } else { StatusCode::BAD_GATEWAY };
                Self(Box::new(Reply {
                    status,
                    error: failure.error.clone(),
                    headers: failure.headers.clone(),
                }))
            }
            ErrorKind::UpstreamError(error) => {
                let (status, headers) = (StatusCode::BAD_GATEWAY, HeaderMap::new());
                Self(Box::new(Reply { status, error: error.as_ref().clone(), headers }))
            }
            ErrorKind::FirstTokenTimeout | ErrorKind::IdleTimeout | ErrorKind::TotalTimeout => {
                own(StatusCode::GATEWAY_TIMEOUT)
            }
            _ => own(StatusCode::BAD_GATEWAY),
        }
    }

    fn with_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Adds what the response says of the decision.
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Reply { status, error, headers } = *self.0;
        let mut response = Response::new(Body::from(ErrorBody { error }.to_value().to_string()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
