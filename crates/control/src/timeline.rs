//! Which revisions touched which document: a read model of the log, made by reading it once and then only what is new.
//! Dropped with the process and made again.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use serinus_domain::{
    decide::Verdict,
    entity::DocKey,
    id::RolloutKey,
    revision::{Cause, Change, Revision, RevisionNumber},
    units::Timestamp,
};
use serinus_store::{Failure, LogReader};

/// Revisions read at once.
const BATCH: usize = 256;

/// A revision, as the history of one of its documents tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub revision: RevisionNumber,
    pub at: Timestamp,
    pub actor: String,
    pub message: String,
    pub verdict: Option<Verdict>,
    /// Of a rollout: the stage that this revision leaves it in, and when that was entered.
    pub stage: Option<(usize, Timestamp)>,
}

/// Events by document, oldest first.
#[derive(Default)]
pub(crate) struct Timeline(RwLock<Told>);

#[derive(Default)]
struct Told {
    upto: RevisionNumber,
    by_key: BTreeMap<DocKey, Vec<Event>>,
}

impl Timeline {
    /// What has happened to a document, oldest first.
    pub async fn of(&self, log: &(impl LogReader + ?Sized), key: &DocKey) -> Result<Vec<Event>, Failure> {
        self.catch_up(log).await?;
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(told.by_key.get(key).cloned().unwrap_or_default())
    }

    /// When a rollout entered each of its stages, by the stage's place.
    pub async fn stages(
        &self,
        log: &(impl LogReader + ?Sized),
        key: &RolloutKey,
    ) -> Result<BTreeMap<usize, Timestamp>, Failure> {
        let events = self.of(log, &DocKey::rollout(key)).await?;
        // Later revisions of the same stage repeat the moment.
        Ok(events.into_iter().rev().filter_map(|event| event.stage).collect())
    }

    async fn catch_up(&self, log: &(impl LogReader + ?Sized)) -> Result<(), Failure> {
        loop {
            let upto = self.0.read().unwrap_or_else(PoisonError::into_inner).upto;
            let newer = log.read(upto, BATCH).await?;
            if newer.is_empty() {
                return Ok(());
            }
            let mut told = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody else may have told the same part meanwhile.
            for revision in newer.iter().filter(|revision| revision.body.number > upto) {
                if revision.body.number == told.upto.next() {
                    told.tell(revision);
                }
            }
            if told.upto == upto {
                // A log with a hole in it: waiting would not fill it.
                let reason = format!("revision {} is missing: run `serinus revisions verify`", upto.next());
                return Err(Failure { what: "read the history", reason, retryable: false });
            }
        }
    }
}

impl Told {
    fn tell(&mut self, revision: &Revision) {
        let body = &revision.body;
        let event = Event {
            revision: body.number,
            at: body.at,
            actor: body.actor.clone(),
            message: body.message.clone(),
            verdict: match &body.cause {
                Cause::Controller { decision } => Some(decision.decided.verdict),
                Cause::Person | Cause::Token => None,
            },
            stage: None,
        };
        for change in &body.changes {
            let event = Event { stage: stage_in(change), ..event.clone() };
            self.by_key.entry(change.key().clone()).or_default().push(event);
        }
        self.upto = body.number;
    }
}

/// Where a rollout's stored form says that it is. Read by hand: what an older release wrote must not stop the history.
fn stage_in(change: &Change) -> Option<(usize, Timestamp)> {
    let Change::Put { key, body } = change else { return None };
    if !key.as_str().starts_with("rollout/") {
        return None;
    }
    let state = body.get("state")?;
    let index = usize::try_from(state.get("stage")?.as_u64()?).ok()?;
    Some((index, Timestamp(state.get("stage_entered_at")?.as_i64()?)))
}
