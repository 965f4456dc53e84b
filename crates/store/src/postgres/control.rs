//! Cursors, tokens and node reports. Knows nothing of revisions but their numbers.

use async_trait::async_trait;
use serinus_domain::{revision::RevisionNumber, units::Timestamp};
use tokio_postgres::Row;

use super::{PostgresStore, rows, trouble::Trouble};
use crate::{
    Failure, NodeReport, Nodes, Outbox, Token, Tokens,
    sql::{int, uint},
};

const PUT_TOKEN: &str =
    "insert into tokens(id, body) values($1, $2) on conflict(id) do update set body = excluded.body";

fn token(row: &Row) -> Result<Token, Trouble> {
    Ok(serde_json::from_str(row.try_get(0)?)?)
}

fn node(row: &Row) -> Result<NodeReport, Trouble> {
    Ok(NodeReport {
        node: row.try_get(0)?,
        revision: RevisionNumber(uint(row.try_get(1)?)),
        activated_at: Timestamp(row.try_get(2)?),
        refusal: row.try_get(3)?,
        seen_at: Timestamp(row.try_get(4)?),
    })
}

impl PostgresStore {
    async fn at(&self, follower: &str) -> Result<RevisionNumber, Trouble> {
        let read = "select revision from cursors where follower = $1";
        let found = rows(&self.serving, read, &[&follower]).await?;
        Ok(RevisionNumber(found.first().map_or(Ok(0), |row| row.try_get(0).map(uint))?))
    }

    async fn keep(&self, token: &Token) -> Result<(), Trouble> {
        let body = serde_json::to_string(token)?;
        rows(&self.serving, PUT_TOKEN, &[&token.id, &body]).await?;
        Ok(())
    }

    async fn end(&self, id: &str, at: Timestamp) -> Result<bool, Trouble> {
        let mut client = self.serving.get().await?;
        let transaction = client.transaction().await?;
        let found = transaction.query_opt("select body from tokens where id = $1 for update", &[&id]).await?;
        let Some(row) = found else { return Ok(false) };
        let mut token = token(&row)?;
        token.revoked_at.get_or_insert(at);
        transaction.execute(PUT_TOKEN, &[&id, &serde_json::to_string(&token)?]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn cursor(&self, follower: &str) -> Result<RevisionNumber, Failure> {
        self.at(follower).await.map_err(|trouble| trouble.failure("read a cursor"))
    }

    async fn move_cursor(&self, follower: &str, to: RevisionNumber) -> Result<(), Failure> {
        let upsert = "insert into cursors(follower, revision) values($1, $2)
            on conflict(follower) do update set revision = greatest(cursors.revision, excluded.revision)";
        let moved = rows(&self.serving, upsert, &[&follower, &int(to.0)]).await;
        moved.map(drop).map_err(|trouble| trouble.failure("move a cursor"))
    }
}

#[async_trait]
impl Tokens for PostgresStore {
    async fn put(&self, token: &Token) -> Result<(), Failure> {
        self.keep(token).await.map_err(|trouble| trouble.failure("store a token"))
    }

    async fn all(&self) -> Result<Vec<Token>, Failure> {
        let found = rows(&self.serving, "select body from tokens order by id", &[]).await;
        found
            .and_then(|rows| rows.iter().map(token).collect())
            .map_err(|trouble| trouble.failure("read tokens"))
    }

    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool, Failure> {
        self.end(id, at).await.map_err(|trouble| trouble.failure("revoke a token"))
    }
}

#[async_trait]
impl Nodes for PostgresStore {
    async fn report(&self, report: NodeReport) -> Result<(), Failure> {
        let upsert = "insert into nodes(node, revision, activated_at, refusal, seen_at) values($1, $2, $3, $4, $5)
            on conflict(node) do update set revision = excluded.revision, activated_at = excluded.activated_at,
            refusal = excluded.refusal, seen_at = excluded.seen_at";
        let NodeReport { node, revision, activated_at, refusal, seen_at } = &report;
        let told =
            rows(&self.serving, upsert, &[node, &int(revision.0), &activated_at.0, refusal, &seen_at.0])
                .await;
        told.map(drop).map_err(|trouble| trouble.failure("report a node's revision"))
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>, Failure> {
        let read = "select node, revision, activated_at, refusal, seen_at from nodes order by node";
        let found = rows(&self.serving, read, &[]).await;
        found
            .and_then(|rows| rows.iter().map(node).collect())
            .map_err(|trouble| trouble.failure("read node reports"))
    }
}
