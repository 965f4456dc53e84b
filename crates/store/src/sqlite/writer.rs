//! The one thread that writes a file: takes what waits, runs it in one transaction, commits, and then answers everybody.
//! Knows nothing of tables.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Place, trouble::Trouble};
use crate::Failure;

/// Writes that may wait; whoever comes when it is full waits for room, and nothing is dropped.
const WAITING_MAX: usize = 4096;
/// Writes of one transaction; bounds how long the first of them waits for the others.
const BATCH_MAX: usize = 512;

/// Answers one waiter once the fate of the transaction is known.
type Answer = Box<dyn FnOnce(Result<(), &Trouble>) + Send>;
/// One write. Without a connection it only answers.
type Job = Box<dyn FnOnce(Result<&Connection, &Trouble>) -> Answer + Send>;

/// The way to the thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("room", &self.jobs.capacity()).finish()
    }
}

impl Writer {
    /// Starts the thread; it ends when the last way to it is dropped, after what waits is done.
    pub fn start(name: &str, place: Place, connection: Connection) -> Result<Self, Trouble> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let work = move || Thread { place, connection: Some(connection) }.run(waiting);
        thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Self { jobs })
    }

    /// Runs `work` in a transaction and answers once that is on the disk. What fails leaves nothing behind.
    pub async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        self.run_then(what, work, |_| {}).await
    }

    /// Like `run`; `then` runs after the commit even if nobody waits for the answer any more.
    pub async fn run_then<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Failure> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let done = connection.map_err(Clone::clone).and_then(|connection| apart(connection, work));
            Box::new(move |committed| {
                let outcome = done.and_then(|value| committed.map(|()| value).map_err(Clone::clone));
                if let Ok(value) = &outcome {
                    then(value);
                }
                // A waiter that went away is no failure: the write stands.
                let _ = tell.send(outcome);
            })
        });
        let gone = || Trouble::gone().failure(what, "");
        self.jobs.send(job).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?.map_err(|trouble| trouble.failure(what, ""))
    }
}

/// Runs one write so that its failure takes back its own rows and nobody else's.
fn apart<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    connection.prepare_cached("savepoint one")?.execute([])?;
    let done = work(connection);
    // SQLite ends the whole transaction by itself on some failures; the thread looks for that.
    if !connection.is_autocommit() {
        if done.is_err() {
            connection.prepare_cached("rollback to one")?.execute([])?;
        }
        connection.prepare_cached("release one")?.execute([])?;
    }
    done
}

struct Thread {
    place: Place,
    connection: Option<Connection>,
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = VecDeque::from([first]);
            while waiting.len() < BATCH_MAX
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push_back(job);
            }
            while !waiting.is_empty() {
                // Waiters of a batch that panics are answered by the loss of their channels.
                let ran = catch_unwind(AssertUnwindSafe(|| self.batch(&mut waiting)));
                if ran.is_err() {
                    self.connection = None;
                }
            }
        }
    }

    /// One transaction over as much of `waiting` as it holds together for.
    fn batch(&mut self, waiting: &mut VecDeque<Job>) {
        let mut answers: Vec<Answer> = Vec::with_capacity(waiting.len());
        let outcome = self.transaction(waiting, &mut answers);
        if let Err(trouble) = &outcome {
            tracing::error!(file = %self.place.path.display(), "a transaction failed, nothing of it is acknowledged: {trouble:?}");
            self.recover(trouble);
            // Nothing ran, so nothing would ever end the batch: everybody is told instead.
            if answers.is_empty() {
                answers.extend(waiting.drain(..).map(|job| job(Err(trouble))));
            }
        }
        for answer in answers {
            answer(outcome.as_ref().copied());
        }
    }

    fn transaction(&mut self, waiting: &mut VecDeque<Job>, answers: &mut Vec<Answer>) -> Result<(), Trouble> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => reopen(&self.place)?,
        };
        let connection = self.connection.insert(connection);
        connection.prepare_cached("begin immediate")?.execute([])?;
        while let Some(job) = waiting.pop_front() {
            answers.push(job(Ok(connection)));
            if connection.is_autocommit() {
                return Err(Trouble::damaged(
                    "the transaction that this was part of was lost; ask again".into(),
                )
                .passing());
            }
        }
        connection.prepare_cached("commit")?.execute([])?;
        Ok(())
    }

    fn recover(&mut self, trouble: &Trouble) {
        let Some(connection) = &self.connection else { return };
        let rolled_back = connection.is_autocommit() || connection.execute_batch("rollback").is_ok();
        if trouble.fatal || !rolled_back {
            self.connection = None;
        }
    }
}

