//! The fold of the revision log: all documents as of one revision. Has two refusals, gap and fork, and no business rules.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde_json::Value;

use crate::{
    digest::Digest,
    entity::{
        ArtifactDoc, ArtifactRef, DocKey, Document, FeatureDoc, FlagDoc, GroupDoc, RolloutDoc, SegmentDoc,
    },
    id::{FeatureKey, FlagKey, GroupKey, RolloutKey, SegmentKey},
    revision::{Change, Revision, RevisionNumber},
    units::Timestamp,
};

/// Why a revision does not follow this snapshot. Both mean a broken transport, never a bad idea.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not the next one.
    #[error("revision {got} does not follow {have}: ask for the revisions after {have}")]
    Gap {
        /// The head here.
        have: RevisionNumber,
        /// What came.
        got: RevisionNumber,
    },
    /// It follows another history.
    #[error("revision {number} follows another history than this node's: its parent digest does not match")]
    Fork {
        /// What came.
        number: RevisionNumber,
    },
}

/// A document with its stored form.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// As it stands in the log.
    pub body: Value,
    /// As this version understands it; `None` for a kind or shape from a later one.
    pub document: Option<Document>,
    /// The revision that put it.
    pub revision: RevisionNumber,
}

/// Steps back to which a snapshot tells what changed: more than a node falls behind without starting over.
const STEPS_KEPT: usize = 64;

/// A moment in the history of a snapshot, told by its identity. Two that were folded apart have none in common.
#[derive(Debug, Clone)]
pub struct Moment(Arc<Vec<DocKey>>);

/// All documents as of one revision.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last revision that was applied.
    pub revision: RevisionNumber,
    /// Its digest.
    pub digest: Digest,
    /// When it was appended.
    pub at: Timestamp,
    /// Shared between revisions as far as they are the same.
    documents: RedBlackTreeMapSync<DocKey, Arc<Stored>>,
    /// The latest moments with what each changed, this one last.
    steps: Arc<[Moment]>,
}

impl PartialEq for Snapshot {
    /// Whatever way led there.
    fn eq(&self, other: &Self) -> bool {
        (self.revision, self.digest, self.at) == (other.revision, other.digest, other.at)
            && self.documents == other.documents
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            revision: RevisionNumber(0),
            digest: Digest::ZERO,
            at: Timestamp::default(),
            documents: RedBlackTreeMapSync::new_sync(),
            steps: first_step(),
        }
    }
}

fn first_step() -> Arc<[Moment]> {
    [Moment(Arc::default())].into()
}

impl Snapshot {
    /// A snapshot as somebody else folded it: each document with the revision that put it.
    pub fn restore(
        revision: RevisionNumber,
        digest: Digest,
        at: Timestamp,
        documents: impl IntoIterator<Item = (DocKey, RevisionNumber, Value)>,
    ) -> Self {
        let stored = |(key, revision, body): (DocKey, _, Value)| {
            let document = Document::from_value(&body);
            (key, Arc::new(Stored { body, document, revision }))
        };
        let documents = documents.into_iter().map(stored).collect();
        Self { revision, digest, at, documents, steps: first_step() }
    }

    /// The snapshot after `revision`.
    pub fn apply(&self, revision: &Revision) -> Result<Self, Refused> {
        let number = revision.body.number;
        if number != self.revision.next() {
            return Err(Refused::Gap { have: self.revision, got: number });
        }
        if revision.body.parent != self.digest {
            return Err(Refused::Fork { number });
        }
        let mut documents = self.documents.clone();
        for change in &revision.body.changes {
            match change {
                Change::Put { key, body } => {
                    let document = Document::from_value(body);
                    let stored = Stored { body: body.clone(), document, revision: number };
                    documents.insert_mut(key.clone(), Arc::new(stored));
                }
                Change::Retire { key } => {
                    documents.remove_mut(key);
                }
            }
        }
        let changed = revision.body.changes.iter().map(|change| change.key().clone()).collect();
        let kept = self.steps.iter().skip((self.steps.len() + 1).saturating_sub(STEPS_KEPT)).cloned();
        let steps = kept.chain([Moment(Arc::new(changed))]).collect();
        Ok(Self { revision: number, digest: revision.digest, at: revision.body.at, documents, steps })
    }

