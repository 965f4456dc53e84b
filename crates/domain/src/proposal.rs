//! A proposal: a change that waits for somebody other than its author. What may be approved, by whom, and what it comes to on the
//! head of the day. Knows nothing of roles, nor of where proposals are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bundle::Contents,
    compile::compile,
    decide::{Rejection, latch, live_rollout, restarted},
    digest::{Digest, canonical_json},
    entity::{ArtifactRef, DocKey, Document, FeatureDoc, Proof, RolloutDoc},
    revision::{Approval, Cause, Change, Draft, Provenance, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};

/// Where a proposal stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Its author still works on it.
    Draft,
    /// It waits for approval, or, held, for somebody to apply it.
    #[default]
    Open,
    /// It is in the log.
    Applied {
        /// As this revision.
        revision: RevisionNumber,
    },
    /// Its author took it back.
    Withdrawn,
    /// What it was made against is no more, so it can never be applied.
    Void {
        /// Why.
        reason: String,
    },
}

/// One person's agreement to exactly what the digest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Who.
    pub person: String,
    /// To what.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
}

/// What somebody said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// A proposal as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number.
    pub id: u64,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// The head that it was made against.
    pub base: RevisionNumber,
    /// What it would change.
    pub changes: Vec<Change>,
    /// The revision that put each of these documents as it was; 0 where there was none.
    pub seen: BTreeMap<DocKey, RevisionNumber>,
    /// The digest of its changes.
    pub digest: Digest,
    /// How it came about.
    #[serde(default)]
    pub provenance: Provenance,
    /// What it was asked for with, where it can be computed again on another head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// Who was asked to look.
    #[serde(default)]
    pub reviewers: Vec<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Who agreed.
    #[serde(default)]
    pub approvals: Vec<Given>,
    /// What was said.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// Whether approval alone does not apply it.
    #[serde(default)]
    pub hold: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Something that changed under a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which document.
    pub key: DocKey,
    /// The revision that put it as it is now; the head where it is no more.
    pub revision: RevisionNumber,
    /// What is in the way, as a sentence.
    pub reason: String,
}

impl Proposal {
    /// A proposal to make what `draft` would have made at once.
    pub fn new(id: u64, draft: Draft, snapshot: &Snapshot, now: Timestamp) -> Self {
        let seen = draft.changes.iter().map(Change::key).map(|key| (key.clone(), put_by(snapshot, key)));
        Self {
            id,
            author: draft.actor,
            message: draft.message,
            base: snapshot.revision,
            seen: seen.collect(),
            digest: digest_of(&draft.changes),
            changes: draft.changes,
            provenance: draft.provenance,
            request: None,
            reviewers: Vec::new(),
            standing: Standing::Open,
            approvals: Vec::new(),
            comments: Vec::new(),
            hold: false,
            created_at: now,
        }
    }

    /// Puts what `draft` would make in the place of what was proposed. Whoever had approved approved something else.
    pub fn edit(&mut self, draft: Draft, snapshot: &Snapshot) {
        let Self { changes, seen, digest, base, .. } = Self::new(self.id, draft, snapshot, self.created_at);
        if digest != self.digest {
            self.approvals.clear();
        }
        (self.changes, self.seen, self.digest, self.base) = (changes, seen, digest, base);
    }

    /// Adds a person's approval of what `digest` names.
    pub fn approve(
        &mut self,
        person: &str,
        digest: &Digest,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let refused =
            |code, reason: String| Err(Rejection::new(code, format!("proposal {}: {reason}", self.id)));
        if self.standing != Standing::Open {
            return refused(
                "proposal.not_open",
                format!("it is {}: only an open one can be approved", self.words()),
            );
        }
        if *digest != self.digest {
            let reason = format!(
                "it reads {} by now, not {}: look again, then approve",
                self.digest.short(),
                digest.short()
            );
            return refused("proposal.edited", reason);
        }
        if person == self.author {
            return refused("proposal.own", format!("{person} made it: somebody else has to approve it"));
        }
        if let Some((reference, _)) =
            self.newly_used(snapshot).into_iter().find(|(_, author)| author == person)
        {
            let reason = format!(
                "{person} wrote {reference}, which it brings into use: somebody else has to approve it"
            );
            return refused("proposal.own", reason);
        }
        if !self.approvals.iter().any(|given| given.person == person) {
            self.approvals.push(Given { person: person.to_owned(), digest: *digest, at: now });
        }
        Ok(())
    }

