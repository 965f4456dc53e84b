//! Changes that are to be made later: declared, cancelled, and made when they are due. Knows no clock; who asks says when it is.

use super::{Rejection, command, put_feature, put_flag, put_segment};
use crate::{
    bundle::Contents,
    entity::{DocKey, Document, Planned, ScheduleDoc, ScheduleState},
    id::ScheduleKey,
    lint,
    revision::{Change, Draft, Provenance},
    snapshot::Snapshot,
    units::Timestamp,
};

/// Declares a change, or declares a waiting one anew. What would be refused today is refused today.
pub fn put_schedule(
    snapshot: &Snapshot,
    contents: &Contents,
    doc: &ScheduleDoc,
    actor: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    let refused =
        |reason: String| Rejection::new("schedule.invalid", format!("schedule \"{}\": {reason}", doc.key));
    if doc.at <= now {
        return Err(refused(
            "its time is not in the future: make the change itself, or name a later time".into(),
        ));
    }
    lint::message(&doc.message).map_err(refused)?;
    // A rollout that is not held now may be held then.
    if !matches!(doc.planned, Planned::Resume { .. }) {
        change(snapshot, contents, doc, actor, now)?;
    } else if let Planned::Resume { rollout } = &doc.planned
        && snapshot.rollout(rollout).is_none()
    {
        return Err(refused(format!("rollout \"{rollout}\" does not exist: see `serinus rollout list`")));
    }
    let doc = ScheduleDoc {
        base: snapshot.revision,
        author: actor.to_owned(),
        state: ScheduleState::Waiting,
        ..doc.clone()
    };
    let message = format!("schedule {}: {}", doc.key, described(&doc.planned));
    let changes = vec![Change::put(&Document::Schedule(Box::new(doc)))];
    Ok(command::draft(snapshot, actor, message, changes))
}

/// Takes a change off the calendar.
pub fn cancel_schedule(snapshot: &Snapshot, key: &ScheduleKey, actor: &str) -> Result<Draft, Rejection> {
    if schedule(snapshot, key).is_none() {
        let text = format!("schedule \"{key}\" does not exist: see `serinus schedule list`");
        return Err(Rejection::new("schedule.unknown", text));
    }
    let changes = vec![Change::Retire { key: DocKey::schedule(key) }];
    Ok(command::draft(snapshot, actor, format!("cancel schedule {key}"), changes))
}

/// A scheduled change.
pub fn schedule<'a>(snapshot: &'a Snapshot, key: &ScheduleKey) -> Option<&'a ScheduleDoc> {
    match snapshot.get(&DocKey::schedule(key))?.document.as_ref()? {
        Document::Schedule(doc) => Some(doc),
        _ => None,
    }
}

/// All scheduled changes in the order of their keys.
pub fn schedules(snapshot: &Snapshot) -> impl Iterator<Item = &ScheduleDoc> {
    snapshot.under("schedule/").filter_map(|document| match document {
        Document::Schedule(doc) => Some(doc.as_ref()),
        _ => None,
    })
}

/// The waiting change whose time has come; of several the one that was due first.
pub fn next_due(snapshot: &Snapshot, now: Timestamp) -> Option<&ScheduleDoc> {
    schedules(snapshot)
        .filter(|doc| doc.state == ScheduleState::Waiting && doc.at <= now)
        .min_by_key(|doc| (doc.at, &doc.key))
}

/// Makes a change that is due and marks it done, in one draft; or marks it failed with the reason.
pub fn due(snapshot: &Snapshot, contents: &Contents, doc: &ScheduleDoc, now: Timestamp) -> Draft {
    let made = untouched(snapshot, doc).and_then(|()| change(snapshot, contents, doc, &doc.author, now));
    let (changes, state, message) = match made {
        Ok(draft) => (
            draft.changes,
            ScheduleState::Done,
            format!("scheduled {}: {}", doc.key, described(&doc.planned)),
        ),
        Err(refused) => {
            let message = format!("scheduled {} failed: {refused}", doc.key);
            (Vec::new(), ScheduleState::Failed { reason: refused.message }, message)
        }
    };
    let marked = ScheduleDoc { state, ..doc.clone() };
    let changes = changes.into_iter().chain([Change::put(&Document::Schedule(Box::new(marked)))]).collect();
    Draft {
        // Two nodes that find it due at one head make it once.
        idempotency_key: Some(format!("schedule/{}/{}/{}", doc.key, doc.base, doc.at.0)),
        provenance: Provenance { schedule: Some(doc.key.clone()), ..Provenance::default() },
        ..command::draft(snapshot, &doc.author, message, changes)
    }
}

/// A `put` of a document that somebody changed since is not forced over what they did.
fn untouched(snapshot: &Snapshot, doc: &ScheduleDoc) -> Result<(), Rejection> {
    let target = match &doc.planned {
        Planned::PutFlag { flag } => DocKey::flag(&flag.key),
        Planned::PutFeature { feature } => DocKey::feature(&feature.key),
        Planned::PutSegment { segment } => DocKey::segment(&segment.key),
        Planned::SetFlag { .. } | Planned::Resume { .. } => return Ok(()),
    };
    match snapshot.get(&target).filter(|stored| stored.revision > doc.base) {
        Some(stored) => {
            let text = format!(
                "{target} was changed by revision {} after this was scheduled: look at it and schedule again",
                stored.revision
            );
            Err(Rejection::new("schedule.changed", text))
        }
        None => Ok(()),
    }
}

fn change(
    snapshot: &Snapshot,
    contents: &Contents,
    doc: &ScheduleDoc,
    actor: &str,
    now: Timestamp,
) -> Result<Draft, Rejection> {
    match &doc.planned {
        Planned::PutFlag { flag } => put_flag(snapshot, flag, actor),
        Planned::SetFlag { flag, disabled } => {
            let mut next = snapshot.flag(flag).cloned().ok_or_else(|| {
                Rejection::new(
                    "flag.unknown",
                    format!("flag \"{flag}\" does not exist: see `serinus flag list`"),
                )
            })?;
            next.disabled = *disabled;
            put_flag(snapshot, &next, actor)
        }
        Planned::PutFeature { feature } => put_feature(snapshot, contents, feature, actor, now),
        Planned::PutSegment { segment } => put_segment(snapshot, segment, actor),
        Planned::Resume { rollout } => command::resume(snapshot, rollout, actor, now),
    }
}

/// What a planned change does, in words.
pub fn described(planned: &Planned) -> String {
    match planned {
        Planned::PutFlag { flag } => format!("flag {} is to read anew", flag.key),
        Planned::SetFlag { flag, disabled: true } => format!("flag {flag} goes off"),
        Planned::SetFlag { flag, disabled: false } => format!("flag {flag} goes on"),
        Planned::PutFeature { feature } => format!("feature {} is to read anew", feature.key),
        Planned::PutSegment { segment } => format!("segment {} is to read anew", segment.key),
        Planned::Resume { rollout } => format!("rollout {rollout} goes on"),
    }
}
