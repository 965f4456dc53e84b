//! Writing the interaction log and the judge's queue that goes with it. Knows nothing of what records are for.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use serinus_domain::{
    id::InteractionId,
    record::{InteractionRecord, Record, ScoreRecord},
    units::Timestamp,
};
use tokio::sync::watch;

use super::{
    SqliteStore, pins, queries,
    trouble::{Trouble, int, uint},
};
use crate::{
    Appended, Failure, InteractionFilter, InteractionView, JudgeJob, NewRecord, Records,
    filter::{is_verdict, kind},
    sql::{Columns, raise},
};

/// Inserts a record; its sequence number if it is new.
pub(super) fn insert(connection: &Connection, record: &Record) -> Result<Option<u64>, Trouble> {
    let columns = Columns::of(record);
    let insert = "insert into records
            (id, kind, feature, rollout, arm, category, role, at, response_id, interaction, rating, flawed, body)
        values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) on conflict(id) do nothing";
    // INVARIANT(counted-once): the id is unique, so a record sent twice, late or out of order is there once.
    let inserted = connection.prepare_cached(insert)?.execute(params![
        record.id(),
        kind(record),
        columns.feature,
        columns.rollout,
        columns.arm,
        columns.category,
        columns.role,
        columns.at.0,
        columns.response_id,
        columns.interaction,
        columns.rating,
        columns.flawed,
        serde_json::to_string(record)?,
    ])?;
    Ok((inserted == 1).then(|| uint(connection.last_insert_rowid())))
}

fn append(connection: &Connection, batch: &[NewRecord]) -> Result<(Appended, Option<u64>), Trouble> {
    let (mut appended, mut last) = (Appended::default(), None);
    for new in batch {
        let Some(seq) = insert(connection, &new.record)? else {
            appended.duplicates += 1;
            continue;
        };
        appended.accepted += 1;
        last = Some(seq);
        match &new.record {
            Record::Enrolment(_) => {}
            Record::Interaction(record) => interaction(connection, seq, record, new)?,
            Record::Score(score) => verdict(connection, score)?,
        }
    }
    Ok((appended, last))
}

fn interaction(
    connection: &Connection,
    seq: u64,
    record: &InteractionRecord,
    new: &NewRecord,
) -> Result<(), Trouble> {
    if let Some(session) = record.session {
        connection
            .prepare_cached("update pins set last_seen = ?2 where session = ?1 and last_seen < ?2")?
            .execute(params![pins::bytes(session), record.at.0])?;
    }
    let Some(body) = &new.body else { return Ok(()) };
    connection
        .prepare_cached("insert into bodies(seq, body) values(?1, ?2)")?
        .execute(params![int(seq), serde_json::to_string(body)?])?;
    // A verdict may have come before what it judges.
    if record.judge && !queries::scores(connection, record.id.as_str())?.iter().any(is_verdict) {
        connection
            .prepare_cached("insert into judge_queue(seq, attempts, due_at) values(?1, 0, ?2)")?
            .execute(params![int(seq), record.at.0])?;
    }
    Ok(())
}

fn verdict(connection: &Connection, score: &ScoreRecord) -> Result<(), Trouble> {
    if is_verdict(score) {
        leave(connection, score.interaction.as_str())?;
    }
    Ok(())
}

fn leave(connection: &Connection, interaction: &str) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "delete from judge_queue where seq = (select seq from records where id = 'int/' || ?1)",
        )?
        .execute([interaction])?;
    Ok(())
}

fn failed(connection: &Connection, interaction: &str, retry_at: Option<Timestamp>) -> Result<(), Trouble> {
    let Some(retry_at) = retry_at else { return leave(connection, interaction) };
    let update = "update judge_queue set attempts = attempts + 1, due_at = ?2
        where seq = (select seq from records where id = 'int/' || ?1)";
    connection.prepare_cached(update)?.execute(params![interaction, retry_at.0])?;
    Ok(())
}

#[async_trait]
impl Records for SqliteStore {
    async fn append(&self, batch: Vec<NewRecord>) -> Result<Appended, Failure> {
        let watched = self.last_record.clone();
        let work = move |connection: &Connection| append(connection, &batch);
        let tell = move |(_, last): &(Appended, Option<u64>)| {
            if let Some(seq) = last {
                raise(&watched, *seq);
            }
        };
        let (appended, _) = self.telemetry.writer.run_then("append records", work, tell).await?;
        Ok(appended)
    }

    async fn after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Failure> {
        self.telemetry
            .readers
            .run("read records", move |connection| queries::after(connection, seq, limit))
            .await
    }

    fn watch_records(&self) -> watch::Receiver<u64> {
        self.last_record.subscribe()
    }

    async fn interaction(&self, id: &str) -> Result<Option<InteractionView>, Failure> {
        let id = id.to_owned();
        let work = move |connection: &Connection| queries::interaction(connection, &id);
        self.telemetry.readers.run("read an interaction", work).await
    }

    async fn list(&self, filter: &InteractionFilter) -> Result<Vec<InteractionView>, Failure> {
        let filter = filter.clone();
        let work = move |connection: &Connection| queries::list(connection, &filter);
        self.telemetry.readers.run("list interactions", work).await
    }

    async fn judge_due(&self, now: Timestamp, limit: usize) -> Result<Vec<JudgeJob>, Failure> {
        let work = move |connection: &Connection| queries::judge_due(connection, now, limit);
        self.telemetry.readers.run("read the judge's queue", work).await
    }

    async fn judge_failed(&self, id: &InteractionId, retry_at: Option<Timestamp>) -> Result<(), Failure> {
        let id = id.clone();
        let work = move |connection: &Connection| failed(connection, id.as_str(), retry_at);
        self.telemetry.writer.run("note a judge's failure", work).await
    }

    async fn judge_backlog(&self) -> Result<u64, Failure> {
        self.telemetry.readers.run("count the judge's queue", queries::judge_backlog).await
    }
}
