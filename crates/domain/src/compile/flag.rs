//! Plain flags to what evaluation walks, each after the flags that it needs. Knows nothing of requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{Compiled, Diagnostic, Flags, order::topological, segment};
use crate::{
    bundle::Contents,
    entity::{DocKey, Document, FlagDoc, FlagRule, Prerequisite, Serve},
    id::{FlagKey, VariantKey},
    limits::{PREREQUISITE_DEPTH_MAX, PREREQUISITE_FLAGS_MAX},
    logic,
    resolve::{Attribute, CompiledCondition, CompiledList, CompiledSegment, Salt, Split},
    snapshot::{Snapshot, Stored},
    units::PPM_WHOLE,
};

/// A plain flag ready to be evaluated. In this order in memory, so that a plain one is read from a line of the cache or two.
#[derive(Debug)]
#[repr(C)]
pub struct CompiledFlag {
    /// Whether rules decide at once: it compiles, answers, and nothing is asked before them.
    pub is_plain: bool,
    /// Whether those whom no rule fits get the caller's own default.
    pub code_default: bool,
    /// Whether it answers the caller's default.
    pub disabled: bool,
    /// Index into `variants`.
    pub default: usize,
    /// Variant names and values.
    pub variants: Vec<(VariantKey, Value)>,
    /// Rules in order.
    pub rules: Vec<CompiledFlagRule>,
    /// Lists of units and what they get, as an index into `variants`.
    pub forced: Vec<(CompiledList, usize)>,
    /// What must hold before rules are asked.
    pub prerequisites: Vec<CompiledPrerequisite>,
    /// In place of rules.
    pub logic: Option<Arc<logic::Compiled>>,
    /// Why it does not compile; it then answers the caller's default.
    pub broken: Option<String>,
    /// The document.
    pub doc: Box<FlagDoc>,
    /// The document, told by its identity.
    pub(crate) source: Arc<Stored>,
    pub(super) needs: Vec<Arc<CompiledSegment>>,
    /// What of it is not as its document says, though it answers.
    pub(super) flaws: Vec<String>,
    /// How long the longest chain of prerequisites is that ends here, and how many flags are looked at in all.
    chain: (usize, usize),
}

impl CompiledFlag {
    /// Whether everybody gets the same, so that an answer may be kept until the flag changes.
    pub fn is_static(&self) -> bool {
        self.rules.is_empty()
            && self.forced.is_empty()
            && self.prerequisites.is_empty()
            && self.logic.is_none()
    }
}

/// A rule of a plain flag. What few rules have stands elsewhere, so that the others stay small.
#[derive(Debug)]
pub struct CompiledFlagRule {
    /// Whom it is for, where not everybody.
    when: Option<Box<CompiledCondition>>,
    /// What it serves, as indices into `variants`.
    pub split: Split,
    /// Hash seed of the split.
    pub salt: Salt,
    /// What the split buckets; the targeting key (user, else session) where not given.
    pub bucket_by: Option<Box<Attribute>>,
    /// Its name, or its place in the list.
    pub id: Box<str>,
}

impl CompiledFlagRule {
    /// Whom it is for.
    #[inline]
    pub fn when(&self) -> &CompiledCondition {
        self.when.as_deref().unwrap_or(&CompiledCondition::Always)
    }
}

/// Another flag that must come out in a certain way.
#[derive(Debug)]
pub struct CompiledPrerequisite {
    /// The other flag.
    pub flag: Arc<CompiledFlag>,
    /// Its variants that will do.
    pub variants: Box<[usize]>,
    /// What is served where it comes out otherwise.
    pub otherwise: Option<usize>,
}

/// Where flags find what they refer to.
pub(super) struct Place<'a> {
    pub snapshot: &'a Snapshot,
    pub contents: &'a Contents,
    pub previous: Option<&'a Compiled>,
    pub segments: &'a Arc<segment::Segments>,
    /// The keys of documents that are not as `previous` found them; nothing where any may be.
    pub changed: Option<&'a [&'a DocKey]>,
}

type Source<'a> = (&'a FlagDoc, &'a Arc<Stored>);

/// Compiles flags. What did not change, and needs nothing that did, is taken over, most of it without being looked at.
pub(super) fn compile(place: &Place<'_>, diagnostics: &mut Vec<Diagnostic>) -> Flags {
    let mut made = Flags::default();
    match place.previous.zip(place.changed) {
        Some((previous, changed)) => {
            made = previous.flags.clone();
            again(place, previous, changed, &mut made);
        }
        None => {
            let all = place.snapshot.stored_under("flag/").filter_map(|(_, stored)| source(stored)).collect();
            fill(place, all, &mut made);
        }
    }
    for flag in made.unsound.iter().filter_map(|key| made.get(key)) {
        for reason in flag.broken.iter().chain(&flag.flaws) {
            diagnostics
                .push(Diagnostic { subject: format!("flag/{}", flag.doc.key), reason: reason.clone() });
        }
    }
    made
}

