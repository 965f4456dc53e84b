//! The revision log and the blobs behind it. Knows nothing of what revisions say.

use async_trait::async_trait;
use serinus_domain::{
    digest::Digest,
    revision::{Draft, Revision, RevisionNumber},
    units::Timestamp,
};
use tokio::sync::watch;
use tokio_postgres::Row;

use super::{PostgresStore, ask, rows, trouble::Trouble};
use crate::{
    AppendError, Blobs, Failure, Head, Log, LogReader, erased,
    sql::{self, int, raise, uint},
};

/// What an append comes to when the database does its part.
enum Attempt {
    Stands(Box<Revision>),
    Lost(Vec<Revision>),
}

fn revision(row: &Row) -> Result<Revision, Trouble> {
    sql::verified(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?).map_err(Trouble::damaged)
}

fn digest(bytes: &[u8]) -> Result<Digest, Trouble> {
    bytes
        .try_into()
        .map(Digest)
        .map_err(|_| Trouble::damaged("a digest is not 32 bytes long; restore a backup"))
}

impl PostgresStore {
    async fn last(&self) -> Result<Head, Trouble> {
        let last = "select number, digest from revisions order by number desc limit 1";
        let found = rows(&self.serving, last, &[]).await?;
        let Some(row) = found.first() else {
            return Ok(Head { number: RevisionNumber(0), digest: Digest::ZERO });
        };
        Ok(Head { number: RevisionNumber(uint(row.try_get(0)?)), digest: digest(row.try_get(1)?)? })
    }

    async fn since(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Trouble> {
        let read = "select number, digest, body from revisions where number > $1 order by number limit $2";
        let found = rows(&self.serving, read, &[&int(after.0), &int(limit as u64)]).await?;
        found.iter().map(revision).collect()
    }

    async fn by_key(&self, draft: &Draft) -> Result<Option<Attempt>, Trouble> {
        let Some(key) = &draft.idempotency_key else { return Ok(None) };
        let read = "select number, digest, body from revisions where idempotency_key = $1";
        let found = rows(&self.serving, read, &[key]).await?;
        found.first().map(|row| Ok(Attempt::Stands(Box::new(revision(row)?)))).transpose()
    }

    /// Compare-and-swap on the head: the number after it is the primary key, so that of all who saw the same head one is in. An
    /// insert waits for the fate of another one of the same number; there is no sequence that could leave a gap.
    async fn attempt(&self, draft: &Draft, at: Timestamp) -> Result<Attempt, Trouble> {
        if let Some(stands) = self.by_key(draft).await? {
            return Ok(stands);
        }
        let head = self.last().await?;
        if head.number != draft.expected_head {
            return self.since(draft.expected_head, usize::MAX).await.map(Attempt::Lost);
        }
        let new = Revision::seal(draft, head.number, head.digest, at);
        if self.insert(&new).await? {
            return Ok(Attempt::Stands(Box::new(new)));
        }
        match self.by_key(draft).await? {
            Some(stands) => Ok(stands),
            None => self.since(draft.expected_head, usize::MAX).await.map(Attempt::Lost),
        }
    }

    /// Whether it is in. The others are told in the same commit, so never before they can read it.
    async fn insert(&self, new: &Revision) -> Result<bool, Trouble> {
        let insert = "with new as (
                insert into revisions(number, digest, idempotency_key, body) values($1, $2, $3, $4)
                on conflict do nothing returning number
            ) select pg_notify($5, number::text) from new";
        let (number, body) = (int(new.body.number.0), new.to_stored());
        let digest = new.digest.0.as_slice();
        let client = self.serving.get().await?;
        let inserted =
            ask(&client, insert, &[&number, &digest, &new.body.idempotency_key, &body, &self.place.schema])
                .await;
        match inserted {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(trouble) if trouble.gone => {
                drop(client);
                // The word may have been lost after the commit; then the log has it, under the same digest.
                let before = RevisionNumber(new.body.number.0.saturating_sub(1));
                let there = self.since(before, 1).await.ok().and_then(|found| found.into_iter().next());
                if there.is_some_and(|there| there.digest == new.digest) { Ok(true) } else { Err(trouble) }
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn store(&self, digest: &Digest, bytes: &[u8]) -> Result<bool, Trouble> {
        let digest = digest.0.as_slice();
        let insert =
            "insert into blobs(digest, bytes) values($1, $2) on conflict(digest) do nothing returning true";
        if !rows(&self.serving, insert, &[&digest, &bytes]).await?.is_empty() {
            return Ok(true);
        }
        let there = "select 1 from blobs where digest = $1 and bytes is not null";
        Ok(!rows(&self.serving, there, &[&digest]).await?.is_empty())
    }

    async fn bytes(&self, wanted: &Digest) -> Result<Option<Vec<u8>>, Trouble> {
        let read = "select bytes from blobs where digest = $1";
        let found = rows(&self.serving, read, &[&wanted.0.as_slice()]).await?;
        let bytes = found.first().map_or(Ok(None), |row| row.try_get::<_, Option<Vec<u8>>>(0))?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != *wanted => Err(Trouble::damaged(format!(
                "blob {} was altered after it was stored; publish its content again under a new version",
                wanted.short()
            ))),
            found => Ok(found),
        }
    }
}

#[async_trait]
impl LogReader for PostgresStore {
    async fn head(&self) -> Result<Head, Failure> {
        self.last().await.map_err(|trouble| trouble.failure("read the head"))
    }

    async fn read(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Failure> {
        self.since(after, limit).await.map_err(|trouble| trouble.failure("read revisions"))
    }

    fn watch_head(&self) -> watch::Receiver<RevisionNumber> {
        self.head.subscribe()
    }
}

#[async_trait]
impl Log for PostgresStore {
    async fn append(&self, draft: &Draft, at: Timestamp) -> Result<Revision, AppendError> {
        match self.attempt(draft, at).await.map_err(|trouble| trouble.failure("append a revision"))? {
            Attempt::Stands(revision) => {
                raise(&self.head, revision.body.number);
                Ok(*revision)
            }
            Attempt::Lost(since) => Err(AppendError::Conflict { expected: draft.expected_head, since }),
        }
    }
}

#[async_trait]
impl Blobs for PostgresStore {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let digest = Digest::of(bytes);
        match self.store(&digest, bytes).await.map_err(|trouble| trouble.failure("store a blob"))? {
            true => Ok(digest),
            false => Err(erased(&digest)),
        }
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
        self.bytes(digest).await.map_err(|trouble| trouble.failure("read a blob"))
    }

    /// One row with nothing in it stays, so that a `put` that comes at the same moment finds either the bytes or their end.
    async fn erase(&self, digest: &Digest) -> Result<bool, Failure> {
        let erase = "with old as (select 1 from blobs where digest = $1 and bytes is not null for update), gone as (
                insert into blobs(digest, bytes) values($1, null) on conflict(digest) do update set bytes = null
            ) select exists(select from old)";
        let found = rows(&self.serving, erase, &[&digest.0.as_slice()]).await;
        let there = found.and_then(|rows| rows.first().map_or(Ok(false), |row| Ok(row.try_get(0)?)));
        there.map_err(|trouble| trouble.failure("erase a blob"))
    }
}
