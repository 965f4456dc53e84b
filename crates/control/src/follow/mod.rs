//! Revisions on their way to followers: each is read and written once, by whichever follower wakes first, and its bytes are shared
//! by all. Knows nothing of who follows or over what.

mod clients;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::body::Bytes;
use serinus_domain::{
    digest::Digest,
    entity::Document,
    revision::{Change, Revision, RevisionNumber},
    transfer::{write_revision, write_snapshot},
};
use serinus_store::{Active, Blobs, Failure, Head, LogReader};
use tokio::sync::Mutex;

pub(crate) use clients::{Ack, Clients, Presence};

use crate::state::App;

/// A follower that is behind by more gets one snapshot instead: that is then the smaller of the two.
const REVISIONS_BEHIND_MAX: u64 = 1000;
/// Bytes of frames that are kept for those who come back.
const RING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Revisions read at once.
const BATCH: usize = 256;
/// How long a snapshot waits for this node to get past a revision that cannot be sent by itself.
const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(5);

/// An event as it stands on the wire, with the head that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub head: Head,
    pub bytes: Bytes,
}

/// What a follower gets next.
#[derive(Debug)]
pub(crate) enum Next {
    /// These; none where it is at the head.
    Frames(Vec<Frame>),
    /// Another start: it is too far behind, ahead of the log, or on another history.
    TooFar,
}

/// A whole snapshot as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub head: Head,
    pub body: Bytes,
    pub frame: Bytes,
}

/// What all followers share.
#[derive(Default)]
pub(crate) struct Follow {
    ring: Mutex<Option<Ring>>,
    whole: Mutex<Option<Whole>>,
    pub clients: Clients,
}

