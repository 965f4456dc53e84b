//! Flags of LaunchDarkly, as its REST API gives them or as all data of an environment. Knows nothing of other formats.

use std::collections::BTreeMap;

use serde_json::Value;
use serinus_domain::{
    entity::{Comparison, Condition, FlagDoc, FlagRule, Prerequisite, Serve},
    id::{FlagKey, SegmentKey, VariantKey},
};

use crate::{
    ForcedUnits, ImportedFlag, ImportedSegment,
    draft::{Draft, all, any, blank, kind_of, not, numeric, split, variant},
    read::{flag, list, number, object, text, texts},
};

pub(crate) fn import(document: &Value, draft: &mut Draft) -> Result<(), &'static str> {
    let flags: Vec<&Value> = match (document.get("items"), document.get("flags")) {
        (Some(Value::Array(items)), _) | (None, Some(Value::Array(items))) => items.iter().collect(),
        (_, Some(Value::Object(flags))) => flags.values().collect(),
        _ if document.get("variations").is_some() => vec![document],
        _ => return Err("\"items\", \"flags\" or \"variations\""),
    };
    let flags: Vec<_> =
        flags.into_iter().filter_map(|one| Some((draft.flag_key(text(one, "key"))?, one))).collect();
    let segments: Vec<_> = object(document, "segments")
        .filter_map(|(name, one)| Some((name.clone(), draft.segment_key(name)?, one)))
        .collect();
    let known = Known {
        flags: flags.iter().map(|(key, one)| (text(one, "key"), (key.clone(), *one))).collect(),
        segments: segments.iter().map(|(name, key, _)| (name.as_str(), key.clone())).collect(),
    };
    for (_, key, given) in &segments {
        segment(key, given, &known, draft);
    }
    for (key, given) in &flags {
        if one(key, given, &known, draft).is_none() {
            draft.lost(
                &format!("flag {key}"),
                "the whole flag",
                "its variations are not all booleans, texts, numbers or objects",
            );
        }
    }
    Ok(())
}

struct Known<'a> {
    flags: BTreeMap<&'a str, (FlagKey, &'a Value)>,
    segments: BTreeMap<&'a str, SegmentKey>,
}

/// A variation's value: the REST API wraps it.
fn value(variation: &Value) -> &Value {
    match variation.as_object() {
        Some(members)
            if members.contains_key("value")
                && (members.contains_key("_id") || members.contains_key("name")) =>
        {
            &members["value"]
        }
        _ => variation,
    }
}

/// Names for variations: theirs where they differ, else truth values or numbers in order.
fn names(given: &Value) -> Vec<VariantKey> {
    let mut taken = std::collections::BTreeSet::new();
    let name = |(at, variation): (usize, &Value)| {
        let own = text(variation, "name");
        let own = match value(variation) {
            Value::Bool(truth) if own.is_empty() => truth.to_string(),
            _ => own.to_owned(),
        };
        let key = variant(&own)
            .filter(|key| !taken.contains(key))
            .or_else(|| variant(&format!("variation-{at}")))?;
        taken.insert(key.clone());
        Some(key)
    };
    list(given, "variations").iter().enumerate().filter_map(name).collect()
}

/// Which environment is read: production where there is one.
fn state<'a>(given: &'a Value, subject: &str, draft: &mut Draft) -> &'a Value {
    let all: Vec<_> = object(given, "environments").collect();
    let Some(chosen) = all.iter().find(|(name, _)| *name == "production").or(all.first()) else {
        return given;
    };
    for (name, _) in all.iter().filter(|(name, _)| name != &chosen.0) {
        draft.lost(
            subject,
            format!("environment {name}"),
            format!("one environment is read at a time: {}", chosen.0),
        );
    }
    chosen.1
}

fn one(key: &FlagKey, given: &Value, known: &Known<'_>, draft: &mut Draft) -> Option<()> {
    let subject = format!("flag {key}");
    let names = names(given);
    let values: Vec<_> = list(given, "variations").iter().map(value).collect();
    let kind = kind_of(values.iter().copied())?;
    let state = state(given, &subject, draft);
    let at = |index: &Value| names.get(usize::try_from(index.as_u64()?).ok()?).cloned();
    let off = state.get("offVariation").and_then(at);
    let mut doc: FlagDoc = blank(key.clone(), kind, off.clone().or_else(|| names.first().cloned())?);
    doc.variants = names.iter().cloned().zip(values.into_iter().cloned()).collect();
    text(given, "description").clone_into(&mut doc.description);
    doc.tags = texts(list(given, "tags"));
    doc.permanent = given.get("temporary").is_some_and(|temporary| temporary == false);
    doc.archived = flag(given, "archived");
    doc.code_default = off.is_none();
    if !flag(state, "on") {
        doc.disabled = true;
        draft.lost(
            &subject,
            "off",
            format!(
                "it is off there and disabled here: callers get their own default in place of {}",
                doc.default
            ),
        );
    }
    let walk = Walk { subject: &subject, of: key.as_str(), names: &names, known };
    for rule in list(state, "rules") {
        if let Some(when) = walk.clauses(rule, draft) {
            doc.rules.extend(walk.rule(rule, when, draft));
        }
    }
    if let Some(rest) = state.get("fallthrough") {
        doc.rules.extend(walk.rule(rest, Condition::Always, draft));
    }
    doc.prerequisites = walk.prerequisites(state, off.as_ref(), draft);
    let forced = walk.targets(state, draft);
    draft.flags.push(ImportedFlag { doc, forced });
    Some(())
}

