//! The in-memory twin of every seam, for tests, simulation and demonstrations. Keeps nothing across a restart and knows
//! nothing of files.

mod desk;
mod records;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serinus_domain::{
    digest::Digest,
    id::{RolloutKey, UnitHash},
    record::Record,
    resolve::{Arm, Pin},
    revision::{Draft, Revision, RevisionNumber},
    units::Timestamp,
};
use tokio::sync::watch;

use crate::{
    AppendError, Blobs, Failure, Head, Log, LogReader, NodeReport, Nodes, Outbox, Paper, PinLife, PinWrite,
    Pins, Token, Tokens, Usage, erased,
    settle::{Kept, is_open, settle},
};

/// Everything in memory behind one lock, which is never held across an await.
#[derive(Debug)]
pub struct MemoryStore {
    life: PinLife,
    kept: Mutex<State>,
    head: watch::Sender<RevisionNumber>,
    last_record: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    revisions: Vec<Revision>,
    blobs: HashMap<Digest, Vec<u8>>,
    pins: HashMap<UnitHash, Vec<Kept>>,
    records: records::Kept,
    cursors: HashMap<String, RevisionNumber>,
    tokens: BTreeMap<String, Token>,
    nodes: BTreeMap<String, NodeReport>,
    erased: BTreeSet<Digest>,
    papers: BTreeMap<(String, String), Paper>,
    usages: BTreeMap<String, Usage>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(PinLife::default())
    }
}

impl MemoryStore {
    /// An empty store whose pins last for `life`.
    pub fn new(life: PinLife) -> Self {
        Self {
            life,
            kept: Mutex::default(),
            head: watch::Sender::new(RevisionNumber(0)),
            last_record: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn head(&self) -> Head {
        self.revisions.last().map_or(Head { number: RevisionNumber(0), digest: Digest::ZERO }, |last| Head {
            number: last.body.number,
            digest: last.digest,
        })
    }

    /// Revisions are gap-free from 1, so a number is also the index of what follows it.
    fn after(&self, number: RevisionNumber) -> &[Revision] {
        let at = usize::try_from(number.0).unwrap_or(usize::MAX);
        self.revisions.get(at..).unwrap_or_default()
    }
}

#[async_trait]
impl LogReader for MemoryStore {
    async fn head(&self) -> Result<Head, Failure> {
        Ok(self.state().head())
    }

    async fn read(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Failure> {
        Ok(self.state().after(after).iter().take(limit).cloned().collect())
    }

    fn watch_head(&self) -> watch::Receiver<RevisionNumber> {
        self.head.subscribe()
    }
}

#[async_trait]
impl Log for MemoryStore {
    async fn append(&self, draft: &Draft, at: Timestamp) -> Result<Revision, AppendError> {
        let mut state = self.state();
        if let Some(key) = &draft.idempotency_key {
            let before =
                state.revisions.iter().find(|revision| revision.body.idempotency_key.as_ref() == Some(key));
            if let Some(before) = before {
                return Ok(before.clone());
            }
        }
        let head = state.head();
        if head.number != draft.expected_head {
            let since = state.after(draft.expected_head).to_vec();
            return Err(AppendError::Conflict { expected: draft.expected_head, since });
        }
        let revision = Revision::seal(draft, head.number, head.digest, at);
        state.revisions.push(revision.clone());
        drop(state);
        self.head.send_modify(|head| *head = (*head).max(revision.body.number));
        Ok(revision)
    }
}

#[async_trait]
impl Blobs for MemoryStore {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let digest = Digest::of(bytes);
        let mut state = self.state();
        if state.erased.contains(&digest) {
            return Err(erased(&digest));
        }
        state.blobs.entry(digest).or_insert_with(|| bytes.to_vec());
        Ok(digest)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.state().blobs.get(digest).cloned())
    }

    async fn erase(&self, digest: &Digest) -> Result<bool, Failure> {
        let mut state = self.state();
        state.erased.insert(*digest);
        Ok(state.blobs.remove(digest).is_some())
    }
}

#[async_trait]
impl Pins for MemoryStore {
    async fn session(&self, session: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Failure> {
        let state = self.state();
        let pins = state.pins.get(&session).map(Vec::as_slice).unwrap_or_default();
        if !is_open(pins, self.life, now) {
            return Ok(Vec::new());
        }
        Ok(pins.iter().map(|kept| kept.pin.clone()).collect())
    }

    async fn pin(&self, write: PinWrite) -> Result<Vec<Pin>, Failure> {
        let mut state = self.state();
        let session = write.pins.first().map(|pin| pin.session);
        let pins = session.map(|session| state.pins.entry(session).or_default());
        let settled = settle(pins.as_deref().map(Vec::as_slice).unwrap_or_default(), write, self.life);
        if let Some(pins) = pins {
            pins.retain(|old| {
                !settled.ended && settled.kept.iter().all(|new| new.pin.feature != old.pin.feature)
            });
            pins.extend(settled.kept);
        }
        if let Some(enrolment) = settled.enrolment {
            state.records.add(Record::Enrolment(enrolment), None);
        }
        let last = state.records.last();
        drop(state);
        self.told(last);
        Ok(settled.standing)
    }

    async fn close(&self, session: UnitHash) -> Result<(), Failure> {
        self.state().pins.remove(&session);
        Ok(())
    }

    async fn open_sessions(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Failure> {
        let pinned = |kept: &Kept| {
            let facts = kept.pin.arm.as_ref();
            kept.last_seen >= since
                && facts.is_some_and(|facts| facts.rollout == *rollout && facts.arm == arm)
        };
        Ok(self.state().pins.values().filter(|pins| pins.iter().any(pinned)).count() as u64)
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn cursor(&self, follower: &str) -> Result<RevisionNumber, Failure> {
        Ok(self.state().cursors.get(follower).copied().unwrap_or_default())
    }

    async fn move_cursor(&self, follower: &str, to: RevisionNumber) -> Result<(), Failure> {
        let mut state = self.state();
        let cursor = state.cursors.entry(follower.to_owned()).or_default();
        *cursor = to.max(*cursor);
        Ok(())
    }
}

#[async_trait]
impl Tokens for MemoryStore {
    async fn put(&self, token: &Token) -> Result<(), Failure> {
        self.state().tokens.insert(token.id.clone(), token.clone());
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Token>, Failure> {
        Ok(self.state().tokens.values().cloned().collect())
    }

    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool, Failure> {
        let mut state = self.state();
        let Some(token) = state.tokens.get_mut(id) else { return Ok(false) };
        token.revoked_at.get_or_insert(at);
        Ok(true)
    }
}

#[async_trait]
impl Nodes for MemoryStore {
    async fn report(&self, report: NodeReport) -> Result<(), Failure> {
        self.state().nodes.insert(report.node.clone(), report);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>, Failure> {
        Ok(self.state().nodes.values().cloned().collect())
    }
}
