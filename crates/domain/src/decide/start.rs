//! Starting a rollout: the declared change made complete, checked, and put in its first stage. Knows nothing of files or flags
//! of a command line, which come here as values.

use std::collections::BTreeMap;

use crate::{
    bundle::{BundleId, Contents},
    compile::check_bundle,
    decide::{Rejection, command::live_rollout, defaults, stage},
    entity::{
        BucketBy, CombinationDoc, Condition, DocKey, Document, GuardrailAction, GuardrailSpec, Layers, Phase,
        RolloutDoc, RolloutSpec, RolloutState, Slot, StageKind, StageSpec,
    },
    id::{CategoryKey, ChannelKey, FeatureKey, GroupKey, RolloutKey},
    limits::{CATEGORIES_MAX, CHANGE_FEATURES_MAX},
    lint,
    revision::{Cause, Change, Draft, Provenance},
    snapshot::Snapshot,
    units::{Millis, PPM_WHOLE, Share, Timestamp},
};

/// The largest error budget: with more, evidence would take a change back before it holds it (1/20% = 5).
const ALPHA_MAX: Share = Share::percent(20);

/// A rollout as it is asked for; what is left out has a default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartRequest {
    /// Its key; `<feature>-<n>` where not given.
    pub key: Option<RolloutKey>,
    /// The layers that it replaces.
    pub change: BTreeMap<FeatureKey, Layers>,
    /// Whom it concerns.
    pub audience: Condition,
    /// What it randomises; the feature's own choice where not given.
    pub bucket_by: Option<BucketBy>,
    /// Its stages; the usual four where not given.
    pub stages: Option<Vec<StageSpec>>,
    /// The stage that it begins with; those before it are waived by name.
    pub from: Option<StageKind>,
    /// Guardrails in place of built-in ones of the same metric and kind of limit, or beside them.
    pub guardrails: Vec<GuardrailSpec>,
    /// Whether the built-in guardrails are left out.
    pub no_builtin: bool,
    /// Joint error budget of what rolls back.
    pub alpha: Option<Share>,
    /// How long a session is watched.
    pub session_window: Option<Millis>,
    /// How long a first interaction may take.
    pub fast_window: Option<Millis>,
    /// How long after a session a verdict counts.
    pub judge_deadline: Option<Millis>,
    /// Categories with guardrails of their own; those that the features declare where not given.
    pub categories: Option<Vec<CategoryKey>>,
    /// A part of an exclusion group, of this size.
    pub group: Option<(GroupKey, Share)>,
    /// Where pages go.
    pub channels: Vec<ChannelKey>,
    /// Why.
    pub message: String,
    /// Who.
    pub actor: String,
}

