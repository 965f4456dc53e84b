//! Harm and caution: when evidence takes a change back, when it only holds it, when a hold is over.
//! Knows nothing of stages' minima.

use crate::{
    decide::{Action, Decided, Verdict},
    entity::{
        Clock, Direction, Document, GuardrailAction, GuardrailLimit, Hold, HoldReason, Metric, Phase, Reach,
        RolloutDoc, StageKind, Tier,
    },
    evidence::{Evidence, GuardrailEvidence, PairEvidence},
    revision::Change,
    units::{Share, Timestamp},
};

/// Evidence at which a rollout is held; about 2 % of harmless changes get there.
pub const HOLD_LIMIT: f64 = 5.0;
/// Evidence below which an automatic hold ends.
pub const RESUME_LIMIT: f64 = 2.0;
/// Wealth against the declared split at which an analysis is not believed any more.
pub const SAMPLE_RATIO_LIMIT: f64 = 1000.0;

/// A guardrail's part in the evidence that fired.
#[derive(Debug, Clone, Copy)]
pub struct Firing<'a> {
    /// The guardrail.
    pub guardrail: &'a GuardrailEvidence,
}

impl<'a> Firing<'a> {
    /// Of the guardrails with this action, the one that carries most of its clock's evidence.
    pub fn find(evidence: &'a Evidence, rolls_back: bool) -> Option<Self> {
        let action = if rolls_back { GuardrailAction::RollBack } else { GuardrailAction::Hold };
        Self::most(evidence, evidence.guardrails.iter().filter(|guardrail| guardrail.action == action))
    }

    fn most(evidence: &Evidence, among: impl Iterator<Item = &'a GuardrailEvidence>) -> Option<Self> {
        let most = among.max_by(|a, b| log_part(evidence, a).total_cmp(&log_part(evidence, b)))?;
        Some(Self { guardrail: most })
    }

    /// What fired, as a sentence with its numbers.
    pub fn sentence(&self) -> String {
        let guardrail = self.guardrail;
        let effect = &guardrail.effect;
        let place =
            guardrail.category.as_ref().map(|category| format!(" in \"{category}\"")).unwrap_or_default();
        format!(
            "{}{place} {:.3} -> {:.3} (difference {:+.3}, interval {:+.3} to {:+.3}; {} candidate and {} control units)",
            guardrail.metric,
            effect.control_mean,
            effect.candidate_mean,
            effect.difference,
            effect.lower,
            effect.upper,
            effect.candidate_units,
            effect.control_units,
        )
    }
}

/// The logarithm of what a guardrail adds to the evidence of its clock.
fn log_part(evidence: &Evidence, guardrail: &GuardrailEvidence) -> f64 {
    let clock =
        evidence.clocks.iter().find(|clock| clock.clock == guardrail.clock).map_or(1.0, |clock| clock.weight);
    guardrail.log_e + (guardrail.weight.max(f64::MIN_POSITIVE) * clock.max(f64::MIN_POSITIVE)).ln()
}

/// The evidence that some of the guardrails make up without the others: wealths are never below zero, so leaving some out only
/// lowers it and the bound on false alarms stands.
fn pooled(evidence: &Evidence, some: &[&GuardrailEvidence]) -> f64 {
    let of_clock =
        |clock| some.iter().filter(|g| g.clock == clock).map(|g| log_part(evidence, g).exp()).sum::<f64>();
    [Clock::Fast, Clock::Session, Clock::Slow].into_iter().map(of_clock).fold(0.0, f64::max)
}

/// The evidence at which a rollout is taken back.
pub(super) fn rollback_limit(alpha: Share) -> f64 {
    1.0 / alpha.probability().max(1e-6)
}

/// Whether the arms are split as nobody declared, so that what compares them is not believed.
pub(super) fn blind(evidence: &Evidence) -> bool {
    evidence.sample_ratio_log_e >= SAMPLE_RATIO_LIMIT.ln()
}

