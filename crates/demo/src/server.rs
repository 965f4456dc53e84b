//! The replay upstream on HTTP: OpenAI's paths, and `/replay/*` to set faults and the judge while it runs.
//! Knows nothing of how a record is chosen.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::faults::{Damage, FaultRule, Refusal};
use crate::replay::{Miss, Replay, ReplayConfig, Turn};
use crate::stream::{Sending, cut_body, rest_until};
use crate::verdict::JudgeConfig;
use crate::wire::{self, ChatRequest, Envelope, Usage};

struct Upstream {
    replay: Replay,
    ids: AtomicU64,
    /// First part of every id: two runs never share one.
    run: u64,
    models_body: String,
    stop: CancellationToken,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<FaultRule>,
}

/// Serves until `shutdown` resolves, then says what is left of running answers without further waits.
pub async fn serve(
    listener: TcpListener,
    config: ReplayConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let replay = Replay::new(config, std::time::Instant::now())?;
    let stop = CancellationToken::new();
    let now = unix_now();
    let upstream = Upstream {
        models_body: wire::models_body(replay.model_names(), now.as_secs()),
        replay,
        ids: AtomicU64::new(0),
        run: now.as_nanos() as u64,
        stop: stop.clone(),
    };
    let listener = listener.tap_io(|stream| {
        // A refused option costs latency only; the connection is as good without it.
        let _refused = stream.set_nodelay(true);
    });
    let stopping = async move {
        shutdown.await;
        stop.cancel();
    };
    axum::serve(listener, router(upstream)).with_graceful_shutdown(stopping).await?;
    Ok(())
}

fn router(upstream: Upstream) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .route("/health", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        .route("/replay/faults", get(faults).post(set_faults))
        .route("/replay/judge", post(set_judge))
        .fallback(|| async {
            invalid(StatusCode::NOT_FOUND, "no such path, there are /v1/chat/completions and /v1/models")
        })
        .with_state(Arc::new(upstream))
}

async fn complete(State(upstream): State<Arc<Upstream>>, body: Bytes) -> Response {
    let since = Instant::now();
    let request = match ChatRequest::parse(&body) {
        Ok(request) => request,
        Err(error) => return invalid(StatusCode::BAD_REQUEST, &format!("request body: {error}")),
    };
    let Some(message) = request.last_user_text() else {
        return invalid(StatusCode::BAD_REQUEST, "messages: hold no user message with text, send one");
    };
    let turn = match upstream.replay.turn(&request.model, &message, since.into_std()) {
        Ok(turn) => turn,
        Err(miss) => return missed(miss),
    };
    if let Some(hang) = turn.effects.hang {
        rest_until(since + hang, &upstream.stop).await;
    }
    if let Some(refusal) = turn.effects.refusal {
        return refused(refusal);
    }
    let usage = Usage { prompt_tokens: request.prompt_tokens(), completion_tokens: turn.speech.tokens };
    let usage = Some(usage).filter(|_| !turn.effects.usage_missing);
    let envelope = upstream.envelope(&turn);
    let heads = Heads::new(&envelope, &turn);
    let mut response = if request.wants_stream() {
        stream_answer(&upstream, &envelope, turn, request.wants_stream_usage(), usage)
    } else {
        whole_answer(&upstream, &envelope, &turn, usage, since).await
    };
    heads.put(&mut response);
    response
}

async fn whole_answer(
    upstream: &Upstream,
    envelope: &Envelope,
    turn: &Turn,
    usage: Option<Usage>,
    since: Instant,
) -> Response {
    let mut body = envelope.completion(&turn.speech, usage);
    rest_until(since + turn.pace.total(turn.speech.tokens), &upstream.stop).await;
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match turn.effects.damage {
        Some(Damage::Cut) => {
            let length = HeaderValue::from(body.len());
            ([json, (CONTENT_LENGTH, length)], cut_body(body)).into_response()
        }
        Some(Damage::Malformed) => {
            // Everything arrives but the closing brace.
            body.pop();
            ([json], body).into_response()
        }
        Some(Damage::Empty) | None => ([json], body).into_response(),
    }
}