fn source(stored: &Arc<Stored>) -> Option<Source<'_>> {
    match &stored.document {
        Some(Document::Flag(doc)) => Some((doc, stored)),
        _ => None,
    }
}

/// Looks again at what changed, at what is not sound, for what it lacked may be there now, and at all that may need either.
fn again(place: &Place<'_>, previous: &Compiled, changed: &[&DocKey], made: &mut Flags) {
    let before = &previous.flags;
    let mut keys: BTreeSet<&str> =
        changed.iter().filter_map(|key| key.as_str().strip_prefix("flag/")).collect();
    keys.extend(before.unsound.iter().map(FlagKey::as_str));
    if !Arc::ptr_eq(place.segments, &previous.segments) {
        keys.extend(before.segmented.iter().map(FlagKey::as_str));
    }
    let now = |key: &&str| source(place.snapshot.get(&DocKey::stored(&format!("flag/{key}")))?);
    let needs_others = |key: &&str| {
        before.chained.contains(*key) || now(key).is_some_and(|(doc, _)| !doc.prerequisites.is_empty())
    };
    let is_needed = || {
        let mut chained = before.chained.iter().filter_map(|key| before.get(key));
        chained.any(|flag| flag.doc.prerequisites.iter().any(|other| keys.contains(other.flag.as_str())))
    };
    if keys.iter().any(needs_others) || is_needed() {
        keys.extend(before.chained.iter().map(FlagKey::as_str));
    }
    let mut sources = Vec::with_capacity(keys.len());
    for key in &keys {
        match now(key) {
            Some(source) => sources.push(source),
            None => made.remove(key),
        }
    }
    fill(place, sources, made);
}

/// Puts flags into `made`, those that others need before these.
fn fill(place: &Place<'_>, sources: Vec<Source<'_>>, made: &mut Flags) {
    let (plain, chained): (Vec<_>, Vec<_>) =
        sources.into_iter().partition(|(doc, _)| doc.prerequisites.is_empty());
    let chained: BTreeMap<&FlagKey, Source<'_>> =
        chained.into_iter().map(|(doc, stored)| (&doc.key, (doc, stored))).collect();
    let needs = chained
        .iter()
        .map(|(key, (doc, _))| (*key, doc.prerequisites.iter().map(|other| &other.flag).collect()))
        .collect();
    let (order, stuck) = topological(&needs);
    for (doc, source) in plain.into_iter().chain(order.iter().filter_map(|key| chained.get(key).copied())) {
        let flag = kept(place, doc, source, made).unwrap_or_else(|| Arc::new(one(place, doc, source, made)));
        made.insert(flag);
    }
    for (doc, source) in stuck.iter().filter_map(|key| chained.get(key)) {
        made.insert(Arc::new(broken(doc, source, "its prerequisites lead in a circle: break it")));
    }
}

fn kept(place: &Place<'_>, doc: &FlagDoc, source: &Arc<Stored>, made: &Flags) -> Option<Arc<CompiledFlag>> {
    let flag = place.previous?.flags.get(&doc.key)?;
    let same_flag = |one: &CompiledPrerequisite| {
        made.get(&one.flag.doc.key).is_some_and(|now| Arc::ptr_eq(now, &one.flag))
    };
    let same_segment =
        |one: &Arc<CompiledSegment>| place.segments.get(&one.key).is_some_and(|now| Arc::ptr_eq(now, one));
    let same = Arc::ptr_eq(&flag.source, source)
        && flag.broken.is_none()
        && flag.flaws.is_empty()
        && flag.prerequisites.iter().all(same_flag)
        && flag.needs.iter().all(same_segment);
    same.then(|| Arc::clone(flag))
}

fn broken(doc: &FlagDoc, source: &Arc<Stored>, reason: &str) -> CompiledFlag {
    CompiledFlag {
        is_plain: false,
        variants: Vec::new(),
        default: 0,
        code_default: true,
        disabled: doc.disabled,
        rules: Vec::new(),
        forced: Vec::new(),
        prerequisites: Vec::new(),
        logic: None,
        broken: Some(format!("{reason}; callers get their default")),
        doc: Box::new(doc.clone()),
        source: Arc::clone(source),
        needs: Vec::new(),
        flaws: Vec::new(),
        chain: (0, 1),
    }
}

fn one(place: &Place<'_>, doc: &FlagDoc, source: &Arc<Stored>, made: &Flags) -> CompiledFlag {
    whole(place, doc, source, made).unwrap_or_else(|reason| broken(doc, source, &reason))
}

