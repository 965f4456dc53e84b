//! Commands of people and tokens on features, flags, channels and running rollouts, each to a draft or a rejection.
//! Knows nothing of who may give them.

use crate::{
    bundle::{BundleId, Contents},
    compile::check_bundle,
    decide::{Rejection, flag, guard, stage},
    entity::{
        ChannelDoc, CombinationDoc, DocKey, Document, EnvironmentDoc, FeatureDoc, HoldReason, Phase, Proof,
        RolloutDoc,
    },
    id::{FeatureKey, RolloutKey},
    limits::APPROVALS_MAX,
    lint,
    revision::{Cause, Change, Draft, Provenance},
    snapshot::Snapshot,
    units::Timestamp,
};

pub(super) fn draft(snapshot: &Snapshot, actor: &str, message: String, changes: Vec<Change>) -> Draft {
    Draft {
        expected_head: snapshot.revision,
        actor: actor.to_owned(),
        message,
        cause: Cause::Person,
        changes,
        idempotency_key: None,
        provenance: Provenance::default(),
    }
}

/// Creates or changes a feature. What it serves then is declared as its baseline by whoever does so.
pub fn put_feature(
    snapshot: &Snapshot,
    contents: &Contents,
    doc: &FeatureDoc,
    actor: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    let refused =
        |reason: String| Rejection::new("feature.invalid", format!("feature \"{}\": {reason}", doc.key));
    lint::feature(doc).map_err(refused)?;
    flag::feature_needs(snapshot, doc).map_err(refused)?;
    let has_its_key =
        |other: &Document| matches!(other, Document::Flag(flag) if flag.key.as_str() == doc.key.as_str());
    if snapshot.under("flag/").any(has_its_key) {
        return Err(refused("a plain flag has this key: choose another".into()));
    }
    let bundles = std::iter::once(doc.control.clone())
        .chain(doc.variants.values().map(|change| doc.control.with(change)));
    for layers in bundles {
        check_bundle(&layers, snapshot, contents).map_err(|invalid| {
            Rejection::new("bundle.invalid", format!("feature \"{}\": {invalid}", doc.key))
        })?;
    }
    if let Some(judge) = &doc.judge {
        for (reference, kind) in [(&judge.rubric, "rubric"), (&judge.model, "model")] {
            if snapshot.artifact(reference).is_none() || reference.kind.to_string() != kind {
                return Err(refused(format!("judge: {reference} is no published {kind}: publish it first")));
            }
        }
    }
    let before = snapshot.feature(&doc.key);
    if before.is_some_and(|before| before.control != doc.control)
        && let Some(live) = live_rollout(snapshot, &doc.key)
    {
        return Err(Rejection::new(
            "feature.rollout_running",
            format!(
                "feature \"{}\": rollout \"{}\" compares against what is served now; take it back or let it end first",
                doc.key, live.key
            ),
        ));
    }
    let mut doc = doc.clone();
    // Putting a description does not undo a kill.
    doc.killed = before.map_or(doc.killed, |before| before.killed);
    let mut changes = vec![Change::put(&Document::Feature(doc.clone()))];
    changes.extend(variant_combinations(snapshot, &doc));
    if before.is_none_or(|before| before.control != doc.control) {
        changes.push(Change::put(&Document::Combination(CombinationDoc {
            feature: doc.key.clone(),
            fingerprint: BundleId::of(&doc.control),
            layers: doc.control.clone(),
            proof: Some(Proof::Declared { actor: actor.to_owned(), at: now }),
            current_since: Some(now),
        })));
    }
    let verb = if before.is_some() { "change" } else { "create" };
    Ok(draft(snapshot, actor, format!("{verb} feature {}", doc.key), changes))
}

/// The feature's own variants as combinations that the log does not know yet, so that a session pinned to one keeps it after
/// the feature has moved on.
pub(super) fn variant_combinations(snapshot: &Snapshot, doc: &FeatureDoc) -> Vec<Change> {
    let missing = doc.variants.values().filter_map(|change| {
        let layers = doc.control.with(change);
        let fingerprint = BundleId::of(&layers);
        let known =
            layers == doc.control || snapshot.get(&DocKey::combination(&doc.key, &fingerprint)).is_some();
        (!known).then(|| CombinationDoc {
            feature: doc.key.clone(),
            fingerprint,
            layers,
            proof: None,
            current_since: None,
        })
    });
    missing.map(|combination| Change::put(&Document::Combination(combination))).collect()
}

/// The rollout that moves a feature now.
pub fn live_rollout<'a>(snapshot: &'a Snapshot, feature: &FeatureKey) -> Option<&'a RolloutDoc> {
    snapshot.rollouts().find(|doc| doc.state.phase.is_live() && doc.spec.change.contains_key(feature))
}

/// Creates or changes a notification channel.
pub fn put_channel(snapshot: &Snapshot, doc: &ChannelDoc, actor: &str) -> Result<Draft, Rejection> {
    if !doc.url.starts_with("http://") && !doc.url.starts_with("https://") {
        let text =
            format!("channel \"{}\": \"{}\" is no web address: use http:// or https://", doc.key, doc.url);
        return Err(Rejection::new("channel.invalid", text));
    }
    let changes = vec![Change::put(&Document::Channel(doc.clone()))];
    Ok(draft(snapshot, actor, format!("put channel {}", doc.key), changes))
}

