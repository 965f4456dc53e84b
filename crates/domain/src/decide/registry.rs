//! Commands on artifacts: publish, label, archive, redact; each to a draft or a rejection. Knows nothing of who may give them, and
//! removes nothing itself: a redaction's blob is erased by the edge once its revision is in the log.

use std::collections::BTreeSet;

use crate::{
    bundle::{Bundle, Contents},
    compile::Shelf,
    decide::{Rejection, command::draft},
    digest::{Digest, canonical_json},
    entity::{
        ArtifactDoc, ArtifactKind, ArtifactRef, Content, DocKey, Document, LabelDoc, Layers, Requirement,
        Source,
    },
    id::{ArtifactName, LabelKey},
    limits::LABELS_MAX,
    lint,
    revision::{Change, Draft},
    snapshot::Snapshot,
    units::Timestamp,
};

/// Labels that stand for a rule and are set by nobody: the newest version, and the one that is served outside a rollout.
pub const RESERVED_LABELS: [&str; 2] = ["latest", "production"];

/// A new version of an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishRequest {
    /// Of which kind.
    pub kind: ArtifactKind,
    /// Of which series.
    pub name: ArtifactName,
    /// Its content.
    pub content: serde_json::Value,
    /// Its needs.
    pub requires: Vec<Requirement>,
    /// Why.
    pub message: String,
    /// Who.
    pub actor: String,
}

/// Whether a content may hold what looks like personal data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PersonalData {
    /// It is refused.
    #[default]
    Refused,
    /// Its author says that it belongs there.
    Intended,
}

/// What goes with a publication beside the version itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishTerms {
    /// Labels that move to the version in the same revision.
    pub labels: Vec<LabelKey>,
    /// Where its content was copied from.
    pub source: Option<Source>,
    /// Whether it may hold what looks like personal data.
    pub personal_data: PersonalData,
}

/// What publishing came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The version.
    pub reference: ArtifactRef,
    /// Its content's digest.
    pub digest: Digest,
    /// The blob to store before the revision.
    pub blob: Vec<u8>,
    /// Whether the version is new; the same content again is the same version.
    pub created: bool,
    /// The revision to append; none where nothing is to change.
    pub draft: Option<Draft>,
}

/// Publishes a version. The same content with the same needs is the same version.
pub fn publish_artifact(
    snapshot: &Snapshot,
    contents: &Contents,
    request: &PublishRequest,
    now: Timestamp,
) -> Result<Published, Rejection> {
    publish_on_terms(snapshot, contents, request, &PublishTerms::default(), now)
}

/// Publishes a version with what goes with it.
pub fn publish_on_terms(
    snapshot: &Snapshot,
    contents: &Contents,
    request: &PublishRequest,
    terms: &PublishTerms,
    now: Timestamp,
) -> Result<Published, Rejection> {
    let subject = format!("{}/{}", request.kind, request.name);
    let refused = |reason: String| Rejection::new("artifact.invalid", format!("{subject}: {reason}"));
    let content = Content::parse(request.kind, &request.content).map_err(refused)?;
    lint::content(&content).map_err(refused)?;
    if terms.personal_data == PersonalData::Refused {
        lint::personal(&content)
            .map_err(|reason| Rejection::new("artifact.personal_data", format!("{subject}: {reason}")))?;
    }
    lint::message(&request.message).map_err(refused)?;
    let blob = canonical_json(&content.to_value());
    let digest = Digest::of(&blob);
    if let Some(gone) = with_content(snapshot, &digest).find(|doc| doc.redacted) {
        let reason = format!("this content was redacted as {}: it does not come back", gone.reference());
        return Err(Rejection::new("artifact.redacted", format!("{subject}: {reason}")));
    }
    let versions = snapshot.versions(request.kind, request.name.as_str());
    let same = versions.iter().find(|doc| doc.content == digest && doc.requires == request.requires);
    let (reference, mut changes) = match same {
        Some(same) => (same.reference(), Vec::new()),
        None => {
            let doc = ArtifactDoc {
                artifact_kind: request.kind,
                name: request.name.clone(),
                version: versions.last().map_or(1, |doc| doc.version + 1),
                content: digest,
                requires: request.requires.clone(),
                author: request.actor.clone(),
                message: request.message.clone(),
                created_at: now,
                source: terms.source.clone(),
                archived: false,
                redacted: false,
            };
            let reference = doc.reference();
            lint::includes(&reference, &content, snapshot, contents).map_err(refused)?;
            (reference, vec![Change::put(&Document::Artifact(doc))])
        }
    };
    let created = same.is_none();
    for label in &terms.labels {
        changes.extend(moved(snapshot, &reference, label)?);
    }
    let message =
        if request.message.is_empty() { format!("publish {reference}") } else { request.message.clone() };
    let draft = (!changes.is_empty()).then(|| draft(snapshot, &request.actor, message, changes));
    Ok(Published { reference, digest, blob, created, draft })
}