    /// Whether enough people agreed to what it says now.
    pub fn is_approved(&self, approvals_min: u32) -> bool {
        let valid = self.approvals.iter().filter(|given| given.digest == self.digest).count();
        valid >= usize::try_from(approvals_min.max(1)).unwrap_or(usize::MAX)
    }

    /// What it comes to on this head, or what is in the way.
    pub fn rebase(
        &self,
        head: &Snapshot,
        contents: &Contents,
        now: Timestamp,
    ) -> Result<Draft, Vec<Conflict>> {
        let moved = self.moved(head);
        if !moved.is_empty() {
            return Err(moved);
        }
        let changes: Vec<_> = self.changes.iter().filter_map(|change| restamped(change, head, now)).collect();
        let approval = Approval {
            proposal: self.id,
            author: self.author.clone(),
            approvers: self.approvals.iter().map(|given| given.person.clone()).collect(),
            digest: self.digest,
        };
        let draft = Draft {
            expected_head: head.revision,
            actor: self.author.clone(),
            message: self.message.clone(),
            cause: Cause::Person,
            changes,
            idempotency_key: Some(format!("proposal/{}/{}", self.id, self.digest)),
            provenance: Provenance { approval: Some(approval), ..self.provenance.clone() },
        };
        let broken = broken(&draft, head, contents, now);
        if broken.is_empty() { Ok(draft) } else { Err(broken) }
    }

    /// Where it stands, in a word.
    pub fn words(&self) -> &'static str {
        match self.standing {
            Standing::Draft => "a draft",
            Standing::Open => "open",
            Standing::Applied { .. } => "applied",
            Standing::Withdrawn => "withdrawn",
            Standing::Void { .. } => "void",
        }
    }

    fn moved(&self, head: &Snapshot) -> Vec<Conflict> {
        let conflict = |(key, seen): (&DocKey, &RevisionNumber)| {
            let now = put_by(head, key);
            if now == *seen || is_derived(key) {
                return None;
            }
            let (revision, reason) = if now == RevisionNumber(0) {
                (head.revision, format!("{key} is no more"))
            } else {
                (now, format!("{key} was changed by revision {now}"))
            };
            Some(Conflict { key: key.clone(), revision, reason })
        };
        self.seen.iter().filter_map(conflict).collect()
    }

    /// The versions that it brings into use, with their authors.
    fn newly_used(&self, snapshot: &Snapshot) -> Vec<(ArtifactRef, String)> {
        let documents: Vec<_> = self.changes.iter().filter_map(document).collect();
        let own = |reference: &ArtifactRef| {
            documents.iter().find_map(|document| match document {
                Document::Artifact(doc) if doc.reference() == *reference => Some(doc.author.clone()),
                _ => None,
            })
        };
        let mut used = BTreeSet::new();
        for document in &documents {
            match document {
                Document::Feature(doc) => {
                    let before = snapshot.feature(&doc.key).map(of_feature).unwrap_or_default();
                    used.extend(of_feature(doc).difference(&before).cloned());
                }
                Document::Rollout(doc) => {
                    for (feature, layers) in &doc.spec.candidate {
                        let before = snapshot.feature(feature).map(of_feature).unwrap_or_default();
                        used.extend(layers.0.values().filter(|layer| !before.contains(*layer)).cloned());
                    }
                }
                _ => {}
            }
        }
        let author = |reference: ArtifactRef| {
            let author = own(&reference).or_else(|| Some(snapshot.artifact(&reference)?.author.clone()))?;
            Some((reference, author))
        };
        used.into_iter().filter_map(author).collect()
    }
}

/// The digest that an approval is bound to.
pub fn digest_of(changes: &[Change]) -> Digest {
    Digest::of(&canonical_json(&changes))
}

