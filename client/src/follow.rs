//! Follows the server: reads its stream, folds, activates, keeps the file on disk, acknowledges, and comes back after a cut. A client
//! that cannot go on stays where it is and says why. Knows nothing of evaluation.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::StreamExt;
use reqwest::{Response, StatusCode, header};
use serinus_domain::transfer::{read_revision, read_snapshot};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    active::Folded,
    backoff::wait,
    client::Shared,
    config::{Config, InvalidConfig, Target},
    disk,
    sse::{Event, Parser},
    status::{Connection, Source},
};

/// Silence after which a connection is given up; the server says something every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The least time between two generations of the file on disk.
const DISK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait of an acknowledgement: it must not compete with the next change.
const ACK_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why a connection ended.
enum Cut {
    /// It ended, or was never made.
    Lost(String),
    /// What came does not follow what is here: the whole is to be asked for.
    Refused(String),
}

/// What runs in the background.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    http: reqwest::Client,
    target: Target,
    cache: Option<PathBuf>,
    folded: Folded,
    /// Whether what is here is a place in the server's history to go on from.
    placed: bool,
    hint: Duration,
    attempt: u32,
}

impl Follower {
    pub fn new(shared: Arc<Shared>, config: Config) -> Result<Self, InvalidConfig> {
        let target = config.target()?;
        let http = reqwest::Client::builder()
            .default_headers(target.headers.clone())
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .tcp_nodelay(true)
            .build()
            .map_err(|refused| InvalidConfig::Http(refused.to_string()))?;
        let mut follower = Self {
            shared,
            http,
            target,
            cache: config.cache,
            folded: Folded::default(),
            placed: false,
            hint: Duration::ZERO,
            attempt: 0,
        };
        follower.start_from_disk();
        Ok(follower)
    }

    fn start_from_disk(&mut self) {
        let Some(loaded) = self.cache.as_deref().and_then(disk::load) else { return };
        let folded = loaded.map(|(snapshot, contents)| Folded { snapshot, contents: Arc::new(contents) });
        let active = folded.and_then(|folded| {
            let active = folded.compile(None).ok_or("the compiler broke down on it")?;
            Ok((folded, active))
        });
        match active {
            Ok((folded, active)) => {
                self.folded = folded;
                self.placed = true;
                self.shared.activate(active, Source::Disk);
            }
            Err(reason) => tracing::warn!("serinus: starting without the snapshot on disk: {reason}"),
        }
    }