/// Plans the first revision of a rollout. Also answers what the author should know.
pub fn start(
    snapshot: &Snapshot,
    contents: &Contents,
    request: &StartRequest,
    now: Timestamp,
) -> Result<(RolloutDoc, Draft, Vec<String>), Rejection> {
    let refused = |reason: String| Rejection::new("rollout.invalid", reason);
    if request.change.is_empty() || request.change.len() > CHANGE_FEATURES_MAX {
        return Err(refused(format!(
            "a rollout moves 1 to {CHANGE_FEATURES_MAX} features, not {}",
            request.change.len()
        )));
    }
    lint::condition(&request.audience).map_err(refused)?;
    super::flag::segments(snapshot, &request.audience).map_err(refused)?;
    lint::message(&request.message).map_err(refused)?;
    if request.alpha.is_some_and(|alpha| alpha == Share::NONE || alpha > ALPHA_MAX) {
        return Err(refused(format!(
            "alpha is outside 0% to {ALPHA_MAX}: use 5% where nothing speaks for another"
        )));
    }
    let (baseline, candidate) = combinations(snapshot, contents, request)?;
    let key = match &request.key {
        Some(key) if snapshot.rollout(key).is_some() => {
            return Err(Rejection::new(
                "rollout.exists",
                format!("rollout \"{key}\" exists: choose another name"),
            ));
        }
        Some(key) => key.clone(),
        None => next_key(snapshot, request)?,
    };
    for channel in &request.channels {
        if snapshot.get(&DocKey::channel(channel)).is_none() {
            return Err(refused(format!(
                "channel \"{channel}\" does not exist: create it with `serinus channel put`"
            )));
        }
    }
    let slot = slot(snapshot, request)?;
    let spec = complete(snapshot, request, &key, baseline, candidate)?;
    let spec = RolloutSpec { slot, ..spec };
    let warnings = warnings(request, &spec);
    let mut doc = RolloutDoc { key, spec, state: not_started() };
    doc.state = stage::entered(&doc, 0, now);
    let changes = std::iter::once(Change::put(&Document::Rollout(Box::new(doc.clone()))))
        .chain(new_combinations(snapshot, &doc))
        .collect();
    let draft = Draft {
        expected_head: snapshot.revision,
        actor: request.actor.clone(),
        message: format!("start {}: {}", doc.key, doc.spec.message),
        cause: Cause::Person,
        changes,
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    Ok((doc, draft, warnings))
}

/// The first part of the group that no live rollout has.
fn slot(snapshot: &Snapshot, request: &StartRequest) -> Result<Option<Slot>, Rejection> {
    let Some((group, share)) = &request.group else { return Ok(None) };
    if snapshot.group(group).is_none() {
        let text =
            format!("exclusion group \"{group}\" does not exist: create it with `serinus group put {group}`");
        return Err(Rejection::new("group.unknown", text));
    }
    if *share == Share::NONE {
        return Err(Rejection::new("rollout.invalid", "a part of an exclusion group is above 0%".to_owned()));
    }
    let live = snapshot.rollouts().filter(|doc| doc.state.phase.is_live());
    let mut taken: Vec<_> = live
        .filter_map(|doc| Some((doc.spec.slot.as_ref().filter(|slot| slot.group == *group)?, &doc.key)))
        .collect();
    taken.sort_by_key(|(slot, _)| slot.from);
    let mut from = 0;
    for (slot, _) in &taken {
        if slot.from >= from + share.as_ppm() {
            break;
        }
        from = from.max(slot.to);
    }
    let to = from + share.as_ppm();
    if to <= PPM_WHOLE {
        return Ok(Some(Slot { group: group.clone(), from, to }));
    }
    let held: Vec<_> = taken
        .iter()
        .map(|(slot, key)| format!("{key} has {}", Share::ppm(slot.to.saturating_sub(slot.from))))
        .collect();
    let text = format!(
        "exclusion group \"{group}\" has no free part of {share}: {}; wait for one to end, or ask for less",
        held.join(", ")
    );
    Err(Rejection::new("group.full", text))
}

fn not_started() -> RolloutState {
    RolloutState {
        phase: Phase::Validated,
        stage: 0,
        share: Share::NONE,
        started_at: None,
        stage_entered_at: None,
        held_before: Millis(0),
        hold: None,
        ended_at: None,
        rolled_back: None,
        resumed_at: None,
        accepted: BTreeMap::new(),
    }
}

type Combinations = BTreeMap<FeatureKey, Layers>;

fn combinations(
    snapshot: &Snapshot,
    contents: &Contents,
    request: &StartRequest,
) -> Result<(Combinations, Combinations), Rejection> {
    let (mut baseline, mut candidate) = (BTreeMap::new(), BTreeMap::new());
    for (key, change) in &request.change {
        let feature = snapshot.feature(key).ok_or_else(|| {
            Rejection::new(
                "feature.unknown",
                format!("feature \"{key}\" does not exist: see `serinus feature list`"),
            )
        })?;
        if change.0.is_empty() {
            let text =
                format!("feature \"{key}\": the change names no layer: write {key}.LAYER=ARTIFACT@VERSION");
            return Err(Rejection::new("rollout.empty_change", text));
        }
        if let Some(live) = live_rollout(snapshot, key) {
            let text = format!(
                "feature \"{key}\" is being moved by rollout \"{}\": let it end, or take it back first",
                live.key
            );
            return Err(Rejection::new("rollout.overlap", text));
        }
        let layers = feature.control.with(change);
        check_bundle(&layers, snapshot, contents)
            .map_err(|invalid| Rejection::new("bundle.invalid", format!("feature \"{key}\": {invalid}")))?;
        latch(snapshot, key, &feature.control, &layers)?;
        baseline.insert(key.clone(), feature.control.clone());
        candidate.insert(key.clone(), layers);
    }
    Ok((baseline, candidate))
}

/// A change that was taken back stays off until a person re-arms it.
pub(crate) fn latch(
    snapshot: &Snapshot,
    feature: &FeatureKey,
    control: &Layers,
    candidate: &Layers,
) -> Result<(), Rejection> {
    if control == candidate {
        return Ok(());
    }
    let latched = snapshot.rollouts().find(|doc| {
        doc.spec.candidate.get(feature) == Some(candidate)
            && doc.state.rolled_back.as_ref().is_some_and(|back| !back.rearmed)
    });
    latched.map_or(Ok(()), |doc| {
        let text = format!(
            "feature \"{feature}\": this combination was taken back by rollout \"{0}\": lift the latch with `serinus rollout rearm {0}`",
            doc.key
        );
        Err(Rejection::new("rollout.latched", text))
    })
}

fn next_key(snapshot: &Snapshot, request: &StartRequest) -> Result<RolloutKey, Rejection> {
    let feature = request.change.keys().next().map_or("rollout", FeatureKey::as_str);
    let taken = |key: &RolloutKey| snapshot.rollout(key).is_some();
    (1_u32..)
        .find_map(|n| match RolloutKey::new(&format!("{feature}-{n}")) {
            Ok(key) if taken(&key) => None,
            made => Some(made),
        })
        .unwrap_or_else(|| RolloutKey::new(feature))
        .map_err(|invalid| Rejection::new("rollout.invalid", invalid.to_string()))
}

fn complete(
    snapshot: &Snapshot,
    request: &StartRequest,
    key: &RolloutKey,
    baseline: Combinations,
    candidate: Combinations,
) -> Result<RolloutSpec, Rejection> {
    let refused = |reason: String| Rejection::new("rollout.invalid", format!("rollout \"{key}\": {reason}"));
    let mut stages = request.stages.clone().unwrap_or_else(defaults::default_stages);
    if let Some(from) = request.from {
        let at = stages.iter().position(|stage| stage.kind == from);
        let at = at.ok_or_else(|| refused(format!("it has no {} stage to begin with", from.as_str())))?;
        stages.drain(..at);
    }
    lint::stages(&stages).map_err(refused)?;
    let features: Vec<_> = request.change.keys().filter_map(|key| snapshot.feature(key)).collect();
    let by: Vec<_> = features.iter().map(|feature| feature.bucket_by).collect();
    let bucket_by = match (request.bucket_by, by.as_slice()) {
        (Some(by), _) => by,
        (None, [first, rest @ ..]) if rest.iter().all(|by| by == first) => *first,
        (None, _) => return Err(refused("its features randomise different units: say bucket_by".into())),
    };
    let mut categories = request
        .categories
        .clone()
        .unwrap_or_else(|| features.iter().flat_map(|feature| feature.categories.iter().cloned()).collect());
    categories.sort();
    categories.dedup();
    if categories.len() > CATEGORIES_MAX {
        return Err(refused(format!("{} categories: guard at most {CATEGORIES_MAX}", categories.len())));
    }
    let judged = features.iter().find_map(|feature| feature.judge.as_ref());
    let guardrails = guardrails(request, judged.is_some());
    lint::guardrails(&guardrails, &categories).map_err(refused)?;
    Ok(RolloutSpec {
        change: request.change.clone(),
        message: if request.message.is_empty() {
            describe(&baseline, &request.change)
        } else {
            request.message.clone()
        },
        baseline,
        candidate,
        audience: request.audience.clone(),
        bucket_by,
        salt: format!("rollout/{key}/{}", snapshot.digest.short()),
        stages,
        guardrails,
        alpha: request.alpha.unwrap_or(Share::percent(5)),
        alpha_shadow: Share::percent(1),
        session_window: request.session_window.unwrap_or(Millis::minutes(30)),
        fast_window: request.fast_window.unwrap_or(Millis::minutes(10)),
        judge_deadline: request
            .judge_deadline
            .or(judged.map(|judge| judge.deadline))
            .unwrap_or(Millis::minutes(15)),
        categories,
        channels: request.channels.clone(),
        slot: None,
        author: request.actor.clone(),
    })
}

fn guardrails(request: &StartRequest, judged: bool) -> Vec<GuardrailSpec> {
    let same_kind = |a: &GuardrailSpec, b: &GuardrailSpec| {
        a.metric == b.metric && std::mem::discriminant(&a.limit) == std::mem::discriminant(&b.limit)
    };
    let builtin = if request.no_builtin { Vec::new() } else { defaults::default_guardrails(judged) };
    builtin
        .into_iter()
        .filter(|builtin| !request.guardrails.iter().any(|given| same_kind(given, builtin)))
        .chain(request.guardrails.iter().cloned())
        .collect()
}

fn describe(baseline: &Combinations, change: &Combinations) -> String {
    let moves = change.iter().flat_map(|(feature, layers)| {
        layers.0.iter().map(move |(kind, to)| {
            let from = baseline.get(feature).and_then(|layers| layers.get(*kind));
            let from = from.map_or_else(|| "none".to_owned(), ToString::to_string);
            format!("{feature}.{kind} {from} -> {to}")
        })
    });
    moves.collect::<Vec<_>>().join(", ")
}

fn warnings(request: &StartRequest, spec: &RolloutSpec) -> Vec<String> {
    let mut warnings = Vec::new();
    let layers: usize = spec
        .baseline
        .iter()
        .filter_map(|(key, before)| Some(before.differences(spec.candidate.get(key)?).len()))
        .sum();
    match layers {
        0 => warnings.push("both arms serve the same combination: this is an A/A test".into()),
        1 => {}
        several => warnings.push(format!(
            "the change moves {several} layers: if it does harm, which one did is a second question"
        )),
    }
    if let Some(from) = request.from {
        warnings.push(format!("stages before {} are skipped", from.as_str()));
    }
    if !spec.guardrails.iter().any(|guardrail| guardrail.action == GuardrailAction::RollBack) {
        warnings.push("no guardrail rolls back: a person has to".into());
    }
    warnings
}

/// Combinations that the log does not know yet; not proven until the rollout has proven them.
fn new_combinations<'a>(snapshot: &'a Snapshot, doc: &'a RolloutDoc) -> impl Iterator<Item = Change> + 'a {
    doc.spec.candidate.iter().filter_map(|(feature, layers)| {
        let fingerprint = BundleId::of(layers);
        if snapshot.get(&DocKey::combination(feature, &fingerprint)).is_some() {
            return None;
        }
        let combination = CombinationDoc {
            feature: feature.clone(),
            fingerprint,
            layers: layers.clone(),
            proof: None,
            current_since: None,
        };
        Some(Change::put(&Document::Combination(combination)))
    })
}
