//! Resolution of a plain flag: forced units, prerequisites, then an expression or rules, then the default.
//! Knows nothing of OFREP, whose words for the same reasons are the gateway's.

use serde_json::Value;

use super::{Asking, Reason, Silent, Step, Tracer};
use crate::{
    compile::{CompiledFlag, CompiledFlagRule, CompiledPrerequisite},
    context::Context,
    logic::{self, Vars},
};

/// What a plain flag answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlagDecision<'a> {
    /// The variant's name; none where the caller's default stands.
    pub variant: Option<&'a str>,
    /// Its value.
    pub value: Option<&'a Value>,
    /// Its place among the flag's variants.
    pub place: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// Whether a split over the targeting key was met and the caller gave none: the next rule was asked in its place.
    pub keyless: bool,
}

/// Resolves a plain flag. A split without a key falls to the next rule, and at last to the default.
pub fn resolve_flag<'a>(flag: &'a CompiledFlag, context: &Context) -> FlagDecision<'a> {
    evaluate(flag, &Asking::new(context), &mut Silent)
}

/// The same for a caller who asks for several flags, and with every step told.
#[inline]
pub fn evaluate<'a, T: Tracer>(
    flag: &'a CompiledFlag,
    asking: &Asking<'_>,
    tracer: &mut T,
) -> FlagDecision<'a> {
    let decision = decide(flag, asking, tracer);
    tracer.step(|| {
        let outcome =
            decision.variant.map_or_else(|| "the caller's default".to_owned(), |name| format!("\"{name}\""));
        let rule = decision.rule.map_or_else(String::new, |rule| format!(" by rule {rule}"));
        Step::new(
            "answer",
            format!("flag {}", flag.doc.key),
            outcome,
            format!("{}{rule}", decision.reason.as_str()),
        )
    });
    decision
}

#[inline]
fn decide<'a, T: Tracer>(flag: &'a CompiledFlag, asking: &Asking<'_>, tracer: &mut T) -> FlagDecision<'a> {
    let none =
        |reason| FlagDecision { variant: None, value: None, place: None, reason, rule: None, keyless: false };
    let answer = |at: usize, reason, rule: Option<&'a CompiledFlagRule>| match flag.variants.get(at) {
        Some((name, value)) => FlagDecision {
            variant: Some(name.as_str()),
            value: Some(value),
            place: Some(at),
            reason,
            rule: rule.map(|rule| &*rule.id),
            keyless: false,
        },
        None => none(Reason::Broken),
    };
    if flag.broken.is_some() {
        return none(Reason::Broken);
    }
    if flag.disabled {
        return none(Reason::Disabled);
    }
    if let Some((_, at)) = flag.forced.iter().find(|(list, _)| list.has(asking)) {
        tracer.step(|| {
            Step::new("forced", flag.doc.key.as_str(), "on the list", "a list of units decides before rules")
        });
        return answer(*at, Reason::Forced, None);
    }
    let default = || {
        if flag.code_default { none(Reason::Default) } else { answer(flag.default, Reason::Default, None) }
    };
    if let Some(unmet) = unmet(&flag.prerequisites, asking, tracer) {
        let stands = unmet.otherwise.map_or_else(default, |at| answer(at, Reason::Prerequisite, None));
        return FlagDecision { reason: Reason::Prerequisite, ..stands };
    }
    if let Some(logic) = &flag.logic {
        return match by_logic(flag, logic, asking.context) {
            Ok(Some(at)) => answer(at, Reason::TargetingMatch, None),
            Ok(None) => default(),
            Err(()) => none(Reason::Broken),
        };
    }
    let mut keyless = false;
    for rule in &flag.rules {
        let met = rule.when.walk(asking, tracer);
        tracer.step(|| {
            Step::new("rule", &*rule.id, if met { "met" } else { "not met" }, rule.when.to_string())
        });
        if !met {
            continue;
        }
        if let [(_, at)] = rule.split.as_slice() {
            return FlagDecision { keyless, ..answer(*at, Reason::TargetingMatch, Some(rule)) };
        }
        match bucket(rule, asking.context) {
            Some(bucket) => {
                tracer.step(|| {
                    let by = rule.bucket_by.as_ref().map_or("the targeting key", |by| by.name());
                    Step::new("split", &*rule.id, format!("bucket {bucket} of 1000000"), format!("by {by}"))
                });
                if let Some((_, at)) = rule.split.iter().find(|(end, _)| bucket < *end) {
                    return FlagDecision { keyless, ..answer(*at, Reason::Split, Some(rule)) };
                }
            }
            None => {
                tracer.step(|| Step::new("split", &*rule.id, "skipped", "the caller gives no key to go by"));
                keyless |= rule.bucket_by.is_none();
            }
        }
    }
    FlagDecision { keyless, ..default() }
}

/// The first prerequisite that does not hold.
#[inline]
pub(super) fn unmet<'a, T: Tracer>(
    prerequisites: &'a [CompiledPrerequisite],
    asking: &Asking<'_>,
    tracer: &mut T,
) -> Option<&'a CompiledPrerequisite> {
    prerequisites.iter().find(|other| {
        let came_out = evaluate_dyn(&other.flag, asking, tracer);
        let holds = came_out.is_some_and(|place| other.variants.contains(&place));
        tracer.step(|| {
            let outcome = if holds { "holds" } else { "does not hold" };
            let name =
                came_out.and_then(|place| other.flag.variants.get(place)).map(|(name, _)| name.as_str());
            let detail = format!("it came out as {}", name.unwrap_or("the caller's default"));
            Step::new("prerequisite", other.flag.doc.key.as_str(), outcome, detail)
        });
        !holds
    })
}

/// Out of line, so that the common flag without prerequisites stays small.
#[inline(never)]
fn evaluate_dyn<T: Tracer>(flag: &CompiledFlag, asking: &Asking<'_>, tracer: &mut T) -> Option<usize> {
    evaluate(flag, asking, tracer).place
}

#[inline]
fn bucket(rule: &CompiledFlagRule, context: &Context) -> Option<u32> {
    match &rule.bucket_by {
        None => context.user.as_deref().or(context.session.as_deref()).map(|key| rule.salt.bucket(key)),
        Some(attribute) => attribute.bucketed(context, |key| rule.salt.bucket(key)),
    }
}

/// The variant that a flag's expression names; none where the default is to be served, an error where it names no variant of the flag.
fn by_logic(flag: &CompiledFlag, logic: &logic::Compiled, context: &Context) -> Result<Option<usize>, ()> {
    let their_key = flag.doc.targeting.as_ref().and_then(|targeting| targeting.flag_key.as_deref());
    let vars = Vars {
        attributes: &context.attributes,
        // OFREP's targeting key is the session here; a user is one only where no session is named.
        targeting_key: context.session.as_deref().or(context.user.as_deref()),
        flag_key: their_key.unwrap_or(flag.doc.key.as_str()),
        timestamp_s: context.now.map_or(0, |now| now.0.div_euclid(1_000_000)),
    };
    let result = logic.evaluate(&vars).map_err(|_| ())?;
    let Some(name) = logic::named(&result).map_err(|_| ())? else { return Ok(None) };
    flag.variants.iter().position(|(have, _)| have.as_str() == name).map(Some).ok_or(())
}
