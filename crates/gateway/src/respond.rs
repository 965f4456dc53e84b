//! Answers to responses: the provider's bytes as they came, our headers beside them. Knows nothing of how an answer was got.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serinus_llm::{Answer, AnswerStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    observe::{Seen, Turn},
    serve::Watch,
    session::Saved,
};

/// What every response says of the decision.
pub(crate) fn decision_headers(turn: &Turn, saved: Saved) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    let mut put = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(HeaderName::from_static(name), value);
        }
    };
    put("x-serinus-interaction", turn.id.as_str());
    put("x-serinus-variant", turn.resolved.variant.as_str());
    put("x-serinus-bundle", &turn.resolved.bundle.id.to_string());
    put("x-serinus-revision", &turn.resolved.head.to_string());
    put("x-serinus-reason", turn.reason);
    if let Some(sent) = &turn.sent {
        put("x-serinus-served-digest", &sent.digest.to_string());
    }
    if turn.session.is_none() {
        put("x-serinus-warning", "no-session");
    }
    if saved == Saved::InMemory {
        put("x-serinus-warning", "pin-not-durable");
    }
    headers
}

/// A whole answer.
pub(crate) fn whole(answer: Answer, decision: HeaderMap) -> Response {
    with_head(Body::from(answer.body), answer.headers, decision, "application/json")
}

/// A declared answer.
pub(crate) fn declared(body: Body, decision: HeaderMap, stream: bool) -> Response {
    let kind = if stream { "text/event-stream" } else { "application/json" };
    with_head(body, HeaderMap::new(), decision, kind)
}

/// A streamed answer, each piece as it comes.
pub(crate) fn streamed(relayed: Relayed, decision: HeaderMap) -> Response {
    let upstream = relayed.stream.headers.clone();
    let mut response = with_head(Body::from_stream(relayed), upstream, decision, "text/event-stream");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies in between would hold frames back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn with_head(body: Body, upstream: HeaderMap, decision: HeaderMap, kind: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    *headers = decision;
    headers.extend(upstream);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A stream on its way to the client, watched to its end: whoever drops it first cancels the upstream call and is recorded.
pub(crate) struct Relayed {
    pub stream: Box<AnswerStream>,
    pub watch: Watch,
    /// When the call began and its first content was there, since the request came.
    pub called_us: u64,
    pub ttft_us: u64,
    /// The place among the requests in work, held to the last byte.
    pub _permit: OwnedSemaphorePermit,
}

impl Relayed {
    fn conclude(&mut self) {
        if self.watch.is_open() {
            let summary = self.stream.take_summary();
            // A short answer may have come whole before its pin was durable; the user waited for both.
            let latency_us = self.called_us.saturating_add(summary.total_us).max(self.ttft_us);
            self.watch.conclude(Seen::stream(summary, self.ttft_us, latency_us));
        }
    }
}

impl Stream for Relayed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = ready!(this.stream.poll_next_unpin(cx));
        if piece.is_none() {
            this.conclude();
        }
        Poll::Ready(piece.map(Ok))
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.conclude();
    }
}
