//! An environment as files would describe it: what people declared, with the contents of the versions that are in use. Addresses of
//! channels and lists of people stay behind. Knows nothing of files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::Value;

use super::{
    Desired, DesiredArtifact, DesiredChannel, DesiredEnvironment, DesiredFeature, DesiredFlag, DesiredGroup,
    DesiredJudge, DesiredOff, DesiredSegment, Reference, Series,
};
use crate::{
    bundle::Contents,
    entity::{ArtifactDoc, ArtifactRef, DocKey, Document, FeatureDoc, FlagDoc, LayerKind, Layers, OffAnswer},
    snapshot::Snapshot,
};

/// Which documents are wanted.
pub(crate) enum Wanted<'a> {
    /// All.
    All,
    /// These, with the versions that they use.
    Only(&'a BTreeSet<DocKey>),
}

impl Wanted<'_> {
    fn has(&self, key: &DocKey) -> bool {
        match self {
            Self::All => true,
            Self::Only(keys) => keys.contains(key),
        }
    }
}

/// Describes everything that files can describe. Planning the answer against the same environment changes nothing.
pub fn export(snapshot: &Snapshot, contents: &Contents) -> Desired {
    let mut desired = export_some(snapshot, contents, &Wanted::All);
    loosen(&mut desired);
    desired
}

/// Describes what is wanted, every version by its number.
pub(crate) fn export_some(snapshot: &Snapshot, contents: &Contents, wanted: &Wanted<'_>) -> Desired {
    let mut desired = Desired::default();
    let mut used: BTreeSet<ArtifactRef> = BTreeSet::new();
    for document in snapshot.documents().filter(|document| wanted.has(&document.key())) {
        match document {
            Document::Feature(doc) => {
                used.extend(versions_of(doc));
                desired.features.insert(doc.key.clone(), feature(doc));
            }
            Document::Flag(doc) => {
                desired.flags.insert(doc.key.clone(), flag(doc));
            }
            Document::Segment(doc) => {
                let (description, when) = (doc.description.clone(), doc.when.clone());
                let (included, excluded) = (doc.included, doc.excluded);
                desired
                    .segments
                    .insert(doc.key.clone(), DesiredSegment { description, when, included, excluded });
            }
            Document::Group(doc) => {
                desired.groups.insert(doc.key.clone(), DesiredGroup { description: doc.description.clone() });
            }
            Document::Channel(doc) => {
                let secret_name = doc.secret_name.clone();
                desired.channels.insert(doc.key.clone(), DesiredChannel { url: None, secret_name });
            }
            Document::Label(doc) => {
                let reference = doc.reference();
                let series = Series { kind: doc.artifact_kind, name: doc.name.clone() };
                let labels = desired.labels.entry(series).or_default();
                labels.insert(doc.label.clone(), Reference::from(&reference));
                used.insert(reference);
            }
            Document::Environment(doc) => {
                desired.environment = Some(DesiredEnvironment {
                    protected: doc.protected,
                    approvals_min: doc.approvals_min,
                    approve: doc.approve,
                    description: doc.description.clone(),
                });
            }
            Document::Artifact(doc) if matches!(wanted, Wanted::Only(_)) => {
                used.insert(doc.reference());
            }
            Document::Artifact(_)
            | Document::Rollout(_)
            | Document::Combination(_)
            | Document::Schedule(_) => {}
        }
    }
    if matches!(wanted, Wanted::All) {
        used.extend(latest_of_unused(snapshot, &used));
    }
    desired.artifacts = artifacts(snapshot, contents, used);
    desired
}

fn versions_of(doc: &FeatureDoc) -> Vec<ArtifactRef> {
    let layers = std::iter::once(&doc.control).chain(doc.variants.values());
    let mut used: Vec<_> = layers.flat_map(|layers| layers.0.values().cloned()).collect();
    used.extend(doc.judge.iter().flat_map(|judge| [judge.rubric.clone(), judge.model.clone()]));
    used
}

/// Of series that nothing uses: the latest version that is not put away.
fn latest_of_unused(snapshot: &Snapshot, used: &BTreeSet<ArtifactRef>) -> Vec<ArtifactRef> {
    let mut latest: BTreeMap<Series, u32> = BTreeMap::new();
    for document in snapshot.under("artifact/") {
        let Document::Artifact(doc) = document else { continue };
        if doc.archived || doc.redacted {
            continue;
        }
        let version = latest.entry(Series { kind: doc.artifact_kind, name: doc.name.clone() }).or_default();
        *version = doc.version.max(*version);
    }
    for reference in used {
        latest.remove(&Series { kind: reference.kind, name: reference.name.clone() });
    }
    latest
        .into_iter()
        .map(|(series, version)| ArtifactRef { kind: series.kind, name: series.name, version })
        .collect()
}

