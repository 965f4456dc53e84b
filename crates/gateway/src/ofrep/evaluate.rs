//! Flags and features to OFREP results: our reasons in OpenFeature's words. Knows nothing of HTTP.

use serde_json::{Map, Value, json};
use serinus_domain::{
    compile::{CompiledFeature, CompiledFlag},
    entity::{DocKey, OffAnswer},
    id::FeatureKey,
    resolve::{Reason, resolve_flag},
    revision::RevisionNumber,
    units::Share,
};
use serinus_store::Active;

use std::sync::Arc;

use crate::{
    admit::Asker,
    assign::{Resolved, View, assign, own_revision},
    error::Refused,
    gateway::Gateway,
    ofrep::{fault::Fault, value},
    pin_cache::Known,
    session::{Lost, Saved},
};

/// What an evaluation looks at.
pub(crate) struct Scope<'a> {
    pub gateway: &'a Gateway,
    pub head: &'a Active,
    pub asker: &'a Asker,
}

/// As for chat completions: each loss means that another write was in between.
const RACES_MAX: usize = 4;

/// Evaluates one key; a feature's assignment is durable when it answers.
pub(crate) async fn evaluate_one(scope: &Scope<'_>, key: &str) -> Result<(Value, Saved), Fault> {
    let compiled = &scope.head.compiled;
    if let Some(flag) = compiled.flags.get(key) {
        return Ok((flag_item(scope, flag)?, Saved::Durable));
    }
    let feature = compiled.features.get(key).ok_or_else(|| Fault::not_found(key))?;
    if needs_key(feature, scope.asker) {
        return Err(Fault::targeting_key_missing(key));
    }
    let now = scope.gateway.now();
    let mut known = scope.gateway.sessions.known(scope.asker.session, now).await;
    let mut saved = Saved::Durable;
    for race in 0..=RACES_MAX {
        let (resolved, write) = assigned(scope, feature, &known)?;
        let write = write.or_else(|| known.unsaved.clone()).filter(|_| race < RACES_MAX);
        if let (Some(session), Some(write)) = (scope.asker.session, write) {
            match scope.gateway.sessions.save(session, &known, write, now).await {
                Ok(became) => saved = became,
                Err(Lost(stands)) => {
                    known = stands;
                    continue;
                }
            }
        }
        return Ok((feature_item(scope, &resolved), saved));
    }
    Err(Fault::internal("an assignment never came to rest: this is a defect of serinus"))
}

/// Evaluates everything in the order of the keys. Pins are respected, none is made.
pub(crate) async fn evaluate_all(scope: &Scope<'_>) -> Vec<Value> {
    let compiled = &scope.head.compiled;
    let known = scope.gateway.sessions.known(scope.asker.session, scope.gateway.now()).await;
    let features = compiled.features.values().map(|feature| {
        let key = feature.doc.key.as_str();
        let item = if needs_key(feature, scope.asker) {
            Err(Fault::targeting_key_missing(key))
        } else {
            assigned(scope, feature, &known).map(|(resolved, _)| feature_item(scope, &resolved))
        };
        (key, item)
    });
    let flags = compiled.flags.values().map(|flag| (flag.doc.key.as_str(), flag_item(scope, flag)));
    let mut items: Vec<_> = features.chain(flags).collect();
    items.sort_by_key(|(key, _)| *key);
    items.into_iter().map(|(key, item)| item.unwrap_or_else(|fault| fault.of(key).to_item())).collect()
}

fn assigned(
    scope: &Scope<'_>,
    feature: &Arc<CompiledFeature>,
    known: &Known,
) -> Result<(Resolved, Option<serinus_store::PinWrite>), Fault> {
    let own = own_revision(&known.pins, feature, scope.head.compiled.revision);
    let view = View {
        head: scope.head,
        feature,
        asker: scope.asker,
        pins: &known.pins,
        own: own.and_then(|own| scope.gateway.live.at(own)),
        pseudonyms: &scope.gateway.pseudonyms,
        now: scope.gateway.now(),
    };
    assign(&view)
        .map_err(|_: Refused| Fault::internal("a variant has no valid name: this is a defect of serinus"))
}

/// Whether a rollout would split over a key that is not there. Otherwise control is the answer and no key is needed.
fn needs_key(feature: &CompiledFeature, asker: &Asker) -> bool {
    let splits = |rollout: &serinus_domain::compile::CompiledRollout| {
        rollout.share > Share::NONE && rollout.audience.met(&asker.context)
    };
    asker.session.is_none()
        && !feature.doc.killed
        && !feature.rules.iter().any(|(condition, _)| condition.met(&asker.context))
        && feature.rollout.as_ref().is_some_and(splits)
}