fn segment(key: &SegmentKey, given: &Value, known: &Known<'_>, draft: &mut Draft) {
    let subject = format!("segment {key}");
    let walk = Walk { subject: &subject, of: key.as_str(), names: &[], known };
    let mut parts = Vec::new();
    for rule in list(given, "rules") {
        if rule.get("weight").is_some_and(|weight| !weight.is_null()) {
            draft.lost(
                &subject,
                "rule for a share of users",
                "a segment has no shares here; the rule lets nobody in",
            );
        } else {
            parts.extend(walk.clauses(rule, draft));
        }
    }
    for list_of in ["includedContexts", "excludedContexts"] {
        if !list(given, list_of).is_empty() {
            draft.lost(&subject, list_of, "lists name users only");
        }
    }
    draft.segments.push(ImportedSegment {
        key: key.clone(),
        description: text(given, "description").to_owned(),
        when: any(parts),
        included: texts(list(given, "included")),
        excluded: texts(list(given, "excluded")),
    });
}

struct Walk<'a> {
    subject: &'a str,
    of: &'a str,
    names: &'a [VariantKey],
    known: &'a Known<'a>,
}

impl Walk<'_> {
    fn named(&self, index: Option<&Value>) -> Option<VariantKey> {
        self.names.get(usize::try_from(index?.as_u64()?).ok()?).cloned()
    }

    fn rule(&self, given: &Value, when: Condition, draft: &mut Draft) -> Option<FlagRule> {
        let rollout = given.get("rollout").filter(|rollout| rollout.is_object());
        let mut bucket_by = None;
        let serve = match rollout {
            None => Serve::Variant(self.named(given.get("variation"))?),
            Some(rollout) => {
                let weight = |part: &Value| part.get("weight").and_then(number).unwrap_or(0.0);
                let parts = list(rollout, "variations");
                let parts =
                    parts.iter().filter_map(|part| Some((self.named(part.get("variation"))?, weight(part))));
                bucket_by = Some(text(rollout, "bucketBy")).filter(|by| !matches!(*by, "" | "key"));
                split(merged(parts))?
            }
        };
        if matches!(serve, Serve::Split(_)) {
            draft.rebucketed(self.subject);
        }
        let id = [text(given, "description"), text(given, "_id"), text(given, "id")];
        let id = id.into_iter().find(|id| !id.is_empty()).map(str::to_owned);
        Some(FlagRule { when, serve, id, bucket_by: bucket_by.map(str::to_owned), salt: None })
    }

    /// All clauses of a rule; none where one is not understood, since leaving it out would let in more people.
    fn clauses(&self, rule: &Value, draft: &mut Draft) -> Option<Condition> {
        let mut conditions = Vec::new();
        for clause in list(rule, "clauses") {
            let Some(condition) = self.clause(clause, draft) else {
                let what = format!("rule with clause {} {}", text(clause, "attribute"), text(clause, "op"));
                draft.lost(self.subject, what, "the clause is not understood; the rule lets nobody in");
                return None;
            };
            conditions.push(condition);
        }
        Some(all(conditions))
    }

    fn clause(&self, clause: &Value, draft: &mut Draft) -> Option<Condition> {
        let kind = Some(text(clause, "contextKind")).filter(|kind| !matches!(*kind, "" | "user"));
        let name = text(clause, "attribute");
        let name = name.strip_prefix('/').unwrap_or(name);
        let attribute = match (kind, name) {
            (None, "key") => "user".to_owned(),
            (None, name) => name.to_owned(),
            (Some(kind), "key") => kind.to_owned(),
            (Some(kind), name) => format!("{kind}.{name}"),
        };
        if attribute.contains('/') {
            return None;
        }
        if kind.is_some() {
            draft.lost(
                self.subject,
                format!("context kind of {attribute}"),
                "send it as an attribute of that name",
            );
        }
        let values = list(clause, "values");
        let is_segment = text(clause, "op") == "segmentMatch";
        let condition = if is_segment {
            let of = |name: &String| self.known.segments.get(name.as_str()).cloned().map(Condition::Segment);
            any(texts(values).iter().map(of).collect::<Option<_>>()?)
        } else if attribute == "user" && text(clause, "op") == "in" {
            draft.people(self.of, texts(values))?
        } else {
            compared(&attribute, text(clause, "op"), values)?
        };
        Some(match flag(clause, "negate") {
            false => condition,
            // A missing attribute meets no clause there, negated or not.
            true if is_segment || attribute == "user" => not(condition),
            true => all(vec![Condition::Present { attribute }, not(condition)]),
        })
    }

    fn prerequisites(&self, state: &Value, off: Option<&VariantKey>, draft: &mut Draft) -> Vec<Prerequisite> {
        let mut prerequisites = Vec::new();
        for given in list(state, "prerequisites") {
            let other = self.known.flags.get(text(given, "key"));
            let found = other.and_then(|(key, other)| {
                let index = usize::try_from(given.get("variation")?.as_u64()?).ok()?;
                Some((key.clone(), names(other).get(index)?.clone()))
            });
            match found {
                Some((flag, wanted)) => prerequisites.push(Prerequisite { flag, variants: vec![wanted], otherwise: off.cloned() }),
                None => draft.lost(
                    self.subject,
                    format!("prerequisite {}", text(given, "key")),
                    "the document does not hold that flag; import both together, or the prerequisite is not asked for",
                ),
            }
        }
        prerequisites
    }

    fn targets(&self, state: &Value, draft: &mut Draft) -> Vec<ForcedUnits> {
        let mut forced = Vec::new();
        for target in list(state, "targets").iter().chain(list(state, "contextTargets")) {
            let units = texts(list(target, "values"));
            let kind = text(target, "contextKind");
            match self.named(target.get("variation")) {
                Some(variant) if matches!(kind, "" | "user") && !units.is_empty() => {
                    forced.push(ForcedUnits { units, variant });
                }
                _ if units.is_empty() => {}
                _ => draft.lost(
                    self.subject,
                    format!("targets of kind {kind}"),
                    "variants are forced for users only",
                ),
            }
        }
        forced
    }
}

