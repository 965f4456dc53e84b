//! What has to change for an environment to be as described: step by step, each checked as its own command would be, in one draft.
//! Describing again what is there changes nothing. Knows nothing of files, and never retires a feature or a version.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Desired, Running, Series, making::Making, running::Finished};
use crate::{
    bundle::Contents,
    decide::Rejection,
    digest::{Digest, canonical_json},
    entity::{DocKey, Document},
    revision::Draft,
    snapshot::Snapshot,
    units::Timestamp,
};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A version is published.
    Publish,
    /// A document that was not there is made.
    Create,
    /// A document reads otherwise.
    Change,
    /// A document is taken away.
    Retire,
    /// It is as described already.
    Keep,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it does.
    pub verb: Verb,
    /// To which document, by its key; of a version, its reference.
    pub subject: String,
    /// What differs, a line each.
    pub detail: Vec<String>,
    /// What was there: a document, or a content.
    pub before: Option<Value>,
    /// What will be there.
    pub after: Option<Value>,
}

/// What has to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Every step, what is kept included.
    pub steps: Vec<Step>,
    /// Documents that are there and not described; they stay as they are.
    pub unmanaged: Vec<DocKey>,
    /// The revision to append; none where nothing has to change.
    pub draft: Option<Draft>,
    /// Blobs that it names.
    pub blobs: Vec<Vec<u8>>,
    /// The digest of what changes, from what to what: two plans with the same digest do the same.
    pub digest: Digest,
}

/// How a description that comes from another environment is read: its version numbers are that environment's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copying<'a> {
    /// The contents and lists there.
    pub contents: &'a Contents,
    /// What it is called.
    pub environment: &'a str,
}

/// Plans what it takes to be as `desired`.
pub fn plan(
    snapshot: &Snapshot,
    contents: &Contents,
    desired: &Desired,
    actor: &str,
    now: Timestamp,
) -> Result<Plan, Vec<Rejection>> {
    plan_as(snapshot, contents, desired, actor, now, None)
}

/// The same for files and for copies.
pub(crate) fn plan_as(
    snapshot: &Snapshot,
    contents: &Contents,
    desired: &Desired,
    actor: &str,
    now: Timestamp,
    copying: Option<Copying<'_>>,
) -> Result<Plan, Vec<Rejection>> {
    let mut making = Making::new(Running::new(snapshot, contents, actor, now), desired, copying, actor);
    let mut steps = making.settle_all()?;
    let unmanaged = unmanaged(snapshot, desired);
    let mut left = Vec::new();
    for key in unmanaged {
        if desired.prune && !key.as_str().starts_with("feature/") {
            let before = snapshot.get(&key).map(|stored| stored.body.clone());
            making.running.retire(&key);
            steps.push(Step {
                verb: Verb::Retire,
                subject: key.to_string(),
                detail: vec!["not described any more".to_owned()],
                before,
                after: None,
            });
        } else {
            left.push(key);
        }
    }
    let Finished { draft, blobs } = making.running.finish(summary(&steps))?;
    Ok(Plan { digest: digest(&steps), steps, unmanaged: left, draft, blobs })
}

/// Two plans are the same if they lead from the same to the same.
fn digest(steps: &[Step]) -> Digest {
    let moves = steps.iter().filter(|step| step.verb != Verb::Keep);
    let moves: Vec<_> = moves.map(|step| json!([step.verb, step.subject, step.before, step.after])).collect();
    Digest::of(&canonical_json(&moves))
}

fn summary(steps: &[Step]) -> String {
    let words = [
        (Verb::Publish, "published"),
        (Verb::Create, "created"),
        (Verb::Change, "changed"),
        (Verb::Retire, "retired"),
    ];
    let counts = words.iter().filter_map(|(verb, word)| {
        let count = steps.iter().filter(|step| step.verb == *verb).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// Documents of the kinds that files describe, which these do not.
fn unmanaged(snapshot: &Snapshot, desired: &Desired) -> Vec<DocKey> {
    let described = |document: &Document| match document {
        Document::Feature(doc) => desired.features.contains_key(&doc.key),
        Document::Flag(doc) => desired.flags.contains_key(&doc.key),
        Document::Segment(doc) => desired.segments.contains_key(&doc.key),
        Document::Group(doc) => desired.groups.contains_key(&doc.key),
        Document::Channel(doc) => desired.channels.contains_key(&doc.key),
        Document::Label(doc) => {
            let series = Series { kind: doc.artifact_kind, name: doc.name.clone() };
            desired.labels.get(&series).is_some_and(|labels| labels.contains_key(&doc.label))
        }
        Document::Artifact(_)
        | Document::Rollout(_)
        | Document::Combination(_)
        | Document::Schedule(_)
        | Document::Environment(_) => true,
    };
    snapshot.documents().filter(|document| !described(document)).map(Document::key).collect()
}