/// Whether harm is beyond doubt.
pub(super) fn harm(doc: &RolloutDoc, evidence: &Evidence) -> Option<Decided> {
    if doc.stage().is_some_and(|stage| stage.kind == StageKind::Shadow) {
        return shadow_harm(doc, evidence);
    }
    let limit = rollback_limit(doc.spec.alpha);
    if evidence.e < limit {
        return None;
    }
    let armed: Vec<_> =
        evidence.guardrails.iter().filter(|g| g.action == GuardrailAction::RollBack).collect();
    // Under a sample-ratio mismatch only tier 1 stays armed.
    let blind = blind(evidence) || holds_for(doc, HoldReason::SampleRatio);
    let trusted: Vec<_> =
        armed.iter().copied().filter(|g| !blind || g.metric.tier() == Tier::Computational).collect();
    let blamed: Vec<_> = trusted.iter().copied().filter(|g| !is_common(g)).collect();
    // What cannot be blamed on the change must not hide what can: the rest has to reach the limit alone.
    let e = if blamed.len() == armed.len() { evidence.e } else { pooled(evidence, &blamed) };
    if e >= limit
        && let Some(firing) = Firing::most(evidence, blamed.into_iter())
    {
        return Some(fail(doc, &firing, e, limit));
    }
    let common = Firing::most(evidence, trusted.iter().copied().filter(|g| is_common(g)))?;
    (pooled(evidence, &trusted) >= limit).then(|| common_cause(doc, &common))
}

fn fail(doc: &RolloutDoc, firing: &Firing<'_>, e: f64, limit: f64) -> Decided {
    let guardrail = firing.guardrail;
    let of_metric = || doc.spec.guardrails.iter().filter(|spec| spec.metric == guardrail.metric);
    let declared = of_metric().find(|spec| spec.limit == guardrail.limit).or_else(|| of_metric().next());
    Decided {
        verdict: Verdict::Fail,
        action: Action::RollBack {
            reach: declared.and_then(|spec| spec.reach).unwrap_or_else(|| reach_of(guardrail.metric)),
            metric: guardrail.metric,
            category: guardrail.category.clone(),
        },
        reason: format!("taken back at evidence {e:.1} (limit {limit:.0}): {}", firing.sentence()),
    }
}

/// The world is on fire, not the change.
fn common_cause(doc: &RolloutDoc, firing: &Firing<'_>) -> Decided {
    let why = if firing.guardrail.control_breaches {
        "control breaches the limit too and the arms do not differ"
    } else {
        "the limit is breached, but harm against control is not established"
    };
    // It takes the place of a hold that ends by itself only: nothing automatic ends what a person or a broken split holds.
    let ends_by_itself = holds_for(doc, HoldReason::Evidence) || holds_for(doc, HoldReason::Deadline);
    let free = doc.state.hold.is_none() && !accepted(doc, HoldReason::CommonCause);
    let action =
        if free || ends_by_itself { Action::Hold { reason: HoldReason::CommonCause } } else { Action::Stay };
    Decided { verdict: Verdict::CommonCause, action, reason: format!("{}; {why}", firing.sentence()) }
}

fn holds_for(doc: &RolloutDoc, reason: HoldReason) -> bool {
    doc.state.hold.as_ref().is_some_and(|hold| hold.reason == reason)
}

/// An absolute limit is breached, and nothing says that the change did it.
fn is_common(guardrail: &GuardrailEvidence) -> bool {
    matches!(guardrail.limit, GuardrailLimit::WorseThan { .. }) && !harms_against_control(guardrail)
}

fn shadow_harm(doc: &RolloutDoc, evidence: &Evidence) -> Option<Decided> {
    let shadow = evidence.shadow.as_ref()?;
    let limit = rollback_limit(doc.spec.alpha_shadow);
    if shadow.e < limit {
        return None;
    }
    let part = |pair: &PairEvidence| pair.log_e + pair.weight.max(f64::MIN_POSITIVE).ln();
    let worst = shadow.metrics.iter().max_by(|a, b| part(a).total_cmp(&part(b)))?;
    Some(Decided {
        verdict: Verdict::Fail,
        action: Action::RollBack { reach: Reach::NewSessions, metric: worst.metric, category: None },
        reason: format!(
            "stopped in shadow at evidence {:.1} (limit {limit:.0}): {} differs by {:+.3} ({:+.3} to {:+.3}) over {} pairs; nobody saw it",
            shadow.e, worst.metric, worst.difference, worst.lower, worst.upper, worst.pairs,
        ),
    })
}

fn harms_against_control(guardrail: &GuardrailEvidence) -> bool {
    match guardrail.metric.direction() {
        Direction::HigherIsWorse => guardrail.effect.lower > 0.0,
        Direction::LowerIsWorse => guardrail.effect.upper < 0.0,
    }
}

/// Errors, format and safety reach running sessions; quality and speed let them end as they began.
fn reach_of(metric: Metric) -> Reach {
    match metric {
        Metric::ErrorRate | Metric::InvalidOutput | Metric::RefusalRate => Reach::NextTurn,
        Metric::TtftP95
        | Metric::LatencyP95
        | Metric::OutputTokens
        | Metric::Cost
        | Metric::Quality
        | Metric::ThumbsDown => Reach::NewSessions,
    }
}

