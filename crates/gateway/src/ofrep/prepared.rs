//! A snapshot made ready for remote evaluation: each variant of each flag as bytes that an answer copies, each bundle as a value that is
//! made once, and a count of uses beside both. Knows nothing of who asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};
use serinus_domain::{
    bundle::{Bundle, BundleId},
    compile::{CompiledFeature, CompiledFlag},
    entity::{DocKey, FlagKind},
    id::EnvironmentKey,
    revision::RevisionNumber,
};
use serinus_store::Active;
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    ofrep::value,
    usage::{Counts, Uses, Waiting},
};

/// A snapshot, ready.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub head: Arc<Active>,
    /// What can be evaluated, in the order of keys, each key once.
    pub entries: Box<[Entry]>,
    at: HashMap<Box<str>, usize>,
    /// Whether anything here is pinned.
    pub has_features: bool,
    /// Roughly the bytes of a bulk answer.
    pub size_hint: usize,
    pub change: Change,
}

/// When that which can be evaluated changed last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub revision: RevisionNumber,
    /// By the log, in seconds since the epoch.
    pub seconds: i64,
    /// When this node saw it, by the wall.
    pub seen: Instant,
    fingerprint: u64,
}

/// Something that can be evaluated.
#[derive(Debug)]
pub(crate) enum Entry {
    Flag(PreparedFlag),
    Feature(PreparedFeature),
}

/// A plain flag, ready.
#[derive(Debug)]
pub(crate) struct PreparedFlag {
    pub flag: Arc<CompiledFlag>,
    pub text: Arc<FlagText>,
}

/// What a flag's answers are copied from; it changes with the flag's document and with nothing else.
#[derive(Debug)]
pub(crate) struct FlagText {
    put: RevisionNumber,
    /// Whether all contexts get the same.
    pub is_static: bool,
    /// By the variant's place.
    variants: Box<[Opening]>,
    /// The same without a value.
    none: Opening,
    /// From the reason to the last member of the metadata.
    pub metadata: Box<[u8]>,
}

/// How an answer with one variant begins.
#[derive(Debug)]
pub(crate) struct Opening {
    /// From `{` to the reason.
    pub bytes: Box<[u8]>,
    /// What stands for these bytes and the metadata: the same on all nodes.
    pub tag: [u8; 16],
    pub uses: Uses,
}

impl Opening {
    fn new(text: String, metadata: &str) -> Self {
        let tag = tag(&[text.as_bytes(), metadata.as_bytes()]);
        Self { bytes: text.into_bytes().into(), tag, uses: Uses::default() }
    }
}

/// What stands for bytes where tags are made.
pub(crate) fn tag(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Xxh3Default::new();
    for part in parts {
        hash.update(part);
    }
    hash.digest128().to_le_bytes()
}

/// A feature, ready.
#[derive(Debug)]
pub(crate) struct PreparedFeature {
    pub feature: Arc<CompiledFeature>,
    /// The revision that put it.
    pub put: RevisionNumber,
    /// The last revision that may have changed what an unpinned session gets: the feature's, or its rollout's. Not the head's, which would
    /// change with every other flag.
    pub changed: RevisionNumber,
    bundles: HashMap<BundleId, Arc<PreparedBundle>>,
}

#[derive(Debug, Default)]
struct PreparedBundle {
    value: OnceLock<Box<str>>,
    uses: Uses,
}

impl Entry {
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Flag(entry) => entry.flag.doc.key.as_str(),
            Self::Feature(entry) => entry.feature.doc.key.as_str(),
        }
    }
}

impl Prepared {
    fn new(head: Arc<Active>, environment: &EnvironmentKey, before: Option<&Self>) -> Self {
        let (compiled, now) = (&head.compiled, Instant::now());
        let flags = compiled.flags.values().map(|flag| {
            let before = before.and_then(|before| before.flag(flag.doc.key.as_str()));
            Entry::Flag(PreparedFlag::new(flag, &head, environment, before))
        });
        // A flag of the same key hides a feature: an answer names each key once.
        let visible = compiled
            .features
            .values()
            .filter(|feature| !compiled.flags.contains_key(feature.doc.key.as_str()));
        let features = visible.map(|feature| {
            let before = before.and_then(|before| before.feature(feature.doc.key.as_str()));
            Entry::Feature(PreparedFeature::new(feature, &head, before))
        });
        let mut entries: Vec<_> = flags.chain(features).collect();
        entries.sort_by(|a, b| a.key().cmp(b.key()));
        let at = entries.iter().enumerate().map(|(at, entry)| (Box::from(entry.key()), at)).collect();
        let size = |entry: &Entry| match entry {
            Entry::Flag(flag) => {
                let longest = flag.text.variants.iter().map(|variant| variant.bytes.len()).max();
                longest.unwrap_or(0) + flag.text.metadata.len() + 64
            }
            Entry::Feature(_) => 1024,
        };
        let fingerprint = fingerprint(&entries, &head);
        let change = match before {
            Some(before) if before.change.fingerprint == fingerprint => before.change,
            _ => Change {
                revision: compiled.revision,
                seconds: head.snapshot.at.0.div_euclid(1_000_000),
                seen: now,
                fingerprint,
            },
        };
        Self {
            has_features: entries.iter().any(|entry| matches!(entry, Entry::Feature(_))),
            size_hint: entries.iter().map(size).sum::<usize>() + 512,
            entries: entries.into(),
            at,
            change,
            head,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.at.get(key)?)
    }

