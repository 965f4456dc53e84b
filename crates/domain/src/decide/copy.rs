//! Copying configuration from one environment to another: versions by their content, references rewritten to the numbers that they
//! have there. Compares two environments the same way. Knows nothing of where either is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    bundle::Contents,
    decide::Rejection,
    desired::{Copying, Desired, Plan, Reference, Series, Wanted, export_some, plan_as},
    diff::{PathChange, diff},
    digest::Digest,
    entity::{DocKey, Document},
    revision::{Citation, Provenance},
    snapshot::Snapshot,
    units::Timestamp,
};

/// One side of a copy or a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its documents.
    pub snapshot: &'a Snapshot,
    /// Their contents.
    pub contents: &'a Contents,
}

/// Plans the copy of `subjects` (`feature/support`, `flag/x`, `segment/y`, `system_prompt/support@3`, or a bare feature's or flag's key) from
/// `source` to `target`.
pub fn copy(
    target: Side<'_>,
    source: Side<'_>,
    subjects: &[String],
    citation: Citation,
    actor: &str,
    now: Timestamp,
) -> Result<Plan, Vec<Rejection>> {
    let environment = citation.environment.to_string();
    let keys = subjects.iter().map(|subject| find(source.snapshot, subject, &environment));
    let keys: BTreeSet<DocKey> = keys.collect::<Result<_, _>>().map_err(|refused| vec![refused])?;
    if keys.is_empty() {
        let text = "nothing to copy: name features, flags, segments or versions";
        return Err(vec![Rejection::new("copy.empty", text)]);
    }
    let mut desired = export_some(source.snapshot, source.contents, &Wanted::Only(&keys));
    // What belongs to one environment alone does not travel.
    desired.environment = None;
    let copying = Copying { contents: source.contents, environment: &environment };
    let mut plan = plan_as(target.snapshot, target.contents, &desired, actor, now, Some(copying))?;
    plan.unmanaged.clear();
    if let Some(draft) = &mut plan.draft {
        draft.message = format!("copy {} from {environment}", subjects.join(", "));
        draft.provenance = Provenance { copied: Some(citation), ..Provenance::default() };
    }
    Ok(plan)
}

fn find(source: &Snapshot, subject: &str, environment: &str) -> Result<DocKey, Rejection> {
    const KINDS: [&str; 3] = ["feature", "flag", "segment"];
    let candidates = if subject.contains('@') {
        vec![format!("artifact/{subject}")]
    } else if subject.contains('/') {
        vec![subject.to_owned()]
    } else {
        KINDS.iter().map(|kind| format!("{kind}/{subject}")).collect()
    };
    let copied = |key: &DocKey| {
        KINDS.iter().chain(&["artifact"]).any(|kind| key.as_str().split('/').next() == Some(*kind))
    };
    let keys = candidates.into_iter().map(|text| DocKey::stored(&text));
    keys.filter(copied).find(|key| source.get(key).is_some()).ok_or_else(|| {
        let text = format!(
            "{environment} has no \"{subject}\" to copy: name a feature, flag or segment, or a version as kind/name@version"
        );
        Rejection::new("copy.unknown", text)
    })
}

/// A document that two environments do not have alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Its key; of contents that only one has, the series.
    pub key: String,
    /// Where it differs, versions compared by their contents. Whole where only one side has it.
    pub paths: Vec<PathChange>,
}

/// What differs from one environment to another, of what can be copied.
pub fn compare(from: Side<'_>, to: Side<'_>) -> Vec<Difference> {
    let (mut left, right) = (comparable(from), comparable(to));
    for key in right.keys() {
        left.entry(key.clone()).or_insert(Value::Null);
    }
    let some = |value: &Value| (!value.is_null()).then(|| value.clone());
    left.into_iter()
        .filter_map(|(key, value)| {
            let other = right.get(&key).and_then(some);
            let paths = diff(some(&value).as_ref(), other.as_ref());
            (!paths.is_empty()).then_some(Difference { key, paths })
        })
        .collect()
}

/// Documents by key, with versions named by the digest of their content in place of their number.
fn comparable(side: Side<'_>) -> BTreeMap<String, Value> {
    let keys: BTreeSet<DocKey> = side
        .snapshot
        .documents()
        .filter(|document| {
            matches!(document, Document::Feature(_) | Document::Flag(_) | Document::Segment(_))
        })
        .map(Document::key)
        .collect();
    let desired = export_some(side.snapshot, side.contents, &Wanted::Only(&keys));
    let digests: BTreeMap<Reference, Digest> = side
        .snapshot
        .documents()
        .filter_map(|document| match document {
            Document::Artifact(doc) => Some((Reference::from(&doc.reference()), doc.content)),
            _ => None,
        })
        .collect();
    let Desired { features, flags, segments, .. } = desired;
    let mut all = BTreeMap::new();
    for (key, feature) in features {
        all.insert(
            format!("feature/{key}"),
            by_content(serde_json::to_value(feature).unwrap_or_default(), &digests),
        );
    }
    for (key, flag) in flags {
        all.insert(format!("flag/{key}"), serde_json::to_value(flag).unwrap_or_default());
    }
    for (key, segment) in segments {
        all.insert(format!("segment/{key}"), serde_json::to_value(segment).unwrap_or_default());
    }
    all.extend(series(side.snapshot));
    all
}

/// Every series with the digests of its contents, each of which the other side may have under another number.
fn series(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for document in snapshot.under("artifact/") {
        let Document::Artifact(doc) = document else { continue };
        let series = Series { kind: doc.artifact_kind, name: doc.name.clone() };
        let contents =
            all.entry(format!("artifact/{series}")).or_insert_with(|| Value::Object(Default::default()));
        if let Value::Object(contents) = contents {
            contents.insert(doc.content.short(), Value::Bool(true));
        }
    }
    all
}

fn by_content(value: Value, digests: &BTreeMap<Reference, Digest>) -> Value {
    match value {
        Value::String(text) => match text.parse::<Reference>().ok().and_then(|reference| {
            let digest = digests.get(&reference)?;
            Some(format!("{} {}", reference.series, digest.short()))
        }) {
            Some(named) => Value::String(named),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(|item| by_content(item, digests)).collect(),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (name, by_content(value, digests))).collect(),
        ),
        other => other,
    }
}
