//! Documents to what evaluation walks, with diagnostics. A part that does not compile serves control, or the caller's default,
//! and says so; it never fails the rest. Knows nothing of requests.

mod flag;
mod order;
mod segment;
mod table;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub use flag::{CompiledFlag, CompiledFlagRule, CompiledPrerequisite};
pub(crate) use order::topological;
pub use segment::Segments;
pub use table::Flags;

use crate::{
    bundle::{Bundle, BundleId, Contents, Library},
    context::Context,
    digest::Digest,
    entity::{
        ArtifactDoc, ArtifactRef, BucketBy, CombinationDoc, Condition, Content, DocKey, Document, FeatureDoc,
        FlagDoc, Layers, Planned, Reach, RolloutDoc, StageKind,
    },
    id::{FeatureKey, RolloutKey, VariantKey},
    limits::{COMBINATIONS_KEPT, REVOCATIONS_KEPT},
    resolve::{CompiledCondition, CompiledList, Salt},
    revision::RevisionNumber,
    snapshot::{Moment, Snapshot},
    units::Share,
};

/// A part that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which: a document's key.
    pub subject: String,
    /// Why, and what it does in the meantime.
    pub reason: String,
}

/// A map by key: found in a few nanoseconds, and in the same order in every process.
pub type KeyMap<K, V> = HashMap<K, V, rustc_hash::FxBuildHasher>;

/// A snapshot ready to be evaluated.
#[derive(Debug)]
pub struct Compiled {
    /// As of which revision.
    pub revision: RevisionNumber,
    /// Features by key.
    pub features: Arc<KeyMap<FeatureKey, Arc<CompiledFeature>>>,
    /// Plain flags by key.
    pub flags: Flags,
    /// Segments by key.
    pub segments: Arc<Segments>,
    /// Whether lists of people could be read.
    has_list_key: bool,
    /// Which snapshot that was.
    moment: Option<Moment>,
    /// Whether features are all that their documents say.
    has_sound_features: bool,
    /// What does not compile.
    pub diagnostics: Vec<Diagnostic>,
}

/// A feature ready to be evaluated.
#[derive(Debug)]
pub struct CompiledFeature {
    /// The document.
    pub doc: FeatureDoc,
    /// What is served outside a rollout.
    pub control: Arc<Bundle>,
    /// The feature's own variants.
    pub variants: Vec<(VariantKey, Arc<Bundle>)>,
    /// Lists of units and what they get, as an index into `variants`; `None` is control.
    pub forced: Vec<(CompiledList, Option<usize>)>,
    /// Plain flags that must come out in a certain way.
    pub prerequisites: Vec<CompiledPrerequisite>,
    /// Why its rules do not compile; everybody new then gets control.
    pub broken: Option<String>,
    /// Conditions with an index into `variants`; `None` is control.
    pub rules: Vec<(CompiledCondition, Option<usize>)>,
    /// The rollout that moves it now.
    pub rollout: Option<CompiledRollout>,
    /// Rollouts of it that were taken back, latest first.
    pub revoked: Vec<Revocation>,
    /// Every combination that a pin may name.
    pub bundles: HashMap<BundleId, Arc<Bundle>>,
}

/// A live rollout as one feature sees it.
#[derive(Debug)]
pub struct CompiledRollout {
    /// Which.
    pub key: RolloutKey,
    /// Its stage.
    pub stage: StageKind,
    /// Which of its stages that is.
    pub stage_index: usize,
    /// The candidate's share of new enrolments; of a shadow stage, none.
    pub share: Share,
    /// The share of sessions that are copied.
    pub shadow_sample: Share,
    /// What is randomised.
    pub bucket_by: BucketBy,
    /// Its own salt.
    pub salt: Salt,
    /// Whom it concerns.
    pub audience: CompiledCondition,
    /// Its part of an exclusion group.
    pub slot: Option<CompiledSlot>,
    /// What its candidates are served.
    pub candidate: Arc<Bundle>,
    /// All features that it moves; a unit is enrolled at the first of them that it meets.
    pub features: Vec<FeatureKey>,
}

/// A part of an exclusion group: the buckets in `from..to` under the group's salt.
#[derive(Debug, Clone, Copy)]
pub struct CompiledSlot {
    /// Hash seed of the group.
    pub salt: Salt,
    /// The first bucket.
    pub from: u32,
    /// The bucket after the last.
    pub to: u32,
}

impl CompiledRollout {
    /// Whether the context is in its audience: whom it concerns, within its part of the exclusion group. The group looks at the user where
    /// one is known, whatever the rollout randomises, so that nobody meets two of its rollouts in two sessions.
    pub fn concerns(&self, context: &Context) -> bool {
        let in_slot = self.slot.is_none_or(|slot| {
            let unit = context.unit(BucketBy::User);
            unit.is_some_and(|unit| (slot.from..slot.to).contains(&slot.salt.bucket(unit)))
        });
        in_slot && self.audience.met(context)
    }
}

