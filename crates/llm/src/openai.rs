//! Client for any server that speaks OpenAI chat completions. Knows nothing of bundles or fallbacks, and nothing of
//! what a request says: its body comes in as bytes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Url};

use crate::alarm::Alarm;
use crate::answer::{ANSWER_BYTES_MAX, Answer, read_body};
use crate::error::{ErrorKind, ProviderError, SetupError, StatusFailure};
use crate::observe::{Unreadable, read_answer};
use crate::providers::{ApiKey, ProviderKey};
use crate::retry::{Jitter, Retry, retry_after_us, should_retry};
use crate::stream::{AnswerStream, Limits, Opened};
use crate::timer::Timer;
use crate::wire::{ErrorObject, forwardable_headers};

/// Most of an error answer that is read; providers' own are under 1 KiB.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Shorter than the idle limits of common load balancers (60 s), so that they seldom close on a request of ours.
const POOL_IDLE_MAX: Duration = Duration::from_secs(50);
const POOL_IDLE_PER_HOST_MAX: usize = 256;
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

pub struct ProviderConfig {
    pub key: ProviderKey,
    pub base_url: String,
    /// `None` for servers that ask for none.
    pub api_key: Option<ApiKey>,
    /// Virtual time. A property of the provider, since connections are shared by calls.
    pub connect_timeout: Duration,
}

/// Virtual time, for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of an attempt to the first content of a stream. Whole answers come at once: theirs is `total`.
    pub first_token: Duration,
    /// Between two pieces, once an answer has begun.
    pub idle: Duration,
    /// For the logical call: all attempts, the waits between them and the whole answer.
    pub total: Duration,
}

