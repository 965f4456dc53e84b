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
        etag,
        fault::Fault,
        prepared::{self, Entry, FlagText, Prepared, PreparedFeature, PreparedFlag},
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

/// Everything evaluated, in the order of the keys, and not yet written: a client that has it already costs no copy.
pub(crate) struct Evaluated<'a> {
    items: Vec<Item<'a>>,
    /// Items that are made anew each time, one after the other.
    made: Vec<u8>,
    /// What tells these results from others.
    facts: Vec<u8>,
}

enum Item<'a> {
    Flag(&'a PreparedFlag, Decided<'a>),
    /// Where it ends among those that are made.
    Made(usize),
}

/// Bytes that the facts of most flags take.
const FACTS: usize = 32;

impl<'a> Evaluated<'a> {
    /// Evaluates everything. Pins are respected, none is made.
    pub(crate) fn all(scope: &Scope<'a>, known: &Known) -> Self {
        let (entries, asking) = (&scope.prepared.entries, Asking::new(&scope.asker.context));
        let mut all = Self {
            items: Vec::with_capacity(entries.len()),
            made: Vec::new(),
            facts: Vec::with_capacity(entries.len() * FACTS),
        };
        for entry in entries {
            let made = match entry {
                Entry::Flag(flag) => decide_flag(flag, &asking).map(|decided| all.flag(flag, decided)),
                Entry::Feature(feature) => {
                    let begins = all.made.len();
                    listed(scope, feature, known, &mut all.made).map(|()| all.made_from(begins))
                }
            };
            if let Err(fault) = made {
                let begins = all.made.len();
                fault.of(entry.key()).write(&mut all.made);
                all.made_from(begins);
            }
        }
        all
    }

    /// The tag of these results.
    pub(crate) fn etag(&self) -> String {
        etag::of(&self.facts)
    }

    fn flag(&mut self, flag: &'a PreparedFlag, decided: Decided<'a>) {
        self.facts.extend_from_slice(&flag.text.opening(decided.place).tag);
        self.facts.extend_from_slice(decided.reason.as_bytes());
        if let Some(rule) = decided.rule {
            self.facts.push(b'/');
            self.facts.extend_from_slice(rule.as_bytes());
        }
        // No reason and no name of a rule holds it, so that the facts of two flags cannot be taken for those of others.
        self.facts.push(0);
        self.items.push(Item::Flag(flag, decided));
    }

    fn made_from(&mut self, begins: usize) {
        let item = self.made.get(begins..).unwrap_or_default();
        self.facts.extend_from_slice(&prepared::tag(&[item]));
        self.facts.push(0);
        self.items.push(Item::Made(self.made.len()));
    }

    /// Writes all as items of a list.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut from = 0;
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match item {
                Item::Flag(flag, decided) => write_flag(&flag.text, decided, out),
                Item::Made(until) => {
                    out.extend_from_slice(self.made.get(from..*until).unwrap_or_default());
                    from = *until;
                }
            }
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

/// What a plain flag comes to, in OpenFeature's words.
pub(crate) struct Decided<'a> {
    /// Its variant's place; none where the caller's default stands.
    place: Option<usize>,
    reason: &'static str,
    rule: Option<&'a str>,
}

/// Evaluates a plain flag, and counts that.
pub(crate) fn decide_flag<'a>(entry: &'a PreparedFlag, asking: &Asking<'_>) -> Result<Decided<'a>, Fault> {
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
    text.opening(decision.place).uses.one();
    Ok(Decided { place: decision.place, reason, rule: decision.rule })
}

/// Writes a result. `variant` is always there, since the Python client reads it unasked; `value` only where there is one.
pub(crate) fn write_flag(text: &FlagText, decided: &Decided<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&text.opening(decided.place).bytes);
    out.extend_from_slice(decided.reason.as_bytes());
    out.extend_from_slice(&text.metadata);
    if let Some(rule) = decided.rule {
        out.extend_from_slice(b",\"ruleId\":");
        push_text(out, rule);
    }
    out.extend_from_slice(b"}}");
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