    pub async fn run(mut self, ended: CancellationToken) {
        let (shared, cache) = (Arc::clone(&self.shared), self.cache.take());
        let acknowledge = acknowledge(
            Arc::clone(&shared),
            self.http.clone(),
            self.target.ack.clone(),
            self.target.name.clone(),
        );
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.follow() => {}
            () = keep(shared, cache) => {}
            () = acknowledge => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let cut = match self.open().await {
                Ok(response) => self.read(response).await,
                Err(cut) => cut,
            };
            let reason = match cut {
                Cut::Lost(reason) => reason,
                Cut::Refused(reason) => {
                    self.placed = false;
                    self.shared.refuse(reason.clone());
                    reason
                }
            };
            self.shared.connection(Connection::Lost { reason });
            sleep(wait(self.attempt, self.hint, rand::random())).await;
            self.attempt = self.attempt.saturating_add(1);
        }
    }

    async fn open(&self) -> Result<Response, Cut> {
        let mut url = self.target.follow.clone();
        url.query_pairs_mut().append_pair("client", &self.target.name);
        if self.placed {
            let snapshot = &self.folded.snapshot;
            url.query_pairs_mut()
                .append_pair("after", &snapshot.revision.to_string())
                .append_pair("digest", &snapshot.digest.to_string());
        }
        let request = self.http.get(url).header(header::ACCEPT, "text/event-stream");
        let response = request.send().await.map_err(|failed| Cut::Lost(said(&failed)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = timeout(CONNECT_MAX, response.text()).await.ok().and_then(Result::ok).unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("the server says no more").to_owned();
        Err(Cut::Lost(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!("not let in: {detail}"),
            status => format!("{status}: {detail}"),
        }))
    }

    async fn read(&mut self, response: Response) -> Cut {
        let mut parser = Parser::default();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(failed) => return Cut::Lost(said(&failed)),
            };
            let events = match parser.push(&chunk) {
                Ok(events) => events,
                Err(refused) => return Cut::Refused(refused.to_string()),
            };
            if let Some(retry) = parser.retry.take() {
                self.hint = retry;
                let turn_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
                self.shared.turn_ms.store(turn_ms, Ordering::Relaxed);
                self.attempt = 0;
                self.shared.connection(Connection::Connected);
            }
            if !events.is_empty()
                && let Err(reason) = self.take(events).await
            {
                return Cut::Refused(reason);
            }
        }
        Cut::Lost("the server ended the stream".into())
    }

    /// Folds all that came at once and activates its end.
    async fn take(&mut self, events: Vec<Event>) -> Result<(), String> {
        let mut whole = false;
        for event in events {
            match event.name.as_str() {
                "snapshot" => {
                    let (snapshot, contents) =
                        read_snapshot(&event.data).map_err(|refused| format!("snapshot: {refused}"))?;
                    self.folded = Folded { snapshot, contents: Arc::new(contents) };
                    (self.placed, whole) = (true, true);
                }
                "revision" => {
                    let (revision, blobs) =
                        read_revision(&event.data).map_err(|refused| format!("revision: {refused}"))?;
                    self.folded.apply(&revision, blobs).map_err(|refused| refused.to_string())?;
                }
                // What a later server says beside it is for later clients.
                _ => {}
            }
        }
        let folded = self.folded.clone();
        let previous = self.shared.active.load_full();
        let revision = folded.snapshot.revision;
        if !whole && revision == previous.snapshot.revision {
            return Ok(());
        }
        // A whole may take long and must not hold the application's thread up; one change is faster done than handed over.
        let active = if whole {
            spawn_blocking(move || folded.compile(None)).await.ok().flatten()
        } else {
            folded.compile(Some(&previous.compiled))
        };
        match active {
            Some(active) => self.shared.activate(active, Source::Server),
            // The next revision may mend it; the same one again would not.
            None => self.shared.refuse(format!("revision {revision} cannot be compiled: revert it")),
        }
        Ok(())
    }
}

/// The innermost reason: what reqwest itself says is only that sending failed.
fn said(failed: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = failed;
    while let Some(source) = reason.source() {
        reason = source;
    }
    format!("the server is away: {reason}")
}

/// Writes what is evaluated by to disk, at most once a while.
async fn keep(shared: Arc<Shared>, cache: Option<PathBuf>) {
    let Some(file) = cache else { return std::future::pending().await };
    let mut status = shared.status.subscribe();
    let mut kept = None;
    loop {
        let (source, revision) = {
            let status = status.borrow_and_update();
            (status.source, status.revision)
        };
        if source == Source::Server && kept != Some(revision) {
            let (active, file) = (shared.active.load_full(), file.clone());
            kept = Some(active.snapshot.revision);
            let written = spawn_blocking(move || disk::save(&file, &active.snapshot, &active.contents)).await;
            if let Ok(Err(refused)) = written {
                tracing::warn!("serinus: the snapshot is not kept on disk: {refused}");
            }
            sleep(DISK_EVERY).await;
        }
        if status.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Tells the server how far this client is, a little later than it got there: the more clients there are, the more of them would
/// otherwise say so at once.
async fn acknowledge(shared: Arc<Shared>, http: reqwest::Client, url: reqwest::Url, name: String) {
    let mut status = shared.status.subscribe();
    let mut said = None;
    loop {
        let now = {
            let status = status.borrow_and_update();
            let connected = status.connection == Connection::Connected && status.source == Source::Server;
            connected.then(|| (status.revision, status.refusal.clone()))
        };
        if now.is_some() && now != said {
            let turn = Duration::from_millis(shared.turn_ms.load(Ordering::Relaxed));
            sleep(turn.min(ACK_WAIT_MAX)).await;
            // By then it may be further.
            let now = {
                let status = status.borrow_and_update();
                (status.revision, status.refusal.clone())
            };
            let (revision, refusal) = &now;
            let body = serde_json::json!({ "client": name, "revision": revision, "refusal": refusal });
            let answered = http.post(url.clone()).json(&body).timeout(CONNECT_MAX).send().await;
            if answered.is_ok_and(|answer| answer.status().is_success()) {
                said = Some(now);
            }
        }
        if status.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
