//! Reading the interaction log and the judge's queue. Writes nothing.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::de::DeserializeOwned;
use serinus_domain::{
    record::{Body, InteractionRecord, Record, ScoreRecord},
    units::Timestamp,
};

use super::trouble::{Trouble, int, uint};
use crate::{
    InteractionFilter, InteractionView, JudgeJob,
    sql::{arm_name, role_name},
};

fn parse<T: DeserializeOwned>(seq: i64, body: &str) -> Result<T, Trouble> {
    serde_json::from_str(body)
        .map_err(|refused| Trouble::damaged(format!("record {seq} cannot be read: {refused}")))
}

fn as_interaction(seq: i64, body: &str) -> Result<InteractionRecord, Trouble> {
    match parse(seq, body)? {
        Record::Interaction(record) => Ok(*record),
        _ => Err(Trouble::damaged(format!("record {seq} is no interaction, though it stands among them"))),
    }
}

pub(super) fn after(connection: &Connection, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Trouble> {
    let mut statement =
        connection.prepare_cached("select seq, body from records where seq > ?1 order by seq limit ?2")?;
    let mut rows = statement.query(params![int(seq), int(limit as u64)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        records.push((uint(seq), parse(seq, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?));
    }
    Ok(records)
}

pub(super) fn scores(connection: &Connection, interaction: &str) -> Result<Vec<ScoreRecord>, Trouble> {
    let mut statement =
        connection.prepare_cached("select seq, body from records where interaction = ?1 order by seq")?;
    let rows =
        statement.query_map([interaction], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut scores = Vec::new();
    for row in rows {
        let (seq, body) = row?;
        if let Record::Score(score) = parse(seq, &body)? {
            scores.push(score);
        }
    }
    Ok(scores)
}

/// Sequence number, record and texts of one row.
type Found = (i64, String, Option<String>);

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn view(connection: &Connection, (seq, record, body): Found) -> Result<InteractionView, Trouble> {
    let record = as_interaction(seq, &record)?;
    let body = body.map(|body| parse(seq, &body)).transpose()?;
    let scores = scores(connection, record.id.as_str())?;
    Ok(InteractionView { seq: uint(seq), record, body, scores })
}

pub(super) fn interaction(connection: &Connection, id: &str) -> Result<Option<InteractionView>, Trouble> {
    let by_id =
        "select r.seq, r.body, b.body from records r left join bodies b using(seq) where r.id = 'int/' || ?1";
    let by_response = "select r.seq, r.body, b.body from records r left join bodies b using(seq)
        where r.response_id = ?1 order by r.seq desc limit 1";
    for query in [by_id, by_response] {
        let row = connection.prepare_cached(query)?.query_row([id], found).optional()?;
        if let Some(row) = row {
            return view(connection, row).map(Some);
        }
    }
    Ok(None)
}

pub(super) fn list(
    connection: &Connection,
    filter: &InteractionFilter,
) -> Result<Vec<InteractionView>, Trouble> {
    let mut query = String::from(
        "select r.seq, r.body, b.body from records r left join bodies b using(seq) where r.kind = 'interaction'",
    );
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut also = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            query.push_str(" and ");
            query.push_str(condition);
            values.push(value);
        }
    };
    fn text(value: &str) -> Box<dyn ToSql> {
        Box::new(value.to_owned())
    }
    also("r.feature = ?", filter.feature.as_ref().map(|key| text(key.as_str())));
    also("r.rollout = ?", filter.rollout.as_ref().map(|key| text(key.as_str())));
    also("r.arm = ?", filter.arm.map(|arm| text(arm_name(arm))));
    also("r.category = ?", filter.category.as_ref().map(|key| text(key.as_str())));
    also("r.role = ?", filter.role.map(|role| text(role_name(role))));
    also("r.seq < ?", filter.before.map(|seq| Box::new(int(seq)) as Box<dyn ToSql>));
    let bad = "(r.flawed or exists(select 1 from records s where s.interaction = substr(r.id, 5) and s.rating < ?))";
    also(bad, filter.score_below.map(|bound| Box::new(bound) as Box<dyn ToSql>));
    query.push_str(" order by r.seq desc limit ?");
    values.push(Box::new(int(filter.limit as u64)));
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), found)?;
    rows.map(|row| view(connection, row?)).collect()
}

pub(super) fn judge_due(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<JudgeJob>, Trouble> {
    let query = "select q.seq, r.body, b.body, q.attempts from judge_queue q join records r using(seq)
        join bodies b using(seq) where q.due_at <= ?1 order by q.seq desc limit ?2";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(params![now.0, int(limit as u64)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, u32>(3)?))
    })?;
    rows.map(|row| {
        let (seq, record, body, attempts) = row?;
        Ok(JudgeJob { record: as_interaction(seq, &record)?, body: parse::<Body>(seq, &body)?, attempts })
    })
    .collect()
}

pub(super) fn judge_backlog(connection: &Connection) -> Result<u64, Trouble> {
    let waiting =
        connection.prepare_cached("select count(*) from judge_queue")?.query_row([], |row| row.get(0))?;
    Ok(uint(waiting))
}
