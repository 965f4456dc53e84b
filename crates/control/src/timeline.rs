//! Which revisions touched which document: a read model of the log, made by reading it once and then only what is new.
//! Dropped with the process and made again.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use serinus_domain::{
    decide::Verdict,
    entity::DocKey,
    revision::{Cause, Revision, RevisionNumber},
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
        };
        for change in &body.changes {
            self.by_key.entry(change.key().clone()).or_default().push(event.clone());
        }
        self.upto = body.number;
    }
}
