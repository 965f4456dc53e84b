//! A snapshot that grows while a plan is made, so that each step is checked against what the ones before it leave. Knows nothing of
//! where its documents come from.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    bundle::Contents,
    compile::{Diagnostic, compile},
    decide::{self, PublishRequest, Rejection},
    digest::{Digest, canonical_json},
    entity::{ArtifactRef, DocKey, Document},
    limits::CHANGES_MAX,
    revision::{Cause, Change, Draft, Provenance, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};

/// The snapshot so far, with what made it.
pub(crate) struct Running<'a> {
    /// As it stands.
    pub snapshot: Snapshot,
    /// The contents that it may need.
    pub contents: Contents,
    first: &'a Snapshot,
    held: &'a Contents,
    actor: &'a str,
    now: Timestamp,
    changes: Vec<Change>,
    blobs: Vec<Vec<u8>>,
}

/// What a run of steps came to.
pub(crate) struct Finished {
    /// All of it as one revision; none where nothing changed.
    pub draft: Option<Draft>,
    /// Blobs that it names.
    pub blobs: Vec<Vec<u8>>,
}

impl<'a> Running<'a> {
    /// Begins at a head.
    pub fn new(first: &'a Snapshot, held: &'a Contents, actor: &'a str, now: Timestamp) -> Self {
        Self {
            snapshot: first.clone(),
            contents: held.clone(),
            first,
            held,
            actor,
            now,
            changes: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// The document at a key, as it stands.
    pub fn document(&self, key: &DocKey) -> Option<&Document> {
        self.snapshot.get(key)?.document.as_ref()
    }

    /// Publishes a version, or finds the one with this content.
    pub fn publish(&mut self, request: &PublishRequest) -> Result<ArtifactRef, Rejection> {
        let published = decide::publish_artifact(&self.snapshot, &self.contents, request, self.now)?;
        if let Some(draft) = published.draft {
            let value = serde_json::from_slice(&published.blob).unwrap_or(Value::Null);
            self.contents.held.insert(published.digest, Arc::new(value));
            self.blobs.push(published.blob);
            self.take(draft.changes);
        }
        Ok(published.reference)
    }

    /// Puts a document as its own command would; whether that changes anything.
    pub fn put(&mut self, document: &Document) -> Result<bool, Rejection> {
        if self.document(&document.key()) == Some(document) {
            return Ok(false);
        }
        let changes = match document {
            Document::Feature(doc) => {
                decide::put_feature(&self.snapshot, &self.contents, doc, self.actor, self.now)?.changes
            }
            Document::Flag(doc) => decide::put_flag(&self.snapshot, doc, self.actor)?.changes,
            Document::Channel(doc) => decide::put_channel(&self.snapshot, doc, self.actor)?.changes,
            Document::Segment(doc) => decide::put_segment(&self.snapshot, doc, self.actor)?.changes,
            Document::Group(doc) => decide::put_group(&self.snapshot, doc, self.actor)?.changes,
            Document::Environment(doc) => decide::put_environment(&self.snapshot, doc, self.actor)?.changes,
            other => vec![Change::put(other)],
        };
        // A command fills in what a document may leave out, so the same document again is known only by what it comes to.
        let changes: Vec<_> = changes.into_iter().filter(|change| !self.stands(change)).collect();
        let any = !changes.is_empty();
        if any {
            self.take(changes);
        }
        Ok(any)
    }

    /// Whether a change would leave its document as it is.
    fn stands(&self, change: &Change) -> bool {
        match change {
            Change::Put { key, body } => self
                .document(key)
                .is_some_and(|document| Document::from_value(body).as_ref() == Some(document)),
            Change::Retire { key } => self.snapshot.get(key).is_none(),
        }
    }

    /// Takes a document away.
    pub fn retire(&mut self, key: &DocKey) {
        self.take(vec![Change::Retire { key: key.clone() }]);
    }

    /// Has a list of people stored here, if anybody holds it. Lists are the same everywhere: their key is the installation's.
    pub fn bring_list(&mut self, digest: &Digest, from: &Contents) -> bool {
        if self.contents.held.contains_key(digest) {
            return true;
        }
        let Some(list) = from.held.get(digest) else { return false };
        self.blobs.push(canonical_json(&**list));
        self.contents.held.insert(*digest, Arc::clone(list));
        true
    }

    fn take(&mut self, changes: Vec<Change>) {
        let draft = self.draft(self.snapshot.revision, String::new(), changes.clone());
        let revision = Revision::seal(&draft, self.snapshot.revision, self.snapshot.digest, self.now);
        if let Ok(next) = self.snapshot.apply(&revision) {
            self.snapshot = next;
        }
        let keys: Vec<DocKey> = changes.iter().map(|change| change.key().clone()).collect();
        // What a later step says of a document stands.
        self.changes.retain(|change| !keys.contains(change.key()));
        self.changes.extend(changes);
    }

    fn draft(&self, expected_head: RevisionNumber, message: String, changes: Vec<Change>) -> Draft {
        Draft {
            expected_head,
            actor: self.actor.to_owned(),
            message,
            cause: Cause::Person,
            changes,
            idempotency_key: None,
            provenance: Provenance::default(),
        }
    }

    /// What compiled before and does not now.
    pub fn newly_broken(&self) -> Vec<Diagnostic> {
        let before = compile(self.first, self.held, None).diagnostics;
        let mut now = compile(&self.snapshot, &self.contents, None).diagnostics;
        now.retain(|one| !before.contains(one));
        now
    }

    /// Every change as drafts against the head, none larger than a revision may be; each needs at most those before it.
    pub fn in_parts(&self, message: &str) -> Vec<Draft> {
        let parts = self.changes.chunks(CHANGES_MAX);
        let count = parts.len();
        let named = |index: usize| match count {
            1 => message.to_owned(),
            _ => format!("{message}, part {} of {count}", index + 1),
        };
        let draft =
            |(index, part): (usize, &[Change])| self.draft(self.first.revision, named(index), part.to_vec());
        parts.enumerate().map(draft).collect()
    }

    /// One draft with every change, and the blobs that it names. Refused where it would break what compiles now.
    pub fn finish(self, message: String) -> Result<Finished, Vec<Rejection>> {
        if self.changes.is_empty() {
            return Ok(Finished { draft: None, blobs: Vec::new() });
        }
        if self.changes.len() > CHANGES_MAX {
            let text = format!(
                "{} changes at once: a revision holds at most {CHANGES_MAX}; apply in parts",
                self.changes.len()
            );
            return Err(vec![Rejection::new("desired.too_large", text)]);
        }
        let newly: Vec<_> = self
            .newly_broken()
            .into_iter()
            .map(|one| Rejection::new("desired.broken", format!("{}: {}", one.subject, one.reason)))
            .collect();
        if !newly.is_empty() {
            return Err(newly);
        }
        let draft = self.draft(self.first.revision, message, self.changes.clone());
        Ok(Finished { draft: Some(draft), blobs: self.blobs })
    }
}
