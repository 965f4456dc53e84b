//! Pins of sessions in memory, in two generations so that eviction costs nothing: what was not used for a whole generation
//! goes. Knows nothing of the store behind it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use serinus_domain::{id::UnitHash, resolve::Pin, units::Timestamp};
use serinus_store::{PinLife, PinWrite};

/// Locks are held for a look-up only; sixteen of them keep two cores apart.
const SHARDS: usize = 16;

/// What is known of a session.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Its pins.
    pub pins: Vec<Pin>,
    /// A write that the store did not take yet.
    pub unsaved: Option<PinWrite>,
    seen_us: AtomicI64,
}

impl Known {
    pub(crate) fn new(pins: Vec<Pin>, unsaved: Option<PinWrite>, now: Timestamp) -> Self {
        Self { pins, unsaved, seen_us: AtomicI64::new(now.0) }
    }

    /// Whether the session has neither idled too long nor grown too old, as far as this node knows.
    fn is_open(&self, life: PinLife, now: Timestamp) -> bool {
        let seen = Timestamp(self.seen_us.load(Ordering::Relaxed));
        let opened = self.pins.iter().map(|pin| pin.at).min().unwrap_or(seen);
        now.since(seen) <= life.idle && now.since(opened) <= life.age
    }
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<UnitHash, Arc<Known>>,
    old: HashMap<UnitHash, Arc<Known>>,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct PinCache {
    shards: [Mutex<Shard>; SHARDS],
    generation_max: usize,
    life: PinLife,
}

impl PinCache {
    pub(crate) fn new(sessions_max: usize, life: PinLife) -> Self {
        Self { shards: Default::default(), generation_max: (sessions_max / SHARDS / 2).max(1), life }
    }

    /// What is known of a session that is still open; a look is a sign of life.
    pub(crate) fn get(&self, session: UnitHash, now: Timestamp) -> Option<Arc<Known>> {
        self.with(session, |shard, generation_max| {
            let known = match shard.young.get(&session) {
                Some(known) => Arc::clone(known),
                None => {
                    let known = shard.old.remove(&session)?;
                    shard.insert(session, Arc::clone(&known), generation_max);
                    known
                }
            };
            if !known.is_open(self.life, now) {
                // Another node may have seen it since: the store knows.
                shard.young.remove(&session);
                return None;
            }
            known.seen_us.fetch_max(now.0, Ordering::Relaxed);
            Some(known)
        })
    }

    pub(crate) fn put(&self, session: UnitHash, known: Arc<Known>) {
        self.with(session, |shard, generation_max| {
            shard.old.remove(&session);
            shard.insert(session, known, generation_max);
        });
    }

    pub(crate) fn forget(&self, session: UnitHash) {
        self.with(session, |shard, _| {
            shard.young.remove(&session);
            shard.old.remove(&session);
        });
    }

    fn with<T>(&self, session: UnitHash, look: impl FnOnce(&mut Shard, usize) -> T) -> T {
        let shard = &self.shards[session.0 as usize % SHARDS];
        look(&mut shard.lock().unwrap_or_else(PoisonError::into_inner), self.generation_max)
    }
}

impl Shard {
    fn insert(&mut self, session: UnitHash, known: Arc<Known>, generation_max: usize) {
        if self.young.len() >= generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(at: i64) -> Arc<Known> {
        Arc::new(Known::new(Vec::new(), None, Timestamp(at)))
    }

    #[test]
    fn used_sessions_stay_and_the_rest_goes() {
        let cache = PinCache::new(SHARDS * 20, PinLife::default());
        let session = |n: u128| UnitHash(n * SHARDS as u128); // all in one shard
        cache.put(session(0), known(0));
        for n in 1..100 {
            cache.put(session(n), known(0));
            assert!(cache.get(session(0), Timestamp(0)).is_some(), "{n}");
        }
        assert!(cache.get(session(1), Timestamp(0)).is_none());
        let held = (0..100).filter(|n| cache.get(session(*n), Timestamp(0)).is_some()).count();
        assert!(held <= 20, "{held}");
    }

    #[test]
    fn idle_sessions_are_asked_for_again() {
        let cache = PinCache::new(1000, PinLife::default());
        let minutes = |n: i64| Timestamp(n * 60_000_000);
        cache.put(UnitHash(1), known(0));
        assert!(cache.get(UnitHash(1), minutes(29)).is_some());
        assert!(cache.get(UnitHash(1), minutes(58)).is_some());
        assert!(cache.get(UnitHash(1), minutes(89)).is_none());
    }
}
