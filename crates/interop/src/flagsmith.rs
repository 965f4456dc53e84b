//! An environment document of Flagsmith. Knows nothing of other formats.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serinus_domain::{
    entity::{Comparison, Condition, FlagDoc, FlagKind, FlagRule, Serve},
    id::{FlagKey, SegmentKey, VariantKey},
};

use crate::{
    ForcedUnits, ImportedFlag, ImportedSegment,
    draft::{Draft, all, any, blank, kind_of, not, numeric, split, variant},
    read::{commas, flag, list, number, text, texts},
};

pub(crate) fn import(document: &Value, draft: &mut Draft) -> Result<(), &'static str> {
    let states = document.get("feature_states").and_then(Value::as_array).ok_or("\"feature_states\"")?;
    let project = document.get("project").unwrap_or(&Value::Null);
    let mut overrides = Vec::new();
    for segment in list(project, "segments") {
        let name = text(segment, "name");
        let Some(key) = draft.segment_key(name) else { continue };
        let subject = format!("segment {key}");
        match rules(segment, key.as_str(), draft) {
            Ok(when) => {
                let (included, excluded) = (Vec::new(), Vec::new());
                draft.segments.push(ImportedSegment {
                    key: key.clone(),
                    description: name.to_owned(),
                    when,
                    included,
                    excluded,
                });
                overrides.extend(list(segment, "feature_states").iter().map(|state| (key.clone(), state)));
            }
            Err(what) => {
                draft.lost(&subject, what, "it is not understood; the segment and its overrides are left out")
            }
        }
    }
    // Lower comes first; an override without a priority comes last.
    let priority = |state: &Value| {
        state.pointer("/feature_segment/priority").and_then(Value::as_i64).unwrap_or(i64::MAX)
    };
    overrides.sort_by_key(|(_, state)| priority(state));
    for state in states {
        let name = state.pointer("/feature/name").and_then(Value::as_str).unwrap_or_default();
        let Some(key) = draft.flag_key(name) else { continue };
        let of_this = |one: &Value| one.pointer("/feature/name").and_then(Value::as_str) == Some(name);
        let segments = overrides.iter().filter(|(_, one)| of_this(one));
        let segments: Vec<_> = segments.map(|(key, one)| (key, *one)).collect();
        let identities = list(document, "identity_overrides").iter().flat_map(|identity| {
            let states = list(identity, "identity_features").iter().filter(|one| of_this(one));
            states.map(move |one| (text(identity, "identifier"), one))
        });
        one(&Feature { key, state, segments, identities: identities.collect() }, draft);
    }
    Ok(())
}

struct Feature<'a> {
    key: FlagKey,
    state: &'a Value,
    segments: Vec<(&'a SegmentKey, &'a Value)>,
    identities: Vec<(&'a str, &'a Value)>,
}

/// What a state answers: its value, or whether it is on where no state of the feature has a value.
fn answer(state: &Value, valued: bool) -> Option<Value> {
    let enabled = flag(state, "enabled");
    match (valued, enabled) {
        (false, enabled) => Some(Value::Bool(enabled)),
        (true, true) => state.get("feature_state_value").filter(|value| !value.is_null()).cloned(),
        (true, false) => None,
    }
}

/// What a state would answer if it were on.
fn stored(state: &Value, valued: bool) -> Option<Value> {
    if !valued {
        return answer(state, valued);
    }
    state.get("feature_state_value").filter(|value| !value.is_null()).cloned()
}

fn options(state: &Value) -> impl Iterator<Item = (&Value, f64)> {
    list(state, "multivariate_feature_state_values").iter().filter_map(|one| {
        let share = one.get("percentage_allocation").and_then(number)?;
        Some((one.pointer("/multivariate_feature_option/value")?, share.clamp(0.0, 100.0)))
    })
}

