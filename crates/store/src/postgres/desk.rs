//! Papers and usage. Knows nothing of what they say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;
use serinus_domain::units::Timestamp;
use tokio_postgres::Row;

use super::{PostgresStore, change, rows, trouble::Trouble};
use crate::{
    Desk, Failure, Paper, Usage, Usages,
    sql::{int, uint},
};

fn paper(row: &Row) -> Result<Paper, Trouble> {
    Ok(Paper {
        kind: row.try_get(0)?,
        id: row.try_get(1)?,
        version: uint(row.try_get(2)?),
        at: Timestamp(row.try_get(3)?),
        body: serde_json::from_str(row.try_get(4)?)?,
    })
}

fn usage(row: &Row) -> Result<Usage, Trouble> {
    Ok(Usage { subject: row.try_get(0)?, count: uint(row.try_get(1)?), last_at: Timestamp(row.try_get(2)?) })
}

#[async_trait]
impl Desk for PostgresStore {
    async fn paper(&self, kind: &str, id: &str) -> Result<Option<Paper>, Failure> {
        let read = "select kind, id, version, at, body from papers where kind = $1 and id = $2";
        let found = rows(&self.serving, read, &[&kind, &id]).await;
        found
            .and_then(|rows| rows.first().map(paper).transpose())
            .map_err(|trouble| trouble.failure("read a paper"))
    }

    async fn papers(&self, kind: &str) -> Result<Vec<Paper>, Failure> {
        let read = "select kind, id, version, at, body from papers where kind = $1 order by id";
        let found = rows(&self.readers, read, &[&kind]).await;
        found
            .and_then(|rows| rows.iter().map(paper).collect())
            .map_err(|trouble| trouble.failure("read papers"))
    }

    async fn write(
        &self,
        kind: &str,
        id: &str,
        expected: u64,
        body: &Value,
        at: Timestamp,
    ) -> Result<bool, Failure> {
        let body = body.to_string();
        let changed = if expected == 0 {
            let insert = "insert into papers(kind, id, version, at, body) values($1, $2, 1, $3, $4) on conflict do nothing";
            change(&self.serving, insert, &[&kind, &id, &at.0, &body]).await
        } else {
            let update = "update papers set version = version + 1, at = $3, body = $4
                where kind = $1 and id = $2 and version = $5";
            change(&self.serving, update, &[&kind, &id, &at.0, &body, &int(expected)]).await
        };
        changed.map(|rows| rows == 1).map_err(|trouble| trouble.failure("write a paper"))
    }

    async fn discard(&self, kind: &str, id: &str) -> Result<bool, Failure> {
        let delete = "delete from papers where kind = $1 and id = $2";
        let gone = change(&self.serving, delete, &[&kind, &id]).await;
        gone.map(|rows| rows == 1).map_err(|trouble| trouble.failure("throw a paper away"))
    }
}

#[async_trait]
impl Usages for PostgresStore {
    async fn used(&self, batch: &[Usage]) -> Result<(), Failure> {
        // One row for each subject, and in one order, so that no two processes wait for each other.
        let mut sums: BTreeMap<&str, (u64, Timestamp)> = BTreeMap::new();
        for usage in batch {
            let (count, last_at) = sums.entry(&usage.subject).or_default();
            *count = count.saturating_add(usage.count);
            *last_at = usage.last_at.max(*last_at);
        }
        let subjects: Vec<&str> = sums.keys().copied().collect();
        let counts: Vec<i64> = sums.values().map(|(count, _)| int(*count)).collect();
        let lasts: Vec<i64> = sums.values().map(|(_, last_at)| last_at.0).collect();
        let upsert = "insert into usages(subject, count, last_at)
            select * from unnest($1::text[], $2::bigint[], $3::bigint[])
            on conflict(subject) do update set count = usages.count + excluded.count,
            last_at = greatest(usages.last_at, excluded.last_at)";
        let added = change(&self.readers, upsert, &[&subjects, &counts, &lasts]).await;
        added.map(drop).map_err(|trouble| trouble.failure("add up usage"))
    }

    async fn usages(&self, prefix: &str) -> Result<Vec<Usage>, Failure> {
        let read = "select subject, count, last_at from usages
            where subject >= $1 and starts_with(subject, $1) order by subject";
        let found = rows(&self.readers, read, &[&prefix]).await;
        found
            .and_then(|rows| rows.iter().map(usage).collect())
            .map_err(|trouble| trouble.failure("read usage"))
    }
}
