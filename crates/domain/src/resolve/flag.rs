//! Resolution of a plain flag. Knows nothing of OFREP, whose words for the same reasons are the gateway's.

use serde_json::Value;

use super::Reason;
use crate::{compile::CompiledFlag, context::Context};

/// What a plain flag answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlagDecision<'a> {
    /// The variant's name; none where the caller's default stands.
    pub variant: Option<&'a str>,
    /// Its value.
    pub value: Option<&'a Value>,
    /// Why.
    pub reason: Reason,
}

/// Resolves a plain flag. A split without a targeting key falls to the next rule, and at last to the default.
pub fn resolve_flag<'a>(flag: &'a CompiledFlag, context: &Context) -> FlagDecision<'a> {
    let none = |reason| FlagDecision { variant: None, value: None, reason };
    if flag.broken.is_some() {
        return none(Reason::Broken);
    }
    if flag.doc.disabled {
        return none(Reason::Disabled);
    }
    let answer = |at: usize, reason| match flag.variants.get(at) {
        Some((name, value)) => FlagDecision { variant: Some(name.as_str()), value: Some(value), reason },
        None => none(Reason::Broken),
    };
    let key = context.user.as_deref().or(context.session.as_deref());
    for rule in flag.rules.iter().filter(|rule| rule.when.met(context)) {
        match (rule.split.as_slice(), key) {
            ([(_, at)], _) => return answer(*at, Reason::TargetingMatch),
            (split, Some(key)) => {
                let bucket = flag.salt.bucket(key);
                if let Some((_, at)) = split.iter().find(|(end, _)| bucket < *end) {
                    return answer(*at, Reason::Split);
                }
            }
            (_, None) => {}
        }
    }
    answer(flag.default, Reason::Default)
}
