//! A streamed answer: reads sockets as fast as they give, forwards whole frames, keeps the time limits. Knows nothing
//! of what the frames say (`relay` does) or of who is reading.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use http_body::Body as _;

use crate::alarm::Alarm;
use crate::error::ErrorKind;
use crate::providers::ApiKey;
use crate::relay::{BodyEnd, Relay, Relayed, Stop};
use crate::wire::{Completion, ErrorBody, ErrorObject};

/// Largest piece handed on at once; a fast upstream must not make us buffer its whole answer.
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// How long to wait, after the end marker, for the end of the body that lets the connection be used again.
const LINGER_US: u64 = 250_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    Done,
    CutShort,
    UpstreamError,
    IdleTimeout,
    TotalTimeout,
    Malformed,
    /// The reader dropped the stream before its end.
    Cancelled,
}

impl StreamEnd {
    /// The same codes as [`ErrorKind::code`], and `done`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::CutShort => "cut_short",
            Self::UpstreamError => "upstream_error",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Malformed => "malformed",
            Self::Cancelled => "cancelled",
        }
    }

    fn explain(self) -> &'static str {
        match self {
            Self::Done | Self::Cancelled => "the answer has ended",
            Self::CutShort => "the provider closed the stream before the answer was complete",
            Self::UpstreamError => "the provider reported an error",
            Self::IdleTimeout => "the provider stopped sending before the answer was complete",
            Self::TotalTimeout => "the answer was not complete within the time limit",
            Self::Malformed => "the provider sent a frame that cannot be read",
        }
    }
}

/// What became of a stream.
#[derive(Clone, Debug)]
pub struct StreamSummary {
    pub completion: Completion,
    pub end: StreamEnd,
    /// What the provider said when it ended with an error.
    pub upstream_error: Option<ErrorObject>,
    /// Frames with data, the end marker not counted.
    pub chunks: u32,
    pub ttft_us: u64,
    pub total_us: u64,
    pub attempts: u32,
}

/// Limits of one stream, as moments and spans on the virtual clock.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub started_us: u64,
    pub first_token_at_us: u64,
    pub idle_us: u64,
    pub total_at_us: u64,
}

/// A response whose head was good.
pub(crate) struct Opened {
    pub body: reqwest::Body,
    pub headers: HeaderMap,
    pub attempts: u32,
    pub api_key: Option<ApiKey>,
}

/// Yields pieces to forward, each of one or more whole frames. Dropping it cancels the upstream call.
pub struct AnswerStream {
    attempts: u32,
    /// Those a client may see.
    pub headers: HeaderMap,
    body: Option<reqwest::Body>,
    relay: Relay,
    alarm: Alarm,
    limits: Limits,
    ready: Bytes,
    end: Option<StreamEnd>,
    upstream_error: Option<ErrorObject>,
    api_key: Option<ApiKey>, // only to keep it out of errors
    first_content_us: Option<u64>,
    ended_us: Option<u64>,
    /// Since when the upstream has kept us waiting; a slow reader must not be charged to it.
    waiting_since_us: Option<u64>,
    yielded: bool,
}

impl AnswerStream {
    pub(crate) fn new(response: Opened, keep_usage: bool, alarm: Alarm, limits: Limits) -> Self {
        let Opened { body, headers, attempts, api_key } = response;
        Self {
            attempts,
            headers,
            api_key,
            body: Some(body),
            relay: Relay::new(keep_usage),
            alarm,
            limits,
            ready: Bytes::new(),
            end: None,
            upstream_error: None,
            first_content_us: None,
            ended_us: None,
            waiting_since_us: None,
            yielded: false,
        }
    }

    /// Waits for the first piece of content, which is kept for the reader. An end before it is an error that the
    /// reader never sees, so that another provider can still be asked.
    pub(crate) async fn peek(&mut self) -> Result<(), ErrorKind> {
        let Limits { first_token_at_us, total_at_us, .. } = self.limits;
        while self.first_content_us.is_none() && self.end.is_none() {
            let batch = poll_fn(|cx| {
                if self.poll_batch(cx).is_ready() {
                    return Poll::Ready(true);
                }
                self.alarm.poll_at(cx, first_token_at_us.min(total_at_us)).map(|()| false)
            });
            if !batch.await {
                let first = first_token_at_us < total_at_us;
                return Err(if first { ErrorKind::FirstTokenTimeout } else { ErrorKind::TotalTimeout });
            }
        }
        match self.end {
            _ if self.first_content_us.is_some() => Ok(()),
            Some(StreamEnd::UpstreamError) => match self.upstream_error.take() {
                Some(error) => Err(ErrorKind::UpstreamError(Box::new(error))),
                None => Err(ErrorKind::CutShort),
            },
            Some(StreamEnd::Malformed) => Err(ErrorKind::Malformed("a frame that is not JSON")),
            Some(StreamEnd::Done) => Err(ErrorKind::Malformed("a stream without content or finish reason")),
            _ => Err(ErrorKind::CutShort),
        }
    }

    /// What has been read so far; after the last piece, the whole. An end not reached reads as cancelled.
    #[must_use]
    pub fn summary(&self) -> StreamSummary {
        self.summarise(self.relay.observer.completion.clone())
    }