    /// This moment, to ask later what changed since.
    pub fn moment(&self) -> Option<Moment> {
        self.steps.last().cloned()
    }

    /// The keys that were put or retired since `moment`, in order and each once; nothing where this snapshot does not come from there,
    /// or from too far back, so that anything may be another.
    pub fn changed_since(&self, moment: &Moment) -> Option<Vec<&DocKey>> {
        let place = self.steps.iter().rposition(|step| Arc::ptr_eq(&step.0, &moment.0))?;
        let mut keys: Vec<_> = self.steps.iter().skip(place + 1).flat_map(|step| step.0.iter()).collect();
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }

    /// The document at `key`.
    pub fn get(&self, key: &DocKey) -> Option<&Arc<Stored>> {
        self.documents.get(key)
    }

    /// All documents in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&DocKey, &Arc<Stored>)> {
        self.documents.iter()
    }

    /// All documents that this version understands.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.documents.values().filter_map(|stored| stored.document.as_ref())
    }

    /// The documents whose keys begin with `prefix`.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Document> {
        self.documents
            .range(DocKey::stored(prefix)..)
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
            .filter_map(|(_, stored)| stored.document.as_ref())
    }

    /// The stored documents whose keys begin with `prefix`, those of unknown kinds as well.
    pub fn stored_under<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a DocKey, &'a Arc<Stored>)> {
        self.documents
            .range(DocKey::stored(prefix)..)
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
    }

    /// A plain flag.
    pub fn flag(&self, key: &FlagKey) -> Option<&FlagDoc> {
        match self.get(&DocKey::flag(key))?.document.as_ref()? {
            Document::Flag(doc) => Some(doc),
            _ => None,
        }
    }

    /// A segment.
    pub fn segment(&self, key: &SegmentKey) -> Option<&SegmentDoc> {
        match self.get(&DocKey::segment(key))?.document.as_ref()? {
            Document::Segment(doc) => Some(doc),
            _ => None,
        }
    }

    /// An exclusion group.
    pub fn group(&self, key: &GroupKey) -> Option<&GroupDoc> {
        match self.get(&DocKey::group(key))?.document.as_ref()? {
            Document::Group(doc) => Some(doc),
            _ => None,
        }
    }

    /// A feature.
    pub fn feature(&self, key: &FeatureKey) -> Option<&FeatureDoc> {
        match self.get(&DocKey::feature(key))?.document.as_ref()? {
            Document::Feature(doc) => Some(doc),
            _ => None,
        }
    }

    /// A rollout.
    pub fn rollout(&self, key: &RolloutKey) -> Option<&RolloutDoc> {
        match self.get(&DocKey::rollout(key))?.document.as_ref()? {
            Document::Rollout(doc) => Some(doc),
            _ => None,
        }
    }

    /// A version of an artifact.
    pub fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        match self.get(&DocKey::artifact(reference))?.document.as_ref()? {
            Document::Artifact(doc) => Some(doc),
            _ => None,
        }
    }

    /// All rollouts in the order of their keys.
    pub fn rollouts(&self) -> impl Iterator<Item = &RolloutDoc> {
        self.under("rollout/").filter_map(|document| match document {
            Document::Rollout(doc) => Some(doc.as_ref()),
            _ => None,
        })
    }

    /// All features in the order of their keys.
    pub fn features(&self) -> impl Iterator<Item = &FeatureDoc> {
        self.under("feature/").filter_map(|document| match document {
            Document::Feature(doc) => Some(doc),
            _ => None,
        })
    }

    /// All versions of one series, oldest first.
    pub fn versions<'a>(&'a self, kind: crate::entity::ArtifactKind, name: &'a str) -> Vec<&'a ArtifactDoc> {
        let mut versions: Vec<_> = self
            .under("artifact/")
            .filter_map(|document| match document {
                Document::Artifact(doc) if doc.artifact_kind == kind && doc.name.as_str() == name => {
                    Some(doc)
                }
                _ => None,
            })
            .collect();
        versions.sort_by_key(|doc| doc.version);
        versions
    }
}
