//! What GrowthBook serves its SDKs. Knows nothing of other formats.

use std::collections::BTreeMap;

use serde_json::Value;
use serinus_domain::{
    entity::{Condition, FlagRule, Prerequisite, Serve},
    id::{FlagKey, VariantKey},
};

use crate::{
    ImportedFlag,
    draft::{Draft, blank, kind_of, split, variant},
    mongo::{Mongo, USER},
    read::{flag, list, number, object, text},
};

pub(crate) fn import(document: &Value, draft: &mut Draft) -> Result<(), &'static str> {
    if document.get("encryptedFeatures").is_some() {
        return Err("readable \"features\": they are encrypted");
    }
    document.get("features").and_then(Value::as_object).ok_or("\"features\"")?;
    let groups = document.get("savedGroups").and_then(Value::as_object);
    let flags: Vec<_> = object(document, "features")
        .filter_map(|(name, one)| Some((name, draft.flag_key(name)?, one)))
        .collect();
    let known: Known<'_> =
        flags.iter().map(|(name, key, one)| (name.as_str(), (key.clone(), values(one)))).collect();
    for (name, key, given) in &flags {
        let mongo = Mongo { of: name, groups };
        if one(key, given, &mongo, &known, draft).is_none() {
            draft.lost(
                &format!("flag {key}"),
                "the whole flag",
                "its values are not all booleans, texts, numbers or objects",
            );
        }
    }
    Ok(())
}

/// Flags with their values, for prerequisites.
type Known<'a> = BTreeMap<&'a str, (FlagKey, Vec<(VariantKey, Value)>)>;

/// The values of a feature by name: they have none there.
fn values(given: &Value) -> Vec<(VariantKey, Value)> {
    let default = given.get("defaultValue").filter(|value| !value.is_null()).into_iter();
    let of_rule = |rule: &'_ Value| -> Vec<(String, Value)> {
        let meta = list(rule, "meta");
        let forced = rule.get("force").map(|value| (String::new(), value.clone()));
        let variations = list(rule, "variations").iter().enumerate();
        let variations = variations.map(|(at, value)| {
            let own = meta.get(at).map_or("", |meta| text(meta, "name"));
            (own.to_owned(), value.clone())
        });
        forced.into_iter().chain(variations).collect()
    };
    let mut named: Vec<(VariantKey, Value)> = Vec::new();
    let all = default.map(|value| (String::new(), value.clone()));
    for (name, value) in all.chain(list(given, "rules").iter().flat_map(of_rule)) {
        if named.iter().any(|(_, have)| *have == value) {
            continue;
        }
        let own = match &value {
            Value::Bool(truth) => truth.to_string(),
            _ => name,
        };
        let free = |key: &VariantKey| named.iter().all(|(have, _)| have != key);
        let key = variant(&own).filter(free).or_else(|| variant(&format!("value-{}", named.len())));
        named.extend(key.map(|key| (key, value)));
    }
    named
}

fn one(key: &FlagKey, given: &Value, mongo: &Mongo<'_>, known: &Known<'_>, draft: &mut Draft) -> Option<()> {
    let subject = format!("flag {key}");
    let values = &known.get(mongo.of)?.1;
    let kind = kind_of(values.iter().map(|(_, value)| value))?;
    let mut doc = blank(key.clone(), kind, values.first()?.0.clone());
    doc.variants = values.iter().cloned().collect();
    doc.code_default = given.get("defaultValue").is_none_or(Value::is_null);
    let rules = list(given, "rules");
    for (at, rule) in rules.iter().enumerate() {
        let last = at + 1 == rules.len();
        let outcome = parents(rule, known).and_then(|parents| {
            if !parents.is_empty() && rule.get("force").is_none() && rule.get("variations").is_none() {
                if at > 0 {
                    draft.lost(
                        &subject,
                        format!("rule {}: prerequisite", at + 1),
                        "it is asked for before all rules here",
                    );
                }
                doc.prerequisites.extend(parents);
                return Ok(None);
            }
            if !parents.is_empty() {
                return Err("prerequisite of a single rule".to_owned());
            }
            compiled(rule, last, &Served { values, default: &doc.default, subject: &subject }, mongo, draft)
        });
        match outcome {
            Ok(rule) => doc.rules.extend(rule),
            Err(what) => draft.lost(
                &subject,
                format!("rule {}: {what}", at + 1),
                "it is not understood; the rule lets nobody in",
            ),
        }
    }
    draft.flags.push(ImportedFlag { doc, forced: Vec::new() });
    Some(())
}

