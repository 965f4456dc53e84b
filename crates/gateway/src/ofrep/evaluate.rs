//! Flags and features to OFREP results, written as bytes: our reasons in OpenFeature's words. Knows nothing of HTTP.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use serinus_domain::{
    compile::{CompiledFeature, CompiledRollout},
    context::Context,
    entity::OffAnswer,
    resolve::{Asking, Reason, Silent, evaluate},
    units::Share,
};
use serinus_store::PinWrite;

use crate::{
    admit::Asker,
    assign::{Resolved, View, assign, own_revision},
    error::Refused,
    gateway::Gateway,
    ofrep::{
        fault::Fault,
        prepared::{Entry, Prepared, PreparedFeature, PreparedFlag},
    },
    pin_cache::Known,
    session::{Lost, Saved},
};

/// What an evaluation looks at.
pub(crate) struct Scope<'a> {
    pub gateway: &'a Gateway,
    pub prepared: &'a Prepared,
    pub asker: &'a Asker,
}

/// As for chat completions: each loss means that another write was in between.
const RACES_MAX: usize = 4;

/// Evaluates a feature; its assignment is durable when it answers.
pub(crate) async fn evaluate_feature(
    scope: &Scope<'_>,
    entry: &PreparedFeature,
    out: &mut Vec<u8>,
) -> Result<Saved, Fault> {
    let feature = &entry.feature;
    if needs_key(feature, &scope.asker.context) {
        return Err(Fault::targeting_key_missing(feature.doc.key.as_str()));
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
        write_feature(scope, entry, &resolved, out);
        return Ok(saved);
    }
    Err(Fault::internal("an assignment never came to rest: this is a defect of serinus"))
}

/// Evaluates everything in the order of the keys, as items of a list. Pins are respected, none is made.
pub(crate) fn evaluate_all(scope: &Scope<'_>, known: &Known, out: &mut Vec<u8>) {
    let asking = Asking::new(&scope.asker.context);
    for (at, entry) in scope.prepared.entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let item = match entry {
            Entry::Flag(flag) => evaluate_flag(flag, &asking, out),
            Entry::Feature(feature) => listed(scope, feature, known, out),
        };
        if let Err(fault) = item {
            fault.of(entry.key()).write(out);
        }
    }
}

fn listed(scope: &Scope<'_>, entry: &PreparedFeature, known: &Known, out: &mut Vec<u8>) -> Result<(), Fault> {
    if needs_key(&entry.feature, &scope.asker.context) {
        return Err(Fault::targeting_key_missing(entry.feature.doc.key.as_str()));
    }
    let (resolved, _) = assigned(scope, &entry.feature, known)?;
    write_feature(scope, entry, &resolved, out);
    Ok(())
}

fn assigned(
    scope: &Scope<'_>,
    feature: &Arc<CompiledFeature>,
    known: &Known,
) -> Result<(Resolved, Option<PinWrite>), Fault> {
    let head = &*scope.prepared.head;
    let own = own_revision(&known.pins, feature, head.compiled.revision);
    let view = View {
        head,
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
fn needs_key(feature: &CompiledFeature, context: &Context) -> bool {
    let splits = |rollout: &CompiledRollout| rollout.share > Share::NONE && rollout.concerns(context);
    context.session.is_none()
        && !feature.doc.killed
        && feature.broken.is_none()
        && !feature.rules.iter().any(|(condition, _)| condition.met(context))
        && feature.rollout.as_ref().is_some_and(splits)
}

fn write_feature(scope: &Scope<'_>, entry: &PreparedFeature, resolved: &Resolved, out: &mut Vec<u8>) {
    let key = &resolved.feature.doc.key;
    let is_off = resolved.reason == Reason::Killed && resolved.off != Some(OffAnswer::Control);
    let reason = match (resolved.reason, &resolved.arm) {
        (Reason::TargetingMatch | Reason::Forced, _) => "TARGETING_MATCH",
        (Reason::Split, _) | (Reason::Pinned, Some(_)) => "SPLIT",
        (Reason::Killed, _) => "DISABLED",
        // Never STATIC, which clients keep: a feature is sticky, and may come under a rollout at any time.
        _ => "DEFAULT",
    };
    let revision = if resolved.reason == Reason::Pinned { resolved.assigned } else { entry.changed };
    let mut metadata = Map::new();
    let mut put = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    put("flagSetId", json!(scope.gateway.environment.as_str()));
    put("version", json!(entry.put.to_string()));
    put("revision", json!(revision.0));
    put("bundle", json!(resolved.bundle.id.to_string()));
    put("serinusReason", json!(resolved.reason.as_str()));
    if let Some(arm) = &resolved.arm {
        put("rollout", json!(arm.rollout.as_str()));
    }
    if let Some(stage) = resolved.stage {
        put("stage", json!(stage.as_str()));
    }
    if let (true, Some(OffAnswer::Text { text })) = (is_off, &resolved.off) {
        put("offText", json!(text));
    }
    let variant = if is_off { "" } else { resolved.variant.as_str() };
    push(out, &[&format!("{{\"key\":{},\"variant\":{}", json!(key.as_str()), json!(variant))]);
    if !is_off {
        entry.used(resolved.bundle.id);
        push(out, &[",\"value\":", &entry.value(&scope.prepared.head, &resolved.bundle)]);
    }
    push(out, &[",\"reason\":\"", reason, "\",\"metadata\":", &Value::Object(metadata).to_string(), "}"]);
}

/// Evaluates a plain flag. `variant` is always there, since the Python client reads it unasked; `value` only where there is one.
pub(crate) fn evaluate_flag(
    entry: &PreparedFlag,
    asking: &Asking<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (flag, text) = (&entry.flag, &entry.text);
    let key = flag.doc.key.as_str();
    if let Some(reason) = &flag.broken {
        return Err(Fault::broken(key, reason));
    }
    let decision = evaluate(flag, asking, &mut Silent);
    if decision.keyless {
        return Err(Fault::targeting_key_missing(key));
    }
    let reason = match decision.reason {
        Reason::TargetingMatch | Reason::Forced => "TARGETING_MATCH",
        Reason::Split => "SPLIT",
        Reason::Disabled => "DISABLED",
        Reason::Broken => {
            return Err(Fault::broken(key, "its targeting comes to no variant of it: correct it"));
        }
        _ if text.is_static => "STATIC",
        _ => "DEFAULT",
    };
    match decision.place.and_then(|at| Some((text.variants.get(at)?, text.uses.get(at)?))) {
        Some((opening, uses)) => {
            uses.one();
            out.extend_from_slice(opening);
        }
        None => {
            text.uses_of_none.one();
            out.extend_from_slice(&text.none);
        }
    }
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(&text.metadata);
    if let Some(rule) = decision.rule {
        out.extend_from_slice(b",\"ruleId\":");
        push_text(out, rule);
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

/// A text in JSON; a rule's name seldom needs escapes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(json!(text).to_string().as_bytes());
    }
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