fn one(feature: &Feature<'_>, draft: &mut Draft) {
    let subject = format!("flag {}", feature.key);
    let states = || {
        let others = feature
            .segments
            .iter()
            .map(|(_, state)| *state)
            .chain(feature.identities.iter().map(|(_, state)| *state));
        std::iter::once(feature.state).chain(others)
    };
    let has_value = |state: &Value| state.get("feature_state_value").is_some_and(|value| !value.is_null());
    let valued = states().any(|state| has_value(state) || options(state).next().is_some());
    let mut values: Vec<(VariantKey, Value)> = Vec::new();
    let given = states().flat_map(|state| {
        stored(state, valued).into_iter().chain(options(state).map(|(value, _)| value.clone()))
    });
    for value in given {
        if values.iter().all(|(_, have)| *have != value) {
            let name = match &value {
                Value::Bool(true) => "on".to_owned(),
                Value::Bool(false) => "off".to_owned(),
                _ if values.is_empty() => "control".to_owned(),
                _ => format!("value-{}", values.len()),
            };
            values.extend(variant(&name).map(|name| (name, value)));
        }
    }
    let kind = kind_of(values.iter().map(|(_, value)| value));
    let (Some(kind), Some((first, _))) = (kind, values.first().cloned()) else {
        let why = "its values are not all booleans, texts or numbers";
        return draft.lost(&subject, "the whole flag", why);
    };
    let mut doc: FlagDoc = blank(feature.key.clone(), kind, first);
    doc.variants = values.iter().cloned().collect();
    let named = |value: &Value| values.iter().find(|(_, have)| have == value).map(|(name, _)| name.clone());
    let serve = |state: &Value, draft: &mut Draft| -> Option<Serve> {
        let control = answer(state, valued)?;
        let mut parts: Vec<_> =
            options(state).filter_map(|(value, share)| Some((named(value)?, share))).collect();
        let rest = 100.0 - parts.iter().map(|(_, share)| share).sum::<f64>();
        parts.push((named(&control)?, rest.max(0.0)));
        let mut seen = BTreeSet::new();
        parts.retain(|(name, share)| *share > 0.0 && seen.insert(name.clone()));
        let serve = split(parts)?;
        if matches!(serve, Serve::Split(_)) {
            draft.rebucketed(&subject);
        }
        Some(serve)
    };
    for (segment, state) in &feature.segments {
        let when = Condition::Segment((*segment).clone());
        match serve(state, draft) {
            Some(serve) => doc.rules.push(FlagRule {
                when,
                serve,
                id: Some(segment.to_string()),
                bucket_by: None,
                salt: None,
            }),
            None => draft.lost(
                &subject,
                format!("override for segment {segment}"),
                "a flag with a value cannot be off for some here; they get what everybody gets",
            ),
        }
    }
    match serve(feature.state, draft) {
        Some(Serve::Variant(name)) => doc.default = name,
        Some(serve) => {
            doc.rules.push(FlagRule { when: Condition::Always, serve, id: None, bucket_by: None, salt: None })
        }
        None if doc.rules.is_empty() => doc.disabled = true,
        None => doc.code_default = true,
    }
    if valued && kind != FlagKind::Boolean {
        draft.lost(&subject, "being on", "it has a value there besides being on or off; here it is its value, and off is the caller's default");
    }
    let forced = forced(feature, valued, named, &subject, draft);
    draft.flags.push(ImportedFlag { doc, forced });
}

fn forced(
    feature: &Feature<'_>,
    valued: bool,
    named: impl Fn(&Value) -> Option<VariantKey>,
    subject: &str,
    draft: &mut Draft,
) -> Vec<ForcedUnits> {
    let mut by_variant: BTreeMap<VariantKey, Vec<String>> = BTreeMap::new();
    let mut lost = 0;
    for (identifier, state) in &feature.identities {
        match answer(state, valued).and_then(|value| named(&value)) {
            Some(name) => by_variant.entry(name).or_default().push((*identifier).to_owned()),
            None => lost += 1,
        }
    }
    if lost > 0 {
        draft.lost(
            subject,
            format!("{lost} overrides for identities"),
            "a flag with a value cannot be off for some here",
        );
    }
    by_variant.into_iter().map(|(variant, units)| ForcedUnits { units, variant }).collect()
}

