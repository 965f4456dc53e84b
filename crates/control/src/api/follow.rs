//! The log for those who evaluate by themselves: a stream that says everything once, in an order that can be verified, and goes on
//! where it broke off; the whole at once; and their word on how far they are. Knows nothing of evaluation.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body as Stream, Bytes},
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};
use serinus_domain::{digest::Digest, id::ArtifactName, revision::RevisionNumber, units::Timestamp};
use serinus_store::LogReader;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::Scope,
    error::ApiError,
    extract::{Body, Params, Reader},
    follow::{Next, Presence},
    state::App,
    stream::last_event_id,
};

/// Silence after which a word keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How old the last look at a token may be when something is sent to whoever holds it.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(2);
/// A follower that was at the head and is now behind by more does not read as fast as things change; it is to come back.
const LAG_MAX: usize = 256;
/// Bytes of a refusal that are kept.
const REFUSAL_BYTES_MAX: usize = 1000;

/// Somebody who may evaluate, or look.
pub(crate) struct Follower;

impl FromRequestParts<Arc<App>> for Follower {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        may_follow(app, &parts.headers).await.map(|()| Self)
    }
}

async fn may_follow(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    match app.control.auth.check(headers, Scope::Evaluate).await {
        Ok(_) => Ok(()),
        Err(refused) => match app.control.auth.check(headers, Scope::Read).await {
            Ok(_) => Ok(()),
            Err(_) => Err(refused.into()),
        },
    }
}

/// Where a follower is.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FollowQuery {
    /// After this revision; a `Last-Event-ID` header goes before it. Without either, one snapshot comes first.
    pub after: Option<u64>,
    /// That revision's digest: where the log has another one there, one snapshot comes first.
    #[param(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The follower's name, by which it acknowledges; in the alphabet of keys.
    #[param(value_type = Option<String>)]
    pub client: Option<ArtifactName>,
}

/// Streams the log. Each event's id is a revision's number; its data is lines: of `revision` the stored form, verbatim, of
/// `snapshot` all documents; each further line is a blob, verbatim.
#[utoipa::path(get, path = "/follow", tag = "clients",
    params(FollowQuery, ("Last-Event-ID" = Option<u64>, Header, description = "the last revision that was received")),
    responses((status = 200, description = "server-sent events `snapshot` and `revision`", body = String,
        content_type = "text/event-stream")))]
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    _: Follower,
    Params(query): Params<FollowQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers)?.or(query.after).map(RevisionNumber);
    let presence = app.follow.clients.open(query.client.map(|name| name.to_string()), app.now());
    let reader = FollowReader {
        head: app.store().watch_head(),
        active: app.control.live.subscribe(),
        place: after.map_or(Place::Nowhere, |after| Place::After(after, query.digest)),
        waiting: vec![app.follow.retry(&app)],
        caught_up: false,
        ended: false,
        headers,
        checked_at: Instant::now(),
        spoke_at: Instant::now(),
        _presence: presence,
        app,
    };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok::<_, Infallible>(bytes), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // A proxy that gathers a stream before it passes it on would hold every change up.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Stream::from_stream(frames)).into_response())
}

/// Where a follower is.
enum Place {
    Nowhere,
    After(RevisionNumber, Option<Digest>),
}

/// One follower's connection.
struct FollowReader {
    app: Arc<App>,
    head: watch::Receiver<RevisionNumber>,
    active: watch::Receiver<RevisionNumber>,
    place: Place,
    /// What is to be sent, the next one last.
    waiting: Vec<Bytes>,
    caught_up: bool,
    ended: bool,
    headers: HeaderMap,
    checked_at: Instant,
    spoke_at: Instant,
    _presence: Presence,
}