    fn flag(&self, key: &str) -> Option<&PreparedFlag> {
        match self.get(key)? {
            Entry::Flag(entry) => Some(entry),
            Entry::Feature(_) => None,
        }
    }

    pub(crate) fn feature(&self, key: &str) -> Option<&PreparedFeature> {
        match self.get(key)? {
            Entry::Feature(entry) => Some(entry),
            Entry::Flag(_) => None,
        }
    }

    /// What was used since this was last asked.
    pub(crate) fn take_counts(&self) -> Counts {
        let mut counts = Counts::new();
        for entry in &self.entries {
            match entry {
                Entry::Flag(flag) => flag.take_counts(&mut counts),
                Entry::Feature(feature) => feature.take_counts(&mut counts),
            }
        }
        counts
    }
}

/// Of everything that an answer depends on, so that revisions which touch nothing of it wake nobody.
fn fingerprint(entries: &[Entry], head: &Active) -> u64 {
    let mut hash = Xxh3Default::new();
    for entry in entries {
        hash.update(entry.key().as_bytes());
        match entry {
            Entry::Flag(PreparedFlag { flag, text }) => {
                hash.update(&text.put.0.to_le_bytes());
                hash.update(&[u8::from(flag.broken.is_some())]);
            }
            Entry::Feature(feature) => {
                hash.update(&feature.changed.0.to_le_bytes());
                hash.update(&feature.feature.control.id.0.to_le_bytes());
                let revoked = feature.feature.revoked.iter().map(|revocation| revocation.revision.0).max();
                hash.update(&revoked.unwrap_or(0).to_le_bytes());
            }
        }
    }
    let shared = |key: &DocKey| key.as_str().starts_with("segment/") || key.as_str().starts_with("group/");
    for (key, stored) in head.snapshot.iter().filter(|(key, _)| shared(key)) {
        hash.update(key.as_str().as_bytes());
        hash.update(&stored.revision.0.to_le_bytes());
    }
    hash.digest()
}

impl PreparedFlag {
    fn new(
        flag: &Arc<CompiledFlag>,
        head: &Active,
        environment: &EnvironmentKey,
        before: Option<&Self>,
    ) -> Self {
        let put = stored_at(head, &DocKey::flag(&flag.doc.key));
        let kept = before.filter(|before| before.text.put == put).map(|before| Arc::clone(&before.text));
        let text = kept.unwrap_or_else(|| Arc::new(FlagText::new(flag, put, environment)));
        Self { flag: Arc::clone(flag), text }
    }

    fn take_counts(&self, counts: &mut Counts) {
        let mut all = self.text.none.uses.take();
        let key = &self.flag.doc.key;
        for (opening, name) in self.text.variants.iter().zip(self.flag.doc.variants.keys()) {
            let count = opening.uses.take();
            if count > 0 {
                counts.insert(format!("variant/{key}/{name}"), count);
            }
            all += count;
        }
        if all > 0 {
            counts.insert(format!("flag/{key}"), all);
        }
    }
}

impl FlagText {
    fn new(flag: &CompiledFlag, put: RevisionNumber, environment: &EnvironmentKey) -> Self {
        let doc = &flag.doc;
        let key = json!(doc.key.as_str());
        let mut metadata = metadata_of(&doc.metadata);
        metadata.insert("flagSetId".into(), json!(environment.as_str()));
        metadata.insert("version".into(), json!(put.to_string()));
        metadata.insert("revision".into(), json!(put.0));
        let mut metadata = format!("\",\"metadata\":{}", Value::Object(metadata));
        // Left open for what only an evaluation knows.
        metadata.pop();
        let has_point = doc.value_kind == FlagKind::Number && doc.variants.values().any(Value::is_f64);
        let variants = doc.variants.iter().map(|(name, value)| {
            let value = if has_point { value::with_point(value) } else { value.to_string() };
            let name = json!(name.as_str());
            let text = format!("{{\"key\":{key},\"variant\":{name},\"value\":{value},\"reason\":\"");
            Opening::new(text, &metadata)
        });
        Self {
            put,
            is_static: doc.rules.is_empty()
                && doc.forced.is_empty()
                && doc.prerequisites.is_empty()
                && doc.targeting.is_none(),
            none: Opening::new(format!("{{\"key\":{key},\"variant\":\"\",\"reason\":\""), &metadata),
            variants: variants.collect(),
            metadata: metadata.into_bytes().into(),
        }
    }

