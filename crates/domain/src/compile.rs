//! Documents to what evaluation walks, with diagnostics. A part that does not compile serves control, or the caller's default,
//! and says so; it never fails the rest. Knows nothing of requests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    bundle::{Bundle, BundleId, Contents, Library},
    entity::{
        ArtifactDoc, ArtifactRef, BucketBy, CombinationDoc, Content, Document, FeatureDoc, FlagDoc, Layers,
        Reach, RolloutDoc, Serve, StageKind,
    },
    id::{FeatureKey, FlagKey, RolloutKey, VariantKey},
    limits::{COMBINATIONS_KEPT, REVOCATIONS_KEPT},
    resolve::{CompiledCondition, Salt},
    revision::RevisionNumber,
    snapshot::Snapshot,
    units::{PPM_WHOLE, Share},
};

/// A part that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which: a document's key.
    pub subject: String,
    /// Why, and what it does in the meantime.
    pub reason: String,
}

/// A snapshot ready to be evaluated.
#[derive(Debug)]
pub struct Compiled {
    /// As of which revision.
    pub revision: RevisionNumber,
    /// Features by key.
    pub features: HashMap<FeatureKey, Arc<CompiledFeature>>,
    /// Plain flags by key.
    pub flags: HashMap<FlagKey, Arc<CompiledFlag>>,
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
    /// What its candidates are served.
    pub candidate: Arc<Bundle>,
    /// All features that it moves; a unit is enrolled at the first of them that it meets.
    pub features: Vec<FeatureKey>,
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

/// A plain flag ready to be evaluated.
#[derive(Debug)]
pub struct CompiledFlag {
    /// The document.
    pub doc: FlagDoc,
    /// Variant names and values.
    pub variants: Vec<(VariantKey, Value)>,
    /// Index into `variants`.
    pub default: usize,
    /// Rules in order.
    pub rules: Vec<CompiledFlagRule>,
    /// Hash seed of its splits.
    pub salt: Salt,
    /// Why it does not compile; it then answers the caller's default.
    pub broken: Option<String>,
}

/// A rule of a plain flag.
#[derive(Debug)]
pub struct CompiledFlagRule {
    /// Whom it is for.
    pub when: CompiledCondition,
    /// (upper end in parts per million, index into `variants`), ends rising to the whole.
    pub split: Vec<(u32, usize)>,
}

struct Shelf<'a> {
    snapshot: &'a Snapshot,
    contents: &'a Contents,
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

/// Checks that a combination is a bundle, as a draft is checked before it is appended.
pub fn check_bundle(
    layers: &Layers,
    snapshot: &Snapshot,
    contents: &Contents,
) -> Result<Bundle, crate::bundle::InvalidBundle> {
    Bundle::assemble(layers, &Shelf { snapshot, contents })
}

/// Compiles a snapshot. Bundles of `previous` are taken over, since a fingerprint never changes its meaning.
pub fn compile(snapshot: &Snapshot, contents: &Contents, previous: Option<&Compiled>) -> Compiled {
    let mut bundles = Bundles { shelf: Shelf { snapshot, contents }, made: HashMap::new() };
    for feature in previous.into_iter().flat_map(|previous| previous.features.values()) {
        bundles.made.extend(feature.bundles.iter().map(|(id, bundle)| (*id, Ok(Arc::clone(bundle)))));
    }
    let mut compiled = Compiled {
        revision: snapshot.revision,
        features: HashMap::new(),
        flags: HashMap::new(),
        diagnostics: Vec::new(),
    };
    let mut combinations: BTreeMap<&FeatureKey, Vec<(RevisionNumber, &CombinationDoc)>> = BTreeMap::new();
    for (_, stored) in snapshot.iter() {
        if let Some(Document::Combination(doc)) = &stored.document {
            combinations.entry(&doc.feature).or_default().push((stored.revision, doc));
        }
    }
    for doc in snapshot.features() {
        let known = combinations.remove(&doc.key).unwrap_or_default();
        match bundles.feature(doc, known, &mut compiled.diagnostics) {
            Ok(feature) => {
                compiled.features.insert(doc.key.clone(), Arc::new(feature));
            }
            Err(reason) => compiled.diagnostics.push(Diagnostic {
                subject: format!("feature/{}", doc.key),
                reason: format!("{reason}; callers get their default"),
            }),
        }
    }
    for document in snapshot.under("flag/") {
        let Document::Flag(doc) = document else { continue };
        let flag = compile_flag(doc);
        if let Some(reason) = &flag.broken {
            compiled
                .diagnostics
                .push(Diagnostic { subject: format!("flag/{}", doc.key), reason: reason.clone() });
        }
        compiled.flags.insert(doc.key.clone(), Arc::new(flag));
    }
    compiled
}

struct Bundles<'a> {
    shelf: Shelf<'a>,
    made: HashMap<BundleId, Result<Arc<Bundle>, String>>,
}

