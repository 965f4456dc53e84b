//! Taking a change back: forward against the head, scoped to the rollout's own documents, atomic over all its features.
//! Never gated, never conditional on evidence.

use std::collections::BTreeSet;

use crate::{
    bundle::BundleId,
    decide::{Rejection, command, guard},
    entity::{CombinationDoc, DocKey, Document, FeatureDoc, Layers, Phase, Reach, RolledBack, RolloutDoc},
    id::{FeatureKey, RolloutKey},
    revision::{Cause, Change, Draft, Provenance},
    snapshot::Snapshot,
    units::{Share, Timestamp},
};

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    /// A rollout, or a feature whose rollout is meant; without one the only live rollout.
    pub subject: Option<String>,
    /// Whom it touches; an operator's rollback reaches the next turn unless told otherwise.
    pub reach: Option<Reach>,
    /// Why, in the operator's words.
    pub message: String,
    /// Who.
    pub actor: String,
    /// Whether a target that is not proven will do.
    pub force: bool,
}

/// What a rollback does, for the operator to read before or after.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackPlan {
    /// Which rollout.
    pub rollout: RolloutKey,
    /// By feature: from, to.
    pub moves: Vec<(FeatureKey, Layers, Layers)>,
    /// Whom it touches.
    pub reach: Reach,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// The revision to append; none where the rollout had been taken back already.
    pub draft: Option<Draft>,
}

/// Plans a rollback by hand.
pub fn plan_rollback(
    snapshot: &Snapshot,
    request: &RollbackRequest,
    now: Timestamp,
) -> Result<RollbackPlan, Rejection> {
    let doc = subject(snapshot, request.subject.as_deref())?;
    let reason =
        if request.message.is_empty() { "taken back by hand".to_owned() } else { request.message.clone() };
    let mut back = RolledBack {
        at: now,
        revision: snapshot.revision.next(),
        reach: request.reach.unwrap_or(Reach::NextTurn),
        after_completion: doc.state.phase == Phase::Completed,
        metric: None,
        category: None,
        reason: reason.clone(),
        rearmed: false,
    };
    let mut plan = RollbackPlan {
        rollout: doc.key.clone(),
        moves: targets(snapshot, doc),
        reach: back.reach,
        warnings: Vec::new(),
        draft: None,
    };
    let changes = if let Some(before) = &doc.state.rolled_back {
        // Idempotent: what is back stays back. Only the reach may still grow, on request.
        plan.warnings.push(format!("rollout \"{}\" had been taken back already", doc.key));
        if before.reach == Reach::NextTurn || request.reach != Some(Reach::NextTurn) {
            plan.reach = before.reach;
            return Ok(plan);
        }
        plan.warnings.push("its running sessions leave it too, at their next turn".into());
        let mut doc = doc.clone();
        doc.state.rolled_back =
            Some(RolledBack { reach: back.reach, revision: back.revision, ..before.clone() });
        vec![Change::put(&Document::Rollout(Box::new(doc)))]
    } else {
        plan.warnings = warnings(snapshot, doc, &plan.moves, request.force)?;
        let mut all = changes(snapshot, doc, back.clone());
        let put: BTreeSet<_> = all.iter().map(|change| change.key().clone()).collect();
        for later in built_on(snapshot, doc) {
            back.after_completion = false;
            back.reason = format!("{reason} (it builds on rollout \"{}\")", doc.key);
            // What the first one puts stands: a later one may name the very combination that this goes back to.
            let more = changes(snapshot, later, back.clone());
            all.extend(more.into_iter().filter(|change| !put.contains(change.key())));
        }
        all
    };
    plan.draft = Some(Draft {
        expected_head: snapshot.revision,
        actor: request.actor.clone(),
        message: format!("{}: {reason}", doc.key),
        cause: Cause::Person,
        changes,
        idempotency_key: None,
        provenance: Provenance::default(),
    });
    Ok(plan)
}

/// What the operator should know, or why a target needs force. A live change is never refused: what it goes back to is being
/// served beside it.
fn warnings(
    snapshot: &Snapshot,
    doc: &RolloutDoc,
    moves: &[(FeatureKey, Layers, Layers)],
    force: bool,
) -> Result<Vec<String>, Rejection> {
    let mut warnings = Vec::new();
    for (feature, from, target) in moves {
        let known = combination(snapshot, feature, target);
        if doc.state.phase == Phase::Completed && from == target && doc.spec.baseline != doc.spec.candidate {
            warnings.push(format!(
                "feature \"{feature}\": later changes have replaced all that it moved; it serves what it did"
            ));
        }
        if known.is_some_and(|known| known.proof.is_some()) {
            continue;
        }
        let served = doc.state.phase.is_live() || known.is_some_and(|known| known.current_since.is_some());
        if !served && !force {
            return Err(Rejection::new(
                "rollback.unproven_target",
                format!(
                    "rollout \"{}\": taking it back leaves feature \"{feature}\" with a combination that is not proven; \
                     start the mix as a rollout of its own, or repeat with force",
                    doc.key
                ),
            ));
        }
        warnings.push(format!("feature \"{feature}\" goes to a combination that is not proven"));
    }
    for later in built_on(snapshot, doc) {
        warnings.push(format!("rollout \"{}\" builds on it and is taken back too", later.key));
    }
    Ok(warnings)
}

