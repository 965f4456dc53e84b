//! Stages: whether a gate is open, what keeps it shut, and the documents of a step. Knows nothing of harm.

use std::collections::BTreeMap;

use crate::{
    bundle::BundleId,
    decide::{Action, Decided, HOLD_LIMIT, Verdict, command, guard},
    entity::{
        CombinationDoc, Document, HoldReason, Phase, Proof, RolloutDoc, RolloutState, StageKind, StageSpec,
    },
    evidence::Evidence,
    revision::Change,
    snapshot::Snapshot,
    units::{Millis, Share, Timestamp},
};

/// The gate of the present stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The verdict.
    pub verdict: Verdict,
    /// What is still missing, each as a short phrase; empty where the gate is open.
    pub missing: Vec<String>,
}

/// Asks the gate. Everything that keeps a change from going on stands here, so that no way around it is missed.
pub fn gate(doc: &RolloutDoc, evidence: &Evidence, now: Timestamp) -> Gate {
    let Some(stage) = doc.stage() else {
        return Gate { verdict: Verdict::Error, missing: vec!["no such stage".into()] };
    };
    let mut missing = Vec::new();
    let fresh = of_this_stage(doc, evidence);
    if !fresh {
        missing.push(format!("evidence of {}", stage.kind.as_str()));
    }
    let units = counted(doc, stage, evidence);
    if units < u64::from(stage.units_min) {
        missing.push(format!("{} more {}", u64::from(stage.units_min) - units, unit_words(stage.kind)));
    }
    let age = doc.stage_age(now);
    if age < stage.min {
        missing.push(format!("{} more", Millis(stage.min.0 - age.0)));
    }
    for category in &doc.spec.categories {
        let have = evidence.category_units.get(category).filter(|_| fresh).copied().unwrap_or(0);
        if have < u64::from(stage.category_units_min) {
            missing
                .push(format!("{} more units of \"{category}\"", u64::from(stage.category_units_min) - have));
        }
    }
    let e = harm_of(stage, evidence);
    if e >= HOLD_LIMIT {
        missing.push(format!("evidence of harm {e:.1} below {HOLD_LIMIT}"));
    }
    if guard::asks(doc, evidence) {
        missing.push(format!("an answer to the guardrail that asks (evidence {:.1})", evidence.e_hold));
    }
    if stage.kind == StageKind::Ab {
        missing.extend(not_established(doc, evidence));
    }
    let blind = guard::blind(evidence);
    if blind {
        missing.push("arms that are split as declared (sample ratio)".into());
    }
    missing.extend(evidence.problems.iter().cloned());
    let verdict = match (missing.is_empty(), units) {
        (true, _) => Verdict::Pass,
        (false, _) if blind || !evidence.problems.is_empty() => Verdict::Error,
        (false, 0) => Verdict::NoData,
        (false, _) => Verdict::Inconclusive,
    };
    Gate { verdict, missing }
}

fn harm_of(stage: &StageSpec, evidence: &Evidence) -> f64 {
    match stage.kind {
        StageKind::Shadow => evidence.shadow.as_ref().map_or(0.0, |shadow| shadow.e),
        StageKind::Canary | StageKind::Ab | StageKind::Full => evidence.e,
    }
}

/// Headline guardrails without non-inferiority; one that was declared and not measured has none either.
fn not_established(doc: &RolloutDoc, evidence: &Evidence) -> Vec<String> {
    let overall = || evidence.guardrails.iter().filter(|g| g.headline && g.category.is_none());
    let measured = overall().filter(|g| !g.non_inferior).map(|g| {
        let more = g.units_needed.map(|n| format!(" (about {n} more units)")).unwrap_or_default();
        format!("non-inferiority of {} not established{more}", g.metric)
    });
    let headlines = doc.spec.guardrails.iter().filter(|spec| spec.headline);
    let unmeasured = headlines
        .filter(|spec| !overall().any(|g| g.metric == spec.metric))
        .map(|spec| format!("non-inferiority of {} not established (no measurement yet)", spec.metric));
    measured.chain(unmeasured).collect()
}

/// Units of this stage. What was looked at before the stage began tells nothing of it.
fn counted(doc: &RolloutDoc, stage: &StageSpec, evidence: &Evidence) -> u64 {
    if !of_this_stage(doc, evidence) {
        return 0;
    }
    match stage.kind {
        StageKind::Shadow => evidence.shadow.as_ref().map_or(0, |shadow| shadow.pairs),
        StageKind::Canary | StageKind::Ab | StageKind::Full => evidence.stage_matured.candidate,
    }
}

fn of_this_stage(doc: &RolloutDoc, evidence: &Evidence) -> bool {
    doc.state.stage_entered_at.is_none_or(|entered| evidence.at > entered)
}

fn unit_words(kind: StageKind) -> &'static str {
    if kind == StageKind::Shadow { "pairs" } else { "candidate units" }
}

