//! Papers and usage. Knows nothing of what they say.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use serinus_domain::units::Timestamp;

use super::{
    SqliteStore,
    trouble::{Trouble, int, uint},
};
use crate::{Desk, Failure, Paper, Usage, Usages};

const PAPER: &str = "select kind, id, version, at, body from papers";

type Stored = (String, String, i64, i64, String);

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn paper((kind, id, version, at, body): Stored) -> Result<Paper, Trouble> {
    Ok(Paper { kind, id, version: uint(version), at: Timestamp(at), body: serde_json::from_str(&body)? })
}

fn write(
    connection: &Connection,
    (kind, id): &(String, String),
    expected: u64,
    body: &str,
    at: Timestamp,
) -> Result<bool, Trouble> {
    let changed = if expected == 0 {
        connection
            .prepare_cached(
                "insert or ignore into papers(kind, id, version, at, body) values(?1, ?2, 1, ?3, ?4)",
            )?
            .execute(params![kind, id, at.0, body])?
    } else {
        connection
            .prepare_cached(
                "update papers set version = version + 1, at = ?3, body = ?4 where kind = ?1 and id = ?2 and version = ?5",
            )?
            .execute(params![kind, id, at.0, body, int(expected)])?
    };
    Ok(changed == 1)
}

#[async_trait]
impl Desk for SqliteStore {
    async fn paper(&self, kind: &str, id: &str) -> Result<Option<Paper>, Failure> {
        let key = (kind.to_owned(), id.to_owned());
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&format!("{PAPER} where kind = ?1 and id = ?2"))?;
            statement.query_row(params![key.0, key.1], stored).optional()?.map(paper).transpose()
        };
        self.control.readers.run("read a paper", work).await
    }

    async fn papers(&self, kind: &str) -> Result<Vec<Paper>, Failure> {
        let kind = kind.to_owned();
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&format!("{PAPER} where kind = ?1 order by id"))?;
            let rows = statement.query_map([kind], stored)?;
            rows.map(|row| paper(row?)).collect()
        };
        self.control.readers.run("read papers", work).await
    }

    async fn write(
        &self,
        kind: &str,
        id: &str,
        expected: u64,
        body: &Value,
        at: Timestamp,
    ) -> Result<bool, Failure> {
        let (key, body) = ((kind.to_owned(), id.to_owned()), body.to_string());
        let work = move |connection: &Connection| write(connection, &key, expected, &body, at);
        self.control.writer.run("write a paper", work).await
    }

    async fn discard(&self, kind: &str, id: &str) -> Result<bool, Failure> {
        let key = (kind.to_owned(), id.to_owned());
        let work = move |connection: &Connection| {
            let gone = connection
                .prepare_cached("delete from papers where kind = ?1 and id = ?2")?
                .execute(params![key.0, key.1])?;
            Ok(gone == 1)
        };
        self.control.writer.run("throw a paper away", work).await
    }
}

#[async_trait]
impl Usages for SqliteStore {
    async fn used(&self, batch: &[Usage]) -> Result<(), Failure> {
        let batch = batch.to_vec();
        let work = move |connection: &Connection| {
            let mut upsert = connection.prepare_cached(
                "insert into usages(subject, count, last_at) values(?1, ?2, ?3)
                 on conflict(subject) do update set count = count + excluded.count, last_at = max(last_at, excluded.last_at)",
            )?;
            for usage in &batch {
                upsert.execute(params![usage.subject, int(usage.count), usage.last_at.0])?;
            }
            Ok(())
        };
        self.control.writer.run("add up usage", work).await
    }

    async fn usages(&self, prefix: &str) -> Result<Vec<Usage>, Failure> {
        let prefix = prefix.to_owned();
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "select subject, count, last_at from usages where subject >= ?1 and substr(subject, 1, length(?1)) = ?1
                 order by subject",
            )?;
            let rows = statement.query_map([prefix], |row| {
                Ok(Usage { subject: row.get(0)?, count: uint(row.get(1)?), last_at: Timestamp(row.get(2)?) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.control.readers.run("read usage", work).await
    }
}
