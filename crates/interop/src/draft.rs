//! What an import gathers: keys of our alphabet, segments for lists of people, shares that add up, and the report.
//! Knows no format.

use std::collections::BTreeSet;

use serde_json::Value;
use serinus_domain::{
    entity::{Comparison, Condition, FlagDoc, FlagKind, Serve, WeightedVariant},
    id::{FlagKey, SegmentKey, VariantKey},
    limits::KEY_BYTES_MAX,
    units::{PPM_WHOLE, Share},
};

use crate::{Imported, ImportedFlag, ImportedSegment, NotCarried};

/// What an import has gathered so far.
#[derive(Default)]
pub(crate) struct Draft {
    pub flags: Vec<ImportedFlag>,
    pub segments: Vec<ImportedSegment>,
    not_carried: BTreeSet<NotCarried>,
    flag_keys: BTreeSet<String>,
    segment_keys: BTreeSet<String>,
}

/// A variant by a name of another platform; characters that cannot be printed are left out.
pub(crate) fn variant(name: &str) -> Option<VariantKey> {
    let printable: String = name.chars().filter(|letter| !letter.is_control()).collect();
    VariantKey::new(cut(&printable, KEY_BYTES_MAX)).ok()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name in our alphabet, different from those taken.
fn ours(name: &str, taken: &mut BTreeSet<String>) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let mapped: String = name.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let base = if mapped.is_empty() { "unnamed" } else { cut(&mapped, KEY_BYTES_MAX - 8) };
    let mut key =
        if mapped.len() <= KEY_BYTES_MAX && !mapped.is_empty() { mapped.clone() } else { base.to_owned() };
    let mut count = 1;
    while !taken.insert(key.clone()) {
        count += 1;
        key = format!("{base}-{count}");
    }
    key
}

/// The type that all these values have.
pub(crate) fn kind_of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Option<FlagKind> {
    let all = [FlagKind::Boolean, FlagKind::String, FlagKind::Number, FlagKind::Object];
    let mut values = values.into_iter().peekable();
    let kind = all.into_iter().find(|kind| values.peek().is_some_and(|value| kind.admits(value)))?;
    values.all(|value| kind.admits(value)).then_some(kind)
}

/// A flag without rules.
pub(crate) fn blank(key: FlagKey, kind: FlagKind, default: VariantKey) -> FlagDoc {
    FlagDoc {
        key,
        value_kind: kind,
        description: String::new(),
        variants: std::collections::BTreeMap::new(),
        default,
        rules: Vec::new(),
        salt: String::new(),
        disabled: false,
        forced: Vec::new(),
        prerequisites: Vec::new(),
        schema: None,
        targeting: None,
        code_default: false,
        metadata: std::collections::BTreeMap::new(),
        owner: String::new(),
        tags: Vec::new(),
        permanent: false,
        archived: false,
    }
}

/// A split in proportion to weights, to the part per million; none where nothing weighs.
pub(crate) fn split(weights: Vec<(VariantKey, f64)>) -> Option<Serve> {
    let weights: Vec<_> =
        weights.into_iter().filter(|(_, weight)| weight.is_finite() && *weight > 0.0).collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if weights.is_empty() || !sum.is_finite() {
        return None;
    }
    if let [(variant, _)] = weights.as_slice() {
        return Some(Serve::Variant(variant.clone()));
    }
    let (mut reached, mut end) = (0.0, 0);
    let parts = weights.into_iter().map(|(variant, weight)| {
        reached += weight;
        let next = ((reached / sum * f64::from(PPM_WHOLE)).round() as u32).clamp(end, PPM_WHOLE);
        let share = Share::ppm(next - end);
        end = next;
        WeightedVariant { variant, share }
    });
    Some(Serve::Split(parts.collect()))
}

/// Any of these, or the one.
pub(crate) fn any(mut conditions: Vec<Condition>) -> Condition {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => Condition::Or(conditions),
    }
}

/// All of these, or the one; of none, everybody.
pub(crate) fn all(conditions: Vec<Condition>) -> Condition {
    let flat = conditions.into_iter().flat_map(|condition| match condition {
        Condition::Always => Vec::new(),
        Condition::And(parts) => parts,
        other => vec![other],
    });
    let mut conditions: Vec<_> = flat.collect();
    match conditions.len() {
        0 => Condition::Always,
        1 => conditions.remove(0),
        _ => Condition::And(conditions),
    }
}

/// Not this.
pub(crate) fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// A comparison of numbers, as four platforms spell it four ways.
pub(crate) fn numeric(attribute: &str, op: Comparison, than: f64) -> Condition {
    let attribute = attribute.to_owned();
    match op {
        Comparison::Less => Condition::Less { attribute, than },
        Comparison::AtMost => Condition::AtMost { attribute, than },
        Comparison::Greater => Condition::Greater { attribute, than },
        Comparison::AtLeast => Condition::AtLeast { attribute, than },
        _ => Condition::Equals { attribute, value: Value::from(than) },
    }
}

impl Draft {
    /// Adds to the report.
    pub fn lost(&mut self, subject: &str, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.not_carried.insert(NotCarried { subject: subject.to_owned(), what, why });
    }

    /// Says once of a flag that its split is drawn anew.
    pub fn rebucketed(&mut self, subject: &str) {
        let why = "users are bucketed anew: the shares are the same, who is in them is not";
        self.lost(subject, "bucketing", why);
    }

    /// A key for a flag.
    pub fn flag_key(&mut self, name: &str) -> Option<FlagKey> {
        let key = ours(name, &mut self.flag_keys);
        if key != name {
            self.lost(
                &format!("flag {key}"),
                "key",
                format!("it was \"{}\", which is no key here", cut(name, 200)),
            );
        }
        FlagKey::new(&key).ok()
    }

    /// A key for a segment.
    pub fn segment_key(&mut self, name: &str) -> Option<SegmentKey> {
        let key = ours(name, &mut self.segment_keys);
        if key != name {
            self.lost(
                &format!("segment {key}"),
                "key",
                format!("it was \"{}\", which is no key here", cut(name, 200)),
            );
        }
        SegmentKey::new(&key).ok()
    }

    /// People by their ids: a segment of their own, since a list of people does not belong in a rule.
    pub fn people(&mut self, of: &str, ids: Vec<String>) -> Option<Condition> {
        if ids.is_empty() {
            return Some(Condition::Or(Vec::new()));
        }
        let same =
            self.segments.iter().find(|have| have.included == ids && have.when == Condition::Or(Vec::new()));
        if let Some(same) = same {
            return Some(Condition::Segment(same.key.clone()));
        }
        let key = SegmentKey::new(&ours(&format!("{of}-people"), &mut self.segment_keys)).ok()?;
        self.segments.push(ImportedSegment {
            key: key.clone(),
            description: format!("people that {of} names"),
            when: Condition::Or(Vec::new()),
            included: ids,
            excluded: Vec::new(),
        });
        Some(Condition::Segment(key))
    }

    /// What was gathered.
    pub fn finish(self) -> Imported {
        Imported {
            flags: self.flags,
            segments: self.segments,
            not_carried: self.not_carried.into_iter().collect(),
        }
    }
}
