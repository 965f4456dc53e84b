//! One rollout's analysis: enrolments, interactions and scores in, evidence and a report out. No clock, no I/O; the same
//! records give the same evidence in whatever order they come, as long as they come before their unit is mature.
//! Knows nothing of decisions.

mod coverage;
mod guardrail;
mod outcome;
mod pairs;
mod present;
mod summary;
mod units;

use std::collections::BTreeMap;

use serinus_domain::{
    digest::Digest,
    entity::{Clock, GuardrailAction, Metric, RolloutDoc, StageKind},
    evidence::{ANALYSIS_VERSION, ArmCounts, Evidence, ShadowEvidence, Watermark},
    id::CategoryKey,
    record::{InteractionRecord, Record, Role},
    resolve::Arm,
    units::Timestamp,
};
use serinus_stats::{pool::Pool, srm::SampleRatio};

use coverage::Coverage;
use guardrail::Guardrail;
use pairs::Pairs;
pub use present::History;
use summary::Summary;
use units::Units;

/// The pool of the guardrails with one action; their order is that of `Guardrail`s.
#[derive(Debug)]
struct Panel {
    guardrails: Vec<Guardrail>,
    pool: Option<Pool>,
}

/// The state of one rollout's analysis.
#[derive(Debug)]
pub struct Analysis {
    doc: RolloutDoc,
    units: Units,
    rolls_back: Panel,
    holds: Panel,
    sample_ratio: SampleRatio,
    coverage: Coverage,
    pairs: Pairs,
    summary: Summary,
    record: u64,
    ledger: BTreeMap<Clock, Digest>,
    stage_matured: BTreeMap<usize, ArmCounts>,
    category_units: BTreeMap<(usize, CategoryKey), u64>,
    problems: Vec<String>,
    /// Whether a guardrail waits for verdicts; a rollout without one does not wait for a judge either.
    reads_verdicts: bool,
}

impl Analysis {
    /// An analysis that has seen nothing yet.
    pub fn new(doc: &RolloutDoc) -> Self {
        let mut problems = Vec::new();
        let mut panel = |action| {
            guardrail::panel(&doc.spec, action).unwrap_or_else(|reason| {
                problems.push(reason);
                Panel { guardrails: Vec::new(), pool: None }
            })
        };
        let rolls_back = panel(GuardrailAction::RollBack);
        let holds = panel(GuardrailAction::Hold);
        Self {
            units: Units::new(&doc.spec),
            rolls_back,
            holds,
            sample_ratio: SampleRatio::two_arms(),
            coverage: Coverage::default(),
            reads_verdicts: doc.spec.guardrails.iter().any(|guardrail| guardrail.metric == Metric::Quality),
            pairs: Pairs::new(&doc.spec),
            summary: Summary::default(),
            record: 0,
            ledger: BTreeMap::new(),
            stage_matured: BTreeMap::new(),
            category_units: BTreeMap::new(),
            problems,
            doc: doc.clone(),
        }
    }

    /// Takes over the rollout's present state; what was declared at its start never changes.
    pub fn follow(&mut self, doc: &RolloutDoc) {
        if self.doc.state != doc.state {
            self.doc.state = doc.state.clone();
        }
    }

    /// The rollout as it was last seen.
    pub fn doc(&self) -> &RolloutDoc {
        &self.doc
    }

    /// Takes in a record; one that is not this rollout's is passed over. Order matters only among enrolments.
    pub fn ingest(&mut self, seq: u64, record: &Record) {
        self.record = self.record.max(seq);
        match record {
            Record::Enrolment(enrolment) if enrolment.arm.rollout == self.doc.key => {
                if self.units.enrol(enrolment) {
                    self.sample_ratio
                        .push(enrolment.arm.arm == Arm::Candidate, enrolment.arm.pi.probability());
                    self.summary.enrolled(enrolment);
                }
            }
            Record::Enrolment(_) => {}
            Record::Interaction(interaction) => self.interaction(interaction),
            Record::Score(score) => {
                self.units.score(score);
                self.pairs.score(score);
                self.summary.score(score);
            }
        }
    }

    fn interaction(&mut self, interaction: &InteractionRecord) {
        let in_shadow = self.doc.stage().is_some_and(|stage| stage.kind == StageKind::Shadow);
        if in_shadow && self.doc.spec.candidate.contains_key(&interaction.feature) {
            self.pairs.interaction(interaction, &self.doc.key);
        }
        let mine = interaction.arm.as_ref().is_some_and(|facts| facts.rollout == self.doc.key);
        if mine && interaction.role == Role::Served {
            self.units.interaction(interaction);
            self.summary.interaction(interaction);
        }
    }