/// Frames of consecutive revisions, the last of them the head's as far as it has been read.
struct Ring {
    /// The revision before the first frame.
    base: Head,
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Ring {
    fn end(&self) -> Head {
        self.frames.back().map_or(self.base, |frame| frame.head)
    }

    fn digest(&self, number: RevisionNumber) -> Option<Digest> {
        let at = number.0.checked_sub(self.base.number.0)?;
        match at.checked_sub(1) {
            None => Some(self.base.digest),
            Some(at) => self.frames.get(usize::try_from(at).ok()?).map(|frame| frame.head.digest),
        }
    }

    fn after(&self, number: RevisionNumber) -> Vec<Frame> {
        let from = usize::try_from(number.0 - self.base.number.0).unwrap_or(usize::MAX);
        self.frames.iter().skip(from).cloned().collect()
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.frames.len() as u64 > REVISIONS_BEHIND_MAX || self.bytes > RING_BYTES_MAX {
            let Some(first) = self.frames.pop_front() else { break };
            self.bytes -= first.bytes.len();
            self.base = first.head;
        }
    }

    /// Begins anew after a revision that cannot be sent by itself.
    fn restart(&mut self, base: Head) {
        *self = Self { base, frames: VecDeque::new(), bytes: 0 };
    }

    async fn extend(&mut self, app: &App) -> Result<(), Failure> {
        loop {
            let newer = LogReader::read(app.store(), self.end().number, BATCH).await?;
            for revision in &newer {
                match frame(app, revision).await? {
                    Some(frame) => self.push(frame),
                    None => {
                        self.restart(Head { number: revision.body.number, digest: revision.digest });
                    }
                }
            }
            if newer.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Reads what lies between `number` and the first frame, so that all who were cut off at about the same time share it.
    async fn reach_back(&mut self, app: &App, number: RevisionNumber) -> Result<bool, Failure> {
        let missing = usize::try_from(self.base.number.0 - number.0).unwrap_or(usize::MAX);
        let older = LogReader::read(app.store(), number, missing).await?;
        let Some(digest) = older.first().map(|first| first.body.parent).filter(|_| older.len() == missing)
        else {
            return Ok(false);
        };
        let mut frames = VecDeque::with_capacity(missing);
        for revision in &older {
            let Some(frame) = frame(app, revision).await? else { return Ok(false) };
            frames.push_back(frame);
        }
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        if bytes.saturating_add(self.bytes) > RING_BYTES_MAX {
            return Ok(false);
        }
        frames.append(&mut self.frames);
        *self = Self { base: Head { number, digest }, frames, bytes: bytes + self.bytes };
        Ok(true)
    }
}

impl Follow {
    /// What comes after `number`, which has this digest as far as the follower says.
    pub async fn after(
        &self,
        app: &App,
        number: RevisionNumber,
        digest: Option<Digest>,
    ) -> Result<Next, Failure> {
        // What another process appended is known once this node has read it.
        let known = (*app.store().watch_head().borrow()).max(app.active().snapshot.revision);
        let mut ring = self.ring.lock().await;
        if ring.is_none() {
            let base = LogReader::head(app.store()).await?;
            *ring = Some(Ring { base, frames: VecDeque::new(), bytes: 0 });
        }
        let Some(ring) = ring.as_mut() else { return Ok(Next::TooFar) };
        if ring.end().number < known {
            ring.extend(app).await?;
        }
        let end = ring.end().number;
        if number > end || end.0 - number.0 > REVISIONS_BEHIND_MAX {
            return Ok(Next::TooFar);
        }
        if number < ring.base.number && !ring.reach_back(app, number).await? {
            return Ok(Next::TooFar);
        }
        if digest.is_some_and(|digest| ring.digest(number) != Some(digest)) {
            return Ok(Next::TooFar);
        }
        Ok(Next::Frames(ring.after(number)))
    }

    /// The whole as this node serves it, written once for each revision.
    pub async fn whole(&self, app: &App) -> Result<Whole, Failure> {
        // A revision that cannot be sent by itself is reached by a snapshot alone.
        let floor = self.ring.lock().await.as_ref().map_or(RevisionNumber(0), |ring| ring.base.number);
        let floor = floor.min(LogReader::head(app.store()).await?.number);
        if app.active().snapshot.revision < floor {
            let _late = app.control.live.wait_for(floor, SNAPSHOT_WAIT_MAX).await;
        }
        let mut whole = self.whole.lock().await;
        let active = app.active();
        if let Some(whole) = &*whole
            && whole.head.digest == active.snapshot.digest
        {
            return Ok(whole.clone());
        }
        let written = tokio::task::spawn_blocking(move || written(&active)).await.map_err(|ended| {
            Failure { what: "write a snapshot", reason: ended.to_string(), retryable: true }
        })?;
        Ok(whole.insert(written).clone())
    }
}

fn written(active: &Active) -> Whole {
    let head = Head { number: active.snapshot.revision, digest: active.snapshot.digest };
    let body: Bytes = write_snapshot(&active.snapshot, &active.contents).into();
    let frame = event("snapshot", head.number, &body);
    Whole { head, body, frame }
}

async fn frame(app: &App, revision: &Revision) -> Result<Option<Frame>, Failure> {
    let mut blobs = Vec::new();
    for change in &revision.body.changes {
        let Change::Put { body, .. } = change else { continue };
        for digest in Document::from_value(body).iter().flat_map(Document::blobs) {
            // One that is gone leaves a gap, which whoever needs it names.
            blobs.extend(Blobs::get(app.store(), &digest).await?);
        }
    }
    let head = Head { number: revision.body.number, digest: revision.digest };
    let bytes = write_revision(revision, blobs.iter().map(Vec::as_slice));
    Ok(bytes.map(|bytes| Frame { head, bytes: event("revision", head.number, &bytes) }))
}

/// A server-sent event; each line of `data` becomes one of its own, which the receiver joins again.
fn event(name: &str, id: RevisionNumber, data: &[u8]) -> Bytes {
    let mut bytes = format!("id: {id}\nevent: {name}\n").into_bytes();
    bytes.reserve(data.len() + 64);
    for line in data.split(|byte| *byte == b'\n') {
        bytes.extend_from_slice(b"data: ");
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    bytes.into()
}

/// How far apart dropped clients are to come back: as many as there are come over so many milliseconds, at most 30 s.
pub(crate) fn spread(connected: usize) -> Duration {
    Duration::from_millis(u64::try_from(connected).unwrap_or(u64::MAX).min(30_000))
}

impl Follow {
    /// The word on when to come back, different for each who asks.
    pub fn retry(&self, app: &Arc<App>) -> Bytes {
        let spread = u64::try_from(spread(self.clients.connected()).as_millis()).unwrap_or(30_000);
        let within = u64::try_from(app.random() % u128::from(spread.max(1))).unwrap_or(0);
        Bytes::from(format!("retry: {}\n\n", within + 1))
    }
}
