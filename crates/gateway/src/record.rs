//! Observations on their way to the store: a bounded queue that never blocks a request, and the one task that empties it in
//! batches. Knows nothing of what is observed.

use std::{sync::Arc, time::Duration};

use serinus_store::{NewRecord, Records};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    counters::Counters,
    observe::{Seen, Turn, observe},
};

/// First wait after a store refused; doubles to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Appends tried of each batch once the node is to stop; a store that is away must not keep it from doing so.
const ATTEMPTS_AT_STOP: u32 = 3;

type Observed = Box<(Turn, Seen)>;

/// The way in.
#[derive(Clone)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Observed>,
    counters: Arc<Counters>,
}

/// The way out.
pub(crate) struct RecordWriter {
    queue: mpsc::Receiver<Observed>,
    records: Arc<dyn Records>,
    counters: Arc<Counters>,
    batch_max: usize,
}

pub(crate) fn recorder(
    records: Arc<dyn Records>,
    counters: Arc<Counters>,
    queue_max: usize,
    batch_max: usize,
) -> (Recorder, RecordWriter) {
    let (sender, receiver) = mpsc::channel(queue_max.max(1));
    let recorder = Recorder { queue: sender, counters: Arc::clone(&counters) };
    (recorder, RecordWriter { queue: receiver, records, counters, batch_max: batch_max.max(1) })
}

impl Recorder {
    /// Takes an observation; when the queue is full, drops this one and counts it.
    pub(crate) fn push(&self, turn: Turn, seen: Seen) {
        if self.queue.try_send(Box::new((turn, seen))).is_err() {
            self.counters.records_dropped.one();
        }
    }
}

impl RecordWriter {
    /// Writes until `stop`, then what is still in the queue.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut observed = Vec::with_capacity(self.batch_max);
        loop {
            let taken = tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                taken = self.queue.recv_many(&mut observed, self.batch_max) => taken,
            };
            if taken == 0 {
                return;
            }
            // Checks are run here, so that reading an answer against its schema is in no request's way.
            let batch = observed.drain(..).map(|observed| observe(observed.0, observed.1)).collect();
            self.append(batch, &stop).await;
        }
    }

    async fn append(&self, batch: Vec<NewRecord>, stop: &CancellationToken) {
        let (mut wait, mut attempts_at_stop) = (WAIT_FIRST, 0);
        let size = batch.len() as u64;
        loop {
            let failure = match self.records.append(batch.clone()).await {
                Ok(appended) => return self.counters.records_written.add(appended.accepted as u64),
                Err(failure) => failure,
            };
            attempts_at_stop += u32::from(stop.is_cancelled());
            if !failure.retryable || attempts_at_stop >= ATTEMPTS_AT_STOP {
                self.counters.records_dropped.add(size);
                tracing::error!(records.dropped = size, store.failure = %failure, "dropped {size} records: {failure}");
                return;
            }
            tracing::warn!(store.failure = %failure, "records wait for the store: {failure}");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }
}
