//! Connections that only read, so that no reader ever waits for a write. Knows nothing of tables.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Place, trouble::Trouble};
use crate::Failure;

/// Reads at a time in one file; more would wait for the same cores.
const READERS: usize = 4;

/// A small pool; whoever finds it empty waits.
pub(super) struct Readers {
    place: Place,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Readers {
    pub fn new(place: Place) -> Self {
        Self { place, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `work` on a connection of its own, off the executor's threads.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        let gone = || Trouble::gone().failure(what, "");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| gone())?;
        let readers = Arc::clone(self);
        let read = spawn_blocking(move || {
            // Moved in, so that a reader whose caller went away still counts until it is done.
            let _permit = permit;
            readers.read(work)
        });
        read.await.map_err(|_| gone())?.map_err(|trouble| trouble.failure(what, ""))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let connection = taken.map_or_else(|| self.place.reading(), Ok)?;
        let done = work(&connection);
        if !done.as_ref().is_err_and(|trouble| trouble.fatal) {
            idle().push(connection);
        }
        done
    }
}