/// The step that an open gate allows, or the hold that a stage's longest time brings.
pub(super) fn progress(doc: &RolloutDoc, evidence: &Evidence, now: Timestamp) -> Decided {
    let Some(stage) = doc.stage() else {
        let reason = "rollout is in a stage that it does not have".to_owned();
        return Decided { verdict: Verdict::Error, action: Action::Stay, reason };
    };
    let gate = gate(doc, evidence, now);
    if gate.verdict == Verdict::Pass {
        return step(doc, stage, evidence);
    }
    let missing = gate.missing.join(", ");
    // A person who let it go on is asked again after as long once more.
    let answered = doc.state.accepted.get(&HoldReason::Deadline);
    if doc.stage_age(now) >= stage.max && answered.is_none_or(|at| now >= at.plus(stage.max)) {
        let reason = format!(
            "{} is over its longest time of {} and still needs {missing}",
            stage.kind.as_str(),
            stage.max
        );
        let action = Action::Hold { reason: HoldReason::Deadline };
        return Decided { verdict: gate.verdict, action, reason };
    }
    Decided {
        verdict: gate.verdict,
        action: Action::Stay,
        reason: format!("{} needs {missing}", stage.kind.as_str()),
    }
}

/// A stage over its time goes on by itself as soon as its gate opens; enrolment never stopped.
pub(super) fn after_deadline(doc: &RolloutDoc, evidence: &Evidence, now: Timestamp) -> Decided {
    let gate = gate(doc, evidence, now);
    match (gate.verdict, doc.stage()) {
        (Verdict::Pass, Some(stage)) => step(doc, stage, evidence),
        (verdict, _) => Decided {
            verdict,
            action: Action::Stay,
            reason: format!("over its longest time, still needs {}", gate.missing.join(", ")),
        },
    }
}

fn step(doc: &RolloutDoc, stage: &StageSpec, evidence: &Evidence) -> Decided {
    let units = counted(doc, stage, evidence);
    let passed = format!(
        "{} passed with {units} {}, evidence of harm {:.2}",
        stage.kind.as_str(),
        unit_words(stage.kind),
        harm_of(stage, evidence),
    );
    match doc.spec.stages.get(doc.state.stage + 1) {
        Some(next) => Decided {
            verdict: Verdict::Pass,
            action: Action::Advance,
            reason: format!("{passed}; on to {} at {}", next.kind.as_str(), next.share),
        },
        None => Decided {
            verdict: Verdict::Pass,
            action: Action::Complete,
            reason: format!("{passed}; delivered"),
        },
    }
}

/// The state on entering a stage.
pub(super) fn entered(doc: &RolloutDoc, stage: usize, now: Timestamp) -> RolloutState {
    RolloutState {
        phase: Phase::Running,
        stage,
        share: match doc.spec.stages.get(stage) {
            Some(spec) if spec.kind != StageKind::Shadow => spec.share,
            _ => Share::NONE,
        },
        started_at: doc.state.started_at.or(Some(now)),
        stage_entered_at: Some(now),
        held_before: Millis(0),
        hold: None,
        ended_at: None,
        rolled_back: None,
        resumed_at: doc.state.resumed_at,
        accepted: BTreeMap::new(),
    }
}

/// A rollout that was declared earlier, as if it began now.
pub fn restarted(doc: &RolloutDoc, now: Timestamp) -> RolloutDoc {
    let mut next = doc.clone();
    next.state.started_at = None;
    next.state = entered(&next, 0, now);
    next
}

/// The rollout in its next stage.
pub(super) fn advanced(doc: &RolloutDoc, now: Timestamp) -> Vec<Change> {
    let mut next = doc.clone();
    next.state = entered(doc, doc.state.stage + 1, now);
    vec![Change::put(&Document::Rollout(Box::new(next)))]
}

/// The change as what its features serve from now on, proven; one revision for all of them.
pub(super) fn completed(snapshot: &Snapshot, doc: &RolloutDoc, proof: &Proof, now: Timestamp) -> Vec<Change> {
    let mut done = guard::resumed(doc, now);
    done.state.phase = Phase::Completed;
    done.state.ended_at = Some(now);
    let mut changes = vec![Change::put(&Document::Rollout(Box::new(done)))];
    for (key, layers) in &doc.spec.change {
        let Some(feature) = snapshot.feature(key) else { continue };
        // Forward against the head: layers that others moved meanwhile stay where they put them.
        let mut feature = feature.clone();
        feature.control = feature.control.with(layers);
        let combination = CombinationDoc {
            feature: key.clone(),
            fingerprint: BundleId::of(&feature.control),
            layers: feature.control.clone(),
            proof: Some(proof.clone()),
            current_since: Some(now),
        };
        changes.push(Change::put(&Document::Combination(combination)));
        changes.extend(command::variant_combinations(snapshot, &feature));
        changes.push(Change::put(&Document::Feature(feature)));
    }
    changes
}
