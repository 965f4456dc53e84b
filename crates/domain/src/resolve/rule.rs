//! Conditions as evaluation walks them. Total: a missing or ill-typed attribute meets no comparison and never fails; the `not` of
//! such a comparison is therefore met. Knows nothing of what a condition decides.

use std::{fmt, net::IpAddr, sync::Arc};

use regex::Regex;
use serde_json::Value;

use super::{Asking, CompiledList, Network, Silent, Step, Tracer, Version, moment};
use crate::{
    context::{AttributeValue, Context},
    entity::{Comparison, Condition},
    id::SegmentKey,
    limits::PATTERN_PROGRAM_BYTES_MAX,
    text::Text,
};

/// Where a condition looks: an attribute by name; `user` and `session` are the ids themselves where no attribute is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    name: Text,
    id: Option<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    User,
    Session,
}

/// What stands there.
#[derive(Debug, Clone, Copy)]
enum Given<'a> {
    Text(&'a Text),
    Other(&'a Value),
    Id(&'a str),
}

impl Attribute {
    /// The attribute of this name.
    pub fn new(name: &str) -> Self {
        let id = match name {
            "user" => Some(Id::User),
            "session" => Some(Id::Session),
            _ => None,
        };
        Self { name: name.into(), id }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    fn given<'a>(&self, context: &'a Context) -> Option<Given<'a>> {
        match context.attributes.find(&self.name) {
            Some(AttributeValue::Text(text)) => return Some(Given::Text(text)),
            Some(AttributeValue::Other(value)) => return Some(Given::Other(value)),
            None => {}
        }
        let id = match self.id? {
            Id::User => context.user.as_deref(),
            Id::Session => context.session.as_deref(),
        };
        id.map(Given::Id)
    }

    #[inline]
    fn text<'a>(&self, context: &'a Context) -> Option<&'a str> {
        match self.given(context)? {
            Given::Text(text) => Some(text),
            Given::Id(id) => Some(id),
            Given::Other(_) => None,
        }
    }

    /// Runs `f` on the attribute as the text that a split buckets: a text as it is, a whole number without a fraction, a truth value by
    /// name. Nothing else is a key.
    pub fn bucketed<T>(&self, context: &Context, f: impl FnOnce(&str) -> T) -> Option<T> {
        match self.given(context)? {
            Given::Id(id) => Some(f(id)),
            Given::Text(text) => Some(f(text)),
            Given::Other(Value::Bool(is)) => Some(f(if *is { "true" } else { "false" })),
            Given::Other(Value::Number(number)) => {
                use std::io::Write;
                // Room for any i64, u64 or f64 that `Display` writes for JSON; a number that would not fit is no key.
                let mut room = [0_u8; 40];
                let mut rest = room.as_mut_slice();
                let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15);
                match whole {
                    Some(whole) => write!(rest, "{}", whole as i64),
                    None => write!(rest, "{number}"),
                }
                .ok()?;
                let written = 40 - rest.len();
                std::str::from_utf8(room.get(..written)?).ok().map(f)
            }
            Given::Other(_) => None,
        }
    }

    pub(super) fn shown(&self, context: &Context) -> String {
        match self.given(context) {
            None => format!("{} is not given", self.name()),
            Some(Given::Text(text)) => {
                let quoted = Value::from(text.as_str()).to_string();
                format!("{} is {}", self.name(), quoted.chars().take(200).collect::<String>())
            }
            Some(Given::Other(value)) => {
                format!("{} is {}", self.name(), value.to_string().chars().take(200).collect::<String>())
            }
            Some(Given::Id(id)) => format!("{} is \"{id}\"", self.name()),
        }
    }
}

