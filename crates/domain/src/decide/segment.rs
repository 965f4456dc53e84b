//! Commands on segments and exclusion groups. Knows nothing of who may, nor how lists of people are made.

use std::collections::BTreeMap;

use super::{
    Rejection,
    command::draft,
    flag::{in_use, segments},
};
use crate::{
    compile::topological,
    entity::{DocKey, Document, GroupDoc, SegmentDoc},
    id::SegmentKey,
    lint,
    revision::{Change, Draft},
    snapshot::Snapshot,
};

/// Creates or changes a segment.
pub fn put_segment(snapshot: &Snapshot, doc: &SegmentDoc, actor: &str) -> Result<Draft, Rejection> {
    let refused =
        |reason: String| Rejection::new("segment.invalid", format!("segment \"{}\": {reason}", doc.key));
    lint::condition(&doc.when).map_err(refused)?;
    lint::message(&doc.description).map_err(refused)?;
    let others = snapshot.under("segment/").filter_map(|document| match document {
        Document::Segment(other) if other.key != doc.key => Some(other),
        _ => None,
    });
    let needs: BTreeMap<&SegmentKey, Vec<&SegmentKey>> =
        others.chain(std::iter::once(doc)).map(|segment| (&segment.key, segment.when.segments())).collect();
    let (_, stuck) = topological(&needs);
    if stuck.contains(&&doc.key) {
        let names: Vec<_> = stuck.iter().map(|key| key.as_str()).collect();
        return Err(refused(format!("it refers to itself through {}: break the circle", names.join(", "))));
    }
    segments(snapshot, &doc.when).map_err(refused)?;
    let verb = if snapshot.segment(&doc.key).is_some() { "change" } else { "create" };
    let changes = vec![Change::put(&Document::Segment(doc.clone()))];
    Ok(draft(snapshot, actor, format!("{verb} segment {}", doc.key), changes))
}

/// Retires a segment. Refused while another document refers to it.
pub fn retire_segment(snapshot: &Snapshot, key: &SegmentKey, actor: &str) -> Result<Draft, Rejection> {
    if snapshot.segment(key).is_none() {
        let text = format!("segment \"{key}\" does not exist: see `serinus segment list`");
        return Err(Rejection::new("segment.unknown", text));
    }
    in_use(&format!("segment \"{key}\""), "segment.in_use", &lint::users_of_segment(snapshot, key))?;
    let changes = vec![Change::Retire { key: DocKey::segment(key) }];
    Ok(draft(snapshot, actor, format!("delete segment {key}"), changes))
}

/// Creates or changes an exclusion group. Its salt stays what it was.
pub fn put_group(snapshot: &Snapshot, doc: &GroupDoc, actor: &str) -> Result<Draft, Rejection> {
    let mut doc = doc.clone();
    let before = snapshot.group(&doc.key);
    if let Some(before) = before {
        doc.salt.clone_from(&before.salt);
    } else if doc.salt.is_empty() {
        doc.salt = format!("group/{}", doc.key);
    }
    lint::message(&doc.description).map_err(|reason| {
        Rejection::new("group.invalid", format!("exclusion group \"{}\": {reason}", doc.key))
    })?;
    let verb = if before.is_some() { "change" } else { "create" };
    let message = format!("{verb} exclusion group {}", doc.key);
    Ok(draft(snapshot, actor, message, vec![Change::put(&Document::Group(doc))]))
}