impl Default for Timeouts {
    /// The total is that of the official SDKs.
    fn default() -> Self {
        Self {
            first_token: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

/// One logical call.
#[derive(Clone)]
pub struct ProviderCall {
    /// The request, as sent.
    pub body: Bytes,
    /// Added to those of the client.
    pub headers: HeaderMap,
    pub timeouts: Timeouts,
    /// At least one is made.
    pub attempts_max: u32,
    /// Streams only: keep the usage frame and members that the client asked for itself.
    pub client_wants_usage: bool,
}

pub struct OpenAiCompatible {
    key: ProviderKey,
    url: Url,
    headers: HeaderMap,
    api_key: Option<ApiKey>,
    http: Client,
    timer: Arc<dyn Timer>,
    jitter: Jitter,
}

impl fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiCompatible")
            .field("key", &self.key)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl OpenAiCompatible {
    /// # Errors
    /// When the base URL, the key or the system's TLS set-up cannot be used.
    pub fn new(config: ProviderConfig, timer: Arc<dyn Timer>, jitter: Jitter) -> Result<Self, SetupError> {
        let ProviderConfig { key, base_url, api_key, connect_timeout } = config;
        let url = completions_url(&base_url)
            .map_err(|reason| SetupError::BaseUrl { provider: key.clone(), reason })?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("serinus/", env!("CARGO_PKG_VERSION"))));
        if let Some(api_key) = &api_key {
            let bearer = api_key.bearer().ok_or_else(|| SetupError::ApiKey(key.clone()))?;
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = Client::builder()
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .connect_timeout(timer.wall_duration(as_us(connect_timeout)))
            .pool_idle_timeout(POOL_IDLE_MAX)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
            .redirect(reqwest::redirect::Policy::none()) // a redirect would carry prompts where nobody configured
            .no_proxy() // the environment is read by the configuration alone
            .build()
            .map_err(|error| SetupError::Client { provider: key.clone(), reason: error.to_string() })?;
        Ok(Self { key, url, headers, api_key, http, timer, jitter })
    }

    #[must_use]
    pub fn key(&self) -> &ProviderKey {
        &self.key
    }

    /// A whole answer. Dropping the future cancels the upstream call.
    ///
    /// # Errors
    /// After the last attempt allowed, or at once if another cannot help.
    pub async fn chat(&self, call: &ProviderCall) -> Result<Answer, ProviderError> {
        let mut retry = self.begin(call);
        loop {
            match self.attempt_whole(call, &retry).await {
                Ok(answer) => return Ok(answer),
                Err(kind) => retry.wait_or_fail(self.redacted(kind)).await?,
            }
        }
    }

    /// A streamed answer, once its first content has arrived: up to there failures are errors, after it they end the
    /// stream. Dropping the future or the stream cancels the upstream call.
    ///
    /// # Errors
    /// After the last attempt allowed, or at once if another cannot help.
    pub async fn chat_stream(&self, call: &ProviderCall) -> Result<AnswerStream, ProviderError> {
        let mut retry = self.begin(call);
        loop {
            match self.attempt_stream(call, &retry).await {
                Ok(stream) => return Ok(stream),
                Err(kind) => retry.wait_or_fail(self.redacted(kind)).await?,
            }
        }
    }

    fn begin(&self, call: &ProviderCall) -> Retry<'_> {
        let started_us = self.timer.now_us();
        Retry {
            provider: &self.key,
            timer: &self.timer,
            jitter: &self.jitter,
            attempts_max: call.attempts_max,
            attempts: 1,
            started_us,
            total_at_us: started_us.saturating_add(as_us(call.timeouts.total)),
        }
    }

    async fn attempt_whole(&self, call: &ProviderCall, retry: &Retry<'_>) -> Result<Answer, ErrorKind> {
        let mut alarm = Alarm::new(Arc::clone(&self.timer));
        let sent = self.send(call, "application/json", &mut alarm, retry.total_at_us).await?;
        let response = sent.ok_or(ErrorKind::TotalTimeout)?;
        let first_byte_us = alarm.now_us().saturating_sub(retry.started_us);
        let (parts, mut body) = http::Response::from(response).into_parts();
        let idle_us = as_us(call.timeouts.idle);
        let body = read_body(&mut body, ANSWER_BYTES_MAX, &mut alarm, idle_us, retry.total_at_us).await?;
        let completion = read_answer(&body)?;
        Ok(Answer {
            body,
            completion,
            status: parts.status.as_u16(),
            headers: forwardable_headers(&parts.headers),
            attempts: retry.attempts,
            first_byte_us,
            total_us: alarm.now_us().saturating_sub(retry.started_us),
        })
    }

    async fn attempt_stream(
        &self,
        call: &ProviderCall,
        retry: &Retry<'_>,
    ) -> Result<AnswerStream, ErrorKind> {
        let mut alarm = Alarm::new(Arc::clone(&self.timer));
        let limits = Limits {
            started_us: retry.started_us,
            first_token_at_us: alarm.now_us().saturating_add(as_us(call.timeouts.first_token)),
            idle_us: as_us(call.timeouts.idle),
            total_at_us: retry.total_at_us,
        };
        let head_at_us = limits.first_token_at_us.min(limits.total_at_us);
        let Some(response) = self.send(call, "text/event-stream", &mut alarm, head_at_us).await? else {
            let first = limits.first_token_at_us < limits.total_at_us;
            return Err(if first { ErrorKind::FirstTokenTimeout } else { ErrorKind::TotalTimeout });
        };
        let (parts, mut body) = http::Response::from(response).into_parts();
        if is_json(&parts.headers) {
            let body =
                read_body(&mut body, ERROR_BODY_BYTES_MAX, &mut alarm, limits.idle_us, head_at_us).await?;
            read_answer(&body)?;
            return Err(ErrorKind::Malformed("a whole answer where a stream was asked for"));
        }
        let opened = Opened {
            body,
            headers: forwardable_headers(&parts.headers),
            attempts: retry.attempts,
            api_key: self.api_key.clone(),
        };
        let mut stream = AnswerStream::new(opened, call.client_wants_usage, alarm, limits);
        stream.peek().await?;
        Ok(stream)
    }

    /// A response with a good status, or `None` when its head did not come in time.
    async fn send(
        &self,
        call: &ProviderCall,
        accept: &'static str,
        alarm: &mut Alarm,
        head_at_us: u64,
    ) -> Result<Option<reqwest::Response>, ErrorKind> {
        let mut request = reqwest::Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.extend(call.headers.clone());
        headers.extend(self.headers.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        *request.body_mut() = Some(call.body.clone().into());
        match alarm.race(head_at_us, self.http.execute(request)).await {
            Err(_) => Ok(None),
            Ok(Err(error)) if error.is_connect() => Err(ErrorKind::Connect),
            Ok(Err(_)) => Err(ErrorKind::CutShort),
            Ok(Ok(response)) if response.status().is_success() => Ok(Some(response)),
            Ok(Ok(response)) => {
                Err(self.read_failure(response, alarm, as_us(call.timeouts.idle), head_at_us).await)
            }
        }
    }

    async fn read_failure(
        &self,
        response: reqwest::Response,
        alarm: &mut Alarm,
        idle_us: u64,
        until_us: u64,
    ) -> ErrorKind {
        let (parts, mut body) = http::Response::from(response).into_parts();
        // The status is the news; a body that cannot be read does not hide it.
        let read = read_body(&mut body, ERROR_BODY_BYTES_MAX, alarm, idle_us, until_us).await;
        ErrorKind::Status(Box::new(StatusFailure {
            status: parts.status.as_u16(),
            error: ErrorObject::from_upstream(&read.unwrap_or_default()),
            retry_after_us: retry_after_us(&parts.headers),
            should_retry: should_retry(&parts.headers),
            headers: forwardable_headers(&parts.headers),
        }))
    }

    fn redacted(&self, mut kind: ErrorKind) -> ErrorKind {
        if let Some(api_key) = &self.api_key {
            kind.redact(api_key.expose());
        }
        kind
    }
}

impl From<Unreadable> for ErrorKind {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Error(error) => Self::UpstreamError(Box::new(error)),
            Unreadable::Malformed(reason) => Self::Malformed(reason),
        }
    }
}

fn completions_url(base_url: &str) -> Result<Url, String> {
    let url = Url::parse(base_url.trim()).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("scheme is {}, not http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials, which belong in the API key".to_owned());
    }
    let mut completions = url;
    completions
        .path_segments_mut()
        .map_err(|()| "it cannot have a path".to_owned())?
        .pop_if_empty()
        .extend(["chat", "completions"]);
    Ok(completions)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn as_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
