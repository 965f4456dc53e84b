//! How a provider call fails, as one stable code each. Knows nothing of fallbacks; shows no keys, prompts or answers.

use http::HeaderMap;

use crate::providers::ProviderKey;
use crate::wire::ErrorObject;

/// A logical call failed before anything of it could be forwarded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("provider \"{provider}\": {kind} (attempt {attempts}, after {} ms)", waited_us / 1000)]
pub struct ProviderError {
    pub provider: ProviderKey,
    pub kind: ErrorKind,
    pub attempts: u32,
    /// What the caller waited, over all attempts.
    pub waited_us: u64,
}

/// The texts name no upstream message, since providers echo prompts in theirs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ErrorKind {
    #[error("cannot connect; check its base URL and the network")]
    Connect,
    #[error("no first token in time; raise the first-token timeout or check the provider's load")]
    FirstTokenTimeout,
    #[error("the answer stalled; raise the idle timeout or check the provider's load")]
    IdleTimeout,
    #[error("not finished in time; raise the total timeout or ask for fewer tokens")]
    TotalTimeout,
    #[error("answered status {}; the provider's message is in the interaction", .0.status)]
    Status(Box<StatusFailure>),
    #[error("reported an error inside a successful answer; the provider's message is in the interaction")]
    UpstreamError(Box<ErrorObject>),
    #[error("closed the connection before the answer was complete; retry, or check proxies between")]
    CutShort,
    #[error("sent an unreadable answer: {0}; check that its base URL speaks chat completions")]
    Malformed(&'static str),
    #[error("sent more than the answer limit; ask for fewer tokens")]
    TooLarge,
    #[error("the client went away")]
    Cancelled,
}

/// An answer with a status other than 2xx.
#[derive(Clone, Debug)]
pub struct StatusFailure {
    pub status: u16,
    /// Holds the provider's message, or the first 2 KiB of a body that is not JSON.
    pub error: ErrorObject,
    pub retry_after_us: Option<u64>,
    /// The provider's own word on whether to try again.
    pub should_retry: Option<bool>,
    pub headers: HeaderMap,
}

impl ErrorKind {
    /// Stable: recorded with interactions and shown in APIs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect => "connect_failed",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Status(_) => "upstream_status",
            Self::UpstreamError(_) => "upstream_error",
            Self::CutShort => "cut_short",
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the provider (or the way to it) failed, as against the request, the client or a quota.
    #[must_use]
    pub fn is_transport_or_5xx(&self) -> bool {
        match self {
            Self::Connect
            | Self::FirstTokenTimeout
            | Self::IdleTimeout
            | Self::TotalTimeout
            | Self::UpstreamError(_)
            | Self::CutShort
            | Self::Malformed(_) => true,
            Self::Status(failure) => failure.status == 408 || failure.status >= 500,
            Self::TooLarge | Self::Cancelled => false,
        }
    }

    /// Whether the same request may fare better at once or soon. Timeouts are not tried again: they have used up what
    /// the caller was ready to wait.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Connect | Self::CutShort => true,
            Self::Status(failure) => {
                let by_status = matches!(failure.status, 408 | 429 | 500 | 502 | 503 | 504);
                failure.should_retry.unwrap_or(by_status)
            }
            _ => false,
        }
    }

    pub(crate) fn redact(&mut self, secret: &str) {
        match self {
            Self::Status(failure) => failure.error.redact(secret),
            Self::UpstreamError(error) => error.redact(secret),
            _ => {}
        }
    }
}

impl ProviderError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    #[must_use]
    pub fn is_transport_or_5xx(&self) -> bool {
        self.kind.is_transport_or_5xx()
    }
}

/// A provider cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(
        "provider \"{provider}\": base URL is not usable: {reason}; give one such as https://api.openai.com/v1"
    )]
    BaseUrl { provider: ProviderKey, reason: String },
    #[error("provider \"{0}\": the API key holds characters that a header cannot carry; paste it again")]
    ApiKey(ProviderKey),
    #[error(
        "provider \"{provider}\": HTTP client cannot start: {reason}; check the system's TLS certificates"
    )]
    Client { provider: ProviderKey, reason: String },
}