/// A condition ready to be walked without allocation.
#[derive(Debug, Clone)]
pub enum CompiledCondition {
    /// Everybody.
    Always,
    /// The attribute is one of these texts, which are sorted.
    Texts(Attribute, Box<[Text]>),
    /// The attribute is one of these.
    OneOf(Attribute, Box<[Value]>),
    /// The attribute is a number in this range; open ends are infinite.
    Range {
        /// The attribute.
        attribute: Attribute,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
        /// Whether the ends belong to it.
        closed: bool,
    },
    /// The attribute's text begins with one of these.
    StartsWith(Attribute, Box<[String]>),
    /// The attribute's text ends with one of these.
    EndsWith(Attribute, Box<[String]>),
    /// The attribute's text contains one of these, or its list has one as an element.
    Contains(Attribute, Box<[String]>),
    /// The pattern finds itself in the attribute's text.
    Matches(Attribute, Regex),
    /// The attribute is a version that compares so.
    Semver(Attribute, Comparison, Version, Box<str>),
    /// The attribute is a time before this (or after it), in microseconds.
    Time {
        /// The attribute.
        attribute: Attribute,
        /// The time.
        micros: i64,
        /// Whether it is to be before.
        before: bool,
        /// The time as it was written.
        written: Box<str>,
    },
    /// The attribute is an address in one of these.
    InNetwork(Attribute, Box<[Network]>, Box<[String]>),
    /// The attribute is given and not null.
    Present(Attribute),
    /// The context belongs to this segment.
    Segment(Arc<CompiledSegment>),
    /// All of these.
    All(Box<[CompiledCondition]>),
    /// One of these.
    Any(Box<[CompiledCondition]>),
    /// Not this.
    Not(Box<CompiledCondition>),
}

/// A segment, compiled once and shared by all that refer to it.
#[derive(Debug)]
pub struct CompiledSegment {
    /// Its key.
    pub key: SegmentKey,
    /// Who belongs to it by what is known of them.
    pub when: CompiledCondition,
    /// Who belongs to it whatever is known of them.
    pub included: Option<CompiledList>,
    /// Who does not, whatever else is said.
    pub excluded: Option<CompiledList>,
    /// The document, told by its identity.
    pub(crate) source: Arc<crate::snapshot::Stored>,
    /// Segments that it refers to.
    pub(crate) needs: Vec<Arc<CompiledSegment>>,
    /// Why it is not as its document says.
    pub(crate) broken: Option<String>,
}

impl CompiledSegment {
    fn has<T: Tracer>(&self, asking: &Asking<'_>, tracer: &mut T) -> bool {
        let listed = |list: &Option<CompiledList>| list.as_ref().is_some_and(|list| list.has(asking));
        if listed(&self.excluded) {
            tracer.step(|| {
                Step::new("segment", self.key.as_str(), "not a member", "it is on the list of excluded units")
            });
            return false;
        }
        if listed(&self.included) {
            tracer.step(|| {
                Step::new("segment", self.key.as_str(), "a member", "it is on the list of included units")
            });
            return true;
        }
        let met = self.when.walk(asking, tracer);
        tracer.step(|| {
            let outcome = if met { "a member" } else { "not a member" };
            Step::new("segment", self.key.as_str(), outcome, "by what is known of it")
        });
        met
    }
}

/// Where a condition finds the segments that it names.
pub type Segments<'a> = dyn FnMut(&SegmentKey) -> Result<Arc<CompiledSegment>, String> + 'a;

impl CompiledCondition {
    /// Nobody.
    pub fn never() -> Self {
        Self::Any(Box::new([]))
    }

