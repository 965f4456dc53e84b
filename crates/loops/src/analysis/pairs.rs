//! The shadow stage's pairs: a served answer and the candidate's answer to the same request, clustered by session.
//! Latency is not compared: a copy waits for nobody. Knows nothing of arms, since nobody is enrolled.

use std::collections::{HashMap, VecDeque};

use serinus_domain::{
    entity::{Direction, GuardrailAction, GuardrailLimit, Metric, RolloutSpec},
    evidence::{PairEvidence, ShadowEvidence},
    id::{InteractionId, RolloutKey, UnitHash},
    record::{InteractionRecord, Outcome, QUALITY, Role, ScoreRecord},
    units::{Millis, Timestamp},
};
use serinus_stats::{Harm, paired::PairedDifference};

use super::finite;

/// The metrics that a pair can be compared on.
const COMPARED: [Metric; 4] =
    [Metric::ErrorRate, Metric::InvalidOutput, Metric::RefusalRate, Metric::Quality];
/// Served interactions that may still get a copy; the oldest are forgotten first.
const SERVED_KEPT: usize = 50_000;

#[derive(Debug, Clone, Default)]
struct Side {
    error: f64,
    invalid: Option<f64>,
    refusal: Option<f64>,
    quality: Option<f64>,
}

impl Side {
    fn of(record: &InteractionRecord) -> Self {
        let flag = |value: Option<bool>| value.map(|value| f64::from(u8::from(value)));
        Self {
            error: f64::from(u8::from(matches!(record.outcome, Outcome::Error { .. }))),
            invalid: flag(record.facts.valid.map(|valid| !valid)),
            refusal: flag(record.facts.refusal),
            quality: None,
        }
    }

    fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::ErrorRate => Some(self.error),
            Metric::InvalidOutput => self.invalid,
            Metric::RefusalRate => self.refusal,
            Metric::Quality => self.quality,
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Pair {
    served: InteractionId,
    shadow: InteractionId,
}

#[derive(Debug)]
struct Session {
    first: Timestamp,
    pairs: Vec<Pair>,
    folded: bool,
}

#[derive(Debug)]
struct Compared {
    metric: Metric,
    weight: f64,
    margin: f64,
    process: PairedDifference,
    pairs: u64,
}

/// The state of a shadow stage.
#[derive(Debug)]
pub(super) struct Pairs {
    sides: HashMap<InteractionId, Side>,
    served: VecDeque<(InteractionId, Option<UnitHash>, Timestamp)>,
    sessions: HashMap<UnitHash, Session>,
    order: VecDeque<UnitHash>,
    served_sessions: HashMap<InteractionId, (UnitHash, Timestamp)>,
    waiting: HashMap<InteractionId, f64>,
    compared: Vec<Compared>,
    pairs: u64,
    repeats: u64,
    repeats_flipped: u64,
    window: Millis,
}

impl Pairs {
    pub fn new(spec: &RolloutSpec) -> Self {
        let mut compared: Vec<Compared> = Vec::new();
        for guardrail in
            spec.guardrails.iter().filter(|guardrail| guardrail.action == GuardrailAction::RollBack)
        {
            let GuardrailLimit::WorseBy { absolute_ppm, .. } = guardrail.limit else { continue };
            if !COMPARED.contains(&guardrail.metric) {
                continue;
            }
            let allowance =
                if guardrail.metric == Metric::Quality { guardrail.trust.allowance_ppm() } else { 0 };
            // A stop costs nobody anything and a pass exposes few, so shadow asks for a plain harm: at least a point.
            let margin = (f64::from(absolute_ppm.max(10_000) + allowance) / 1e6).min(0.99);
            let harm = match guardrail.metric.direction() {
                Direction::HigherIsWorse => Harm::Higher,
                Direction::LowerIsWorse => Harm::Lower,
            };
            if let Ok(process) = PairedDifference::new(harm, margin, spec.alpha_shadow.probability()) {
                let weight = guardrail.weight.probability();
                compared.push(Compared { metric: guardrail.metric, weight, margin, process, pairs: 0 });
            }
        }
        let sum: f64 = compared.iter().map(|one| one.weight).sum();
        compared.iter_mut().for_each(|one| one.weight /= sum.max(f64::MIN_POSITIVE));
        Self {
            sides: HashMap::new(),
            served: VecDeque::new(),
            sessions: HashMap::new(),
            order: VecDeque::new(),
            served_sessions: HashMap::new(),
            waiting: HashMap::new(),
            compared,
            pairs: 0,
            repeats: 0,
            repeats_flipped: 0,
            window: Millis(spec.session_window.0 + spec.judge_deadline.0),
        }
    }

