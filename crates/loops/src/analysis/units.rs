//! The units of a rollout in enrolment order, and when each is mature on each clock. A record that is there twice, late, or out
//! of order counts once, where it belongs; one that comes after its unit was folded counts in no test.
//! Knows nothing of tests.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serinus_domain::{
    entity::{Clock, RolloutSpec},
    evidence::ArmCounts,
    id::{CategoryKey, InteractionId, UnitHash},
    record::{EnrolmentRecord, InteractionRecord, Outcome, QUALITY, ScoreRecord, THUMBS},
    resolve::Arm,
    units::{Millis, Timestamp},
};

use super::outcome::{Turn, UnitOutcome};

#[derive(Debug)]
struct Entry {
    unit: UnitHash,
    treated: bool,
    pi: f64,
    stage: usize,
    at: Timestamp,
    /// Interactions by the time at which they began, then by id, so that the order of arrival does not show.
    turns: BTreeMap<(Timestamp, InteractionId), Turn>,
}

/// Units that are not folded on every clock yet, and what is known of scores for interactions that are not there yet.
#[derive(Debug)]
pub(crate) struct Units {
    entries: VecDeque<Entry>,
    /// Units folded on every clock and let go.
    gone: u64,
    places: HashMap<UnitHash, u64>,
    interactions: HashMap<InteractionId, (u64, Timestamp)>,
    waiting: HashMap<InteractionId, Vec<(bool, f64)>>,
    next: BTreeMap<Clock, u64>,
    counts: ArmCounts,
    categories: Vec<CategoryKey>,
    session_window: Millis,
    fast_window: Millis,
    judge_deadline: Millis,
}

/// Scores that wait for their interaction; a stray one must not stay for ever.
const WAITING_MAX: usize = 100_000;

impl Units {
    pub fn new(spec: &RolloutSpec) -> Self {
        Self {
            entries: VecDeque::new(),
            gone: 0,
            places: HashMap::new(),
            interactions: HashMap::new(),
            waiting: HashMap::new(),
            next: BTreeMap::new(),
            counts: ArmCounts::default(),
            categories: spec.categories.clone(),
            session_window: spec.session_window,
            fast_window: spec.fast_window,
            judge_deadline: spec.judge_deadline,
        }
    }

    /// Whether the unit is new.
    pub fn enrol(&mut self, record: &EnrolmentRecord) -> bool {
        if self.places.contains_key(&record.unit) {
            return false;
        }
        self.places.insert(record.unit, self.gone + self.entries.len() as u64);
        let treated = record.arm.arm == Arm::Candidate;
        if treated {
            self.counts.candidate += 1;
        } else {
            self.counts.control += 1;
        }
        self.entries.push_back(Entry {
            unit: record.unit,
            treated,
            pi: record.arm.pi.probability(),
            stage: record.arm.stage,
            at: record.at,
            turns: BTreeMap::new(),
        });
        true
    }

    pub fn interaction(&mut self, record: &InteractionRecord) {
        let Some(place) = record.unit.and_then(|unit| self.places.get(&unit).copied()) else { return };
        let category =
            record.category.as_ref().and_then(|key| self.categories.iter().position(|have| have == key));
        let end = self.session_window;
        let Some(entry) = self.entry(place) else { return };
        if record.outcome == Outcome::Cancelled || record.at > entry.at.plus(end) {
            return;
        }
        let error = matches!(record.outcome, Outcome::Error { .. });
        let turn = Turn {
            category,
            error,
            ttft_ms: record.ttft_us.map(|us| us as f64 / 1000.0),
            latency_ms: record.latency_us as f64 / 1000.0,
            output_tokens: record.output_tokens as f64,
            cost: record.cost.0 as f64,
            invalid: record.facts.valid.map(|valid| !valid),
            refusal: record.facts.refusal,
            sampled: record.judge && !error,
            quality: None,
            thumbs_down: None,
        };
        entry.turns.entry((record.at, record.id.clone())).or_insert(turn);
        self.interactions.insert(record.id.clone(), (place, record.at));
        for (quality, value) in self.waiting.remove(&record.id).unwrap_or_default() {
            self.put_score(&record.id, quality, value);
        }
    }

    pub fn score(&mut self, record: &ScoreRecord) {
        let quality = match record.name.as_str() {
            QUALITY => true,
            THUMBS => false,
            _ => return,
        };
        if !self.put_score(&record.interaction, quality, record.value) && self.waiting.len() < WAITING_MAX {
            self.waiting.entry(record.interaction.clone()).or_default().push((quality, record.value));
        }
    }

    fn put_score(&mut self, id: &InteractionId, quality: bool, value: f64) -> bool {
        let Some((place, at)) = self.interactions.get(id).copied() else { return false };
        let Some(turn) = self.entry(place).and_then(|entry| entry.turns.get_mut(&(at, id.clone()))) else {
            return true;
        };
        if quality {
            turn.quality = Some(value.clamp(0.0, 1.0));
        } else {
            turn.thumbs_down = Some(value < 0.5);
        }
        true
    }

    /// The next unit that is mature on `clock`, in enrolment order; none while the one at the front is not.
    pub fn next_mature(&mut self, clock: Clock, now: Timestamp) -> Option<UnitOutcome> {
        let place = self.next.get(&clock).copied().unwrap_or(0);
        let entry = self.entries.get(usize::try_from(place.checked_sub(self.gone)?).ok()?)?;
        let slow_window = Millis(self.session_window.0 + self.judge_deadline.0);
        // At a fixed age, the same in both arms: folding a unit as soon as its verdicts are in would let the speed of a verdict,
        // or of a thumb, decide what counts. The first interaction is the exception: once it is over nothing can change it.
        let mature = match clock {
            Clock::Fast => !entry.turns.is_empty() || now >= entry.at.plus(self.fast_window),
            Clock::Session => now >= entry.at.plus(self.session_window),
            Clock::Slow => now >= entry.at.plus(slow_window),
        };
        if !mature {
            return None;
        }
        let count = if clock == Clock::Fast { 1 } else { entry.turns.len() };
        let outcome = UnitOutcome {
            place: place + 1,
            treated: entry.treated,
            pi: entry.pi,
            stage: entry.stage,
            turns: entry.turns.values().take(count).copied().collect(),
        };
        self.next.insert(clock, place + 1);
        if clock == Clock::Slow {
            self.let_go();
        }
        Some(outcome)
    }

    /// Frees the units that are folded on every clock. Their enrolment stays known, so that none is enrolled twice.
    fn let_go(&mut self) {
        let folded = |clock| self.next.get(&clock).copied().unwrap_or(0);
        let all = folded(Clock::Fast).min(folded(Clock::Session)).min(folded(Clock::Slow));
        while self.gone < all {
            let Some(entry) = self.entries.pop_front() else { return };
            for (_, id) in entry.turns.keys() {
                self.interactions.remove(id);
            }
            debug_assert_eq!(self.places.get(&entry.unit), Some(&self.gone));
            self.gone += 1;
        }
    }

    pub fn enrolled(&self) -> ArmCounts {
        self.counts
    }

    pub fn folded(&self) -> BTreeMap<Clock, u64> {
        self.next.clone()
    }

    fn entry(&mut self, place: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(place.checked_sub(self.gone)?).ok()?)
    }
}
