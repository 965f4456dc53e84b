//! Resolution of a plain flag: forced units, prerequisites, then an expression or rules, then the default.
//! Knows nothing of OFREP, whose words for the same reasons are the gateway's.

use serde_json::Value;

use super::{Asking, Reason, Silent, Split, Step, Tracer};
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

const fn none<'a>(reason: Reason) -> FlagDecision<'a> {
    FlagDecision { variant: None, value: None, place: None, reason, rule: None, keyless: false }
}

#[inline]
fn answer(flag: &CompiledFlag, place: usize, reason: Reason) -> FlagDecision<'_> {
    match flag.variants.get(place) {
        Some((name, value)) => FlagDecision {
            variant: Some(name.as_str()),
            value: Some(value),
            place: Some(place),
            reason,
            rule: None,
            keyless: false,
        },
        None => none(Reason::Broken),
    }
}

#[inline]
fn default(flag: &CompiledFlag) -> FlagDecision<'_> {
    if flag.code_default { none(Reason::Default) } else { answer(flag, flag.default, Reason::Default) }
}

#[inline]
fn decide<'a, T: Tracer>(flag: &'a CompiledFlag, asking: &Asking<'_>, tracer: &mut T) -> FlagDecision<'a> {
    if !flag.is_plain
        && let Some(decided) = before_rules(flag, asking, tracer)
    {
        return decided;
    }
    by_rules(flag, asking, tracer)
}

/// What decides before rules are asked, or in their place. Out of line, so that the common flag stays small.
#[inline(never)]
fn before_rules<'a, T: Tracer>(
    flag: &'a CompiledFlag,
    asking: &Asking<'_>,
    tracer: &mut T,
) -> Option<FlagDecision<'a>> {
    if flag.broken.is_some() {
        return Some(none(Reason::Broken));
    }
    if flag.disabled {
        return Some(none(Reason::Disabled));
    }
    if let Some((_, at)) = flag.forced.iter().find(|(list, _)| list.has(asking)) {
        tracer.step(|| {
            Step::new("forced", flag.doc.key.as_str(), "on the list", "a list of units decides before rules")
        });
        return Some(answer(flag, *at, Reason::Forced));
    }
    if let Some(unmet) = unmet(&flag.prerequisites, asking, tracer) {
        let stands =
            unmet.otherwise.map_or_else(|| default(flag), |at| answer(flag, at, Reason::Prerequisite));
        return Some(FlagDecision { reason: Reason::Prerequisite, ..stands });
    }
    let logic = flag.logic.as_ref()?;
    Some(match by_logic(flag, logic, asking.context) {
        Ok(Some(at)) => answer(flag, at, Reason::TargetingMatch),
        Ok(None) => default(flag),
        Err(()) => none(Reason::Broken),
    })
}

#[inline]
fn by_rules<'a, T: Tracer>(flag: &'a CompiledFlag, asking: &Asking<'_>, tracer: &mut T) -> FlagDecision<'a> {
    let mut keyless = false;
    for rule in &flag.rules {
        let met = rule.when().walk(asking, tracer);
        tracer.step(|| {
            Step::new("rule", &*rule.id, if met { "met" } else { "not met" }, rule.when().to_string())
        });
        if !met {
            continue;
        }
        let ruled =
            |at: usize, reason| FlagDecision { keyless, rule: Some(&*rule.id), ..answer(flag, at, reason) };
        if let Split::Whole(at) = rule.split {
            return ruled(at, Reason::TargetingMatch);
        }
        match bucket(rule, asking.context) {
            Some(bucket) => {
                tracer.step(|| {
                    let by = rule.bucket_by.as_ref().map_or("the targeting key", |by| by.name());
                    Step::new("split", &*rule.id, format!("bucket {bucket} of 1000000"), format!("by {by}"))
                });
                if let Some(at) = rule.split.place(bucket) {
                    return ruled(at, Reason::Split);
                }
            }
            None => {
                tracer.step(|| Step::new("split", &*rule.id, "skipped", "the caller gives no key to go by"));
                keyless |= rule.bucket_by.is_none();
            }
        }
    }
    FlagDecision { keyless, ..default(flag) }
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
