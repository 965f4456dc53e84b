//! Who follows, how far each has come and why not further. Kept in memory alone: a client says it again after every change.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serinus_domain::{revision::RevisionNumber, units::Timestamp};

/// Clients that are remembered after they went; beyond it those gone longest are forgotten.
const GONE_MAX: usize = 1000;

/// What is known of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ack {
    /// What it evaluates by.
    pub revision: RevisionNumber,
    /// Why nothing later.
    pub refusal: Option<String>,
    /// When it last came or said something.
    pub seen_at: Timestamp,
    /// Streams that it has open.
    pub streams: usize,
}

/// All clients of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    open: AtomicUsize,
    by_name: Mutex<BTreeMap<String, Ack>>,
}

/// A stream that is open; closed when dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    clients: Clients,
    name: Option<String>,
}

impl Clients {
    /// Opens a stream for a client, which may have a name.
    pub fn open(&self, name: Option<String>, now: Timestamp) -> Presence {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        if let Some(name) = &name {
            self.change(name, |ack| {
                ack.streams += 1;
                ack.seen_at = now;
            });
        }
        Presence { clients: self.clone(), name }
    }

    /// A client's own word.
    pub fn acknowledge(&self, name: &str, revision: RevisionNumber, refusal: Option<String>, now: Timestamp) {
        self.change(name, |ack| {
            let streams = ack.streams;
            *ack = Ack { revision, refusal, seen_at: now, streams };
        });
    }

    /// Open streams.
    pub fn connected(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Of the connected clients with a name: how many there are, and how many evaluate by `revision` or a later one.
    pub fn active(&self, revision: RevisionNumber) -> (usize, usize) {
        let by_name = self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = by_name.values().filter(|ack| ack.streams > 0);
        connected.fold((0, 0), |(all, active), ack| (all + 1, active + usize::from(ack.revision >= revision)))
    }

    /// All of them in the order of their names.
    pub fn all(&self) -> Vec<(String, Ack)> {
        let by_name = self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, ack)| (name.clone(), ack.clone())).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Ack)) {
        let mut by_name = self.0.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ack) = by_name.get_mut(name) {
            return change(ack);
        }
        change(by_name.entry(name.to_owned()).or_default());
        // Only a new name can make them too many.
        if by_name.len() > GONE_MAX && by_name.values().filter(|ack| ack.streams == 0).count() > GONE_MAX {
            let gone = by_name.iter().filter(|(_, ack)| ack.streams == 0).min_by_key(|(_, ack)| ack.seen_at);
            if let Some(name) = gone.map(|(name, _)| name.clone()) {
                by_name.remove(&name);
            }
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.clients.0.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(name) = &self.name {
            self.clients.change(name, |ack| ack.streams = ack.streams.saturating_sub(1));
        }
    }
}