/// A rollout that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub rollout: RolloutKey,
    /// Whom it touches.
    pub reach: Reach,
    /// The layers that it had moved.
    pub change: Layers,
    /// Whether other sessions may have been pinned to them, as control or as a later rollout's candidate.
    pub after_completion: bool,
    /// The revision that took it back; whoever was pinned later was pinned in knowledge of that.
    pub revision: RevisionNumber,
}

/// The versions of a snapshot with their contents.
pub(crate) struct Shelf<'a> {
    pub snapshot: &'a Snapshot,
    pub contents: &'a Contents,
}

impl Shelf<'_> {
    fn is_redacted(&self, layers: &Layers) -> bool {
        layers.0.values().any(|reference| self.snapshot.artifact(reference).is_some_and(|doc| doc.redacted))
    }
}

impl Library for Shelf<'_> {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        self.snapshot.artifact(reference)
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        let doc = self.snapshot.artifact(reference).ok_or_else(|| format!("{reference} does not exist"))?;
        self.contents.read(doc.artifact_kind, &doc.content)
    }
}

/// Checks that a combination is a bundle, as a draft is checked before it is appended. A combination that the log does not know
/// is new, and nothing new is made of what was put away.
pub fn check_bundle(
    layers: &Layers,
    snapshot: &Snapshot,
    contents: &Contents,
) -> Result<Bundle, crate::bundle::InvalidBundle> {
    let bundle = Bundle::assemble(layers, &Shelf { snapshot, contents })?;
    let known = snapshot
        .under("combination/")
        .any(|document| matches!(document, Document::Combination(doc) if doc.fingerprint == bundle.id));
    let archived = |reference: &&ArtifactRef| snapshot.artifact(reference).is_some_and(|doc| doc.archived);
    let away = bundle.versions().find(archived).filter(|_| !known).cloned();
    away.map_or(Ok(bundle), |reference| Err(crate::bundle::InvalidBundle::Archived(reference)))
}

/// Compiles a snapshot. What is as `previous` found it is taken over: an edit of a flag costs the same, however many others there are.
pub fn compile(snapshot: &Snapshot, contents: &Contents, previous: Option<&Compiled>) -> Compiled {
    let has_list_key = contents.list_key.is_some();
    // With another key every list reads differently.
    let same = previous.filter(|previous| previous.has_list_key == has_list_key);
    let changed = same.and_then(|previous| snapshot.changed_since(previous.moment.as_ref()?));
    let changed = changed.as_deref();
    let mut diagnostics = Vec::new();
    let segments = segment::compile(snapshot, contents, same, changed, &mut diagnostics);
    let place = flag::Place { snapshot, contents, previous: same, segments: &segments, changed };
    let flags = flag::compile(&place, &mut diagnostics);
    let parts = Parts { flags: &flags, segments: &segments };
    let kept = same.zip(changed).filter(|(previous, changed)| parts.leave_features(previous, changed));
    let (features, has_sound_features) = match kept {
        Some((previous, _)) => (Arc::clone(&previous.features), true),
        None => {
            let mut bundles =
                Bundles { shelf: Shelf { snapshot, contents }, made: HashMap::new(), lacks: false };
            bundles.take_over(previous);
            let told = diagnostics.len();
            let features = Arc::new(bundles.features(parts, &mut diagnostics));
            (features, told == diagnostics.len() && !bundles.lacks)
        }
    };
    Compiled {
        revision: snapshot.revision,
        features,
        flags,
        segments,
        has_list_key,
        moment: snapshot.moment(),
        has_sound_features,
        diagnostics,
    }
}

/// What features refer to.
#[derive(Clone, Copy)]
struct Parts<'a> {
    flags: &'a Flags,
    segments: &'a Arc<Segments>,
}

impl Parts<'_> {
    fn condition(self, condition: &Condition) -> Result<CompiledCondition, String> {
        CompiledCondition::compile(condition, &mut |key| segment::find(self.segments, key))
    }

    /// Whether all features are as they were: nothing that they are made of changed.
    fn leave_features(self, previous: &Compiled, changed: &[&DocKey]) -> bool {
        const PARTS: [&str; 5] = ["artifact/", "combination/", "feature/", "group/", "rollout/"];
        let same = |one: &CompiledPrerequisite| {
            self.flags.get(&one.flag.doc.key).is_some_and(|now| Arc::ptr_eq(now, &one.flag))
        };
        let is_part = |key: &&DocKey| PARTS.iter().any(|part| key.as_str().starts_with(part));
        previous.has_sound_features
            && !changed.iter().any(is_part)
            && Arc::ptr_eq(self.segments, &previous.segments)
            && previous.features.values().all(|feature| feature.prerequisites.iter().all(same))
    }
}