    /// The walked form of a stored condition, or why it has none.
    pub fn compile(condition: &Condition, segments: &mut Segments<'_>) -> Result<Self, String> {
        let at = |name: &str| Attribute::new(name);
        let range = |name: &str, low, high, closed| Self::Range { attribute: at(name), low, high, closed };
        let time = |name: &str, text: &str, before| {
            let micros = moment::parse(text).ok_or_else(|| {
                format!("\"{text}\" is no time: write RFC 3339, as in 2026-11-25T08:00:00Z")
            })?;
            Ok::<_, String>(Self::Time { attribute: at(name), micros, before, written: text.into() })
        };
        Ok(match condition {
            Condition::Always => Self::Always,
            Condition::Equals { attribute, value } => Self::one_of(attribute, std::slice::from_ref(value)),
            Condition::In { attribute, values } => Self::one_of(attribute, values),
            Condition::Less { attribute, than } => range(attribute, f64::NEG_INFINITY, *than, false),
            Condition::Greater { attribute, than } => range(attribute, *than, f64::INFINITY, false),
            Condition::Between { attribute, low, high } => range(attribute, *low, *high, true),
            Condition::AtMost { attribute, than } => range(attribute, f64::NEG_INFINITY, *than, true),
            Condition::AtLeast { attribute, than } => range(attribute, *than, f64::INFINITY, true),
            Condition::StartsWith { attribute, values } => {
                Self::StartsWith(at(attribute), values.as_slice().into())
            }
            Condition::EndsWith { attribute, values } => {
                Self::EndsWith(at(attribute), values.as_slice().into())
            }
            Condition::Contains { attribute, values } => {
                Self::Contains(at(attribute), values.as_slice().into())
            }
            Condition::Matches { attribute, pattern } => {
                Self::Matches(at(attribute), compile_pattern(pattern)?)
            }
            Condition::Semver { attribute, op, version } => {
                Self::Semver(at(attribute), *op, Version::compile(version)?, version.as_str().into())
            }
            Condition::Before { attribute, time: text } => time(attribute, text, true)?,
            Condition::After { attribute, time: text } => time(attribute, text, false)?,
            Condition::InNetwork { attribute, networks } => {
                let compiled =
                    networks.iter().map(|text| Network::compile(text)).collect::<Result<_, _>>()?;
                Self::InNetwork(at(attribute), compiled, networks.as_slice().into())
            }
            Condition::Present { attribute } => Self::Present(at(attribute)),
            Condition::Segment(key) => Self::Segment(segments(key)?),
            Condition::And(parts) => {
                Self::All(parts.iter().map(|part| Self::compile(part, segments)).collect::<Result<_, _>>()?)
            }
            Condition::Or(parts) => {
                Self::Any(parts.iter().map(|part| Self::compile(part, segments)).collect::<Result<_, _>>()?)
            }
            Condition::Not(part) => Self::Not(Box::new(Self::compile(part, segments)?)),
        })
    }

    fn one_of(attribute: &str, values: &[Value]) -> Self {
        let texts: Option<Vec<Text>> = values.iter().map(|value| value.as_str().map(Text::from)).collect();
        match texts {
            Some(mut texts) => {
                texts.sort_unstable();
                texts.dedup();
                Self::Texts(Attribute::new(attribute), texts.into())
            }
            None => Self::OneOf(Attribute::new(attribute), values.into()),
        }
    }

    /// Whether `context` meets it.
    pub fn met(&self, context: &Context) -> bool {
        self.walk(&Asking::new(context), &mut Silent)
    }

    /// Whether the context meets it, with every comparison told to `tracer`.
    #[inline]
    pub fn walk<T: Tracer>(&self, asking: &Asking<'_>, tracer: &mut T) -> bool {
        match self {
            Self::Always => {
                tracer.step(|| Step::condition(self, asking.context, true));
                true
            }
            other => other.walk_on(asking, tracer),
        }
    }