/// Moves a label to a version; nothing where it is there already.
pub fn label(
    snapshot: &Snapshot,
    reference: &ArtifactRef,
    label: &LabelKey,
    actor: &str,
) -> Result<Option<Draft>, Rejection> {
    let doc = version(snapshot, reference)?;
    if doc.redacted {
        let text = format!("{reference} was redacted: point the label at another version");
        return Err(Rejection::new("artifact.redacted", text));
    }
    let change = moved(snapshot, reference, label)?;
    Ok(change.map(|change| draft(snapshot, actor, format!("label {reference} {label}"), vec![change])))
}

/// Takes a label off its series.
pub fn unlabel(
    snapshot: &Snapshot,
    kind: ArtifactKind,
    name: &ArtifactName,
    label: &LabelKey,
    actor: &str,
) -> Result<Draft, Rejection> {
    let at = DocKey::label(&LabelDoc {
        artifact_kind: kind,
        name: name.clone(),
        label: label.clone(),
        version: 1,
    });
    if snapshot.get(&at).is_none() {
        let text =
            format!("{kind}/{name} has no label \"{label}\": see `serinus artifact show {kind}/{name}`");
        return Err(Rejection::new("label.unknown", text));
    }
    Ok(draft(snapshot, actor, format!("unlabel {kind}/{name} {label}"), vec![Change::Retire { key: at }]))
}

/// The change that moves a label; none where it points there already.
fn moved(
    snapshot: &Snapshot,
    reference: &ArtifactRef,
    label: &LabelKey,
) -> Result<Option<Change>, Rejection> {
    if RESERVED_LABELS.contains(&label.as_str()) {
        let text = format!(
            "label \"{label}\" is set by nobody: latest is the newest version, production the one that is served; choose another name"
        );
        return Err(Rejection::new("label.reserved", text));
    }
    let doc = LabelDoc {
        artifact_kind: reference.kind,
        name: reference.name.clone(),
        label: label.clone(),
        version: reference.version,
    };
    let have = labels(snapshot, reference.kind, &reference.name);
    if have.contains(&&doc) {
        return Ok(None);
    }
    if have.len() >= LABELS_MAX && !have.iter().any(|other| other.label == *label) {
        let series = format!("{}/{}", reference.kind, reference.name);
        let text = format!("{series} has {LABELS_MAX} labels: take one off first");
        return Err(Rejection::new("label.too_many", text));
    }
    Ok(Some(Change::put(&Document::Label(doc))))
}

/// The labels of a series.
pub fn labels<'a>(snapshot: &'a Snapshot, kind: ArtifactKind, name: &ArtifactName) -> Vec<&'a LabelDoc> {
    let of_it = |document: &'a Document| match document {
        Document::Label(doc) if doc.artifact_kind == kind && doc.name == *name => Some(doc),
        _ => None,
    };
    snapshot.under("label/").filter_map(of_it).collect()
}

/// Puts a version away, or takes it back; nothing where it is so already. What uses it goes on.
pub fn archive(
    snapshot: &Snapshot,
    reference: &ArtifactRef,
    archived: bool,
    actor: &str,
) -> Result<Option<Draft>, Rejection> {
    let doc = version(snapshot, reference)?;
    if doc.archived == archived {
        return Ok(None);
    }
    let verb = if archived { "archive" } else { "unarchive" };
    let change = Change::put(&Document::Artifact(ArtifactDoc { archived, ..doc.clone() }));
    Ok(Some(draft(snapshot, actor, format!("{verb} {reference}"), vec![change])))
}

