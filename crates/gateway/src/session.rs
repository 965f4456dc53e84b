//! The pins of sessions: in memory, behind it the store. Makes assignments durable, and serves on without them when the store
//! is away. Knows nothing of what is resolved from a pin.

use std::{sync::Arc, time::Duration};

use serinus_domain::{id::UnitHash, resolve::Pin, units::Timestamp};
use serinus_store::{Failure, PinLife, PinWrite, Pins};

use crate::{
    counters::Counters,
    pin_cache::{Known, PinCache},
};

/// The sessions of one node.
pub(crate) struct Sessions {
    pins: Arc<dyn Pins>,
    cache: PinCache,
    counters: Arc<Counters>,
    wait_max: Duration,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It is durable.
    Durable,
    /// The store is away; this node holds it and tries again at the session's next turn.
    InMemory,
}

/// Another node was first: what stands now.
#[derive(Debug)]
pub(crate) struct Lost(pub Arc<Known>);

impl Sessions {
    pub(crate) fn new(
        pins: Arc<dyn Pins>,
        counters: Arc<Counters>,
        sessions_max: usize,
        life: PinLife,
        wait_max: Duration,
    ) -> Self {
        Self { pins, cache: PinCache::new(sessions_max, life), counters, wait_max }
    }

    /// What is known of a session. A store that does not answer leaves it unknown: resolution is deterministic, so most
    /// sessions get what they had.
    pub(crate) async fn known(&self, session: Option<UnitHash>, now: Timestamp) -> Arc<Known> {
        let Some(session) = session else { return Arc::default() };
        if let Some(known) = self.cache.get(session, now) {
            return known;
        }
        self.counters.pin_reads.one();
        match self.in_time("read pins", self.pins.session(session, now)).await {
            Ok(pins) if pins.is_empty() => Arc::default(),
            Ok(pins) => {
                let known = Arc::new(Known::new(pins, None, now));
                self.cache.put(session, Arc::clone(&known));
                known
            }
            Err(failure) => {
                tracing::warn!(store.failure = %failure, "pins cannot be read; sessions are resolved anew: {failure}");
                Arc::default()
            }
        }
    }

    /// Makes a write durable. The first writer wins: where that is somebody else, says what stands.
    pub(crate) async fn save(
        &self,
        session: UnitHash,
        known: &Known,
        write: PinWrite,
        now: Timestamp,
    ) -> Result<Saved, Lost> {
        let stood = match self.in_time("write pins", self.pins.pin(write.clone())).await {
            Ok(stood) => stood,
            Err(failure) => {
                // INVARIANT(fail-static): the user is answered; what is lost is durability, and it is counted.
                self.counters.pins_not_durable.one();
                tracing::warn!(store.failure = %failure, "a pin is not durable yet: {failure}");
                let pins = merged(&known.pins, &write.pins);
                self.cache.put(session, Arc::new(Known::new(pins, Some(write), now)));
                return Ok(Saved::InMemory);
            }
        };
        let lost = write.pins.iter().any(|ours| {
            let stands = stood.iter().find(|pin| pin.feature == ours.feature);
            stands.is_some_and(|stands| {
                stands.bundle != ours.bundle || stands.variant != ours.variant || stands.arm != ours.arm
            })
        });
        let standing = if stood.is_empty() { &write.pins } else { &stood };
        let known = Arc::new(Known::new(merged(&known.pins, standing), None, now));
        self.cache.put(session, Arc::clone(&known));
        if lost {
            self.counters.pin_races_lost.one();
            return Err(Lost(known));
        }
        self.counters.pins_written.one();
        Ok(Saved::Durable)
    }

    /// Forgets a session that was closed, so that its next turn asks the store.
    pub(crate) fn forget(&self, session: UnitHash) {
        self.cache.forget(session);
    }

    async fn in_time<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| Failure {
            what,
            reason: format!("no answer in {} ms", self.wait_max.as_millis()),
            retryable: true,
        };
        tokio::time::timeout(self.wait_max, call).await.map_err(late)?
    }
}

/// The pins of a session after `newer` ones.
fn merged(pins: &[Pin], newer: &[Pin]) -> Vec<Pin> {
    let kept = pins.iter().filter(|pin| newer.iter().all(|new| new.feature != pin.feature));
    kept.chain(newer).cloned().collect()
}