    /// Out of line, so that a rule for everybody stays small.
    #[inline(never)]
    fn walk_on<T: Tracer>(&self, asking: &Asking<'_>, tracer: &mut T) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.met_here(asking, tracer)),
            Self::Any(parts) => parts.iter().any(|part| part.met_here(asking, tracer)),
            Self::Not(part) => !part.walk(asking, tracer),
            Self::Segment(segment) => segment.has(asking, tracer),
            comparison => comparison.compared(asking, tracer),
        }
    }

    /// A part of a rule: a comparison, as most are, without a call of its own; what holds others goes the usual way.
    #[inline]
    fn met_here<T: Tracer>(&self, asking: &Asking<'_>, tracer: &mut T) -> bool {
        match self {
            Self::All(_) | Self::Any(_) | Self::Not(_) | Self::Segment(_) => self.walk_on(asking, tracer),
            comparison => comparison.compared(asking, tracer),
        }
    }

    /// A comparison, told.
    #[inline]
    fn compared<T: Tracer>(&self, asking: &Asking<'_>, tracer: &mut T) -> bool {
        let met = self.compare(asking.context);
        tracer.step(|| Step::condition(self, asking.context, met));
        met
    }

    #[inline]
    fn compare(&self, context: &Context) -> bool {
        match self {
            Self::Always => true,
            Self::Texts(attribute, texts) => match attribute.given(context) {
                Some(Given::Text(have)) => among(texts, have),
                Some(Given::Id(have)) => among(texts, &Text::from(have)),
                Some(Given::Other(_)) | None => false,
            },
            Self::OneOf(attribute, values) => match attribute.given(context) {
                Some(Given::Text(have)) => values.iter().any(|value| value.as_str() == Some(have)),
                Some(Given::Id(have)) => values.iter().any(|value| value.as_str() == Some(have)),
                Some(Given::Other(have)) => values.iter().any(|value| same(have, value)),
                None => false,
            },
            Self::Range { attribute, low, high, closed } => {
                let Some(Given::Other(given)) = attribute.given(context) else { return false };
                given.as_f64().is_some_and(|have| {
                    if *closed { have >= *low && have <= *high } else { have > *low && have < *high }
                })
            }
            Self::StartsWith(attribute, values) => attribute
                .text(context)
                .is_some_and(|have| values.iter().any(|value| have.starts_with(value.as_str()))),
            Self::EndsWith(attribute, values) => attribute
                .text(context)
                .is_some_and(|have| values.iter().any(|value| have.ends_with(value.as_str()))),
            Self::Contains(attribute, values) => match attribute.given(context) {
                Some(Given::Other(Value::Array(list))) => {
                    values.iter().any(|value| list.iter().any(|one| one.as_str() == Some(value)))
                }
                Some(Given::Text(have)) => values.iter().any(|value| have.contains(value.as_str())),
                Some(Given::Id(have)) => values.iter().any(|value| have.contains(value.as_str())),
                Some(Given::Other(_)) | None => false,
            },
            Self::Matches(attribute, pattern) => {
                attribute.text(context).is_some_and(|have| pattern.is_match(have))
            }
            Self::Semver(attribute, op, version, _) => {
                attribute.text(context).is_some_and(|have| version.met_by(*op, have))
            }
            Self::Time { attribute, micros, before, .. } => {
                let have = match attribute.given(context) {
                    Some(Given::Text(text)) => moment::parse(text),
                    Some(Given::Other(value)) => moment::of_value(value),
                    Some(Given::Id(_)) | None => None,
                };
                have.is_some_and(|have| if *before { have < *micros } else { have > *micros })
            }
            Self::InNetwork(attribute, networks, _) => attribute
                .text(context)
                .and_then(|have| have.parse::<IpAddr>().ok())
                .is_some_and(|have| networks.iter().any(|network| network.has(have))),
            Self::Present(attribute) => {
                attribute.given(context).is_some_and(|given| !matches!(given, Given::Other(Value::Null)))
            }
            // Those with parts are walked, so that each of their comparisons is told.
            Self::Segment(_) | Self::All(_) | Self::Any(_) | Self::Not(_) => false,
        }
    }

    pub(super) fn attribute(&self) -> Option<&Attribute> {
        match self {
            Self::Texts(attribute, _)
            | Self::OneOf(attribute, _)
            | Self::Range { attribute, .. }
            | Self::StartsWith(attribute, _)
            | Self::EndsWith(attribute, _)
            | Self::Contains(attribute, _)
            | Self::Matches(attribute, _)
            | Self::Semver(attribute, ..)
            | Self::Time { attribute, .. }
            | Self::InNetwork(attribute, ..)
            | Self::Present(attribute) => Some(attribute),
            Self::Always | Self::Segment(_) | Self::All(_) | Self::Any(_) | Self::Not(_) => None,
        }
    }
}

/// A pattern, bounded in what it may take.
pub fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(PATTERN_PROGRAM_BYTES_MAX).build().map_err(|refused| {
        let text = refused.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("pattern \"{pattern}\": {last}")
    })
}

/// Few texts are looked through, many are searched.
#[inline]
fn among(sorted: &[Text], have: &Text) -> bool {
    if sorted.len() <= 8 {
        return sorted.contains(have);
    }
    sorted.binary_search(have).is_ok()
}

/// Numbers by value (`2` is `2.0`), whole ones exactly; everything else as it is.
fn same(have: &Value, value: &Value) -> bool {
    match (have, value) {
        (Value::Number(have), Value::Number(value)) => {
            have == value || ((have.is_f64() || value.is_f64()) && have.as_f64() == value.as_f64())
        }
        _ => have == value,
    }
}