/// Shares of one variation that stands more than once, as in experiments, together.
fn merged(parts: impl Iterator<Item = (VariantKey, f64)>) -> Vec<(VariantKey, f64)> {
    let mut merged: Vec<(VariantKey, f64)> = Vec::new();
    for (variant, weight) in parts {
        match merged.iter_mut().find(|(have, _)| *have == variant) {
            Some((_, sum)) => *sum += weight,
            None => merged.push((variant, weight)),
        }
    }
    merged
}

fn compared(attribute: &str, op: &str, values: &[Value]) -> Option<Condition> {
    let name = || attribute.to_owned();
    let all_texts =
        || values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let each = |make: &dyn Fn(&Value) -> Option<Condition>| {
        Some(any(values.iter().map(make).collect::<Option<_>>()?))
    };
    let figure = |op| each(&move |value| Some(numeric(attribute, op, value.as_f64()?)));
    let versioned = |op| {
        each(&move |value| {
            Some(Condition::Semver { attribute: name(), op, version: value.as_str()?.to_owned() })
        })
    };
    match op {
        "in" if values.iter().all(|value| !value.is_object() && !value.is_array()) => {
            Some(Condition::In { attribute: name(), values: values.to_vec() })
        }
        "startsWith" => Some(Condition::StartsWith { attribute: name(), values: all_texts()? }),
        "endsWith" => Some(Condition::EndsWith { attribute: name(), values: all_texts()? }),
        "contains" => Some(Condition::Contains { attribute: name(), values: all_texts()? }),
        "matches" => {
            each(&|value| Some(Condition::Matches { attribute: name(), pattern: value.as_str()?.to_owned() }))
        }
        "lessThan" => figure(Comparison::Less),
        "lessThanOrEqual" => figure(Comparison::AtMost),
        "greaterThan" => figure(Comparison::Greater),
        "greaterThanOrEqual" => figure(Comparison::AtLeast),
        "before" => {
            each(&|value| Some(Condition::Before { attribute: name(), time: value.as_str()?.to_owned() }))
        }
        "after" => {
            each(&|value| Some(Condition::After { attribute: name(), time: value.as_str()?.to_owned() }))
        }
        "semVerEqual" => versioned(Comparison::Equal),
        "semVerLessThan" => versioned(Comparison::Less),
        "semVerGreaterThan" => versioned(Comparison::Greater),
        _ => None,
    }
}
