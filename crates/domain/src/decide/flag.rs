//! Commands on plain flags: put, retire; and what flags and features need of other documents. Knows nothing of who may.

use std::collections::BTreeMap;

use super::{Rejection, command::draft};
use crate::{
    compile::topological,
    entity::{DocKey, Document, FeatureDoc, FlagDoc, Prerequisite},
    id::FlagKey,
    limits::{PREREQUISITE_DEPTH_MAX, PREREQUISITE_FLAGS_MAX},
    lint,
    revision::{Change, Draft},
    snapshot::Snapshot,
};

fn unknown(key: &FlagKey) -> Rejection {
    Rejection::new("flag.unknown", format!("flag \"{key}\" does not exist: see `serinus flag list`"))
}

/// Creates or changes a plain flag. Its salt stays what it was.
pub fn put_flag(snapshot: &Snapshot, doc: &FlagDoc, actor: &str) -> Result<Draft, Rejection> {
    let refused = |reason: String| Rejection::new("flag.invalid", format!("flag \"{}\": {reason}", doc.key));
    let mut doc = doc.clone();
    let before = snapshot.flag(&doc.key);
    if let Some(before) = before {
        doc.salt.clone_from(&before.salt);
    } else if doc.salt.is_empty() {
        doc.salt = format!("flag/{}", doc.key);
    }
    lint::flag(&doc).map_err(refused)?;
    if snapshot.features().any(|feature| feature.key.as_str() == doc.key.as_str()) {
        return Err(refused("a feature has this key: choose another".into()));
    }
    for rule in &doc.rules {
        segments(snapshot, &rule.when).map_err(refused)?;
    }
    needs(snapshot, &doc.prerequisites).map_err(refused)?;
    chains(snapshot, &doc).map_err(refused)?;
    still_needed(snapshot, &doc)?;
    let verb = if before.is_some() { "change" } else { "create" };
    let message = format!("{verb} flag {}", doc.key);
    Ok(draft(snapshot, actor, message, vec![Change::put(&Document::Flag(doc))]))
}

/// Retires a flag: whoever asks for it then gets their default. Refused while another document needs it.
pub fn retire_flag(snapshot: &Snapshot, key: &FlagKey, actor: &str) -> Result<Draft, Rejection> {
    if snapshot.flag(key).is_none() {
        return Err(unknown(key));
    }
    in_use(&format!("flag \"{key}\""), "flag.in_use", &lint::users_of_flag(snapshot, key))?;
    let changes = vec![Change::Retire { key: DocKey::flag(key) }];
    Ok(draft(snapshot, actor, format!("delete flag {key}"), changes))
}

/// Refuses while somebody needs it, naming who.
pub(super) fn in_use(subject: &str, code: &'static str, users: &[DocKey]) -> Result<(), Rejection> {
    if users.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = users.iter().map(DocKey::as_str).collect();
    Err(Rejection::new(code, format!("{subject} is needed by {}: change that first", names.join(", "))))
}

/// Whether the segments of a condition exist.
pub(super) fn segments(snapshot: &Snapshot, condition: &crate::entity::Condition) -> Result<(), String> {
    match condition.segments().into_iter().find(|key| snapshot.segment(key).is_none()) {
        Some(key) => {
            Err(format!("segment \"{key}\" does not exist: create it with `serinus segment put {key}`"))
        }
        None => Ok(()),
    }
}

/// Whether what a feature refers to exists.
pub(super) fn feature_needs(snapshot: &Snapshot, doc: &FeatureDoc) -> Result<(), String> {
    doc.rules.iter().try_for_each(|rule| segments(snapshot, &rule.when))?;
    needs(snapshot, &doc.prerequisites)
}

fn needs(snapshot: &Snapshot, prerequisites: &[Prerequisite]) -> Result<(), String> {
    for other in prerequisites {
        let flag = snapshot
            .flag(&other.flag)
            .ok_or_else(|| format!("prerequisite flag \"{}\" does not exist: create it first", other.flag))?;
        if let Some(name) = other.variants.iter().find(|name| !flag.variants.contains_key(*name)) {
            return Err(format!("prerequisite flag \"{}\" has no variant \"{name}\"", other.flag));
        }
    }
    Ok(())
}

/// Whether flags with `doc` among them need each other in a circle, or in too long a chain.
fn chains(snapshot: &Snapshot, doc: &FlagDoc) -> Result<(), String> {
    let flags = snapshot.under("flag/").filter_map(|document| match document {
        Document::Flag(flag) if flag.key != doc.key => Some(flag),
        _ => None,
    });
    let chained: BTreeMap<&FlagKey, Vec<&FlagKey>> = flags
        .chain(std::iter::once(doc))
        .filter(|flag| !flag.prerequisites.is_empty())
        .map(|flag| (&flag.key, flag.prerequisites.iter().map(|other| &other.flag).collect()))
        .collect();
    let (order, stuck) = topological(&chained);
    if stuck.contains(&&doc.key) {
        let names: Vec<_> = stuck.iter().map(|key| key.as_str()).collect();
        return Err(format!("its prerequisites lead in a circle through {}: break it", names.join(", ")));
    }
    let mut sizes: BTreeMap<&FlagKey, (usize, usize)> = BTreeMap::new();
    for key in order {
        let mut size = (0, 1);
        for other in &chained[key] {
            let (depth, flags) = sizes.get(other).copied().unwrap_or((0, 1));
            size = (size.0.max(depth + 1), size.1 + flags);
        }
        sizes.insert(key, size);
        if size.0 > PREREQUISITE_DEPTH_MAX || size.1 > PREREQUISITE_FLAGS_MAX {
            return Err(format!(
                "the prerequisites of flag \"{key}\" would be {} deep and {} in all: at most {PREREQUISITE_DEPTH_MAX} and {PREREQUISITE_FLAGS_MAX}",
                size.0, size.1
            ));
        }
    }
    Ok(())
}

/// A variant that another document waits for does not go.
fn still_needed(snapshot: &Snapshot, doc: &FlagDoc) -> Result<(), Rejection> {
    for document in snapshot.documents() {
        let (user, prerequisites) = match document {
            Document::Flag(flag) if flag.key != doc.key => (document.key(), &flag.prerequisites),
            Document::Feature(feature) => (document.key(), &feature.prerequisites),
            _ => continue,
        };
        let ours = prerequisites.iter().filter(|other| other.flag == doc.key);
        if let Some(name) =
            ours.flat_map(|other| &other.variants).find(|name| !doc.variants.contains_key(*name))
        {
            let text =
                format!("flag \"{}\": variant \"{name}\" is needed by {user}: change that first", doc.key);
            return Err(Rejection::new("flag.in_use", text));
        }
    }
    Ok(())
}