/// A fresh handle after a failed one. All of the write-ahead log is written to the file again and synced, because pages whose
/// sync failed may be in the kernel's cache and nowhere else.
fn reopen(place: &Place) -> Result<Connection, Trouble> {
    let connection = place.writing()?;
    let busy: bool = connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    if busy {
        tracing::warn!(file = %place.path.display(), "readers kept the write-ahead log from being written back in full");
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn writer(directory: &std::path::Path) -> Writer {
        let place = Place { path: directory.join("test.db"), pages_max: None };
        let connection = place.writing().unwrap();
        connection.execute_batch("create table seen(name text unique)").unwrap();
        Writer::start("test-writer", place, connection).unwrap()
    }

    fn insert(name: &'static str) -> impl FnOnce(&Connection) -> Result<(), Trouble> + Send + 'static {
        move |connection| Ok(connection.execute("insert into seen values(?1)", [name]).map(|_| ())?)
    }

    async fn seen(writer: &Writer) -> Vec<String> {
        let read = |connection: &Connection| {
            let mut statement = connection.prepare("select name from seen order by rowid")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        writer.run("read", read).await.unwrap()
    }

    /// Holds the thread up, so that what comes meanwhile shares one transaction.
    fn pause(connection: &Connection) -> Result<(), Trouble> {
        connection.busy_timeout(Duration::from_millis(100))?;
        connection.query_row("with recursive n(x) as (select 1 union all select x+1 from n where x < 300000) select sum(x) from n", [], |_| Ok(()))?;
        Ok(())
    }

    #[tokio::test]
    async fn one_write_that_fails_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path());
        let (_, first, again, second) = tokio::join!(
            writer.run("pause", pause),
            writer.run("a", insert("a")),
            writer.run("a again", |connection| {
                insert("before the failure")(connection)?;
                insert("a")(connection)
            }),
            writer.run("b", insert("b")),
        );
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert!(again.unwrap_err().reason.contains("UNIQUE"));
        assert_eq!(seen(&writer).await, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_lost_transaction_acknowledges_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path());
        let (_, first, _, second) = tokio::join!(
            writer.run("pause", pause),
            writer.run("a", insert("a")),
            writer.run("loss", |connection| Ok(connection.execute_batch("rollback")?)),
            writer.run("b", insert("b")),
        );
        assert!(first.unwrap_err().retryable);
        assert_eq!(second, Ok(()));
        assert_eq!(seen(&writer).await, ["b"]);
    }

    #[tokio::test]
    async fn the_thread_outlives_a_panic_and_answers_its_waiters() {
        let directory = tempfile::tempdir().unwrap();
        let writer = Arc::new(writer(directory.path()));
        let broken = writer.run("break", |_| -> Result<(), Trouble> { panic!("on purpose") }).await;
        assert!(broken.unwrap_err().reason.contains("ended before it answered"));
        writer.run("a", insert("a")).await.unwrap();
        assert_eq!(seen(&writer).await, ["a"]);
    }

    #[tokio::test]
    async fn a_handle_that_failed_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { path: directory.path().join("test.db"), pages_max: None };
        let connection = place.writing().unwrap();
        connection
            .execute_batch("create table seen(name text unique); insert into seen values('a')")
            .unwrap();
        let mut thread = Thread { place, connection: Some(connection) };
        let failed = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC),
            None,
        );
        thread.recover(&failed.into());
        assert!(thread.connection.is_none());
        let reopened = reopen(&thread.place).unwrap();
        // What was in the write-ahead log alone is in the file now.
        assert_eq!(std::fs::metadata(directory.path().join("test.db-wal")).unwrap().len(), 0);
        let name: String = reopened.query_row("select name from seen", [], |row| row.get(0)).unwrap();
        assert_eq!(name, "a");
    }
}
