//! Sticky assignments. Knows nothing of what pins mean, nor how they are written together.

use async_trait::async_trait;
use serinus_domain::{
    id::{RolloutKey, UnitHash},
    resolve::{Arm, Pin},
    units::Timestamp,
};
use tokio_postgres::Row;

use super::{
    PostgresStore,
    group::{Done, Job},
    rows,
    trouble::Trouble,
};
use crate::{
    Failure, PinWrite, Pins,
    settle::{Kept, is_open},
    sql::{arm_name, uint},
};

/// The pins of some sessions.
pub(super) const READ: &str =
    "select session, body, opened, last_seen from pins where session = any($1) order by session, feature";

pub(super) fn bytes(unit: UnitHash) -> Vec<u8> {
    unit.0.to_be_bytes().to_vec()
}

pub(super) fn kept(row: &Row) -> Result<Kept, Trouble> {
    let pin = serde_json::from_str::<Pin>(row.try_get(1)?).map_err(|refused| {
        Trouble::damaged(format!("a session's pin cannot be read: {refused}; close the session"))
    })?;
    Ok(Kept { pin, opened: Timestamp(row.try_get(2)?), last_seen: Timestamp(row.try_get(3)?) })
}

impl PostgresStore {
    async fn still_open(&self, whose: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Trouble> {
        let found = rows(&self.serving, READ, &[&vec![bytes(whose)]]).await?;
        let session = found.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        if !is_open(&session, self.pin_life, now) {
            return Ok(Vec::new());
        }
        Ok(session.into_iter().map(|kept| kept.pin).collect())
    }

    async fn count(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Trouble> {
        let count =
            "select count(distinct session) from pins where rollout = $1 and arm = $2 and last_seen >= $3";
        let found = rows(&self.readers, count, &[&rollout.as_str(), &arm_name(arm), &since.0]).await?;
        Ok(found.first().map_or(Ok(0), |row| row.try_get(0).map(uint))?)
    }
}

#[async_trait]
impl Pins for PostgresStore {
    async fn session(&self, whose: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Failure> {
        self.still_open(whose, now).await.map_err(|trouble| trouble.failure("read pins"))
    }

    async fn pin(&self, write: PinWrite) -> Result<Vec<Pin>, Failure> {
        match self.writer.run("pin a session", Job::Pin(write)).await? {
            Done::Pinned(standing) => Ok(standing),
            Done::Appended(_) | Done::Closed => Ok(Vec::new()),
        }
    }

    async fn close(&self, session: UnitHash) -> Result<(), Failure> {
        self.writer.run("close a session", Job::Close(session)).await.map(drop)
    }

    async fn open_sessions(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Failure> {
        let counted = self.count(rollout, arm, since).await;
        counted.map_err(|trouble| trouble.failure("count open sessions"))
    }
}
