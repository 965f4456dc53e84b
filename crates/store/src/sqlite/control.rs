//! Cursors, tokens and node reports. Knows nothing of revisions but their numbers.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serinus_domain::{revision::RevisionNumber, units::Timestamp};

use super::{
    SqliteStore,
    trouble::{Trouble, int, uint},
};
use crate::{Failure, NodeReport, Nodes, Outbox, Token, Tokens};

#[async_trait]
impl Outbox for SqliteStore {
    async fn cursor(&self, follower: &str) -> Result<RevisionNumber, Failure> {
        let follower = follower.to_owned();
        let work = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("select revision from cursors where follower = ?1")?;
            let at: Option<i64> = statement.query_row([follower], |row| row.get(0)).optional()?;
            Ok(RevisionNumber(at.map_or(0, uint)))
        };
        self.control.readers.run("read a cursor", work).await
    }

    async fn move_cursor(&self, follower: &str, to: RevisionNumber) -> Result<(), Failure> {
        let follower = follower.to_owned();
        let work = move |connection: &Connection| {
            let upsert = "insert into cursors(follower, revision) values(?1, ?2)
                on conflict(follower) do update set revision = max(revision, excluded.revision)";
            connection.prepare_cached(upsert)?.execute(params![follower, int(to.0)])?;
            Ok(())
        };
        self.control.writer.run("move a cursor", work).await
    }
}

fn put(connection: &Connection, token: &Token) -> Result<(), Trouble> {
    connection
        .prepare_cached("insert or replace into tokens(id, body) values(?1, ?2)")?
        .execute(params![token.id, serde_json::to_string(token)?])?;
    Ok(())
}

fn revoke(connection: &Connection, id: &str, at: Timestamp) -> Result<bool, Trouble> {
    let mut statement = connection.prepare_cached("select body from tokens where id = ?1")?;
    let found: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    let Some(body) = found else { return Ok(false) };
    let mut token: Token = serde_json::from_str(&body)?;
    token.revoked_at.get_or_insert(at);
    put(connection, &token)?;
    Ok(true)
}

#[async_trait]
impl Tokens for SqliteStore {
    async fn put(&self, token: &Token) -> Result<(), Failure> {
        let token = token.clone();
        self.control.writer.run("store a token", move |connection| put(connection, &token)).await
    }

    async fn all(&self) -> Result<Vec<Token>, Failure> {
        let work = |connection: &Connection| {
            let mut statement = connection.prepare_cached("select body from tokens order by id")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
        };
        self.control.readers.run("read tokens", work).await
    }

    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool, Failure> {
        let id = id.to_owned();
        self.control.writer.run("revoke a token", move |connection| revoke(connection, &id, at)).await
    }
}

#[async_trait]
impl Nodes for SqliteStore {
    async fn report(&self, report: NodeReport) -> Result<(), Failure> {
        let work = move |connection: &Connection| {
            connection
                .prepare_cached("insert or replace into nodes(node, revision, activated_at, refusal, seen_at) values(?1, ?2, ?3, ?4, ?5)")?
                .execute(params![report.node, int(report.revision.0), report.activated_at.0, report.refusal, report.seen_at.0])?;
            Ok(())
        };
        self.control.writer.run("report a node's revision", work).await
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>, Failure> {
        let work = |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "select node, revision, activated_at, refusal, seen_at from nodes order by node",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(NodeReport {
                    node: row.get(0)?,
                    revision: RevisionNumber(uint(row.get(1)?)),
                    activated_at: Timestamp(row.get(2)?),
                    refusal: row.get(3)?,
                    seen_at: Timestamp(row.get(4)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.control.readers.run("read node reports", work).await
    }
}
