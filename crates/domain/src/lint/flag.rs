//! Checks of features and plain flags that need no other document: declared variants, splits that add up, schemas, bounds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    check::Schema,
    entity::{FeatureDoc, FlagDoc, FlagKind, FlagRule, Forced, Prerequisite, Serve},
    id::VariantKey,
    limits::{ATTRIBUTE_BYTES_MAX, KEY_BYTES_MAX, PREREQUISITE_FLAGS_MAX, RULES_MAX, TAGS_MAX, VARIANTS_MAX},
    logic,
    resolve::{CANDIDATE, CONTROL},
    units::PPM_WHOLE,
};

/// Checks a feature.
pub fn feature(doc: &FeatureDoc) -> Result<(), String> {
    bounds(doc.variants.len(), doc.rules.len())?;
    words(&doc.owner, &doc.tags)?;
    if let Some(name) = doc.variants.keys().find(|name| matches!(name.as_str(), CONTROL | CANDIDATE)) {
        return Err(format!("variant \"{name}\" has a name that rollouts use: choose another"));
    }
    let declared = |name: &VariantKey| {
        if name.as_str() == CONTROL || doc.variants.contains_key(name) {
            return Ok(());
        }
        Err(format!("variant \"{name}\" is not declared"))
    };
    for (at, rule) in doc.rules.iter().enumerate() {
        super::condition(&rule.when).map_err(|reason| format!("rule {at}: {reason}"))?;
        declared(&rule.serve).map_err(|reason| format!("rule {at}: {reason}"))?;
    }
    before_rules(&doc.forced, &doc.prerequisites, declared)
}

/// Checks a plain flag.
pub fn flag(doc: &FlagDoc) -> Result<(), String> {
    bounds(doc.variants.len(), doc.rules.len())?;
    words(&doc.owner, &doc.tags)?;
    for (name, value) in &doc.variants {
        if !doc.value_kind.admits(value) {
            return Err(format!("variant \"{name}\" is not of the flag's type"));
        }
    }
    schema(doc)?;
    let declared = |name: &VariantKey| {
        if doc.variants.contains_key(name) {
            Ok(())
        } else {
            Err(format!("variant \"{name}\" is not declared"))
        }
    };
    declared(&doc.default)?;
    before_rules(&doc.forced, &doc.prerequisites, declared)?;
    if doc.prerequisites.iter().any(|other| other.flag == doc.key) {
        return Err("it is a prerequisite of itself: name another flag".into());
    }
    if let Some(targeting) = &doc.targeting {
        if !doc.rules.is_empty() {
            return Err("it has both rules and an expression: keep one of them".into());
        }
        logic::Compiled::compile(&targeting.logic).map_err(|reason| format!("targeting: {reason}"))?;
    }
    let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    if let Some((name, _)) = doc.metadata.iter().find(|(_, value)| !is_plain(value)) {
        return Err(format!("metadata \"{name}\" is no text, number or truth value"));
    }
    let mut ids = BTreeSet::new();
    for (at, one) in doc.rules.iter().enumerate() {
        let name = one.id.clone().unwrap_or_else(|| at.to_string());
        rule(one, declared).map_err(|reason| format!("rule {name}: {reason}"))?;
        if name.is_empty() || name.len() > KEY_BYTES_MAX {
            return Err(format!("rule {at}: its id has 1 to {KEY_BYTES_MAX} bytes"));
        }
        if !ids.insert(name.clone()) {
            return Err(format!("two rules are called \"{name}\": rename one"));
        }
    }
    Ok(())
}

fn rule(rule: &FlagRule, declared: impl Fn(&VariantKey) -> Result<(), String>) -> Result<(), String> {
    super::condition(&rule.when)?;
    if rule.bucket_by.as_ref().is_some_and(|name| name.is_empty() || name.len() > ATTRIBUTE_BYTES_MAX) {
        return Err(format!("bucket_by: an attribute's name has 1 to {ATTRIBUTE_BYTES_MAX} bytes"));
    }
    match &rule.serve {
        Serve::Variant(name) => declared(name),
        Serve::Split(parts) => {
            if parts.len() > VARIANTS_MAX {
                return Err(format!("a split has {} parts: use at most {VARIANTS_MAX}", parts.len()));
            }
            parts.iter().try_for_each(|part| declared(&part.variant))?;
            let sum: u64 = parts.iter().map(|part| u64::from(part.share.as_ppm())).sum();
            if sum != u64::from(PPM_WHOLE) {
                return Err(format!("a split adds up to {sum} parts per million, not {PPM_WHOLE}"));
            }
            Ok(())
        }
    }
}

fn before_rules(
    forced: &[Forced],
    prerequisites: &[Prerequisite],
    declared: impl Fn(&VariantKey) -> Result<(), String>,
) -> Result<(), String> {
    if forced.len() > VARIANTS_MAX {
        return Err(format!("{} lists of forced units: use at most {VARIANTS_MAX}", forced.len()));
    }
    for one in forced {
        declared(&one.variant).map_err(|reason| format!("forced: {reason}"))?;
    }
    if prerequisites.len() > PREREQUISITE_FLAGS_MAX {
        return Err(format!("{} prerequisites: use at most {PREREQUISITE_FLAGS_MAX}", prerequisites.len()));
    }
    for other in prerequisites {
        if other.variants.is_empty() {
            return Err(format!("prerequisite \"{}\": name the variants of it that will do", other.flag));
        }
        if let Some(name) = &other.otherwise {
            declared(name)
                .map_err(|reason| format!("prerequisite \"{}\": otherwise: {reason}", other.flag))?;
        }
    }
    Ok(())
}

fn schema(doc: &FlagDoc) -> Result<(), String> {
    let Some(schema) = &doc.schema else { return Ok(()) };
    if doc.value_kind != FlagKind::Object {
        return Err("only an object flag has a schema: take it out".into());
    }
    let schema = Schema::compile(schema)?;
    doc.variants.iter().try_for_each(|(name, value)| {
        schema.check(value).map_err(|reason| format!("variant \"{name}\" does not meet the schema: {reason}"))
    })
}

fn words(owner: &str, tags: &[String]) -> Result<(), String> {
    if owner.len() > KEY_BYTES_MAX {
        return Err(format!("owner has {} bytes: use at most {KEY_BYTES_MAX}", owner.len()));
    }
    if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.is_empty() || tag.len() > KEY_BYTES_MAX) {
        return Err(format!("tags: use at most {TAGS_MAX}, each of 1 to {KEY_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn bounds(variants: usize, rules: usize) -> Result<(), String> {
    if variants > VARIANTS_MAX {
        return Err(format!("{variants} variants: declare at most {VARIANTS_MAX}"));
    }
    if rules > RULES_MAX {
        return Err(format!("{rules} rules: write at most {RULES_MAX}"));
    }
    Ok(())
}
