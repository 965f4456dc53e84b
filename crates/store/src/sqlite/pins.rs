//! Sticky assignments with the enrolments they come from, in one transaction. Knows nothing of what pins mean.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use serinus_domain::{
    id::{RolloutKey, UnitHash},
    record::Record,
    resolve::{Arm, Pin},
    units::Timestamp,
};

use super::{
    SqliteStore, records,
    trouble::{Trouble, int, uint},
};
use crate::{
    Failure, PinLife, PinWrite, Pins,
    settle::{Kept, is_open, settle},
    sql::{arm_name, raise},
};

pub(super) fn bytes(unit: UnitHash) -> [u8; 16] {
    unit.0.to_be_bytes()
}

fn session(connection: &Connection, session: UnitHash) -> Result<Vec<Kept>, Trouble> {
    let mut statement = connection
        .prepare_cached("select body, opened, last_seen from pins where session = ?1 order by feature")?;
    let rows = statement.query_map([bytes(session)], |row| {
        Ok((row.get::<_, String>(0)?, Timestamp(row.get(1)?), Timestamp(row.get(2)?)))
    })?;
    rows.map(|row| {
        let (body, opened, last_seen) = row?;
        let pin = serde_json::from_str(&body).map_err(|refused| {
            Trouble::damaged(format!(
                "a pin of session {session} cannot be read: {refused}; close the session"
            ))
        })?;
        Ok(Kept { pin, opened, last_seen })
    })
    .collect()
}

fn keep(connection: &Connection, kept: &Kept) -> Result<(), Trouble> {
    let pin = &kept.pin;
    let insert =
        "insert or replace into pins(session, feature, revision, rollout, arm, at, opened, last_seen, body)
        values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(insert)?.execute(params![
        bytes(pin.session),
        pin.feature.as_str(),
        int(pin.revision.0),
        pin.arm.as_ref().map(|facts| facts.rollout.as_str()),
        pin.arm.as_ref().map(|facts| arm_name(facts.arm)),
        pin.at.0,
        kept.opened.0,
        kept.last_seen.0,
        serde_json::to_string(pin)?,
    ])?;
    Ok(())
}

fn close(connection: &Connection, session: UnitHash) -> Result<(), Trouble> {
    connection.prepare_cached("delete from pins where session = ?1")?.execute([bytes(session)])?;
    Ok(())
}

/// Writes what settles; answers what stands and the sequence number of a new enrolment.
fn pin(connection: &Connection, write: PinWrite, life: PinLife) -> Result<(Vec<Pin>, Option<u64>), Trouble> {
    let whose = write.pins.first().map(|pin| pin.session);
    let before = whose.map_or_else(|| Ok(Vec::new()), |whose| session(connection, whose))?;
    let settled = settle(&before, write, life);
    if let Some(whose) = whose.filter(|_| settled.ended) {
        close(connection, whose)?;
    }
    for kept in &settled.kept {
        keep(connection, kept)?;
    }
    let enrolled = match settled.enrolment {
        Some(enrolment) => records::insert(connection, &Record::Enrolment(enrolment))?,
        None => None,
    };
    Ok((settled.standing, enrolled))
}

#[async_trait]
impl Pins for SqliteStore {
    async fn session(&self, whose: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Failure> {
        let life = self.pin_life;
        let work = move |connection: &Connection| {
            let kept = session(connection, whose)?;
            if !is_open(&kept, life, now) {
                return Ok(Vec::new());
            }
            Ok(kept.into_iter().map(|kept| kept.pin).collect())
        };
        self.telemetry.serving.run("read pins", work).await
    }

    async fn pin(&self, write: PinWrite) -> Result<Vec<Pin>, Failure> {
        let (life, watched) = (self.pin_life, self.last_record.clone());
        let work = move |connection: &Connection| pin(connection, write, life);
        let tell = move |(_, enrolled): &(Vec<Pin>, Option<u64>)| {
            if let Some(seq) = enrolled {
                raise(&watched, *seq);
            }
        };
        let (standing, _) = self.telemetry.writer.run_then("pin a session", work, tell).await?;
        Ok(standing)
    }

    async fn close(&self, session: UnitHash) -> Result<(), Failure> {
        self.telemetry.writer.run("close a session", move |connection| close(connection, session)).await
    }

    async fn open_sessions(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Failure> {
        let rollout = rollout.clone();
        let work = move |connection: &Connection| {
            let count = "select count(distinct session) from pins where rollout = ?1 and arm = ?2 and last_seen >= ?3";
            let mut statement = connection.prepare_cached(count)?;
            let sessions =
                statement.query_row(params![rollout.as_str(), arm_name(arm), since.0], |row| row.get(0))?;
            Ok(uint(sessions))
        };
        self.telemetry.readers.run("count open sessions", work).await
    }
}