impl Bundles<'_> {
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
        let rules = doc
            .rules
            .iter()
            .map(|rule| {
                let variant = variants.iter().position(|(name, _)| *name == rule.serve);
                (CompiledCondition::compile(&rule.when), variant)
            })
            .collect();
        let snapshot = self.shelf.snapshot;
        let mut rollout = None;
        for live in snapshot.rollouts().filter(|rollout| rollout.state.phase.is_live()) {
            let Some(layers) = live.spec.candidate.get(&doc.key) else { continue };
            match self.get(layers) {
                Ok(candidate) => rollout = compile_rollout(live, candidate),
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
            if let Ok(bundle) = self.get(&combination.layers) {
                bundles.insert(bundle.id, bundle);
            }
        }
        let revoked = revocations(snapshot, &doc.key);
        Ok(CompiledFeature { doc: doc.clone(), control, variants, rules, rollout, revoked, bundles })
    }
}

/// By revision, not by when one was current: a candidate that was taken back never was, and its sessions still end on it.
fn latest(mut known: Vec<(RevisionNumber, &CombinationDoc)>) -> impl Iterator<Item = &CombinationDoc> {
    known.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    known.truncate(COMBINATIONS_KEPT);
    known.into_iter().map(|(_, doc)| doc)
}

fn compile_rollout(doc: &RolloutDoc, candidate: Arc<Bundle>) -> Option<CompiledRollout> {
    let stage = doc.stage()?;
    let shadow = stage.kind == StageKind::Shadow;
    Some(CompiledRollout {
        key: doc.key.clone(),
        stage: stage.kind,
        stage_index: doc.state.stage,
        share: if shadow { Share::NONE } else { doc.state.share },
        shadow_sample: if shadow { stage.share } else { Share::NONE },
        bucket_by: doc.spec.bucket_by,
        salt: Salt::new(&doc.spec.salt),
        audience: CompiledCondition::compile(&doc.spec.audience),
        candidate,
        features: doc.spec.candidate.keys().cloned().collect(),
    })
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

fn compile_flag(doc: &FlagDoc) -> CompiledFlag {
    let variants: Vec<_> = doc.variants.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let at = |name: &VariantKey| {
        variants
            .iter()
            .position(|(have, _)| have == name)
            .ok_or_else(|| format!("variant \"{name}\" is not declared; callers get their default"))
    };
    let compiled = || -> Result<(usize, Vec<CompiledFlagRule>), String> {
        if let Some((name, _)) = variants.iter().find(|(_, value)| !doc.value_kind.admits(value)) {
            return Err(format!("variant \"{name}\" is not of the flag's type; callers get their default"));
        }
        let rules = doc.rules.iter().map(|rule| {
            let split = match &rule.serve {
                Serve::Variant(name) => vec![(PPM_WHOLE, at(name)?)],
                Serve::Split(parts) => {
                    let mut end = 0_u32;
                    let mut split = Vec::with_capacity(parts.len());
                    for part in parts {
                        end = part.share.as_ppm().saturating_add(end);
                        split.push((end, at(&part.variant)?));
                    }
                    if end != PPM_WHOLE {
                        return Err(format!(
                            "a split adds up to {end} parts per million; callers get their default"
                        ));
                    }
                    split
                }
            };
            Ok(CompiledFlagRule { when: CompiledCondition::compile(&rule.when), split })
        });
        Ok((at(&doc.default)?, rules.collect::<Result<_, _>>()?))
    };
    let (default, rules, broken) = match compiled() {
        Ok((default, rules)) => (default, rules, None),
        Err(reason) => (0, Vec::new(), Some(reason)),
    };
    CompiledFlag { doc: doc.clone(), variants, default, rules, salt: Salt::new(&doc.salt), broken }
}