/// Whether to hold, though harm is not beyond doubt.
pub(super) fn caution(doc: &RolloutDoc, evidence: &Evidence, now: Timestamp) -> Option<Decided> {
    let hold =
        |verdict, reason, text| Some(Decided { verdict, action: Action::Hold { reason }, reason: text });
    if blind(evidence) && !accepted(doc, HoldReason::SampleRatio) {
        let text = format!(
            "sample ratio: {} candidate and {} control units do not fit the declared shares; results are not valid",
            evidence.enrolled.candidate, evidence.enrolled.control,
        );
        return hold(Verdict::Error, HoldReason::SampleRatio, text);
    }
    let firing =
        |rolls_back| Firing::find(evidence, rolls_back).map(|firing| firing.sentence()).unwrap_or_default();
    // A hold that just ended by itself does not begin again before the arms had time to change.
    let cooled = doc.state.resumed_at.is_none_or(|at| now >= at.plus(doc.spec.session_window));
    if evidence.e >= HOLD_LIMIT && cooled {
        let text = format!("held at evidence {:.1} (limit {HOLD_LIMIT}): {}", evidence.e, firing(true));
        return hold(Verdict::Inconclusive, HoldReason::Evidence, text);
    }
    if asks(doc, evidence) {
        let text =
            format!("held at evidence {:.1} by a guardrail that asks: {}", evidence.e_hold, firing(false));
        return hold(Verdict::Inconclusive, HoldReason::Guardrail, text);
    }
    None
}

fn accepted(doc: &RolloutDoc, reason: HoldReason) -> bool {
    doc.state.accepted.contains_key(&reason)
}

/// Whether a guardrail that asks has fired, and no person has answered it in this stage.
pub(super) fn asks(doc: &RolloutDoc, evidence: &Evidence) -> bool {
    !accepted(doc, HoldReason::Guardrail) && evidence.e_hold >= rollback_limit(doc.spec.alpha)
}

/// Whether a hold is over.
pub(super) fn held(doc: &RolloutDoc, hold: &Hold, evidence: &Evidence, now: Timestamp) -> Decided {
    let cooled = now >= hold.since.plus(doc.spec.session_window);
    let over = match hold.reason {
        HoldReason::Evidence | HoldReason::CommonCause => cooled && evidence.e < RESUME_LIMIT,
        HoldReason::Deadline => return super::stage::after_deadline(doc, evidence, now),
        HoldReason::Operator | HoldReason::Guardrail | HoldReason::SampleRatio | HoldReason::Measurement => {
            false
        }
    };
    if over {
        let reason = format!("evidence is down to {:.1}; goes on", evidence.e);
        return Decided { verdict: Verdict::Inconclusive, action: Action::Resume, reason };
    }
    Decided { verdict: Verdict::Inconclusive, action: Action::Stay, reason: format!("held: {}", hold.detail) }
}

/// The rollout, held.
pub(super) fn hold_changes(
    doc: &RolloutDoc,
    reason: HoldReason,
    detail: &str,
    now: Timestamp,
) -> Vec<Change> {
    // A hold over a hold: the time under the first does not count for the stage either.
    let mut doc = released(doc, now);
    doc.state.phase = Phase::Held;
    doc.state.hold = Some(Hold { reason, since: now, detail: detail.to_owned() });
    vec![Change::put(&Document::Rollout(Box::new(doc)))]
}

/// The rollout, no longer held.
pub(super) fn resume_changes(doc: &RolloutDoc, now: Timestamp) -> Vec<Change> {
    vec![Change::put(&Document::Rollout(Box::new(resumed(doc, now))))]
}

/// A copy of the rollout that is not held.
pub(super) fn resumed(doc: &RolloutDoc, now: Timestamp) -> RolloutDoc {
    let mut next = released(doc, now);
    if doc.state.hold.is_some() {
        next.state.resumed_at = Some(now);
    }
    next
}

/// A copy of the rollout without its hold, whose time does not count for its stage.
fn released(doc: &RolloutDoc, now: Timestamp) -> RolloutDoc {
    let mut doc = doc.clone();
    if let Some(hold) = doc.state.hold.take() {
        doc.state.held_before.0 = doc.state.held_before.0.saturating_add(now.since(hold.since).0);
    }
    doc.state.phase = Phase::Running;
    doc
}
