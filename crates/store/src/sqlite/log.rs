//! The revision log and the blobs behind it. Knows nothing of what revisions say.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serinus_domain::{
    digest::Digest,
    revision::{Draft, Revision, RevisionNumber},
    units::Timestamp,
};
use tokio::sync::watch;

use super::{
    SqliteStore,
    trouble::{Trouble, int, uint},
};
use crate::{AppendError, Blobs, Failure, Head, Log, LogReader, erased, sql, sql::raise};

type Stored = (i64, [u8; 32], Vec<u8>);

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn verified((number, digest, body): Stored) -> Result<Revision, Trouble> {
    sql::verified(number, &digest, &body).map_err(Trouble::damaged)
}

fn head(connection: &Connection) -> Result<Head, Trouble> {
    let mut statement =
        connection.prepare_cached("select number, digest from revisions order by number desc limit 1")?;
    let last = statement
        .query_row([], |row| {
            Ok(Head { number: RevisionNumber(uint(row.get(0)?)), digest: Digest(row.get(1)?) })
        })
        .optional()?;
    Ok(last.unwrap_or(Head { number: RevisionNumber(0), digest: Digest::ZERO }))
}

fn read(connection: &Connection, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Trouble> {
    let mut statement = connection.prepare_cached(
        "select number, digest, body from revisions where number > ?1 order by number limit ?2",
    )?;
    let rows = statement.query_map(params![int(after.0), int(limit as u64)], stored)?;
    rows.map(|row| verified(row?)).collect()
}

fn by_key(connection: &Connection, key: &str) -> Result<Option<Revision>, Trouble> {
    let mut statement =
        connection.prepare_cached("select number, digest, body from revisions where idempotency_key = ?1")?;
    statement.query_row([key], stored).optional()?.map(verified).transpose()
}

/// What an append comes to when the database does its part.
enum Attempt {
    Stands(Box<Revision>),
    Lost(Vec<Revision>),
}

fn append(connection: &Connection, draft: &Draft, at: Timestamp) -> Result<Attempt, Trouble> {
    if let Some(key) = &draft.idempotency_key
        && let Some(before) = by_key(connection, key)?
    {
        return Ok(Attempt::Stands(Box::new(before)));
    }
    let head = head(connection)?;
    if head.number != draft.expected_head {
        return read(connection, draft.expected_head, usize::MAX).map(Attempt::Lost);
    }
    let revision = Revision::seal(draft, head.number, head.digest, at);
    connection
        .prepare_cached(
            "insert into revisions(number, digest, idempotency_key, body) values(?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            int(revision.body.number.0),
            revision.digest.0,
            revision.body.idempotency_key,
            revision.to_stored()
        ])?;
    Ok(Attempt::Stands(Box::new(revision)))
}

#[async_trait]
impl LogReader for SqliteStore {
    async fn head(&self) -> Result<Head, Failure> {
        self.control.readers.run("read the head", head).await
    }

    async fn read(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Failure> {
        self.control.readers.run("read revisions", move |connection| read(connection, after, limit)).await
    }

    fn watch_head(&self) -> watch::Receiver<RevisionNumber> {
        self.head.subscribe()
    }
}

#[async_trait]
impl Log for SqliteStore {
    async fn append(&self, draft: &Draft, at: Timestamp) -> Result<Revision, AppendError> {
        let (expected, draft, watched) = (draft.expected_head, draft.clone(), self.head.clone());
        let work = move |connection: &Connection| append(connection, &draft, at);
        let tell = move |attempt: &Attempt| {
            if let Attempt::Stands(revision) = attempt {
                raise(&watched, revision.body.number);
            }
        };
        match self.control.writer.run_then("append a revision", work, tell).await? {
            Attempt::Stands(revision) => Ok(*revision),
            Attempt::Lost(since) => Err(AppendError::Conflict { expected, since }),
        }
    }
}

#[async_trait]
impl Blobs for SqliteStore {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let (digest, bytes) = (Digest::of(bytes), bytes.to_vec());
        let work = move |connection: &Connection| {
            if connection.prepare_cached("select 1 from erased where digest = ?1")?.exists([digest.0])? {
                return Ok(Err(erased(&digest)));
            }
            connection
                .prepare_cached("insert or ignore into blobs(digest, bytes) values(?1, ?2)")?
                .execute(params![digest.0, bytes])?;
            Ok(Ok(digest))
        };
        self.control.writer.run("store a blob", work).await?
    }

    async fn erase(&self, digest: &Digest) -> Result<bool, Failure> {
        let digest = *digest;
        let work = move |connection: &Connection| {
            connection
                .prepare_cached("insert or ignore into erased(digest) values(?1)")?
                .execute([digest.0])?;
            let gone =
                connection.prepare_cached("delete from blobs where digest = ?1")?.execute([digest.0])?;
            Ok(gone == 1)
        };
        self.control.writer.run("erase a blob", work).await
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
        let digest = *digest;
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached("select bytes from blobs where digest = ?1")?;
            let bytes: Option<Vec<u8>> = statement.query_row([digest.0], |row| row.get(0)).optional()?;
            match bytes {
                Some(bytes) if Digest::of(&bytes) != digest => Err(Trouble::damaged(format!(
                    "blob {} was altered after it was stored; publish its content again under a new version",
                    digest.short()
                ))),
                found => Ok(found),
            }
        };
        self.control.readers.run("read a blob", work).await
    }
}
