//! The log as a stream of server-sent events, one per revision, resumed by number; and word of new reports in between.
//! Reads from the log, never from memory of what was sent: a slow or returning client misses nothing.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    id::RolloutKey,
    report::Report,
    revision::{Revision, RevisionNumber},
    units::Timestamp,
};
use serinus_store::LogReader;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::ApiError,
    extract::{Params, Reader},
    state::App,
};

/// Silence after which a comment keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The least time between two rounds of `report` events.
const REPORTS_EVERY: Duration = Duration::from_millis(250);
/// How often the head is read when nothing says that it moved: another node's appends.
const POLL: Duration = Duration::from_millis(500);
/// Revisions read at once; a client that is behind by more gets them in several reads.
const BATCH: usize = 64;

/// A revision on the stream; its number is the event's id.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionEvent {
    /// Its number.
    #[schema(value_type = u64)]
    pub number: RevisionNumber,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// The rollouts that it touches.
    pub rollouts: Vec<String>,
    /// The keys of all documents that it changes.
    pub changed: Vec<String>,
}

impl From<&Revision> for RevisionEvent {
    fn from(revision: &Revision) -> Self {
        let body = &revision.body;
        let changed: Vec<_> = body.changes.iter().map(|change| change.key().to_string()).collect();
        let rollouts =
            changed.iter().filter_map(|key| key.strip_prefix("rollout/")).map(str::to_owned).collect();
        let (actor, message) = (body.actor.clone(), body.message.clone());
        Self { number: body.number, at: body.at, actor, message, rollouts, changed }
    }
}

/// Word that a rollout's report is a new one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportEvent {
    /// Which rollout.
    #[schema(value_type = String)]
    pub rollout: RolloutKey,
}

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// After this revision; from now on where not given. A `Last-Event-ID` header goes before it.
    pub after: Option<u64>,
    /// Which environment's; a browser's event source cannot send the header. The server reads it before it comes here.
    #[serde(default, rename = "environment")]
    #[param(rename = "environment")]
    _environment: Option<String>,
}

/// Streams revisions as `revision` events, and `report` events for rollouts with a new report.
#[utoipa::path(get, path = "/stream", tag = "revisions",
    params(StreamQuery, ("Last-Event-ID" = Option<u64>, Header, description = "the last revision that was received")),
    responses((status = 200, description = "server-sent events; data is a RevisionEvent or a ReportEvent",
        body = RevisionEvent, content_type = "text/event-stream")))]
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(query): Params<StreamQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let after = match last_event_id(&headers)?.or(query.after) {
        Some(number) => RevisionNumber(number),
        None => LogReader::head(app.store()).await?.number,
    };
    let feed = Feed::new(app, after);
    let events = futures::stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        let detail = "Last-Event-ID is no revision number: send the id of the last event, or leave it out";
        ApiError::request(StatusCode::BAD_REQUEST, "request.invalid_event_id", detail)
    })
}

/// One client's place.
struct Feed {
    app: Arc<App>,
    after: RevisionNumber,
    waiting: VecDeque<Event>,
    head: watch::Receiver<RevisionNumber>,
    boards: watch::Receiver<u64>,
    seen: HashMap<RolloutKey, Arc<Report>>,
    reports_due: Option<Instant>,
    reports_at: Instant,
}

impl Feed {
    fn new(app: Arc<App>, after: RevisionNumber) -> Self {
        let (head, boards) = (app.store().watch_head(), app.control.reports.watch());
        let now = Instant::now();
        let mut feed = Self {
            app,
            after,
            waiting: VecDeque::new(),
            head,
            boards,
            seen: HashMap::new(),
            reports_due: None,
            reports_at: now,
        };
        // Reports that stand are what the client has just loaded, or is about to.
        feed.changed_reports();
        feed
    }

    /// The next event; none when the server shuts down.
    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.app.control.shutdown.clone();
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            self.head.mark_unchanged();
            self.read_log().await;
            if !self.waiting.is_empty() {
                continue;
            }
            let due = self.reports_due;
            tokio::select! {
                () = shutdown.cancelled() => return None,
                // A sender that is gone leaves the poll below.
                Ok(()) = self.head.changed() => {}
                Ok(()) = self.boards.changed(), if due.is_none() => {
                    self.reports_due = Some(self.reports_at + REPORTS_EVERY);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.tell_reports(),
                () = sleep(POLL) => {}
            }
        }
    }

    async fn read_log(&mut self) {
        // A store that is away is no reason to drop the client: the next round asks again.
        let Ok(newer) = LogReader::read(self.app.store(), self.after, BATCH).await else { return };
        for revision in &newer {
            self.after = revision.body.number;
            let event = Event::default().id(self.after.to_string()).event("revision");
            self.waiting.extend(event.json_data(RevisionEvent::from(revision)).ok());
        }
    }

    fn tell_reports(&mut self) {
        self.reports_due = None;
        self.reports_at = Instant::now();
        for rollout in self.changed_reports() {
            let event = Event::default().event("report");
            self.waiting.extend(event.json_data(ReportEvent { rollout }).ok());
        }
    }

    /// Rollouts whose report is another one than at the last call: running ones, and ended ones that were seen running.
    fn changed_reports(&mut self) -> Vec<RolloutKey> {
        let active = self.app.active();
        let live =
            active.snapshot.rollouts().filter(|doc| doc.state.phase.is_live()).map(|doc| doc.key.clone());
        let mut keys: Vec<_> = live.chain(self.seen.keys().cloned()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| {
            let Some(report) = self.app.control.reports.get(key) else { return false };
            let before = self.seen.insert(key.clone(), Arc::clone(&report));
            before.is_none_or(|before| !Arc::ptr_eq(&before, &report))
        });
        keys
    }
}