fn whole(
    place: &Place<'_>,
    doc: &FlagDoc,
    source: &Arc<Stored>,
    made: &Flags,
) -> Result<CompiledFlag, String> {
    let variants: Vec<_> = doc.variants.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some((name, _)) = variants.iter().find(|(_, value)| !doc.value_kind.admits(value)) {
        return Err(format!("variant \"{name}\" is not of the flag's type"));
    }
    let at = |name: &VariantKey| {
        let found = variants.iter().position(|(have, _)| have == name);
        found.ok_or_else(|| format!("variant \"{name}\" is not declared"))
    };
    let default = at(&doc.default)?;
    let mut needs = Vec::new();
    let rules = doc.rules.iter().enumerate();
    let rules = rules.map(|(place_in_list, one)| rule(doc, place_in_list, one, &at, place, &mut needs));
    let rules = rules.collect::<Result<_, _>>()?;
    let prerequisites: Vec<_> =
        doc.prerequisites.iter().map(|other| prerequisite(other, made, at)).collect::<Result<_, _>>()?;
    let mut chain = (0, 1);
    for other in &prerequisites {
        let (depth, flags) = other.flag.chain;
        chain = (chain.0.max(depth + 1), chain.1 + flags);
    }
    if chain.0 > PREREQUISITE_DEPTH_MAX || chain.1 > PREREQUISITE_FLAGS_MAX {
        return Err(format!(
            "its prerequisites are {} deep and {} in all: at most {PREREQUISITE_DEPTH_MAX} and {PREREQUISITE_FLAGS_MAX}",
            chain.0, chain.1
        ));
    }
    let (mut forced, mut flaws) = (Vec::new(), Vec::new());
    for one in &doc.forced {
        let variant = at(&one.variant)?;
        match segment::list(place.contents, &one.units) {
            Ok(list) => forced.push((list, variant)),
            Err(reason) => {
                flaws.push(format!("forced \"{}\": {reason}; nobody is forced by it", one.variant))
            }
        }
    }
    let logic =
        doc.targeting.as_ref().map(|targeting| logic::Compiled::compile(&targeting.logic)).transpose()?;
    let is_plain = !doc.disabled && forced.is_empty() && prerequisites.is_empty() && logic.is_none();
    Ok(CompiledFlag {
        is_plain,
        default,
        code_default: doc.code_default,
        disabled: doc.disabled,
        rules,
        forced,
        prerequisites,
        logic: logic.map(Arc::new),
        broken: None,
        doc: Box::new(doc.clone()),
        source: Arc::clone(source),
        needs,
        flaws,
        chain,
        variants,
    })
}

/// A prerequisite, its variants by their places in the other flag.
pub(super) fn prerequisite(
    other: &Prerequisite,
    made: &Flags,
    own: impl Fn(&VariantKey) -> Result<usize, String>,
) -> Result<CompiledPrerequisite, String> {
    let flag = made
        .get(&other.flag)
        .ok_or_else(|| format!("prerequisite flag \"{}\" does not exist", other.flag))?;
    let its = |name: &VariantKey| flag.variants.iter().position(|(have, _)| have == name);
    // A variant that the other flag no longer has cannot come out.
    let variants = other.variants.iter().filter_map(its).collect();
    let otherwise = other.otherwise.as_ref().map(own).transpose()?;
    Ok(CompiledPrerequisite { flag: Arc::clone(flag), variants, otherwise })
}

fn rule(
    doc: &FlagDoc,
    place_in_list: usize,
    rule: &FlagRule,
    at: &impl Fn(&VariantKey) -> Result<usize, String>,
    place: &Place<'_>,
    needs: &mut Vec<Arc<CompiledSegment>>,
) -> Result<CompiledFlagRule, String> {
    let split = match &rule.serve {
        Serve::Variant(name) => Split::Whole(at(name)?),
        Serve::Split(parts) => {
            let mut end = 0_u32;
            let mut split = Vec::with_capacity(parts.len());
            for part in parts {
                end = part.share.as_ppm().saturating_add(end);
                split.push((end, at(&part.variant)?));
            }
            if end != PPM_WHOLE {
                return Err(format!("a split adds up to {end} parts per million"));
            }
            Split::new(&split)
        }
    };
    let when = CompiledCondition::compile(&rule.when, &mut |key| {
        let segment = segment::find(place.segments, key)?;
        needs.push(Arc::clone(&segment));
        Ok(segment)
    });
    let id = rule.id.clone().unwrap_or_else(|| place_in_list.to_string());
    let when = when.map_err(|reason| format!("rule {id}: {reason}"))?;
    Ok(CompiledFlagRule {
        when: (!matches!(when, CompiledCondition::Always)).then(|| Box::new(when)),
        split,
        salt: Salt::new(rule.salt.as_ref().unwrap_or(&doc.salt)),
        bucket_by: rule.bucket_by.as_deref().map(|name| Box::new(Attribute::new(name))),
        id: id.into(),
    })
}
