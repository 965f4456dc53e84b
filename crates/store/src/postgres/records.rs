//! The interaction log and the judge's queue that goes with it. Knows nothing of what records are for.

use async_trait::async_trait;
use serinus_domain::{id::InteractionId, record::Record, units::Timestamp};
use tokio::sync::watch;

use super::{
    PostgresStore, change,
    group::{Done, Job},
    queries,
};
use crate::{Appended, Failure, InteractionFilter, InteractionView, JudgeJob, NewRecord, Records};

#[async_trait]
impl Records for PostgresStore {
    async fn append(&self, batch: Vec<NewRecord>) -> Result<Appended, Failure> {
        match self.writer.run("append records", Job::Append(batch)).await? {
            Done::Appended(appended) => Ok(appended),
            Done::Pinned(_) | Done::Closed => Ok(Appended::default()),
        }
    }

    async fn after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Failure> {
        let read = queries::after(&self.readers, seq, limit).await;
        read.map_err(|trouble| trouble.failure("read records"))
    }

    fn watch_records(&self) -> watch::Receiver<u64> {
        self.last_record.subscribe()
    }

    async fn interaction(&self, id: &str) -> Result<Option<InteractionView>, Failure> {
        let found = queries::interaction(&self.readers, id).await;
        found.map_err(|trouble| trouble.failure("read an interaction"))
    }

    async fn list(&self, filter: &InteractionFilter) -> Result<Vec<InteractionView>, Failure> {
        let listed = queries::list(&self.readers, filter).await;
        listed.map_err(|trouble| trouble.failure("list interactions"))
    }

    async fn judge_due(&self, now: Timestamp, limit: usize) -> Result<Vec<JudgeJob>, Failure> {
        let due = queries::judge_due(&self.readers, &self.holder, now, limit).await;
        due.map_err(|trouble| trouble.failure("read the judge's queue"))
    }

    async fn judge_failed(&self, id: &InteractionId, retry_at: Option<Timestamp>) -> Result<(), Failure> {
        let id = format!("int/{id}");
        let changed = match retry_at {
            Some(at) => {
                let later = "update judge_queue set attempts = attempts + 1, due_at = $2, holder = null
                    where seq = (select seq from records where id = $1)";
                change(&self.readers, later, &[&id, &at.0]).await
            }
            None => {
                let leave = "delete from judge_queue where seq = (select seq from records where id = $1)";
                change(&self.readers, leave, &[&id]).await
            }
        };
        changed.map(drop).map_err(|trouble| trouble.failure("note a judge's failure"))
    }

    async fn judge_backlog(&self) -> Result<u64, Failure> {
        let counted = queries::judge_backlog(&self.readers).await;
        counted.map_err(|trouble| trouble.failure("count the judge's queue"))
    }
}
