//! Notifications that results may have changed: server-sent events that say "ask again" and nothing else, behind a token of their own that
//! opens nothing else, because a browser's `EventSource` sends no headers. Knows nothing of what changed.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::Response,
};
use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use serinus_domain::{id::EnvironmentKey, revision::RevisionNumber};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::{
    gateway::Gateway,
    ofrep::{etag, fault::Fault, prepared::Prepared},
    pseudonym::Seal,
};

/// Where notifications are to be had.
pub(crate) const PATH: &str = "/ofrep/v1/events";
/// What tokens of this kind are for.
const PURPOSE: &str = "ofrep events";
/// Proxies cut what is silent for long; clients look for a sign of life after two minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client that was cut off comes back.
const RETRY_MS: u32 = 2000;
/// A change that is younger may lie between a client's bulk answer and its stream: it is told once too often rather than never.
const YOUNG: Duration = Duration::from_secs(60);

/// The way to this environment's notifications: always the same bytes, or clients would tear their connection down with each answer.
pub(crate) fn request_uri(environment: &EnvironmentKey, seal: &Seal) -> String {
    format!("{PATH}?environment={environment}&token={}", token(environment, seal))
}

fn token(environment: &EnvironmentKey, seal: &Seal) -> String {
    format!("{}.{}", seal.id(PURPOSE), seal.of(PURPOSE, environment.as_str()))
}

/// A stream of notifications, for who brings the token.
pub(crate) fn open(gateway: &Arc<Gateway>, uri: &Uri, headers: &HeaderMap) -> Result<Response, Fault> {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let given = query.filter(|(name, _)| name == "token").map(|(_, value)| value).last();
    let expected = token(&gateway.environment, &gateway.seal);
    if !given.is_some_and(|given| same(given.as_bytes(), expected.as_bytes())) {
        return Err(Fault::forbidden("token does not open this stream: use the address in eventStreams"));
    }
    let permit = gateway.enter_stream().ok_or_else(Fault::overloaded)?;
    let mut activated = gateway.live.subscribe();
    activated.mark_unchanged();
    let prepared = gateway.prepared();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).map(RevisionNumber);
    let is_behind = match last {
        Some(last) => last < prepared.change.revision,
        None => prepared.change.seen.elapsed() < YOUNG,
    };
    // The id alone reaches no listener, but is sent back after a cut.
    let mut first = format!("retry: {RETRY_MS}\nid: {}\n\n", prepared.change.revision);
    if is_behind {
        first.push_str(&notification(&prepared));
    }
    let reader = Reader {
        gateway: Arc::clone(gateway),
        activated,
        told: prepared.change.revision,
        first: Some(first.into()),
        _permit: permit,
    };
    let mut response = Response::new(Body::from_stream(reader.stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // nginx would hold events back until it has a buffer full of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn notification(prepared: &Prepared) -> String {
    let change = &prepared.change;
    let data = json!({
        "type": "refetchEvaluation", "etag": etag::of_state(change.revision), "lastModified": change.seconds,
    });
    format!("id: {}\nevent: message\ndata: {data}\n\n", change.revision)
}

/// In a time that does not tell how much of it is right.
fn same(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len() && given.iter().zip(expected).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// One client's stream.
struct Reader {
    gateway: Arc<Gateway>,
    activated: watch::Receiver<RevisionNumber>,
    told: RevisionNumber,
    first: Option<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::unfold(self, |mut reader| async move {
            let bytes = reader.next().await?;
            Some((Ok(bytes), reader))
        })
    }

    /// What is to be sent next; nothing more once the node stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let quiet = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                biased;
                () = self.gateway.shutdown.cancelled() => return None,
                changed = self.activated.changed() => {
                    changed.ok()?;
                    let prepared = self.gateway.prepared();
                    // Several revisions in one go are one notification; one that changes no result is none.
                    if prepared.change.revision > self.told {
                        self.told = prepared.change.revision;
                        return Some(notification(&prepared).into());
                    }
                }
                () = &mut quiet => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}
