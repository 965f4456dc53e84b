//! How often what is served was used: counted beside the prepared snapshot without a lock, and handed to the store every ten seconds.
//! Knows nothing of who used it or why.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serinus_store::{Usage, Usages};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// How much of a count a node that dies may take with it; a hint for people is worth no more writes than this.
const FLUSH: Duration = Duration::from_secs(10);

/// How often one thing was used since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Uses(AtomicU64);

impl Uses {
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted; it is counted no more.
    pub(crate) fn take(&self) -> u64 {
        // Most things of a large snapshot rest: a look costs less than a write that all cores have to see.
        if self.0.load(Ordering::Relaxed) == 0 { 0 } else { self.0.swap(0, Ordering::Relaxed) }
    }
}

/// Counts by subject.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Counts that wait for the store: those of snapshots that were replaced, and those that a store refused.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Counts>);

impl Waiting {
    pub(crate) fn add(&self, counts: Counts) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (subject, count) in counts {
            *waiting.entry(subject).or_default() += count;
        }
    }

    fn take(&self) -> Counts {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The task that hands counts over.
pub(crate) struct UsageWriter {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) usages: Arc<dyn Usages>,
}

impl UsageWriter {
    /// Hands over every ten seconds until `stop`, and once more then.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(FLUSH) => false,
            };
            self.flush().await;
            if stopped {
                return;
            }
        }
    }

    async fn flush(&self) {
        let mut counts = self.gateway.prepared().take_counts();
        for (subject, count) in self.gateway.preparation.waiting.take() {
            *counts.entry(subject).or_default() += count;
        }
        if counts.is_empty() {
            return;
        }
        let last_at = self.gateway.now();
        let batch: Vec<_> = counts
            .iter()
            .map(|(subject, count)| Usage { subject: subject.clone(), count: *count, last_at })
            .collect();
        if let Err(failure) = self.usages.used(&batch).await {
            tracing::warn!(store.failure = %failure, "usage waits for the store: {failure}");
            self.gateway.preparation.waiting.add(counts);
        }
    }
}