/// What redacting comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Redaction {
    /// The content to erase once the revision is in the log.
    pub content: Digest,
    /// Every version that has this content.
    pub versions: Vec<ArtifactRef>,
    /// The revision to append; none where all of them are redacted already.
    pub draft: Option<Draft>,
}

/// Removes a content for good: every version that has it stays in the log with its digest, and no bundle can be made of it.
pub fn redact(
    snapshot: &Snapshot,
    contents: &Contents,
    reference: &ArtifactRef,
    reason: &str,
    actor: &str,
) -> Result<Redaction, Rejection> {
    let content = version(snapshot, reference)?.content;
    if reason.trim().is_empty() {
        let text = format!("{reference}: say why it has to go, since nobody will be able to look");
        return Err(Rejection::new("artifact.reason_missing", text));
    }
    lint::message(reason).map_err(|reason| Rejection::new("artifact.invalid", reason))?;
    let same: Vec<_> = with_content(snapshot, &content).collect();
    let versions: Vec<_> = same.iter().map(|doc| doc.reference()).collect();
    let used = in_use(snapshot, contents, &versions);
    if !used.is_empty() {
        let users = used.into_iter().map(|key| key.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!("{reference} is used by {users}: move them to another version first");
        return Err(Rejection::new("artifact.in_use", text));
    }
    let mut changes = Vec::new();
    for doc in same.into_iter().filter(|doc| !doc.redacted) {
        let pointing = labels(snapshot, doc.artifact_kind, &doc.name);
        let lost = pointing.into_iter().filter(|label| label.version == doc.version);
        changes.extend(lost.map(|label| Change::Retire { key: DocKey::label(label) }));
        changes.push(Change::put(&Document::Artifact(ArtifactDoc { redacted: true, ..doc.clone() })));
    }
    let message = format!("redact {reference}: {reason}");
    let draft = (!changes.is_empty()).then(|| draft(snapshot, actor, message, changes));
    Ok(Redaction { content, versions, draft })
}

fn with_content<'a>(snapshot: &'a Snapshot, content: &Digest) -> impl Iterator<Item = &'a ArtifactDoc> {
    let content = *content;
    snapshot.under("artifact/").filter_map(move |document| match document {
        Document::Artifact(doc) if doc.content == content => Some(doc),
        _ => None,
    })
}

fn version<'a>(snapshot: &'a Snapshot, reference: &ArtifactRef) -> Result<&'a ArtifactDoc, Rejection> {
    snapshot.artifact(reference).ok_or_else(|| {
        let text = format!("{reference} does not exist: see `serinus artifact list`");
        Rejection::new("artifact.unknown", text)
    })
}

/// Features and live rollouts that serve one of these versions, or a text that includes one, or judge by one.
fn in_use(snapshot: &Snapshot, contents: &Contents, versions: &[ArtifactRef]) -> BTreeSet<DocKey> {
    let shelf = Shelf { snapshot, contents };
    let has = |layers: &Layers| {
        layers.0.values().any(|reference| versions.contains(reference))
            || Bundle::assemble(layers, &shelf)
                .is_ok_and(|bundle| bundle.versions().any(|reference| versions.contains(reference)))
    };
    let features = snapshot.features().filter(|feature| {
        let judge = feature.judge.as_ref();
        judge.is_some_and(|judge| versions.contains(&judge.rubric) || versions.contains(&judge.model))
            || has(&feature.control)
            || feature.variants.values().any(|change| has(&feature.control.with(change)))
    });
    let live = snapshot.rollouts().filter(|rollout| rollout.state.phase.is_live());
    let rollouts = live.filter(|rollout| rollout.spec.candidate.values().any(has));
    features
        .map(|feature| DocKey::feature(&feature.key))
        .chain(rollouts.map(|rollout| DocKey::rollout(&rollout.key)))
        .collect()
}