fn put_by(snapshot: &Snapshot, key: &DocKey) -> RevisionNumber {
    snapshot.get(key).map_or(RevisionNumber(0), |stored| stored.revision)
}

/// Combinations follow from features and rollouts: the same one made by somebody else is no disagreement.
fn is_derived(key: &DocKey) -> bool {
    key.as_str().starts_with("combination/")
}

fn document(change: &Change) -> Option<Document> {
    match change {
        Change::Put { body, .. } => Document::from_value(body),
        Change::Retire { .. } => None,
    }
}

fn of_feature(doc: &FeatureDoc) -> BTreeSet<ArtifactRef> {
    let layers = std::iter::once(&doc.control).chain(doc.variants.values());
    let judge = doc.judge.iter().flat_map(|judge| [judge.rubric.clone(), judge.model.clone()]);
    layers.flat_map(|layers| layers.0.values().cloned()).chain(judge).collect()
}

/// A change as of now: what begins with it begins now. None where it would only say again what is known.
fn restamped(change: &Change, head: &Snapshot, now: Timestamp) -> Option<Change> {
    match document(change) {
        Some(Document::Rollout(doc)) if doc.state.phase.is_live() => {
            Some(Change::put(&Document::Rollout(Box::new(restarted(&doc, now)))))
        }
        Some(Document::Combination(mut doc)) => {
            match &mut doc.proof {
                Some(Proof::Declared { at, .. }) => *at = now,
                _ if head.get(change.key()).is_some() => return None,
                _ => {}
            }
            doc.current_since = doc.current_since.map(|_| now);
            Some(Change::put(&Document::Combination(doc)))
        }
        _ => Some(change.clone()),
    }
}

/// What the rules of commands say against the draft on this head.
fn broken(draft: &Draft, head: &Snapshot, contents: &Contents, now: Timestamp) -> Vec<Conflict> {
    let sealed = Revision::seal(draft, head.revision, head.digest, now);
    let Ok(after) = head.apply(&sealed) else { return Vec::new() };
    let mut conflicts = Vec::new();
    for document in draft.changes.iter().filter_map(document) {
        let reason = match &document {
            Document::Rollout(doc) if head.rollout(&doc.key).is_none() => in_the_way(doc, head),
            Document::Feature(doc) => moved_meanwhile(doc, head),
            _ => None,
        };
        conflicts.extend(reason.map(|reason| Conflict {
            key: document.key(),
            revision: head.revision,
            reason,
        }));
    }
    let known = compile(head, contents, None).diagnostics;
    let fresh = compile(&after, contents, None).diagnostics;
    for diagnostic in fresh.into_iter().filter(|one| !known.contains(one)) {
        let subject = diagnostic.subject.split(' ').next().unwrap_or_default();
        let reason = format!("{}: {}", diagnostic.subject, diagnostic.reason);
        conflicts.push(Conflict { key: DocKey::stored(subject), revision: head.revision, reason });
    }
    conflicts
}

/// Why a rollout cannot start on this head.
fn in_the_way(doc: &RolloutDoc, head: &Snapshot) -> Option<String> {
    doc.spec.baseline.iter().find_map(|(key, baseline)| {
        let Some(feature) = head.feature(key) else { return Some(format!("feature \"{key}\" is no more")) };
        if let Some(live) = live_rollout(head, key) {
            return Some(format!("feature \"{key}\" is being moved by rollout \"{}\"", live.key));
        }
        if feature.control != *baseline {
            return Some(format!("feature \"{key}\" serves another combination by now"));
        }
        let candidate = doc.spec.candidate.get(key)?;
        latch(head, key, baseline, candidate).err().map(|refused| refused.message)
    })
}

/// Why a feature's control cannot change on this head.
fn moved_meanwhile(doc: &FeatureDoc, head: &Snapshot) -> Option<String> {
    let moves = head.feature(&doc.key).is_some_and(|before| before.control != doc.control);
    let live = live_rollout(head, &doc.key).filter(|_| moves)?;
    Some(format!("rollout \"{}\" compares against what feature \"{}\" serves now", live.key, doc.key))
}
