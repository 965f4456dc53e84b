//! Taking a revision back, forward against the head: each document that it changed goes back to what it was, if nobody changed it
//! since. Versions stay published, and operations have verbs of their own. Knows nothing of who may.

use crate::{
    bundle::Contents,
    decide::Rejection,
    desired::Running,
    entity::{DocKey, Document, ScheduleState},
    revision::{Change, Draft, Provenance, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};

/// A document that somebody changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevertConflict {
    /// Which.
    pub key: DocKey,
    /// The revision that changed it last; none where it was retired since.
    pub by: Option<RevisionNumber>,
}

/// Why a revision cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevertRefused {
    /// Others have built on it.
    #[error("{} of its documents changed since", .0.len())]
    Conflicts(Vec<RevertConflict>),
    /// It cannot be, whoever asks.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// What taking back comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Reverting {
    /// The revision to append; none where all is as it was before already.
    pub draft: Option<Draft>,
    /// Documents that go back.
    pub back: Vec<DocKey>,
    /// Documents that stay, each with the reason.
    pub left: Vec<(DocKey, String)>,
}

/// Takes `revision` back. `before` is the snapshot that it was appended to.
pub fn revert(
    head: &Snapshot,
    contents: &Contents,
    before: &Snapshot,
    revision: &Revision,
    actor: &str,
    now: Timestamp,
) -> Result<Reverting, RevertRefused> {
    refuse_operations(head, before, revision)?;
    let mut running = Running::new(head, contents, actor, now);
    let (mut conflicts, mut back, mut left) = (Vec::new(), Vec::new(), Vec::new());
    // In the opposite order, so that what was made last goes first.
    for change in revision.body.changes.iter().rev() {
        let key = change.key();
        let was = before.get(key).and_then(|stored| stored.document.as_ref());
        let is = head.get(key).and_then(|stored| stored.document.as_ref());
        if let Some(reason) = stays(key, was, is) {
            left.push((key.clone(), reason));
            continue;
        }
        let put = match change {
            Change::Put { body, .. } => Document::from_value(body),
            Change::Retire { .. } => None,
        };
        let (was, is, put) =
            (was.map(|was| as_declared(was, is)), is.cloned(), put.map(|put| as_declared(&put, is)));
        if is == was {
            continue;
        }
        if is != put {
            conflicts
                .push(RevertConflict { key: key.clone(), by: head.get(key).map(|stored| stored.revision) });
            continue;
        }
        match was {
            Some(document) => {
                running.put(&document)?;
            }
            None => {
                refuse_live(head, is.as_ref())?;
                running.retire(key);
            }
        }
        back.push(key.clone());
    }
    if !conflicts.is_empty() {
        return Err(RevertRefused::Conflicts(conflicts));
    }
    let number = revision.body.number;
    let message = format!("revert revision {number}: {}", revision.body.message);
    let draft = running.finish(message).map_err(|mut refused| refused.swap_remove(0))?.draft;
    let provenance = Provenance { reverts: Some(number), ..Provenance::default() };
    Ok(Reverting { draft: draft.map(|draft| Draft { provenance, ..draft }), back, left })
}

fn refuse_operations(head: &Snapshot, before: &Snapshot, revision: &Revision) -> Result<(), Rejection> {
    let number = revision.body.number;
    for change in &revision.body.changes {
        let key = change.key();
        if let Some(name) = key.as_str().strip_prefix("rollout/") {
            return Err(Rejection::new(
                "revert.operation",
                format!(
                    "revision {number} moved rollout \"{name}\", which is no edit: use `serinus rollback {name}`"
                ),
            ));
        }
        let was = before.get(key).and_then(|stored| stored.document.as_ref());
        if let (Some(Document::Feature(was)), Change::Put { body, .. }) = (was, change)
            && let Some(Document::Feature(put)) = Document::from_value(body)
            && was.killed != put.killed
        {
            let verb = if put.killed { " --revive" } else { "" };
            return Err(Rejection::new(
                "revert.operation",
                format!(
                    "revision {number} turned feature \"{0}\" {1}: use `serinus feature kill {0}{verb}`",
                    put.key,
                    if put.killed { "off" } else { "on" },
                ),
            ));
        }
    }
    if number > head.revision {
        return Err(Rejection::new("revision.unknown", format!("revision {number} does not exist")));
    }
    Ok(())
}

/// Why a document stays as it is.
fn stays(key: &DocKey, was: Option<&Document>, is: Option<&Document>) -> Option<String> {
    if key.as_str().starts_with("combination/") {
        return Some("a record of what was served".to_owned());
    }
    match (was, is) {
        (None, Some(Document::Artifact(_))) => Some("versions stay published".to_owned()),
        (_, Some(Document::Artifact(doc))) if doc.redacted => Some("its content is gone for good".to_owned()),
        (_, Some(Document::Schedule(doc))) if doc.state != ScheduleState::Waiting => {
            Some("it was due already".to_owned())
        }
        _ => None,
    }
}

/// The document with what only an operation of its own moves as it is now.
fn as_declared(document: &Document, is: Option<&Document>) -> Document {
    match (document, is) {
        (Document::Feature(doc), Some(Document::Feature(is))) => {
            let mut doc = doc.clone();
            doc.killed = is.killed;
            Document::Feature(doc)
        }
        (document, _) => document.clone(),
    }
}

/// A feature that a rollout moves cannot go.
fn refuse_live(head: &Snapshot, document: Option<&Document>) -> Result<(), Rejection> {
    let Some(Document::Feature(doc)) = document else { return Ok(()) };
    let Some(live) = super::live_rollout(head, &doc.key) else { return Ok(()) };
    Err(Rejection::new(
        "feature.rollout_running",
        format!("feature \"{}\": rollout \"{}\" moves it; take it back first", doc.key, live.key),
    ))
}