    /// Folds every unit that is mature at `now`, on each clock in enrolment order.
    pub fn advance(&mut self, now: Timestamp) {
        for clock in [Clock::Fast, Clock::Session, Clock::Slow] {
            while let Some(outcome) = self.units.next_mature(clock, now) {
                let panels = [&mut self.rolls_back, &mut self.holds];
                for guardrail in panels.into_iter().flat_map(|panel| &mut panel.guardrails) {
                    if guardrail.clock() == clock {
                        guardrail.push(&outcome);
                    }
                }
                let before = self.ledger.get(&clock).copied().unwrap_or(Digest::ZERO);
                self.ledger.insert(clock, outcome.digest(before));
                match clock {
                    Clock::Session => self.count(&outcome),
                    Clock::Slow if self.reads_verdicts => self.coverage.observe(&outcome),
                    Clock::Slow | Clock::Fast => {}
                }
            }
        }
        self.pairs.advance(now);
        for panel in [&mut self.rolls_back, &mut self.holds] {
            if let Some(pool) = &mut panel.pool {
                pool.observe(panel.guardrails.iter().map(Guardrail::log_e));
            }
        }
    }

    fn count(&mut self, outcome: &outcome::UnitOutcome) {
        let counts = self.stage_matured.entry(outcome.stage).or_default();
        if outcome.treated {
            counts.candidate += 1;
        } else {
            counts.control += 1;
        }
        for category in outcome.categories() {
            if let Some(key) = self.doc.spec.categories.get(category) {
                *self.category_units.entry((outcome.stage, key.clone())).or_default() += 1;
            }
        }
    }

    /// The pooled evidence of harm, cheap enough to look at after every record.
    pub fn harm(&self) -> f64 {
        let shadow = self.doc.stage().is_some_and(|stage| stage.kind == StageKind::Shadow);
        if shadow { self.pairs.e() } else { pooled(&self.rolls_back) }
    }

    /// Everything that a decision looks at.
    pub fn evidence(&self, now: Timestamp) -> Evidence {
        let stage = self.doc.state.stage;
        let alpha = self.doc.spec.alpha.probability();
        let share = self.doc.state.share.probability();
        let blamed = |panel: &Panel| panel.pool.as_ref().map(|pool| pool.blame(alpha)).unwrap_or_default();
        let mut guardrails = Vec::new();
        for panel in [&self.rolls_back, &self.holds] {
            let blamed = blamed(panel);
            let Some(pool) = &panel.pool else { continue };
            for (at, guardrail) in panel.guardrails.iter().enumerate() {
                let clock_weight = clock_weight(pool, guardrail.clock());
                let weight = pool.slots().get(at).map_or(0.0, |slot| slot.weight)
                    / clock_weight.max(f64::MIN_POSITIVE);
                let log_e_max = pool.log_es_max().get(at).copied().unwrap_or(0.0);
                guardrails.push(guardrail.evidence(weight, log_e_max, blamed.contains(&at), share));
            }
        }
        guardrails.sort_by_key(|evidence| evidence.category.is_some());
        let here = |(at, _): &(&(usize, CategoryKey), &u64)| at.0 == stage;
        Evidence {
            rollout: Some(self.doc.key.clone()),
            analysis_version: ANALYSIS_VERSION,
            at: now,
            watermark: Watermark {
                record: self.record,
                units: self.units.folded(),
                ledger: self.ledger.values().copied().reduce(|all, one| {
                    let bytes: Vec<u8> = all.0.iter().chain(&one.0).copied().collect();
                    Digest::of(&bytes)
                }),
            },
            enrolled: self.units.enrolled(),
            stage_matured: self.stage_matured.get(&stage).copied().unwrap_or_default(),
            interactions: self.summary.interactions(),
            category_units: self
                .category_units
                .iter()
                .filter(here)
                .map(|((_, key), n)| (key.clone(), *n))
                .collect(),
            guardrails,
            clocks: clocks(&self.rolls_back),
            e: finite(pooled(&self.rolls_back)),
            e_hold: finite(pooled(&self.holds)),
            sample_ratio_log_e: finite(self.sample_ratio.log_e()),
            shadow: self.shadow(),
            problems: self.problems.iter().cloned().chain(self.coverage.problem()).collect(),
        }
    }

    fn shadow(&self) -> Option<ShadowEvidence> {
        let has_stage = self.doc.spec.stages.iter().any(|stage| stage.kind == StageKind::Shadow);
        has_stage.then(|| self.pairs.evidence())
    }
}

/// JSON has no infinities: what is beyond all doubt is 1e300.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-1e300, 1e300) }
}

fn pooled(panel: &Panel) -> f64 {
    panel.pool.as_ref().map_or(0.0, |pool| pool.log_e().exp())
}

fn clock_weight(pool: &Pool, clock: Clock) -> f64 {
    let clock = guardrail::stats_clock(clock);
    pool.slots().iter().filter(|slot| slot.clock == clock).map(|slot| slot.weight).sum()
}

fn clocks(panel: &Panel) -> Vec<serinus_domain::evidence::ClockEvidence> {
    let Some(pool) = &panel.pool else { return Vec::new() };
    [Clock::Fast, Clock::Session, Clock::Slow]
        .into_iter()
        .filter_map(|clock| {
            let weight = clock_weight(pool, clock);
            let log_e = pool.clock_log_e(guardrail::stats_clock(clock));
            (weight > 0.0).then(|| serinus_domain::evidence::ClockEvidence {
                clock,
                weight,
                e: finite(log_e.exp() / weight),
            })
        })
        .collect()
}
