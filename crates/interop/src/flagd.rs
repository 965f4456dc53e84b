//! A flag definition file of flagd, which evaluates here as it does there. Knows nothing of other formats.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serinus_domain::{entity::Targeting, logic};

use crate::{
    ImportedFlag,
    draft::{Draft, blank, kind_of, variant},
    read::object,
};

pub(crate) fn import(document: &Value, draft: &mut Draft) -> Result<(), &'static str> {
    let named: Vec<(String, &Value)> = match document.get("flags") {
        Some(Value::Object(flags)) => flags.iter().map(|(key, flag)| (key.clone(), flag)).collect(),
        Some(Value::Array(flags)) => {
            flags.iter().filter_map(|flag| Some((flag.get("key")?.as_str()?.to_owned(), flag))).collect()
        }
        _ => return Err("\"flags\""),
    };
    let set: BTreeMap<_, _> = object(document, "metadata").map(|(k, v)| (k.clone(), v.clone())).collect();
    let evaluators = document.get("$evaluators").and_then(Value::as_object);
    let mut shared = Shared { evaluators, copies: COPIES_MAX };
    for (name, flag) in named {
        if let Err((what, why)) = one(&name, flag, &set, &mut shared, draft) {
            draft.lost(&format!("flag {name}"), what, why);
        }
    }
    Ok(())
}

/// Parts that all references of one file together may copy: more is no file that a person wrote.
const COPIES_MAX: usize = 1_000_000;

/// Rules that flags refer to by name.
struct Shared<'a> {
    evaluators: Option<&'a Map<String, Value>>,
    copies: usize,
}

type Refused = (&'static str, String);

fn one(
    name: &str,
    flag: &Value,
    set: &BTreeMap<String, Value>,
    shared: &mut Shared<'_>,
    draft: &mut Draft,
) -> Result<(), Refused> {
    let whole = |why: &str| ("the whole flag", format!("{why}; flagd refuses it too"));
    let given = flag.get("variants").and_then(Value::as_object).filter(|variants| !variants.is_empty());
    let given = given.ok_or_else(|| whole("it has no variants"))?;
    let kind = kind_of(given.values())
        .ok_or(("the whole flag", "its values are not all booleans, texts, numbers or objects".to_owned()))?;
    let disabled = match flag.get("state").and_then(Value::as_str) {
        Some("ENABLED") => false,
        Some("DISABLED") => true,
        _ => return Err(whole("its state is neither ENABLED nor DISABLED")),
    };
    let mut variants = BTreeMap::new();
    for (name, value) in given {
        let key = variant(name).ok_or_else(|| whole("a variant has no name"))?;
        if key.as_str() != name {
            return Err((
                "the whole flag",
                format!("variant \"{key}\" has a name that is too long or not printable"),
            ));
        }
        variants.insert(key, value.clone());
    }
    let default = match flag.get("defaultVariant") {
        Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
        Some(Value::Bool(truth)) => Some(truth.to_string()),
        _ => None,
    };
    let declared =
        default.as_deref().and_then(|name| variants.keys().find(|have| have.as_str() == name)).cloned();
    let Some(first) = variants.keys().next().cloned() else { return Err(whole("it has no variants")) };
    let key = draft.flag_key(name).ok_or_else(|| whole("it has no key"))?;
    let subject = format!("flag {key}");
    if let (Some(name), None) = (&default, &declared) {
        let why = format!("\"{name}\" is not declared; callers get their own default, as from flagd");
        draft.lost(&subject, "default variant", why);
    }
    let mut doc = blank(key.clone(), kind, declared.clone().unwrap_or(first));
    doc.code_default = declared.is_none();
    doc.disabled = disabled;
    doc.variants = variants;
    let own = object(flag, "metadata").map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in set.clone().into_iter().chain(own) {
        if value.is_string() || value.is_number() || value.is_boolean() {
            doc.metadata.insert(name, value);
        } else {
            draft.lost(&subject, format!("metadata {name}"), "it is no text, number or truth value");
        }
    }
    doc.targeting = targeting(flag.get("targeting"), shared)
        .map(|logic| Targeting { logic, flag_key: (key.as_str() != name).then(|| name.to_owned()) });
    let compiled = doc.targeting.as_ref().map(|targeting| logic::Compiled::compile(&targeting.logic));
    if let Some(Err(reason)) = compiled {
        return Err(("the whole flag", format!("{reason}; callers get their own default, as from flagd")));
    }
    draft.flags.push(ImportedFlag { doc, forced: Vec::new() });
    Ok(())
}

/// The expression with shared evaluators in place of references to them; none where everybody gets the default.
fn targeting(given: Option<&Value>, shared: &mut Shared<'_>) -> Option<Value> {
    let given = given.filter(|given| !given.is_null())?;
    if given.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    if !given.is_object() {
        // No rule at all, for flagd: an operator that does not exist makes it none here too.
        return Some(serde_json::json!({ "targeting that is no object": [] }));
    }
    Some(shared.resolved(given))
}

impl Shared<'_> {
    fn resolved(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                if let (1, Some(Value::String(name))) = (members.len(), members.get("$ref"))
                    && let Some(rule) = self.evaluators.and_then(|evaluators| evaluators.get(name))
                    && let Some(left) = self.copies.checked_sub(parts(rule))
                {
                    self.copies = left;
                    // Not resolved further: flagd knows no references within shared evaluators.
                    return rule.clone();
                }
                let resolved = members.iter().map(|(name, value)| (name.clone(), self.resolved(value)));
                Value::Object(resolved.collect())
            }
            Value::Array(parts) => Value::Array(parts.iter().map(|part| self.resolved(part)).collect()),
            other => other.clone(),
        }
    }
}

fn parts(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(parts).sum::<usize>(),
        Value::Array(values) => 1 + values.iter().map(parts).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 16,
        _ => 1,
    }
}