/// Live rollouts of a completed one's features: what they compare against moves, and their candidates would serve it on.
fn built_on<'a>(snapshot: &'a Snapshot, doc: &'a RolloutDoc) -> impl Iterator<Item = &'a RolloutDoc> {
    let completed = doc.state.phase == Phase::Completed;
    snapshot.rollouts().filter(move |later| {
        let shared = |feature: &FeatureKey| doc.spec.change.contains_key(feature);
        completed && later.state.phase.is_live() && later.spec.change.keys().any(shared)
    })
}

fn subject<'a>(snapshot: &'a Snapshot, subject: Option<&str>) -> Result<&'a RolloutDoc, Rejection> {
    let by_start = |doc: &&RolloutDoc| doc.state.started_at;
    let live = |doc: &&RolloutDoc| doc.state.phase.is_live();
    let Some(name) = subject else {
        let running: Vec<_> = snapshot.rollouts().filter(live).collect();
        return match running.as_slice() {
            [only] => Ok(only),
            [] => Err(Rejection::new(
                "rollback.nothing_running",
                "no rollout is running: name a feature or a rollout",
            )),
            several => {
                let names: Vec<_> = several.iter().map(|doc| doc.key.as_str()).collect();
                Err(Rejection::new(
                    "rollback.ambiguous",
                    format!("{} rollouts are running ({}): name one", several.len(), names.join(", ")),
                ))
            }
        };
    };
    if let Some(doc) = RolloutKey::new(name).ok().and_then(|key| snapshot.rollout(&key)) {
        return Ok(doc);
    }
    let of_feature =
        || snapshot.rollouts().filter(|doc| doc.spec.change.keys().any(|key| key.as_str() == name));
    let started = |doc: &&RolloutDoc| matches!(doc.state.phase, Phase::Completed | Phase::RolledBack);
    of_feature().filter(live).max_by_key(by_start).or_else(|| of_feature().filter(started).max_by_key(by_start)).ok_or_else(
        || {
            Rejection::new(
                "rollback.unknown_subject",
                format!("\"{name}\" is neither a rollout nor a feature that has had one: see `serinus rollout list`"),
            )
        },
    )
}

/// By feature: what is taken back, and what it serves after the rollback.
fn targets(snapshot: &Snapshot, doc: &RolloutDoc) -> Vec<(FeatureKey, Layers, Layers)> {
    let mut moves = Vec::new();
    for (key, layers) in &doc.spec.change {
        let Some(feature) = snapshot.feature(key) else { continue };
        let control = feature.control.clone();
        moves.push(if doc.state.phase == Phase::Completed {
            let target = without(&control, layers, doc.spec.baseline.get(key));
            (key.clone(), control, target)
        } else {
            (key.clone(), control.with(layers), control)
        });
    }
    moves
}

/// `current` with the layers of `change` back at `baseline`; layers that others moved since stay.
fn without(current: &Layers, change: &Layers, baseline: Option<&Layers>) -> Layers {
    let mut target = current.clone();
    for (kind, moved) in &change.0 {
        if target.get(*kind) != Some(moved) {
            continue;
        }
        match baseline.and_then(|baseline| baseline.get(*kind)) {
            Some(before) => target.0.insert(*kind, before.clone()),
            None => target.0.remove(kind),
        };
    }
    target
}

/// The documents of a rollback: one revision, all features or none.
pub(super) fn changes(snapshot: &Snapshot, doc: &RolloutDoc, back: RolledBack) -> Vec<Change> {
    let now = back.at;
    let completed = back.after_completion;
    let moves = targets(snapshot, doc);
    let mut taken_back = guard::resumed(doc, now);
    taken_back.state.phase = Phase::RolledBack;
    taken_back.state.share = Share::NONE;
    taken_back.state.ended_at = Some(now);
    taken_back.state.rolled_back = Some(back);
    let mut changes = vec![Change::put(&Document::Rollout(Box::new(taken_back)))];
    for (key, from, target) in moves {
        // A rollback takes the proof of what it names: the candidate and what grew from it. An A/A names what it leaves in place.
        let candidate =
            doc.spec.candidate.get(&key).filter(|candidate| Some(*candidate) != doc.spec.baseline.get(&key));
        let named = candidate.into_iter().chain((Some(&from) != candidate).then_some(&from));
        for layers in named.filter(|layers| **layers != target) {
            if let Some(proven) = combination(snapshot, &key, layers).filter(|doc| doc.proof.is_some()) {
                changes.push(Change::put(&Document::Combination(CombinationDoc {
                    proof: None,
                    ..proven.clone()
                })));
            }
        }
        if !completed || from == target {
            continue;
        }
        let Some(feature) = snapshot.feature(&key) else { continue };
        let feature = FeatureDoc { control: target.clone(), ..feature.clone() };
        changes.extend(command::variant_combinations(snapshot, &feature));
        changes.push(Change::put(&Document::Feature(feature)));
        let proof = combination(snapshot, &key, &target).and_then(|known| known.proof.clone());
        changes.push(Change::put(&Document::Combination(CombinationDoc {
            feature: key,
            fingerprint: BundleId::of(&target),
            layers: target,
            proof,
            current_since: Some(now),
        })));
    }
    changes
}

fn combination<'a>(
    snapshot: &'a Snapshot,
    feature: &FeatureKey,
    layers: &Layers,
) -> Option<&'a CombinationDoc> {
    match snapshot.get(&DocKey::combination(feature, &BundleId::of(layers)))?.document.as_ref()? {
        Document::Combination(doc) => Some(doc),
        _ => None,
    }
}