    pub fn interaction(&mut self, record: &InteractionRecord, rollout: &RolloutKey) {
        let mut side = Side::of(record);
        side.quality = self.waiting.remove(&record.id);
        match (record.role, &record.pair_of) {
            (Role::Served, _) => {
                if record.outcome == Outcome::Cancelled {
                    return;
                }
                self.sides.insert(record.id.clone(), side);
                if let Some(session) = record.session {
                    self.served_sessions.insert(record.id.clone(), (session, record.at));
                }
                self.served.push_back((record.id.clone(), record.session, record.at));
                self.forget();
            }
            (Role::Shadow, Some(served)) => {
                let mine = record.arm.as_ref().is_some_and(|facts| facts.rollout == *rollout);
                let Some((session, at)) = self.served_sessions.get(served).copied().filter(|_| mine) else {
                    return;
                };
                self.sides.insert(record.id.clone(), side);
                self.pairs += 1;
                let entry = self.sessions.entry(session).or_insert_with(|| {
                    self.order.push_back(session);
                    Session { first: at, pairs: Vec::new(), folded: false }
                });
                if !entry.folded {
                    entry.pairs.push(Pair { served: served.clone(), shadow: record.id.clone() });
                }
            }
            (Role::ShadowRepeat, Some(served)) => {
                if let Some(first) = self.sides.get(served) {
                    self.repeats += 1;
                    let differs = first.invalid != side.invalid
                        || first.refusal != side.refusal
                        || first.error != side.error;
                    self.repeats_flipped += u64::from(differs);
                }
            }
            (Role::Shadow | Role::ShadowRepeat, None) => {}
        }
    }

    fn forget(&mut self) {
        while self.served.len() > SERVED_KEPT {
            let Some((id, session, _)) = self.served.pop_front() else { return };
            let open = session
                .and_then(|session| self.sessions.get(&session))
                .is_some_and(|session| !session.folded);
            if !open {
                self.sides.remove(&id);
            }
            self.served_sessions.remove(&id);
        }
    }

    pub fn score(&mut self, record: &ScoreRecord) {
        if record.name != QUALITY {
            return;
        }
        match self.sides.get_mut(&record.interaction) {
            Some(side) => side.quality = Some(record.value.clamp(0.0, 1.0)),
            None if self.waiting.len() < SERVED_KEPT => {
                self.waiting.insert(record.interaction.clone(), record.value.clamp(0.0, 1.0));
            }
            None => {}
        }
    }

    /// Folds the sessions whose pairs are all in, in the order of their first pair: one mean difference each.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(unit) = self.order.front().copied() {
            let Some(session) = self.sessions.get_mut(&unit) else { return };
            if now < session.first.plus(self.window) {
                return;
            }
            session.folded = true;
            let pairs = std::mem::take(&mut session.pairs);
            for one in &mut self.compared {
                let differences: Vec<f64> = pairs
                    .iter()
                    .filter_map(|pair| {
                        let served = self.sides.get(&pair.served)?.value(one.metric)?;
                        Some(self.sides.get(&pair.shadow)?.value(one.metric)? - served)
                    })
                    .collect();
                if !differences.is_empty() {
                    one.pairs += differences.len() as u64;
                    one.process.push(differences.iter().sum::<f64>() / differences.len() as f64);
                }
            }
            for pair in &pairs {
                self.sides.remove(&pair.shadow);
            }
            self.order.pop_front();
        }
    }

    /// The weighted mean of the wealths.
    pub fn e(&self) -> f64 {
        self.compared.iter().map(|one| one.weight * one.process.log_e().exp()).sum()
    }

    pub fn evidence(&self) -> ShadowEvidence {
        let metrics = self.compared.iter().map(|one| {
            let (lower, upper) = one.process.bounds();
            PairEvidence {
                metric: one.metric,
                sessions: one.process.n(),
                pairs: one.pairs,
                difference: finite(one.process.mean().unwrap_or(0.0)),
                lower: finite(lower),
                upper: finite(upper),
                log_e: finite(one.process.log_e()),
                margin: Some(one.margin),
                weight: one.weight,
            }
        });
        ShadowEvidence {
            pairs: self.pairs,
            repeats: self.repeats,
            repeats_flipped: self.repeats_flipped,
            e: finite(self.e()),
            metrics: metrics.collect(),
        }
    }
}