/// Other features that must come out in a certain way; only of whole values, as gates of the whole feature.
fn parents(rule: &Value, known: &Known<'_>) -> Result<Vec<Prerequisite>, String> {
    let parent = |given: &Value| {
        let refused = || format!("prerequisite {}", text(given, "id"));
        let (flag, values) = known.get(text(given, "id")).ok_or_else(refused)?;
        let wanted = given.pointer("/condition/value").ok_or_else(refused)?;
        let wanted = wanted.get("$eq").unwrap_or(wanted);
        let exists = wanted.get("$exists").is_some_and(|exists| exists == true);
        let variants = values.iter().filter(|(_, value)| exists || value == wanted);
        let variants: Vec<_> = variants.map(|(name, _)| name.clone()).collect();
        if variants.is_empty() {
            return Err(refused());
        }
        Ok(Prerequisite { flag: flag.clone(), variants, otherwise: None })
    };
    list(rule, "parentConditions").iter().map(parent).collect()
}

struct Served<'a> {
    values: &'a [(VariantKey, Value)],
    default: &'a VariantKey,
    subject: &'a str,
}

impl Served<'_> {
    fn named(&self, value: &Value) -> Option<VariantKey> {
        self.values.iter().find(|(_, have)| have == value).map(|(name, _)| name.clone())
    }
}

fn compiled(
    rule: &Value,
    last: bool,
    served: &Served<'_>,
    mongo: &Mongo<'_>,
    draft: &mut Draft,
) -> Result<Option<FlagRule>, String> {
    for member in ["namespace", "filters", "ranges"] {
        if rule.get(member).is_some_and(|value| !value.is_null()) {
            draft.lost(
                served.subject,
                member,
                "exclusion between experiments is a group of rollouts here; shares are read from weights",
            );
        }
    }
    let when = match rule.get("condition") {
        Some(condition) if !condition.is_null() => mongo.condition(condition, draft)?,
        _ => Condition::Always,
    };
    let coverage = rule.get("coverage").and_then(number).unwrap_or(1.0).clamp(0.0, 1.0);
    let weights = match rule.get("force") {
        Some(value) => vec![(served.named(value).ok_or("force")?, coverage)],
        None => {
            let variations = list(rule, "variations");
            let even = 1.0 / variations.len().max(1) as f64;
            let weight =
                |at: usize| list(rule, "weights").get(at).and_then(number).unwrap_or(even) * coverage;
            let parts = variations.iter().enumerate();
            let parts = parts.map(|(at, value)| Some((served.named(value)?, weight(at))));
            parts.collect::<Option<Vec<_>>>().ok_or("variations")?
        }
    };
    let (rest, mut summed) = (1.0 - coverage, BTreeMap::<VariantKey, f64>::new());
    let order: Vec<_> =
        weights.iter().map(|(name, _)| name.clone()).chain([served.default.clone()]).collect();
    for (name, weight) in weights {
        *summed.entry(name).or_default() += weight;
    }
    if rest > 0.0 {
        *summed.entry(served.default.clone()).or_default() += rest;
        if !last {
            draft.lost(
                served.subject,
                "coverage",
                "whoever is not covered gets the default and not the next rule",
            );
        }
    }
    let ordered = order.into_iter().filter_map(|name| summed.remove_entry(&name)).collect();
    let Some(serve) = split(ordered) else { return Ok(None) };
    if matches!(serve, Serve::Split(_)) {
        draft.rebucketed(served.subject);
    }
    let bucket_by =
        Some(text(rule, "hashAttribute")).filter(|by| !matches!(*by, "" | USER)).map(str::to_owned);
    let id = [text(rule, "name"), text(rule, "key"), text(rule, "id")];
    let id = id.into_iter().find(|id| !id.is_empty()).map(str::to_owned);
    if flag(rule, "disableStickyBucketing") {
        draft.lost(
            served.subject,
            "sticky bucketing",
            "plain flags keep no assignment: a changed share moves who is in it",
        );
    }
    Ok(Some(FlagRule { when, serve, id, bucket_by, salt: None }))
}