/// The rules of a segment, all of which must be met; an error names the part that is not understood.
fn rules(holder: &Value, of: &str, draft: &mut Draft) -> Result<Condition, String> {
    let given = list(holder, "rules");
    if given.is_empty() && list(holder, "conditions").is_empty() {
        // Without a rule nobody belongs to it there.
        return Ok(Condition::Or(Vec::new()));
    }
    given.iter().map(|rule| one_rule(rule, of, draft)).collect::<Result<_, _>>().map(all)
}

fn one_rule(rule: &Value, of: &str, draft: &mut Draft) -> Result<Condition, String> {
    let conditions = list(rule, "conditions")
        .iter()
        .map(|given| condition(given, of, draft))
        .collect::<Result<Vec<_>, _>>()?;
    let own = match text(rule, "type") {
        "ALL" => all(conditions),
        _ if conditions.is_empty() => Condition::Always,
        "ANY" => any(conditions),
        "NONE" => not(any(conditions)),
        other => return Err(format!("rule of type {other}")),
    };
    let nested =
        list(rule, "rules").iter().map(|rule| one_rule(rule, of, draft)).collect::<Result<Vec<_>, _>>()?;
    Ok(all(std::iter::once(own).chain(nested).collect()))
}

/// What a text may stand for, since values are texts there and traits have types.
fn readings(given: &str) -> Vec<Value> {
    let mut values = vec![Value::from(given)];
    values.extend(
        serde_json::from_str::<Value>(given).ok().filter(|value| value.is_number() || value.is_boolean()),
    );
    values
}

fn condition(given: &Value, of: &str, draft: &mut Draft) -> Result<Condition, String> {
    let attribute = [text(given, "property_"), text(given, "property")]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let attribute = if attribute == "$.identity.identifier" { "user" } else { attribute };
    let operator = text(given, "operator");
    let refused = || format!("condition {operator} on {attribute}");
    if attribute.starts_with("$.") {
        return Err(refused());
    }
    let value = match given.get("value") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let name = || attribute.to_owned();
    let present = || Condition::Present { attribute: name() };
    let ordered = |op: Comparison| match value.strip_suffix(":semver") {
        Some(version) => Ok(Condition::Semver { attribute: name(), op, version: version.to_owned() }),
        None => Ok(numeric(attribute, op, number(&Value::from(value.as_str())).ok_or_else(refused)?)),
    };
    let equal = || match value.strip_suffix(":semver") {
        Some(version) => {
            Condition::Semver { attribute: name(), op: Comparison::Equal, version: version.to_owned() }
        }
        None => Condition::In { attribute: name(), values: readings(&value) },
    };
    match operator {
        "EQUAL" => Ok(equal()),
        "NOT_EQUAL" => Ok(all(vec![present(), not(equal())])),
        "GREATER_THAN" => ordered(Comparison::Greater),
        "GREATER_THAN_INCLUSIVE" => ordered(Comparison::AtLeast),
        "LESS_THAN" => ordered(Comparison::Less),
        "LESS_THAN_INCLUSIVE" => ordered(Comparison::AtMost),
        "CONTAINS" => Ok(Condition::Contains { attribute: name(), values: vec![value] }),
        "NOT_CONTAINS" => {
            Ok(all(vec![present(), not(Condition::Contains { attribute: name(), values: vec![value] })]))
        }
        "REGEX" => Ok(Condition::Matches { attribute: name(), pattern: value }),
        "IS_SET" => Ok(present()),
        "IS_NOT_SET" => Ok(not(present())),
        "IN" => {
            let listed = match given.get("value") {
                Some(Value::Array(values)) => texts(values),
                _ => serde_json::from_str::<Vec<String>>(&value).unwrap_or_else(|_| commas(&value)),
            };
            if attribute == "user" {
                return draft.people(of, listed).ok_or_else(refused);
            }
            Ok(Condition::In {
                attribute: name(),
                values: listed.iter().flat_map(|text| readings(text)).collect(),
            })
        }
        _ => Err(refused()),
    }
}