/// The blobs that a document names, so that what refers to it can be read: contents that were not taken out, lists of people.
pub fn blobs_of(document: &Document) -> Vec<Digest> {
    match document {
        Document::Artifact(doc) if doc.redacted => Vec::new(),
        Document::Artifact(doc) => vec![doc.content],
        Document::Schedule(doc) => match &doc.planned {
            Planned::PutFlag { flag } => Document::Flag(FlagDoc::clone(flag)).blobs(),
            Planned::PutFeature { feature } => Document::Feature(FeatureDoc::clone(feature)).blobs(),
            Planned::PutSegment { segment } => segment.included.into_iter().chain(segment.excluded).collect(),
            Planned::SetFlag { .. } | Planned::Resume { .. } => Vec::new(),
        },
        other => other.blobs(),
    }
}

struct Bundles<'a> {
    shelf: Shelf<'a>,
    made: HashMap<BundleId, Result<Arc<Bundle>, String>>,
    /// Whether a combination could not be had, and may be had with the next contents.
    lacks: bool,
}

impl Bundles<'_> {
    /// Bundles of `previous`, since a fingerprint never changes its meaning.
    fn take_over(&mut self, previous: Option<&Compiled>) {
        let snapshot = self.shelf.snapshot;
        for feature in previous.into_iter().flat_map(|previous| previous.features.values()) {
            // What was redacted since is compiled again, to find that it is gone.
            let whole = |bundle: &Bundle| {
                bundle
                    .versions()
                    .all(|reference| snapshot.artifact(reference).is_none_or(|doc| !doc.redacted))
            };
            let kept = feature.bundles.iter().filter(|(_, bundle)| whole(bundle));
            self.made.extend(kept.map(|(id, bundle)| (*id, Ok(Arc::clone(bundle)))));
        }
    }

    fn features(
        &mut self,
        parts: Parts<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> KeyMap<FeatureKey, Arc<CompiledFeature>> {
        let snapshot = self.shelf.snapshot;
        let mut combinations: BTreeMap<&FeatureKey, Vec<(RevisionNumber, &CombinationDoc)>> = BTreeMap::new();
        for (_, stored) in snapshot.stored_under("combination/") {
            if let Some(Document::Combination(doc)) = &stored.document {
                combinations.entry(&doc.feature).or_default().push((stored.revision, doc));
            }
        }
        let mut features = KeyMap::default();
        for doc in snapshot.features() {
            let known = combinations.remove(&doc.key).unwrap_or_default();
            match self.feature(doc, known, parts, diagnostics) {
                Ok(feature) => {
                    features.insert(doc.key.clone(), Arc::new(feature));
                }
                Err(reason) => diagnostics.push(Diagnostic {
                    subject: format!("feature/{}", doc.key),
                    reason: format!("{reason}; callers get their default"),
                }),
            }
        }
        features
    }

    fn get(&mut self, layers: &Layers) -> Result<Arc<Bundle>, String> {
        let shelf = &self.shelf;
        self.made
            .entry(BundleId::of(layers))
            .or_insert_with(|| {
                Bundle::assemble(layers, shelf).map(Arc::new).map_err(|refused| refused.to_string())
            })
            .clone()
    }

    fn feature(
        &mut self,
        doc: &FeatureDoc,
        known: Vec<(RevisionNumber, &CombinationDoc)>,
        parts: Parts<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<CompiledFeature, String> {
        let control = self.get(&doc.control)?;
        let mut report = |subject: String, reason: String| diagnostics.push(Diagnostic { subject, reason });
        let mut variants = Vec::new();
        for (name, change) in &doc.variants {
            match self.get(&doc.control.with(change)) {
                Ok(bundle) => variants.push((name.clone(), bundle)),
                Err(reason) => {
                    report(
                        format!("feature/{} variant {name}", doc.key),
                        format!("{reason}; it serves control"),
                    );
                    variants.push((name.clone(), Arc::clone(&control)));
                }
            }
        }
        let place = |name: &VariantKey| variants.iter().position(|(have, _)| have == name);
        let mut forced = Vec::new();
        for one in &doc.forced {
            match segment::list(self.shelf.contents, &one.units) {
                Ok(list) => forced.push((list, place(&one.variant))),
                Err(reason) => report(
                    format!("feature/{} forced {}", doc.key, one.variant),
                    format!("{reason}; nobody is forced by it"),
                ),
            }
        }
        let targeting = || -> Result<_, String> {
            let rules = doc.rules.iter().map(|rule| Ok((parts.condition(&rule.when)?, place(&rule.serve))));
            let own = |name: &VariantKey| Ok(place(name).unwrap_or(usize::MAX));
            let needs = doc.prerequisites.iter().map(|other| flag::prerequisite(other, parts.flags, own));
            Ok((rules.collect::<Result<_, String>>()?, needs.collect::<Result<_, _>>()?))
        };
        let (rules, prerequisites, broken) = match targeting() {
            Ok((rules, needs)) => (rules, needs, None),
            Err(reason) => {
                report(format!("feature/{}", doc.key), format!("{reason}; everybody new gets control"));
                (Vec::new(), Vec::new(), Some(reason))
            }
        };
        let snapshot = self.shelf.snapshot;
        let mut rollout = None;
        for live in snapshot.rollouts().filter(|rollout| rollout.state.phase.is_live()) {
            let Some(layers) = live.spec.candidate.get(&doc.key) else { continue };
            match self.get(layers) {
                Ok(candidate) => match compile_rollout(live, candidate, parts, snapshot) {
                    Ok(compiled) => rollout = compiled,
                    Err(reason) => {
                        report(format!("rollout/{}", live.key), format!("{reason}; everybody gets control"))
                    }
                },
                Err(reason) => {
                    report(format!("rollout/{}", live.key), format!("{reason}; everybody gets control"))
                }
            }
        }
        let mut bundles: HashMap<_, _> = [(control.id, Arc::clone(&control))].into();
        let candidate = rollout.iter().map(|rollout: &CompiledRollout| &rollout.candidate);
        bundles.extend(
            variants.iter().map(|(_, bundle)| bundle).chain(candidate).map(|b| (b.id, Arc::clone(b))),
        );
        for combination in latest(known) {
            match self.get(&combination.layers) {
                Ok(bundle) => {
                    bundles.insert(bundle.id, bundle);
                }
                // What was taken out for good does not come back without a change.
                Err(_) => self.lacks |= !self.shelf.is_redacted(&combination.layers),
            }
        }
        let revoked = revocations(snapshot, &doc.key);
        let doc = doc.clone();
        Ok(CompiledFeature {
            doc,
            control,
            variants,
            forced,
            prerequisites,
            broken,
            rules,
            rollout,
            revoked,
            bundles,
        })
    }
}

/// By revision, not by when one was current: a candidate that was taken back never was, and its sessions still end on it.
fn latest(mut known: Vec<(RevisionNumber, &CombinationDoc)>) -> impl Iterator<Item = &CombinationDoc> {
    known.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    known.truncate(COMBINATIONS_KEPT);
    known.into_iter().map(|(_, doc)| doc)
}

fn compile_rollout(
    doc: &RolloutDoc,
    candidate: Arc<Bundle>,
    parts: Parts<'_>,
    snapshot: &Snapshot,
) -> Result<Option<CompiledRollout>, String> {
    let Some(stage) = doc.stage() else { return Ok(None) };
    let shadow = stage.kind == StageKind::Shadow;
    let slot = doc.spec.slot.as_ref().map(|slot| match snapshot.group(&slot.group) {
        Some(group) => Ok(CompiledSlot { salt: Salt::new(&group.salt), from: slot.from, to: slot.to }),
        None => Err(format!("exclusion group \"{}\" does not exist", slot.group)),
    });
    Ok(Some(CompiledRollout {
        key: doc.key.clone(),
        stage: stage.kind,
        stage_index: doc.state.stage,
        share: if shadow { Share::NONE } else { doc.state.share },
        shadow_sample: if shadow { stage.share } else { Share::NONE },
        bucket_by: doc.spec.bucket_by,
        salt: Salt::new(&doc.spec.salt),
        audience: parts.condition(&doc.spec.audience)?,
        slot: slot.transpose()?,
        candidate,
        features: doc.spec.candidate.keys().cloned().collect(),
    }))
}

fn revocations(snapshot: &Snapshot, feature: &FeatureKey) -> Vec<Revocation> {
    let mut taken_back: Vec<_> = snapshot
        .rollouts()
        .filter_map(|doc| {
            let back = doc.state.rolled_back.as_ref()?;
            let change = doc.spec.change.get(feature)?;
            let revocation = Revocation {
                rollout: doc.key.clone(),
                reach: back.reach,
                change: change.clone(),
                after_completion: back.after_completion,
                revision: back.revision,
            };
            Some((back.at, revocation))
        })
        .collect();
    taken_back.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    taken_back.truncate(REVOCATIONS_KEPT);
    taken_back.into_iter().map(|(_, revocation)| revocation).collect()
}