fn stream_answer(
    upstream: &Upstream,
    envelope: &Envelope,
    turn: Turn,
    usage_asked: bool,
    usage: Option<Usage>,
) -> Response {
    let sending = Sending {
        frames: envelope.frames(usage_asked, usage),
        speech: turn.speech,
        pace: turn.pace,
        rng: turn.rng,
        damage: turn.effects.damage,
        stop: upstream.stop.clone(),
    };
    let event_stream = (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    ([event_stream], sending.into_body(Instant::now())).into_response()
}

impl Upstream {
    fn envelope(&self, turn: &Turn) -> Envelope {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(40);
        // Writing to a string does not fail.
        let _written = write!(id, "chatcmpl-{:016x}{number:013x}", self.run);
        Envelope {
            id,
            created_s: unix_now().as_secs(),
            fingerprint: format!("fp_{:010x}", fingerprint(&turn.model)),
            model: turn.model.clone(),
        }
    }
}

/// The headers a test joins on: which record answered, how it was found, and the times that were meant.
struct Heads([(&'static str, String); 5]);

impl Heads {
    fn new(envelope: &Envelope, turn: &Turn) -> Self {
        let total = turn.pace.total(turn.speech.tokens);
        Self([
            ("x-request-id", envelope.id.clone()),
            ("x-replay-id", turn.replay_id.clone()),
            ("x-replay-match", turn.match_name.to_owned()),
            ("x-replay-ttft-us", turn.pace.first_token.as_micros().to_string()),
            ("x-replay-total-us", total.as_micros().to_string()),
        ])
    }

    fn put(self, response: &mut Response) {
        for (name, value) in self.0 {
            // Only a corpus with control characters in its names could make an invalid value.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

async fn models(State(upstream): State<Arc<Upstream>>) -> Response {
    json_response(StatusCode::OK, upstream.models_body.clone())
}

async fn faults(State(upstream): State<Arc<Upstream>>) -> Json<Faults> {
    Json(Faults { faults: upstream.replay.faults() })
}

async fn set_faults(State(upstream): State<Arc<Upstream>>, body: Bytes) -> Response {
    let wanted: Faults = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return invalid(StatusCode::BAD_REQUEST, &format!("faults: {error}")),
    };
    match upstream.replay.set_faults(wanted.faults, std::time::Instant::now()) {
        Ok(()) => Json(Faults { faults: upstream.replay.faults() }).into_response(),
        Err(objection) => invalid(StatusCode::BAD_REQUEST, &objection),
    }
}

async fn set_judge(State(upstream): State<Arc<Upstream>>, body: Bytes) -> Response {
    let wanted: JudgeConfig = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return invalid(StatusCode::BAD_REQUEST, &format!("judge: {error}")),
    };
    match upstream.replay.set_judge(wanted.clone()) {
        Ok(()) => Json(wanted).into_response(),
        Err(objection) => invalid(StatusCode::BAD_REQUEST, &objection),
    }
}

fn refused(refusal: Refusal) -> Response {
    let (status, kind, code, message) = match refusal {
        Refusal::RateLimited { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "requests",
            Some("rate_limit_exceeded"),
            "Rate limit reached for requests",
        ),
        Refusal::ServerError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            None,
            "The server had an error while processing your request",
        ),
        Refusal::Loading => (StatusCode::SERVICE_UNAVAILABLE, "unavailable_error", None, "Loading model"),
    };
    let mut response = json_response(status, wire::error_body(message, kind, code));
    if let Refusal::RateLimited { retry_after_s } = refusal {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
    }
    response
}

fn missed(miss: Miss) -> Response {
    let (message, code) = match miss {
        Miss::Model(model) => {
            (format!("model {model:?}: does not exist here, see /v1/models"), "model_not_found")
        }
        Miss::Prompt => {
            ("last user message: holds no recorded prompt, ask one of the corpus".to_owned(), "replay_miss")
        }
        Miss::Judged => (
            "judged text: no recorded answer of that question, send question and answer unchanged".to_owned(),
            "replay_miss",
        ),
    };
    json_response(StatusCode::NOT_FOUND, wire::error_body(&message, "invalid_request_error", Some(code)))
}

fn invalid(status: StatusCode, message: &str) -> Response {
    json_response(status, wire::error_body(message, "invalid_request_error", None))
}

fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from(body)).into_response()
}

/// Constant a model, as a provider's fingerprint is a deployment's: silent degradation does not show in it.
fn fingerprint(model: &str) -> u64 {
    // FNV-1a, cut to the ten hex digits that providers send.
    let hash = model.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash & 0xff_ffff_ffff
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
