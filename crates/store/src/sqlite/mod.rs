//! Everything in one directory: `control.db` holds all that a rollback touches, `telemetry.db` what was observed and pinned.
//! Says where things lie and with which options; knows nothing of what they mean.

mod control;
mod desk;
mod log;
mod pins;
mod queries;
mod readers;
mod records;
mod schema;
mod trouble;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serinus_domain::revision::RevisionNumber;
use tokio::sync::watch;

use self::{readers::Readers, trouble::Trouble, writer::Writer};
use crate::{Failure, PinLife};

/// How a store in a directory behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqliteOptions {
    /// How long pins last.
    pub pin_life: PinLife,
    /// Bytes that the telemetry file may grow to, so that observations never take the room that a rollback needs; as much
    /// as the disk holds where not given.
    pub telemetry_bytes_max: Option<u64>,
}

/// A store in a directory.
#[derive(Debug)]
pub struct SqliteStore {
    control: Database,
    telemetry: Database,
    pin_life: PinLife,
    head: watch::Sender<RevisionNumber>,
    last_record: watch::Sender<u64>,
}

/// One file with the one thread that writes it and those connections that only read.
#[derive(Debug)]
struct Database {
    writer: Writer,
    readers: Arc<Readers>,
    /// For what a request waits for: never behind somebody who looks through the log.
    serving: Arc<Readers>,
}

/// Where a file lies and how its connections are set up.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    pages_max: Option<u64>,
}

const PAGE_BYTES: u64 = 4096;
/// Pages of write-ahead log before they are copied back: 16 MB, so that the copying stalls few commits.
const CHECKPOINT_PAGES: u32 = 4000;
/// Statements kept prepared by each connection; more than any file has.
const STATEMENTS_KEPT: usize = 64;
/// How long another process may hold the file, as a backup does.
const BUSY_WAIT: Duration = Duration::from_secs(5);

impl Place {
    fn writing(&self) -> Result<Connection, Trouble> {
        let connection = Connection::open(&self.path)?;
        self.set_up(&connection)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // INVARIANT(acknowledged-is-durable): every commit is on the disk before it returns, and only then are waiters told.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "foreign_keys", "on")?;
        if let Some(pages) = self.pages_max {
            connection.pragma_update_and_check(None, "max_page_count", trouble::int(pages), |_| Ok(()))?;
        }
        Ok(connection)
    }

    fn reading(&self) -> Result<Connection, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        self.set_up(&connection)?;
        Ok(connection)
    }

    fn set_up(&self, connection: &Connection) -> Result<(), Trouble> {
        connection.busy_timeout(BUSY_WAIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(())
    }
}

impl Database {
    /// Opens a file; also answers the number that `last` asks for.
    fn open(
        place: Place,
        name: &'static str,
        migrations: &[&str],
        last: &str,
    ) -> Result<(Self, u64), Failure> {
        let opened = || -> Result<(Connection, u64), Trouble> {
            let mut connection = place.writing()?;
            schema::migrate(&mut connection, migrations)?;
            let last = connection.query_row(last, [], |row| row.get(0))?;
            Ok((connection, trouble::uint(last)))
        };
        let failed = |trouble: Trouble| trouble.failure("open", &place.path.display().to_string());
        let (connection, last) = opened().map_err(failed)?;
        let writer = Writer::start(name, place.clone(), connection).map_err(failed)?;
        let serving = Arc::new(Readers::new(place.clone()));
        Ok((Self { writer, readers: Arc::new(Readers::new(place)), serving }, last))
    }
}

impl SqliteStore {
    /// Opens the store in `directory`, which is made where it is missing; brings an older one's schema up to date.
    pub fn open(directory: &Path, options: SqliteOptions) -> Result<Self, Failure> {
        std::fs::create_dir_all(directory)
            .map_err(|refused| Trouble::from(refused).failure("open", &directory.display().to_string()))?;
        let control = Place { path: directory.join("control.db"), pages_max: None };
        let pages_max = options.telemetry_bytes_max.map(|bytes| (bytes / PAGE_BYTES).max(1));
        let telemetry = Place { path: directory.join("telemetry.db"), pages_max };
        let (control, head) = Database::open(
            control,
            "serinus-control-writer",
            schema::CONTROL,
            "select coalesce(max(number), 0) from revisions",
        )?;
        let (telemetry, last_record) = Database::open(
            telemetry,
            "serinus-telemetry-writer",
            schema::TELEMETRY,
            "select coalesce(max(seq), 0) from records",
        )?;
        Ok(Self {
            control,
            telemetry,
            pin_life: options.pin_life,
            head: watch::Sender::new(RevisionNumber(head)),
            last_record: watch::Sender::new(last_record),
        })
    }
}
