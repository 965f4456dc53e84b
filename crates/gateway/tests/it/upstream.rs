//! A provider that does as it is told, by the model that is asked for. Knows nothing of the gateway.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    task::JoinSet,
};

/// What a model does.
#[derive(Clone)]
pub enum Script {
    /// Answers after a while.
    Answer { wait_ms: u64 },
    /// Answers once the gate is closed for good: what is asserted before that happened while nobody had an answer.
    Held(Arc<Semaphore>),
    /// Fails with this status and body.
    Fail(u16, &'static str),
    /// Streams two frames and breaks off.
    Cut,
    /// Streams one frame, then waits to be let go.
    Stepped(Arc<Notify>),
    /// Streams one frame, or nothing, and never ends.
    Hang,
}

#[derive(Default)]
pub struct Seen {
    pub requests: Mutex<Vec<(HeaderMap, Value)>>,
    scripts: Mutex<HashMap<String, Script>>,
    /// Calls whose client went away.
    pub dropped: AtomicUsize,
}

pub struct Upstream {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    _server: JoinSet<()>,
}

/// Counts the call as dropped unless it came to its end.
struct Call {
    seen: Arc<Seen>,
    ended: bool,
}

impl Call {
    fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.seen.dropped.fetch_add(usize::from(!self.ended), Ordering::SeqCst);
    }
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let app = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&seen));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, seen, _server: server }
    }

    pub fn script(&self, model: &str, script: Script) {
        self.seen.scripts.lock().unwrap().insert(model.into(), script);
    }

    pub fn models(&self) -> Vec<String> {
        let requests = self.seen.requests.lock().unwrap();
        requests.iter().map(|(_, body)| body["model"].as_str().unwrap().to_owned()).collect()
    }

    pub fn last(&self) -> Value {
        self.seen.requests.lock().unwrap().last().unwrap().1.clone()
    }
}

/// The whole answer of a model, byte for byte.
pub fn whole(model: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-{model}", "object":"chat.completion","model":"{model}-2026","x_unknown":[1.50],"choices":[{{"index":0,"message":{{"role":"assistant","content":"from {model}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"prompt_tokens_details":{{"cached_tokens":40}}}},"system_fingerprint":"fp-1"}}"#
    )
}

/// The frames of a model's stream as the client is to get them when it did not ask for usage.
pub fn frames(model: &str) -> Vec<String> {
    let frame = |choice: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-{model}\",\"object\":\"chat.completion.chunk\",\"choices\":[{choice}]}}\n\n"
        )
    };
    vec![
        frame(r#"{"index":0,"delta":{"role":"assistant","content":"from "}}"#),
        frame(&format!(r#"{{"index":0,"delta":{{"content":"{model}"}}}}"#)),
        frame(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#),
        "data: [DONE]\n\n".into(),
    ]
}

async fn complete(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (model, streamed) = (body["model"].as_str().unwrap().to_owned(), body["stream"] == json!(true));
    seen.requests.lock().unwrap().push((headers, body));
    let script = seen.scripts.lock().unwrap().get(&model).cloned().unwrap_or(Script::Answer { wait_ms: 0 });
    let mut call = Call { seen, ended: false };
    match script {
        Script::Fail(status, text) => {
            call.end();
            (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], text)
                .into_response()
        }
        Script::Answer { wait_ms } => {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            call.end();
            if streamed {
                let mut all = frames(&model);
                let usage =
                    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}\n\n";
                all.insert(all.len() - 1, usage.into());
                return event_stream(stream::iter(all).map(Ok::<_, Infallible>));
            }
            ([(header::CONTENT_TYPE, "application/json")], whole(&model)).into_response()
        }
        Script::Held(gate) => {
            // A permit is never given: acquiring ends when the gate is closed.
            let _ = gate.acquire().await;
            call.end();
            ([(header::CONTENT_TYPE, "application/json")], whole(&model)).into_response()
        }
        Script::Cut => {
            call.end();
            let two = stream::iter(frames(&model).into_iter().take(2).map(Ok));
            // What is written must have left before the connection is torn down.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            event_stream(two.chain(cut))
        }
        Script::Stepped(go) => {
            let rest = stream::once(async move {
                go.notified().await;
                call.end();
                frames(&model).split_off(1).concat()
            });
            event_stream(
                stream::iter(frames("stepped").into_iter().take(1)).chain(rest).map(Ok::<_, Infallible>),
            )
        }
        Script::Hang if streamed => {
            let never = stream::once(async move {
                let _call = call;
                std::future::pending::<String>().await
            });
            event_stream(
                stream::iter(frames(&model).into_iter().take(1)).chain(never).map(Ok::<_, Infallible>),
            )
        }
        Script::Hang => {
            let _call = call;
            std::future::pending().await
        }
    }
}

fn event_stream<E: Into<axum::BoxError> + 'static>(
    frames: impl futures::Stream<Item = Result<String, E>> + Send + 'static,
) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response()
}