/// As people would say it.
impl fmt::Display for CompiledCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |texts: &[String]| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Always => f.write_str("everybody"),
            Self::Texts(at, texts) => {
                let texts: Vec<_> = texts.iter().map(|text| text.as_str().to_owned()).collect();
                write!(f, "{} is one of {}", at.name(), list(&texts))
            }
            Self::OneOf(at, values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(f, "{} is one of {}", at.name(), values.join(", "))
            }
            Self::Range { attribute: at, low, high, closed } => {
                let (above, below) = if *closed { ("at least", "at most") } else { ("above", "below") };
                match (low.is_finite(), high.is_finite()) {
                    (true, true) => write!(f, "{} is {above} {low} and {below} {high}", at.name()),
                    (true, false) => write!(f, "{} is {above} {low}", at.name()),
                    _ => write!(f, "{} is {below} {high}", at.name()),
                }
            }
            Self::StartsWith(at, texts) => write!(f, "{} begins with {}", at.name(), list(texts)),
            Self::EndsWith(at, texts) => write!(f, "{} ends with {}", at.name(), list(texts)),
            Self::Contains(at, texts) => write!(f, "{} contains {}", at.name(), list(texts)),
            Self::Matches(at, pattern) => write!(f, "{} matches {}", at.name(), pattern.as_str()),
            Self::Semver(at, op, _, written) => {
                let op = match op {
                    Comparison::Equal => "version",
                    Comparison::Less => "a version below",
                    Comparison::AtMost => "a version at or below",
                    Comparison::Greater => "a version above",
                    Comparison::AtLeast => "a version at or above",
                    Comparison::Compatible => "a version compatible with",
                    Comparison::SameMinor => "a version of the same minor as, and at least,",
                };
                write!(f, "{} is {op} {written}", at.name())
            }
            Self::Time { attribute: at, before, written, .. } => {
                write!(f, "{} is {} {written}", at.name(), if *before { "before" } else { "after" })
            }
            Self::InNetwork(at, _, networks) => write!(f, "{} is in {}", at.name(), networks.join(", ")),
            Self::Present(at) => write!(f, "{} is given", at.name()),
            Self::Segment(segment) => write!(f, "segment {}", segment.key),
            Self::All(parts) => write!(f, "all of {} conditions", parts.len()),
            Self::Any(parts) => write!(f, "one of {} conditions", parts.len()),
            Self::Not(part) => write!(f, "not: {part}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::Attributes;

    fn check(condition: &Value, attributes: &Value, met: bool) {
        let stored: Condition = serde_json::from_value(condition.clone()).unwrap();
        let attributes = attributes.as_object().unwrap().clone();
        let context = Context::new(Some("s1"), Some("u1"), Attributes::new(attributes).unwrap()).unwrap();
        let compiled = CompiledCondition::compile(&stored, &mut |_| Err("no segments".into())).unwrap();
        assert_eq!(compiled.met(&context), met, "{condition} on {context:?}");
    }

    #[test]
    fn operators() {
        let plan = |value: &str| json!({"equals": {"attribute": "plan", "value": value}});
        check(&json!("always"), &json!({}), true);
        check(&plan("pro"), &json!({"plan": "pro"}), true);
        check(&plan("pro"), &json!({"plan": "free"}), false);
        check(&plan("pro"), &json!({"plan": 7}), false);
        check(&plan("pro"), &json!({}), false);
        check(&json!({"not": plan("pro")}), &json!({}), true);
        check(&json!({"in": {"attribute": "n", "values": [1, 2]}}), &json!({"n": 2.0}), true);
        check(
            &json!({"equals": {"attribute": "n", "value": 9_007_199_254_740_993_i64}}),
            &json!({"n": 9_007_199_254_740_992_i64}),
            false,
        );
        check(&json!({"less": {"attribute": "n", "than": 2}}), &json!({"n": 2}), false);
        check(&json!({"less": {"attribute": "n", "than": 2}}), &json!({"n": 1.9}), true);
        check(&json!({"less": {"attribute": "n", "than": 2}}), &json!({"n": "1"}), false);
        check(&json!({"greater": {"attribute": "n", "than": 2}}), &json!({"n": 3}), true);
        check(&json!({"between": {"attribute": "n", "low": 1, "high": 2}}), &json!({"n": 2}), true);
        check(&json!({"and": []}), &json!({}), true);
        check(&json!({"or": []}), &json!({}), false);
        check(&json!({"not": {"or": [plan("pro"), plan("team")]}}), &json!({"plan": "team"}), false);
        check(&json!({"and": [plan("pro"), {"not": plan("team")}]}), &json!({"plan": "pro"}), true);
        check(&json!({"equals": {"attribute": "user", "value": "u1"}}), &json!({}), true);
    }
}