/// Versions with their contents, and all that their texts include.
fn artifacts(snapshot: &Snapshot, contents: &Contents, used: BTreeSet<ArtifactRef>) -> Vec<DesiredArtifact> {
    let mut open: Vec<ArtifactRef> = used.into_iter().collect();
    let mut found: BTreeMap<ArtifactRef, DesiredArtifact> = BTreeMap::new();
    while let Some(reference) = open.pop() {
        if found.contains_key(&reference) {
            continue;
        }
        let doc = snapshot.artifact(&reference);
        // What was removed for good, or is not held here, stays a bare reference.
        let Some((doc, content)) = doc.and_then(|doc| Some((doc, contents.held.get(&doc.content)?))) else {
            continue;
        };
        open.extend(includes(content));
        found.insert(reference, artifact(doc, content));
    }
    found.into_values().collect()
}

fn artifact(doc: &ArtifactDoc, content: &Value) -> DesiredArtifact {
    DesiredArtifact {
        kind: doc.artifact_kind,
        name: doc.name.clone(),
        version: Some(doc.version),
        content: content.clone(),
        requires: doc.requires.clone(),
    }
}

/// The versions that a text includes.
pub(super) fn includes(content: &Value) -> Vec<ArtifactRef> {
    static INCLUDE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?:include\s+["']|\{\{>\s*)([a-z_]+/[A-Za-z0-9._-]+@[0-9]+)"#).ok());
    let (Some(pattern), Some(text)) = (&*INCLUDE, content.get("text").and_then(Value::as_str)) else {
        return Vec::new();
    };
    pattern.captures_iter(text).filter_map(|found| found.get(1)?.as_str().parse().ok()).collect()
}

/// Takes the number off where a series has one version in the description: to change it is then to edit its file.
fn loosen(desired: &mut Desired) {
    let mut counts: BTreeMap<Series, usize> = BTreeMap::new();
    for artifact in &desired.artifacts {
        *counts.entry(Series { kind: artifact.kind, name: artifact.name.clone() }).or_default() += 1;
    }
    let mut used_beside = BTreeSet::new();
    let held: BTreeSet<Reference> = desired.artifacts.iter().map(reference_of).collect();
    for_each_reference(desired, |reference| {
        if !held.contains(reference) {
            used_beside.insert(reference.series.clone());
        }
    });
    let single = |series: &Series| counts.get(series) == Some(&1) && !used_beside.contains(series);
    for_each_reference(desired, |reference| {
        if single(&reference.series) {
            reference.version = None;
        }
    });
    for artifact in &mut desired.artifacts {
        if single(&Series { kind: artifact.kind, name: artifact.name.clone() }) {
            artifact.version = None;
        }
    }
}

fn reference_of(artifact: &DesiredArtifact) -> Reference {
    Reference {
        series: Series { kind: artifact.kind, name: artifact.name.clone() },
        version: artifact.version,
    }
}

fn for_each_reference(desired: &mut Desired, mut visit: impl FnMut(&mut Reference)) {
    for feature in desired.features.values_mut() {
        feature.control.values_mut().for_each(&mut visit);
        feature.variants.values_mut().flat_map(BTreeMap::values_mut).for_each(&mut visit);
        if let Some(judge) = &mut feature.judge {
            visit(&mut judge.rubric);
            visit(&mut judge.model);
        }
    }
}

fn layers(layers: &Layers) -> BTreeMap<LayerKind, Reference> {
    layers.0.iter().map(|(kind, reference)| (*kind, Reference::from(reference))).collect()
}

fn feature(doc: &FeatureDoc) -> DesiredFeature {
    DesiredFeature {
        description: doc.description.clone(),
        control: layers(&doc.control),
        variants: doc.variants.iter().map(|(name, change)| (name.clone(), layers(change))).collect(),
        rules: doc.rules.clone(),
        bucket_by: doc.bucket_by,
        caller_system: doc.caller_system,
        categories: doc.categories.clone(),
        judge: doc.judge.as_ref().map(|judge| DesiredJudge {
            rubric: (&judge.rubric).into(),
            model: (&judge.model).into(),
            rate: judge.rate,
            deadline: judge.deadline,
        }),
        capture: doc.capture,
        off: doc.off.clone().map(|off| match off {
            OffAnswer::Text { text } => DesiredOff::Text { text },
            OffAnswer::Control => DesiredOff::Control,
        }),
        forced: doc.forced.clone(),
        prerequisites: doc.prerequisites.clone(),
        owner: doc.owner.clone(),
        tags: doc.tags.clone(),
    }
}

fn flag(doc: &FlagDoc) -> DesiredFlag {
    let usual = format!("flag/{}", doc.key);
    DesiredFlag {
        kind: doc.value_kind,
        description: doc.description.clone(),
        variants: doc.variants.clone(),
        default: doc.default.clone(),
        rules: doc.rules.clone(),
        salt: (doc.salt != usual).then(|| doc.salt.clone()),
        disabled: doc.disabled,
        forced: doc.forced.clone(),
        prerequisites: doc.prerequisites.clone(),
        schema: doc.schema.clone(),
        targeting: doc.targeting.clone(),
        code_default: doc.code_default,
        metadata: doc.metadata.clone(),
        owner: doc.owner.clone(),
        tags: doc.tags.clone(),
        permanent: doc.permanent,
        archived: doc.archived,
    }
}
