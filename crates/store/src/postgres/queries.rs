//! Reading the interaction log and the judge's queue. Writes nothing but who judges what.

use std::collections::HashMap;

use deadpool_postgres::Pool;
use serde::de::DeserializeOwned;
use serinus_domain::{
    record::{Body, InteractionRecord, Record, ScoreRecord},
    units::{Millis, Timestamp},
};
use tokio_postgres::{Row, types::ToSql};

use super::{rows, trouble::Trouble};
use crate::{
    InteractionFilter, InteractionView, JudgeJob,
    sql::{arm_name, int, role_name, uint},
};

/// How long a process has to judge what it was handed, before another may; longer than any call with its repeats.
const HELD: Millis = Millis::minutes(5);

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

fn record(row: &Row) -> Result<(u64, Record), Trouble> {
    let seq = row.try_get(0)?;
    Ok((uint(seq), parse(seq, row.try_get(1)?)?))
}

pub(super) async fn after(pool: &Pool, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Trouble> {
    let read = "select seq, body from records where seq > $1 order by seq limit $2";
    let found = rows(pool, read, &[&int(seq), &int(limit as u64)]).await?;
    found.iter().map(record).collect()
}

/// Interactions with what belongs to them, from rows of sequence number, record and texts.
async fn views(pool: &Pool, found: &[Row]) -> Result<Vec<InteractionView>, Trouble> {
    let mut views = Vec::with_capacity(found.len());
    for row in found {
        let seq = row.try_get(0)?;
        let record = as_interaction(seq, row.try_get(1)?)?;
        let body = row.try_get::<_, Option<&str>>(2)?.map(|body| parse(seq, body)).transpose()?;
        views.push(InteractionView { seq: uint(seq), record, body, scores: Vec::new() });
    }
    let ids: Vec<&str> = views.iter().map(|view| view.record.id.as_str()).collect();
    let read = "select seq, body from records where interaction = any($1) order by seq";
    let mut scores: HashMap<String, Vec<ScoreRecord>> = HashMap::new();
    for row in &rows(pool, read, &[&ids]).await? {
        if let (_, Record::Score(score)) = record(row)? {
            scores.entry(score.interaction.as_str().to_owned()).or_default().push(score);
        }
    }
    for view in &mut views {
        view.scores = scores.remove(view.record.id.as_str()).unwrap_or_default();
    }
    Ok(views)
}

pub(super) async fn interaction(pool: &Pool, id: &str) -> Result<Option<InteractionView>, Trouble> {
    let by_id = "select r.seq, r.body, b.body from records r left join bodies b using(seq) where r.id = 'int/' || $1::text";
    let by_response = "select r.seq, r.body, b.body from records r left join bodies b using(seq)
        where r.response_id = $1 order by r.seq desc limit 1";
    if id.contains('\0') {
        return Ok(None);
    }
    for query in [by_id, by_response] {
        let found = rows(pool, query, &[&id]).await?;
        if !found.is_empty() {
            return Ok(views(pool, &found).await?.pop());
        }
    }
    Ok(None)
}

pub(super) async fn list(pool: &Pool, filter: &InteractionFilter) -> Result<Vec<InteractionView>, Trouble> {
    let mut query = String::from(
        "select r.seq, r.body, b.body from records r left join bodies b using(seq) where r.kind = 'interaction'",
    );
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
    let mut also = |before: &str, value: Option<Box<dyn ToSql + Sync + Send>>, behind: &str| {
        if let Some(value) = value {
            values.push(value);
            query.push_str(&format!(" {before} ${}{behind}", values.len()));
        }
    };
    fn text(value: &str) -> Box<dyn ToSql + Sync + Send> {
        Box::new(value.to_owned())
    }
    also("and r.feature =", filter.feature.as_ref().map(|key| text(key.as_str())), "");
    also("and r.rollout =", filter.rollout.as_ref().map(|key| text(key.as_str())), "");
    also("and r.arm =", filter.arm.map(|arm| text(arm_name(arm))), "");
    also("and r.category =", filter.category.as_ref().map(|key| text(key.as_str())), "");
    also("and r.role =", filter.role.map(|role| text(role_name(role))), "");
    also("and r.seq <", filter.before.map(|seq| Box::new(int(seq)) as _), "");
    let bad = "and (r.flawed or exists(select 1 from records s where s.interaction = substr(r.id, 5) and s.rating <";
    also(bad, filter.score_below.map(|bound| Box::new(bound) as _), "))");
    also("order by r.seq desc limit", Some(Box::new(int(filter.limit as u64)) as _), "");
    let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as _).collect();
    let found = rows(pool, &query, &params).await?;
    views(pool, &found).await
}

/// Hands jobs to `holder`, and to nobody else for a while. Who asks again is handed its own again.
pub(super) async fn judge_due(
    pool: &Pool,
    holder: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<JudgeJob>, Trouble> {
    let hand_out = "with due as (
            select seq from judge_queue where due_at <= $1 and (holder is null or holder = $2 or held_until <= $1)
            order by seq desc limit $3 for update skip locked
        ), handed as (
            update judge_queue q set holder = $2, held_until = $4 from due where q.seq = due.seq returning q.seq, q.attempts
        ) select handed.seq, r.body, b.body, handed.attempts
        from handed join records r using(seq) join bodies b using(seq) order by handed.seq desc";
    let until = now.plus(HELD).0;
    let found = rows(pool, hand_out, &[&now.0, &holder, &int(limit as u64), &until]).await?;
    let job = |row: &Row| {
        let seq = row.try_get(0)?;
        Ok(JudgeJob {
            record: as_interaction(seq, row.try_get(1)?)?,
            body: parse::<Body>(seq, row.try_get(2)?)?,
            attempts: u32::try_from(row.try_get::<_, i32>(3)?).unwrap_or_default(),
        })
    };
    found.iter().map(job).collect()
}

pub(super) async fn judge_backlog(pool: &Pool) -> Result<u64, Trouble> {
    let found = rows(pool, "select count(*) from judge_queue", &[]).await?;
    Ok(found.first().map_or(Ok(0), |row| row.try_get(0).map(uint))?)
}