    /// As [`Self::summary`], without the copy.
    #[must_use]
    pub fn take_summary(&mut self) -> StreamSummary {
        let completion = std::mem::take(&mut self.relay.observer.completion);
        self.summarise(completion)
    }

    #[must_use]
    pub fn end(&self) -> Option<StreamEnd> {
        self.end
    }

    fn summarise(&self, completion: Completion) -> StreamSummary {
        let ended_us = self.ended_us.unwrap_or_else(|| self.alarm.now_us());
        let since_start = |at_us: u64| at_us.saturating_sub(self.limits.started_us);
        StreamSummary {
            completion,
            end: self.end.unwrap_or(StreamEnd::Cancelled),
            upstream_error: self.upstream_error.clone(),
            chunks: self.relay.observer.chunks,
            ttft_us: since_start(self.first_content_us.unwrap_or(ended_us)),
            total_us: since_start(ended_us),
            attempts: self.attempts,
        }
    }

    /// Reads what there is, up to a limit, and makes it ready. The HTTP client hands over one chunk per wake-up of its
    /// own task; so with something in hand we let that task run once more before we hand it on. A write per chunk
    /// would cost several times what the whole stream does.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(body) = &mut self.body else { return Poll::Ready(()) };
        let mut fresh = self.yielded;
        let relayed = loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.relay.push(&data);
                    fresh = true;
                    self.yielded = false;
                    if self.relay.pending_len() >= BATCH_BYTES_MAX {
                        break self.relay.drain();
                    }
                }
                Poll::Ready(end) => {
                    self.body = None;
                    break self.relay.finish(if end.is_none() { BodyEnd::Clean } else { BodyEnd::Broken });
                }
                Poll::Pending if fresh && !self.yielded => {
                    self.yielded = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending if fresh => break self.relay.drain(),
                Poll::Pending => return Poll::Pending,
            }
        };
        self.yielded = false;
        self.accept(relayed);
        Poll::Ready(())
    }

    fn accept(&mut self, relayed: Relayed) {
        let now_us = self.alarm.now_us();
        if relayed.progressed {
            self.waiting_since_us = None;
        }
        if self.relay.observer.content_seen {
            self.first_content_us.get_or_insert(now_us);
        }
        self.enqueue(relayed.bytes);
        match relayed.stop {
            None => {}
            Some(Stop::Done) => self.conclude(StreamEnd::Done, now_us),
            Some(Stop::CutShort) => self.conclude(StreamEnd::CutShort, now_us),
            Some(Stop::Malformed) => self.conclude(StreamEnd::Malformed, now_us),
            Some(Stop::UpstreamError(mut error)) => {
                if let Some(api_key) = &self.api_key {
                    error.redact(api_key.expose());
                }
                self.upstream_error = Some(error);
                self.conclude(StreamEnd::UpstreamError, now_us);
            }
        }
    }

    // INVARIANT(no-fake-end): a stream that did not end well ends for the client with an error frame, never with an
    // end marker or a finish reason of ours.
    fn conclude(&mut self, end: StreamEnd, now_us: u64) {
        self.end = Some(end);
        self.ended_us = Some(now_us);
        if end == StreamEnd::Done {
            return;
        }
        self.body = None;
        let own = || ErrorObject::new(end.explain(), "upstream_error", end.code());
        let error = self.upstream_error.clone().unwrap_or_else(own);
        self.enqueue(ErrorBody { error }.to_sse_frame());
    }

    fn enqueue(&mut self, bytes: Bytes) {
        if self.ready.is_empty() {
            self.ready = bytes;
        } else if !bytes.is_empty() {
            let mut joined = BytesMut::from(std::mem::take(&mut self.ready));
            joined.extend_from_slice(&bytes);
            self.ready = joined.freeze();
        }
    }

    /// As [`Self::poll_batch`], under the limits that hold after the first content.
    fn poll_batch_in_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_batch(cx).is_ready() {
            return Poll::Ready(());
        }
        if self.yielded {
            return Poll::Pending;
        }
        let waiting_since_us = *self.waiting_since_us.get_or_insert_with(|| self.alarm.now_us());
        let idle_at_us = waiting_since_us.saturating_add(self.limits.idle_us);
        ready!(self.alarm.poll_at(cx, idle_at_us.min(self.limits.total_at_us)));
        let idle = idle_at_us < self.limits.total_at_us;
        self.conclude(
            if idle { StreamEnd::IdleTimeout } else { StreamEnd::TotalTimeout },
            self.alarm.now_us(),
        );
        Poll::Ready(())
    }

    /// Reads past the end marker to the end of the body, discarding.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(body) = &mut self.body else { return Poll::Ready(()) };
        let linger_until_us = self.ended_us.unwrap_or(0).saturating_add(LINGER_US);
        while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            if !matches!(frame, Some(Ok(_))) {
                self.body = None;
                return Poll::Ready(());
            }
        }
        ready!(self.alarm.poll_at(cx, linger_until_us));
        self.body = None;
        Poll::Ready(())
    }
}

impl Stream for AnswerStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut this.ready)));
            }
            if this.end.is_some() {
                ready!(this.poll_linger(cx));
                return Poll::Ready(None);
            }
            ready!(this.poll_batch_in_time(cx));
        }
    }
}
