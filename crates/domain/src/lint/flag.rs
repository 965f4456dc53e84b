//! Checks of features and plain flags: declared variants, splits that add up, bounds.

use crate::{
    entity::{FeatureDoc, FlagDoc, Serve},
    id::VariantKey,
    limits::{RULES_MAX, VARIANTS_MAX},
    resolve::{CANDIDATE, CONTROL},
    units::PPM_WHOLE,
};

/// Checks a feature.
pub fn feature(doc: &FeatureDoc) -> Result<(), String> {
    bounds(doc.variants.len(), doc.rules.len())?;
    if let Some(name) = doc.variants.keys().find(|name| matches!(name.as_str(), CONTROL | CANDIDATE)) {
        return Err(format!("variant \"{name}\" has a name that rollouts use: choose another"));
    }
    for rule in &doc.rules {
        super::condition(&rule.when)?;
        if rule.serve.as_str() != CONTROL && !doc.variants.contains_key(&rule.serve) {
            return Err(format!("a rule serves variant \"{}\", which is not declared", rule.serve));
        }
    }
    Ok(())
}

/// Checks a plain flag.
pub fn flag(doc: &FlagDoc) -> Result<(), String> {
    bounds(doc.variants.len(), doc.rules.len())?;
    for (name, value) in &doc.variants {
        if !doc.value_kind.admits(value) {
            return Err(format!("variant \"{name}\" is not of the flag's type"));
        }
    }
    let declared = |name: &VariantKey| {
        if doc.variants.contains_key(name) {
            Ok(())
        } else {
            Err(format!("variant \"{name}\" is not declared"))
        }
    };
    declared(&doc.default)?;
    for rule in &doc.rules {
        super::condition(&rule.when)?;
        match &rule.serve {
            Serve::Variant(name) => declared(name)?,
            Serve::Split(parts) => {
                parts.iter().try_for_each(|part| declared(&part.variant))?;
                let sum: u64 = parts.iter().map(|part| u64::from(part.share.as_ppm())).sum();
                if sum != u64::from(PPM_WHOLE) {
                    return Err(format!("a split adds up to {sum} parts per million, not {PPM_WHOLE}"));
                }
            }
        }
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
