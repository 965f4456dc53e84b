//! The interaction log in memory, with what finds an entry again. Knows nothing of revisions and writes no pins, but for when
//! a session was last seen.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use serinus_domain::{
    id::InteractionId,
    record::{Body, InteractionRecord, Record, ScoreRecord},
    units::Timestamp,
};
use tokio::sync::watch;

use super::MemoryStore;
use crate::{
    Appended, Failure, InteractionFilter, InteractionView, JudgeJob, NewRecord, Records,
    filter::{is_verdict, lets_through},
    sql::raise,
};

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Entry n has sequence number n + 1.
    log: Vec<Record>,
    ids: HashSet<String>,
    interactions: HashMap<String, u64>,
    responses: HashMap<String, u64>,
    scores: HashMap<InteractionId, Vec<ScoreRecord>>,
    bodies: HashMap<u64, Body>,
    queue: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    attempts: u32,
    due_at: Timestamp,
}

impl Kept {
    pub(super) fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// Adds a record; whether it is new.
    pub(super) fn add(&mut self, record: Record, body: Option<Body>) -> bool {
        if !self.ids.insert(record.id()) {
            return false;
        }
        let seq = self.last() + 1;
        match &record {
            Record::Enrolment(_) => {}
            Record::Interaction(record) => self.index(seq, record, body),
            Record::Score(score) => {
                if is_verdict(score)
                    && let Some(judged) = self.interactions.get(score.interaction.as_str())
                {
                    self.queue.remove(judged);
                }
                self.scores.entry(score.interaction.clone()).or_default().push(score.clone());
            }
        }
        self.log.push(record);
        true
    }

    fn index(&mut self, seq: u64, record: &InteractionRecord, body: Option<Body>) {
        self.interactions.insert(record.id.as_str().to_owned(), seq);
        if let Some(response) = &record.response_id {
            self.responses.insert(response.clone(), seq);
        }
        let Some(body) = body else { return };
        self.bodies.insert(seq, body);
        if record.judge && !self.scores_of(&record.id).iter().any(is_verdict) {
            self.queue.insert(seq, Waiting { attempts: 0, due_at: record.at });
        }
    }

    fn scores_of(&self, id: &InteractionId) -> &[ScoreRecord] {
        self.scores.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    fn at(&self, seq: u64) -> Option<&InteractionRecord> {
        match self.log.get(usize::try_from(seq.checked_sub(1)?).ok()?)? {
            Record::Interaction(record) => Some(record),
            _ => None,
        }
    }

    fn view(&self, seq: u64) -> Option<InteractionView> {
        let record = self.at(seq)?;
        let scores = self.scores_of(&record.id).to_vec();
        Some(InteractionView { seq, record: record.clone(), body: self.bodies.get(&seq).cloned(), scores })
    }
}

impl MemoryStore {
    pub(super) fn told(&self, last: u64) {
        raise(&self.last_record, last);
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn append(&self, batch: Vec<NewRecord>) -> Result<Appended, Failure> {
        let mut appended = Appended::default();
        let mut state = self.state();
        for NewRecord { record, body } in batch {
            let seen = match &record {
                Record::Interaction(record) => record.session.map(|session| (session, record.at)),
                _ => None,
            };
            if !state.records.add(record, body) {
                appended.duplicates += 1;
                continue;
            }
            appended.accepted += 1;
            if let Some((session, at)) = seen {
                for kept in state.pins.get_mut(&session).into_iter().flatten() {
                    kept.last_seen = kept.last_seen.max(at);
                }
            }
        }
        let last = state.records.last();
        drop(state);
        self.told(last);
        Ok(appended)
    }

    async fn after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Record)>, Failure> {
        let state = self.state();
        let from = usize::try_from(seq).unwrap_or(usize::MAX);
        let rest = state.records.log.get(from..).unwrap_or_default();
        Ok((seq + 1..).zip(rest.iter().take(limit).cloned()).collect())
    }

    fn watch_records(&self) -> watch::Receiver<u64> {
        self.last_record.subscribe()
    }

    async fn interaction(&self, id: &str) -> Result<Option<InteractionView>, Failure> {
        let state = self.state();
        let seq = state.records.interactions.get(id).or_else(|| state.records.responses.get(id));
        Ok(seq.and_then(|seq| state.records.view(*seq)))
    }

    async fn list(&self, filter: &InteractionFilter) -> Result<Vec<InteractionView>, Failure> {
        let state = self.state();
        let kept = &state.records;
        let before = filter.before.unwrap_or(u64::MAX).min(kept.last() + 1);
        let wanted = |seq: &u64| {
            kept.at(*seq).is_some_and(|record| lets_through(filter, record, kept.scores_of(&record.id)))
        };
        Ok((1..before).rev().filter(wanted).take(filter.limit).filter_map(|seq| kept.view(seq)).collect())
    }

    async fn judge_due(&self, now: Timestamp, limit: usize) -> Result<Vec<JudgeJob>, Failure> {
        let state = self.state();
        let kept = &state.records;
        let due = kept.queue.iter().rev().filter(|(_, waiting)| waiting.due_at <= now).take(limit);
        let job = |(seq, waiting): (&u64, &Waiting)| {
            let (record, body) = (kept.at(*seq)?.clone(), kept.bodies.get(seq)?.clone());
            Some(JudgeJob { record, body, attempts: waiting.attempts })
        };
        Ok(due.filter_map(job).collect())
    }

    async fn judge_failed(&self, id: &InteractionId, retry_at: Option<Timestamp>) -> Result<(), Failure> {
        let mut state = self.state();
        let kept = &mut state.records;
        let Some(seq) = kept.interactions.get(id.as_str()) else { return Ok(()) };
        match (retry_at, kept.queue.get_mut(seq)) {
            (Some(due_at), Some(waiting)) => *waiting = Waiting { attempts: waiting.attempts + 1, due_at },
            (None, Some(_)) => {
                kept.queue.remove(seq);
            }
            (_, None) => {}
        }
        Ok(())
    }

    async fn judge_backlog(&self) -> Result<u64, Failure> {
        Ok(self.state().records.queue.len() as u64)
    }
}
