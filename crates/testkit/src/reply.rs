//! What a scripted provider answers, and how that looks on the wire: whole, streamed, late, broken. Knows nothing of who asks.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Response, StatusCode, header},
};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::sleep;

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    text: String,
    status: u16,
    first_after: Duration,
    between: Duration,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    /// Nothing comes, and the connection stays open.
    Hang,
    /// The connection breaks after so many words.
    Cut(usize),
}

impl Reply {
    /// This text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            status: 200,
            first_after: Duration::ZERO,
            between: Duration::ZERO,
            end: End::Done,
        }
    }

    /// This HTTP status with an error body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::text("scripted failure") }
    }

    /// The same with another text; of a failure, its message.
    #[must_use]
    pub fn saying(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    /// A judge's verdict.
    pub fn score(score: f64) -> Self {
        Self::text(json!({"score": score, "reason": "scripted"}).to_string())
    }

    /// Nothing, for ever.
    pub fn hang() -> Self {
        Self { end: End::Hang, ..Self::text("") }
    }

    /// The same, its first byte so much later.
    #[must_use]
    pub fn after(self, first_after: Duration) -> Self {
        Self { first_after, ..self }
    }

    /// The same; a stream waits so long before each further word.
    #[must_use]
    pub fn paced(self, between: Duration) -> Self {
        Self { between, ..self }
    }

    /// The same, but a stream breaks after so many words.
    #[must_use]
    pub fn cut_after(self, words: usize) -> Self {
        Self { end: End::Cut(words), ..self }
    }

    /// Plays the answer to a request for `model`.
    pub(crate) async fn play(self, id: &str, model: &str, request: &Value) -> Response<Body> {
        sleep(self.first_after).await;
        if self.end == End::Hang {
            std::future::pending::<Infallible>().await;
        }
        if self.status != 200 {
            let error =
                json!({"message": self.text, "type": "server_error", "param": null, "code": "scripted"});
            return response(
                self.status,
                "application/json",
                Body::from(json!({"error": error}).to_string()),
            );
        }
        let usage = usage(request, &self.text);
        if request["stream"] == true {
            let wants_usage = request["stream_options"]["include_usage"] == true;
            let frames = frames(id, model, &self.text, wants_usage.then_some(&usage));
            return response(200, "text/event-stream", Body::from_stream(self.paced_frames(frames)));
        }
        let message = json!({"role": "assistant", "content": self.text, "refusal": null});
        let whole = json!({
            "id": id, "object": "chat.completion", "created": 1_700_000_000, "model": model, "usage": usage,
            "system_fingerprint": "fp_scripted",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
        });
        response(200, "application/json", Body::from(whole.to_string()))
    }

    fn paced_frames(self, frames: Vec<String>) -> impl Stream<Item = io::Result<Bytes>> {
        let broken = io::Error::new(io::ErrorKind::ConnectionAborted, "scripted cut");
        let (kept, cut) = match self.end {
            // The first frame names the role.
            End::Cut(words) => (words + 1, Some(Err(broken))),
            End::Done | End::Hang => (frames.len(), None),
        };
        let whole = frames.into_iter().take(kept).map(|frame| Ok(Bytes::from(frame)));
        let between = self.between;
        stream::iter(whole.chain(cut)).enumerate().then(move |(at, frame)| async move {
            if at > 1 {
                sleep(between).await;
            }
            frame
        })
    }
}

fn response(status: u16, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
    response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a content type"));
    response
}

/// The frames of a stream, a word each.
fn frames(id: &str, model: &str, text: &str, usage: Option<&Value>) -> Vec<String> {
    let frame = |choices: Value, usage: Option<&Value>| {
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
            "system_fingerprint": "fp_scripted", "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>| {
        frame(
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
            usage.map(|_| &Value::Null),
        )
    };
    let words = text.split_inclusive(' ').map(|word| delta(json!({"content": word}), None));
    let mut frames = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    frames.extend(words);
    frames.push(delta(json!({}), Some("stop")));
    frames.extend(usage.map(|usage| frame(json!([]), Some(usage))));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

/// A token is a word here.
fn usage(request: &Value, text: &str) -> Value {
    let words = |text: &str| text.split_whitespace().count();
    let messages = request["messages"].as_array().into_iter().flatten();
    let prompt: usize = messages.filter_map(|message| message["content"].as_str()).map(words).sum();
    json!({"prompt_tokens": prompt, "completion_tokens": words(text), "total_tokens": prompt + words(text)})
}