/// Changes the environment's own rules.
pub fn put_environment(snapshot: &Snapshot, doc: &EnvironmentDoc, actor: &str) -> Result<Draft, Rejection> {
    let refused = |reason: String| Rejection::new("environment.invalid", format!("environment: {reason}"));
    if doc.approvals_min > APPROVALS_MAX {
        return Err(refused(format!("{} approvals: ask for at most {APPROVALS_MAX}", doc.approvals_min)));
    }
    lint::message(&doc.description).map_err(refused)?;
    let changes = vec![Change::put(&Document::Environment(doc.clone()))];
    let protected = if doc.protected { "protected" } else { "unprotected" };
    Ok(draft(snapshot, actor, format!("environment rules: {protected}"), changes))
}

fn rollout<'a>(snapshot: &'a Snapshot, key: &RolloutKey) -> Result<&'a RolloutDoc, Rejection> {
    snapshot.rollout(key).ok_or_else(|| {
        Rejection::new(
            "rollout.unknown",
            format!("rollout \"{key}\" does not exist: see `serinus rollout list`"),
        )
    })
}

fn live<'a>(snapshot: &'a Snapshot, key: &RolloutKey, verb: &str) -> Result<&'a RolloutDoc, Rejection> {
    let doc = rollout(snapshot, key)?;
    if doc.state.phase.is_live() {
        return Ok(doc);
    }
    let text =
        format!("rollout \"{key}\" is {}: only a running one can be {verb}", phase_words(doc.state.phase));
    Err(Rejection::new("rollout.not_running", text))
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Draft => "a draft",
        Phase::Validated => "not started",
        Phase::Running => "running",
        Phase::Held => "held",
        Phase::Completed => "completed",
        Phase::RolledBack => "rolled back",
        Phase::Cancelled => "cancelled",
    }
}

/// Freezes a rollout's share.
pub fn hold(
    snapshot: &Snapshot,
    key: &RolloutKey,
    actor: &str,
    detail: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    let doc = live(snapshot, key, "held")?;
    let detail = if detail.is_empty() { format!("by {actor}") } else { detail.to_owned() };
    let message = format!("{key}: held {detail}");
    Ok(draft(snapshot, actor, message, guard::hold_changes(doc, HoldReason::Operator, &detail, now)))
}

/// Lets a held rollout go on.
pub fn resume(
    snapshot: &Snapshot,
    key: &RolloutKey,
    actor: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    let doc = live(snapshot, key, "resumed")?;
    let Some(hold) = &doc.state.hold else {
        return Err(Rejection::new(
            "rollout.not_held",
            format!("rollout \"{key}\" is not held: nothing to resume"),
        ));
    };
    let mut next = guard::resumed(doc, now);
    match hold.reason {
        // These come and go without an answer.
        HoldReason::Operator | HoldReason::Evidence => {}
        HoldReason::Guardrail
        | HoldReason::SampleRatio
        | HoldReason::CommonCause
        | HoldReason::Deadline
        | HoldReason::Measurement => {
            next.state.accepted.insert(hold.reason, now);
        }
    }
    let changes = vec![Change::put(&Document::Rollout(Box::new(next)))];
    Ok(draft(snapshot, actor, format!("{key}: resumed by {actor}"), changes))
}

/// Takes a rollout to its next stage by hand, its gate notwithstanding; the revision says who did.
pub fn advance(
    snapshot: &Snapshot,
    key: &RolloutKey,
    actor: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    let doc = live(snapshot, key, "advanced")?;
    if let Some(held) = &doc.state.hold {
        let text = format!("rollout \"{key}\" is held ({}): resume it first", held.detail);
        return Err(Rejection::new("rollout.held", text));
    }
    let changes = if doc.state.stage + 1 < doc.spec.stages.len() {
        stage::advanced(doc, now)
    } else {
        let proof = Proof::Declared { actor: actor.to_owned(), at: now };
        stage::completed(snapshot, doc, &proof, now)
    };
    Ok(draft(snapshot, actor, format!("{key}: advanced by {actor}"), changes))
}

/// Lifts the latch of a change that was taken back, so that it may be started again.
pub fn rearm(snapshot: &Snapshot, key: &RolloutKey, actor: &str) -> Result<Draft, Rejection> {
    let mut doc = rollout(snapshot, key)?.clone();
    let Some(back) = &mut doc.state.rolled_back else {
        let text = format!("rollout \"{key}\" was not taken back: nothing to re-arm");
        return Err(Rejection::new("rollout.not_rolled_back", text));
    };
    back.rearmed = true;
    let changes = vec![Change::put(&Document::Rollout(Box::new(doc)))];
    Ok(draft(snapshot, actor, format!("{key}: re-armed by {actor}"), changes))
}

/// Turns a feature off (or on again): its declared answer at every session's next turn.
pub fn kill(snapshot: &Snapshot, key: &FeatureKey, killed: bool, actor: &str) -> Result<Draft, Rejection> {
    let mut doc = snapshot
        .feature(key)
        .ok_or_else(|| {
            Rejection::new(
                "feature.unknown",
                format!("feature \"{key}\" does not exist: see `serinus feature list`"),
            )
        })?
        .clone();
    doc.killed = killed;
    let verb = if killed { "killed" } else { "revived" };
    Ok(draft(
        snapshot,
        actor,
        format!("{key}: {verb} by {actor}"),
        vec![Change::put(&Document::Feature(doc))],
    ))
}