    /// How an answer with the variant at this place begins.
    pub(crate) fn opening(&self, place: Option<usize>) -> &Opening {
        place.and_then(|at| self.variants.get(at)).unwrap_or(&self.none)
    }
}

/// Of what a document says of itself, what clients take: texts, numbers and truth values.
fn metadata_of(given: &std::collections::BTreeMap<String, Value>) -> Map<String, Value> {
    let is_plain = |value: &&Value| value.is_string() || value.is_number() || value.is_boolean();
    let plain = given.iter().filter(|(_, value)| is_plain(value));
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl PreparedFeature {
    fn new(feature: &Arc<CompiledFeature>, head: &Active, before: Option<&Self>) -> Self {
        let put = stored_at(head, &DocKey::feature(&feature.doc.key));
        let rollout = feature.rollout.as_ref().map(|rollout| stored_at(head, &DocKey::rollout(&rollout.key)));
        let bundles = feature.bundles.keys().map(|id| {
            // A fingerprint never changes its meaning.
            let kept = before.and_then(|before| before.bundles.get(id)).map(Arc::clone);
            (*id, kept.unwrap_or_default())
        });
        Self {
            feature: Arc::clone(feature),
            put,
            changed: rollout.map_or(put, |rollout| rollout.max(put)),
            bundles: bundles.collect(),
        }
    }

    /// The bundle as a value in JSON.
    pub(crate) fn value(&self, head: &Active, bundle: &Bundle) -> std::borrow::Cow<'_, str> {
        let made = || value::of_bundle(head, bundle).to_string();
        match self.bundles.get(&bundle.id) {
            Some(prepared) => prepared.value.get_or_init(|| made().into()).as_ref().into(),
            None => made().into(),
        }
    }

    /// Counts a use of one of its bundles.
    pub(crate) fn used(&self, bundle: BundleId) {
        if let Some(prepared) = self.bundles.get(&bundle) {
            prepared.uses.one();
        }
    }

    fn take_counts(&self, counts: &mut Counts) {
        let (key, mut all) = (&self.feature.doc.key, 0);
        for (id, bundle) in &self.bundles {
            let count = bundle.uses.take();
            if count > 0 {
                counts.insert(format!("bundle/{key}/{id}"), count);
            }
            all += count;
        }
        if all > 0 {
            counts.insert(format!("feature/{key}"), all);
        }
    }
}

fn stored_at(head: &Active, key: &DocKey) -> RevisionNumber {
    head.snapshot.get(key).map_or(head.compiled.revision, |stored| stored.revision)
}

/// The prepared form of whatever is live: made once per activation, by the task that follows it or by the first request that needs it.
#[derive(Debug)]
pub(crate) struct Preparation {
    environment: EnvironmentKey,
    last: ArcSwap<Prepared>,
    making: Mutex<()>,
    pub(crate) waiting: Waiting,
}

impl Preparation {
    pub(crate) fn new(head: Arc<Active>, environment: EnvironmentKey) -> Self {
        let first = Arc::new(Prepared::new(head, &environment, None));
        Self { environment, last: ArcSwap::new(first), making: Mutex::default(), waiting: Waiting::default() }
    }

    /// INVARIANT(one-snapshot): what comes out belongs to one head, `head` or one that was activated after it was loaded.
    pub(crate) fn of(&self, head: &Arc<Active>) -> Arc<Prepared> {
        let last = self.last.load_full();
        if Arc::ptr_eq(&last.head, head) {
            return last;
        }
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.last.load_full();
        if Arc::ptr_eq(&last.head, head) || last.head.compiled.revision > head.compiled.revision {
            return last;
        }
        let next = Arc::new(Prepared::new(Arc::clone(head), &self.environment, Some(&last)));
        self.last.store(Arc::clone(&next));
        // Counts of texts that were taken over are counted on there; what a replaced text had counted is kept here.
        self.waiting.add(last.take_counts());
        next
    }
}