impl FollowReader {
    /// What is sent next; none when the connection is to end.
    async fn next(&mut self) -> Option<Bytes> {
        let shutdown = self.app.control.shutdown.clone();
        loop {
            if let Some(bytes) = self.waiting.pop() {
                self.spoke_at = Instant::now();
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            self.head.mark_unchanged();
            self.active.mark_unchanged();
            self.gather().await;
            if !self.waiting.is_empty() || self.ended {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => self.end(": the server stops, come back\n\n"),
                Ok(()) = self.head.changed() => {}
                Ok(()) = self.active.changed() => {}
                () = sleep_until(self.spoke_at + KEEP_ALIVE) => {
                    if self.is_let_in().await {
                        self.waiting.push(self.app.follow.retry(&self.app));
                    }
                }
            }
        }
    }

    /// Puts what this follower lacks on its way.
    async fn gather(&mut self) {
        let follow = &self.app.follow;
        let next = match &self.place {
            Place::Nowhere => Ok(Next::TooFar),
            Place::After(number, digest) => follow.after(&self.app, *number, *digest).await,
        };
        // A store that is away is no reason to drop anybody: the next change asks again.
        let Ok(next) = next else { return };
        match next {
            Next::Frames(frames) if frames.is_empty() => self.caught_up = true,
            Next::Frames(frames) if self.caught_up && frames.len() > LAG_MAX => {
                self.end(": too slow, come back with the last id\n\n");
            }
            Next::Frames(frames) => {
                if !self.is_let_in().await {
                    return;
                }
                let last = frames.last().map(|frame| frame.head);
                self.waiting.extend(frames.into_iter().rev().map(|frame| frame.bytes));
                self.place = last.map_or(Place::Nowhere, |head| Place::After(head.number, None));
            }
            Next::TooFar => {
                let Ok(whole) = follow.whole(&self.app).await else { return self.end(": no snapshot\n\n") };
                // What this node cannot get past, a second snapshot of the same revision does not get past either.
                if matches!(&self.place, Place::After(number, None) if self.caught_up && *number == whole.head.number)
                {
                    return self.end(": this node does not get past the last revision, come back\n\n");
                }
                self.caught_up = true;
                self.place = Place::After(whole.head.number, None);
                self.waiting.push(whole.frame);
            }
        }
    }

    /// Whether the token is still good; it may have been revoked since the stream began.
    async fn is_let_in(&mut self) -> bool {
        if self.checked_at.elapsed() < TOKEN_AGE_MAX {
            return true;
        }
        self.checked_at = Instant::now();
        let is_good = may_follow(&self.app, &self.headers).await.is_ok();
        if !is_good {
            self.end(": the token is not good any more\n\n");
        }
        is_good
    }

    fn end(&mut self, word: &'static str) {
        self.waiting = vec![Bytes::from_static(word.as_bytes())];
        self.ended = true;
    }
}

/// Answers all documents and the blobs that they need at once, as the stream's `snapshot` event does.
#[utoipa::path(get, path = "/snapshot", tag = "clients",
    responses((status = 200, description = "lines of JSON: documents, then blobs", body = String, content_type = "application/x-ndjson"),
        (status = 304, description = "as the given ETag has it")))]
pub(crate) async fn snapshot(
    State(app): State<Arc<App>>,
    _: Follower,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let whole = app.follow.whole(&app).await?;
    let etag = format!("\"{}\"", whole.head.digest);
    let is_known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let headers = [(header::ETAG, etag), (header::CONTENT_TYPE, "application/x-ndjson".to_owned())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, whole.body).into_response())
}

/// A client's word on how far it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Which client, as it named itself when it began to follow.
    #[schema(value_type = String)]
    pub client: ArtifactName,
    /// What it evaluates by.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Why nothing later.
    #[serde(default)]
    pub refusal: Option<String>,
}

/// Takes a client's word. It is kept in memory and seen in `/clients`.
#[utoipa::path(post, path = "/follow/ack", tag = "clients", request_body = Acknowledgement,
    responses((status = 204, description = "noted")))]
pub(crate) async fn ack(
    State(app): State<Arc<App>>,
    _: Follower,
    Body(given): Body<Acknowledgement>,
) -> StatusCode {
    let refusal = given.refusal.map(|mut text| {
        text.truncate(text.floor_char_boundary(REFUSAL_BYTES_MAX));
        text
    });
    app.follow.clients.acknowledge(given.client.as_str(), given.revision, refusal, app.now());
    StatusCode::NO_CONTENT
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    /// Its name.
    pub client: String,
    /// What it evaluates by, as it last said.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Why nothing later.
    pub refusal: Option<String>,
    /// When it last came or said something.
    #[schema(value_type = i64)]
    pub seen_at: Timestamp,
    /// Whether it follows now.
    pub connected: bool,
}

/// Every client that this process knows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientList {
    /// In the order of their names.
    pub clients: Vec<ClientView>,
    /// Streams that are open, of clients without a name as well.
    pub connected: usize,
    /// The log's head.
    #[schema(value_type = u64)]
    pub head: RevisionNumber,
}

/// Lists the clients that follow, and those that did.
#[utoipa::path(get, path = "/clients", tag = "clients", responses((status = 200, body = ClientList)))]
pub(crate) async fn clients(State(app): State<Arc<App>>, _: Reader) -> Result<Json<ClientList>, ApiError> {
    let head = LogReader::head(app.store()).await?.number;
    let view = |(client, ack): (String, crate::follow::Ack)| ClientView {
        client,
        revision: ack.revision,
        refusal: ack.refusal,
        seen_at: ack.seen_at,
        connected: ack.streams > 0,
    };
    let clients = &app.follow.clients;
    Ok(Json(ClientList {
        clients: clients.all().into_iter().map(view).collect(),
        connected: clients.connected(),
        head,
    }))
}