fn feature_item(scope: &Scope<'_>, resolved: &Resolved) -> Value {
    let key = &resolved.feature.doc.key;
    let is_off = resolved.reason == Reason::Killed && resolved.off != Some(OffAnswer::Control);
    let reason = match (resolved.reason, &resolved.arm) {
        (Reason::TargetingMatch, _) => "TARGETING_MATCH",
        (Reason::Split, _) | (Reason::Pinned, Some(_)) => "SPLIT",
        (Reason::Killed, _) => "DISABLED",
        // Never STATIC, which clients keep: a feature is sticky, and may come under a rollout at any time.
        _ => "DEFAULT",
    };
    let revision =
        if resolved.reason == Reason::Pinned { resolved.assigned } else { changed_at(scope.head, key) };
    let mut metadata = metadata(scope, revision, stored_at(scope.head, &DocKey::feature(key)));
    metadata.insert("bundle".into(), json!(resolved.bundle.id.to_string()));
    metadata.insert("serinusReason".into(), json!(resolved.reason.as_str()));
    if let Some(arm) = &resolved.arm {
        metadata.insert("rollout".into(), json!(arm.rollout.as_str()));
    }
    if let Some(stage) = resolved.stage {
        metadata.insert("stage".into(), json!(stage.as_str()));
    }
    if let (true, Some(OffAnswer::Text { text })) = (is_off, &resolved.off) {
        metadata.insert("offText".into(), json!(text));
    }
    let (variant, value) = if is_off {
        ("", None)
    } else {
        (resolved.variant.as_str(), Some(value::of_bundle(scope.head, &resolved.bundle)))
    };
    item(key.as_str(), value, variant, reason, metadata)
}

fn flag_item(scope: &Scope<'_>, flag: &CompiledFlag) -> Result<Value, Fault> {
    let (key, context) = (&flag.doc.key, &scope.asker.context);
    if let Some(reason) = &flag.broken {
        return Err(Fault::broken(key.as_str(), reason));
    }
    let keyless = context.user.is_none() && context.session.is_none();
    let splits =
        flag.rules.iter().find(|rule| rule.when.met(context)).is_some_and(|rule| rule.split.len() > 1);
    if keyless && splits && !flag.doc.disabled {
        return Err(Fault::targeting_key_missing(key.as_str()));
    }
    let decision = resolve_flag(flag, context);
    let reason = match decision.reason {
        Reason::TargetingMatch => "TARGETING_MATCH",
        Reason::Split => "SPLIT",
        Reason::Disabled => "DISABLED",
        _ if flag.rules.is_empty() => "STATIC",
        _ => "DEFAULT",
    };
    let put = stored_at(scope.head, &DocKey::flag(key));
    let metadata = metadata(scope, put, put);
    Ok(item(key.as_str(), decision.value.cloned(), decision.variant.unwrap_or_default(), reason, metadata))
}

/// `variant` is always there, since the Python client reads it unasked; `value` only where there is one.
fn item(key: &str, value: Option<Value>, variant: &str, reason: &str, metadata: Map<String, Value>) -> Value {
    let mut item = Map::new();
    item.insert("key".into(), key.into());
    item.insert("variant".into(), variant.into());
    item.insert("reason".into(), reason.into());
    item.insert("metadata".into(), metadata.into());
    if let Some(value) = value {
        item.insert("value".into(), value);
    }
    Value::Object(item)
}

fn metadata(scope: &Scope<'_>, revision: RevisionNumber, version: RevisionNumber) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("flagSetId".into(), json!(scope.gateway.environment.as_str()));
    metadata.insert("version".into(), json!(version.to_string()));
    metadata.insert("revision".into(), json!(revision.0));
    metadata
}

fn stored_at(head: &Active, key: &DocKey) -> RevisionNumber {
    head.snapshot.get(key).map_or(head.compiled.revision, |stored| stored.revision)
}

/// The last revision that may have changed what an unpinned session gets: the feature's, or its rollout's. Not the head's, which
/// would change with every other flag.
fn changed_at(head: &Active, feature: &FeatureKey) -> RevisionNumber {
    let own = stored_at(head, &DocKey::feature(feature));
    let rollout = head.compiled.features.get(feature).and_then(|feature| feature.rollout.as_ref());
    rollout.map_or(own, |rollout| own.max(stored_at(head, &DocKey::rollout(&rollout.key))))
}
