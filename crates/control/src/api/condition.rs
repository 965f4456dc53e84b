//! A condition over attributes as a command carries it: like the stored one, but strict about what it does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{entity::Condition, id::SegmentKey};
use utoipa::ToSchema;

use super::words::Comparison;

/// A segment by its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String)]
pub struct SegmentName(pub SegmentKey);

/// A condition over the attributes of a context. A missing attribute meets no comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Condition, no_recursion)]
pub enum ConditionBody {
    /// Everybody.
    Always,
    /// The attribute is this text, number or truth value.
    Equals {
        /// The attribute's name.
        attribute: String,
        /// What it is compared with.
        value: Value,
    },
    /// The attribute is one of these.
    In {
        /// The attribute's name.
        attribute: String,
        /// What it is compared with.
        values: Vec<Value>,
    },
    /// The attribute is a number below this.
    Less {
        /// The attribute's name.
        attribute: String,
        /// The bound, which does not belong to it.
        than: f64,
    },
    /// The attribute is a number above this.
    Greater {
        /// The attribute's name.
        attribute: String,
        /// The bound, which does not belong to it.
        than: f64,
    },
    /// The attribute is a number between these, both included.
    Between {
        /// The attribute's name.
        attribute: String,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// The attribute is a number at or below this.
    AtMost {
        /// The attribute's name.
        attribute: String,
        /// The bound, which belongs to it.
        than: f64,
    },
    /// The attribute is a number at or above this.
    AtLeast {
        /// The attribute's name.
        attribute: String,
        /// The bound, which belongs to it.
        than: f64,
    },
    /// The attribute's text begins with one of these.
    StartsWith {
        /// The attribute's name.
        attribute: String,
        /// What it may begin with.
        values: Vec<String>,
    },
    /// The attribute's text ends with one of these.
    EndsWith {
        /// The attribute's name.
        attribute: String,
        /// What it may end with.
        values: Vec<String>,
    },
    /// The attribute's text contains one of these; of a list attribute, it has one of these as an element.
    Contains {
        /// The attribute's name.
        attribute: String,
        /// What it may contain.
        values: Vec<String>,
    },
    /// A pattern finds itself in the attribute's text.
    Matches {
        /// The attribute's name.
        attribute: String,
        /// The pattern, in the syntax of Rust's `regex` crate, whose time is linear in the text.
        pattern: String,
    },
    /// The attribute is a semantic version that compares so with `version` (semver.org, precedence of 2.0.0; a leading `v` and missing
    /// parts are taken).
    Semver {
        /// The attribute's name.
        attribute: String,
        /// How.
        op: Comparison,
        /// What with.
        version: String,
    },
    /// The attribute is a time before this: RFC 3339 text or a number of milliseconds since the epoch.
    Before {
        /// The attribute's name.
        attribute: String,
        /// The time, RFC 3339.
        time: String,
    },
    /// The attribute is a time after this.
    After {
        /// The attribute's name.
        attribute: String,
        /// The time, RFC 3339.
        time: String,
    },
    /// The attribute is an address in one of these networks.
    InNetwork {
        /// The attribute's name.
        attribute: String,
        /// Networks as `10.0.0.0/8` or `2001:db8::/32`.
        networks: Vec<String>,
    },
    /// The attribute is given and not null.
    Present {
        /// The attribute's name.
        attribute: String,
    },
    /// The context belongs to this segment.
    Segment(SegmentName),
    /// All of these; of none, everybody.
    And(Vec<ConditionBody>),
    /// At least one of these; of none, nobody.
    Or(Vec<ConditionBody>),
    /// Not this.
    Not(Box<ConditionBody>),
}

impl From<ConditionBody> for Condition {
    fn from(body: ConditionBody) -> Self {
        let all = |bodies: Vec<ConditionBody>| bodies.into_iter().map(Self::from).collect();
        match body {
            ConditionBody::Always => Self::Always,
            ConditionBody::Equals { attribute, value } => Self::Equals { attribute, value },
            ConditionBody::In { attribute, values } => Self::In { attribute, values },
            ConditionBody::Less { attribute, than } => Self::Less { attribute, than },
            ConditionBody::Greater { attribute, than } => Self::Greater { attribute, than },
            ConditionBody::Between { attribute, low, high } => Self::Between { attribute, low, high },
            ConditionBody::AtMost { attribute, than } => Self::AtMost { attribute, than },
            ConditionBody::AtLeast { attribute, than } => Self::AtLeast { attribute, than },
            ConditionBody::StartsWith { attribute, values } => Self::StartsWith { attribute, values },
            ConditionBody::EndsWith { attribute, values } => Self::EndsWith { attribute, values },
            ConditionBody::Contains { attribute, values } => Self::Contains { attribute, values },
            ConditionBody::Matches { attribute, pattern } => Self::Matches { attribute, pattern },
            ConditionBody::Before { attribute, time } => Self::Before { attribute, time },
            ConditionBody::After { attribute, time } => Self::After { attribute, time },
            ConditionBody::InNetwork { attribute, networks } => Self::InNetwork { attribute, networks },
            ConditionBody::Present { attribute } => Self::Present { attribute },
            ConditionBody::Semver { attribute, op, version } => {
                Self::Semver { attribute, op: op.into(), version }
            }
            ConditionBody::Segment(SegmentName(key)) => Self::Segment(key),
            ConditionBody::And(parts) => Self::And(all(parts)),
            ConditionBody::Or(parts) => Self::Or(all(parts)),
            ConditionBody::Not(part) => Self::Not(Box::new((*part).into())),
        }
    }
}

impl From<&Condition> for ConditionBody {
    fn from(condition: &Condition) -> Self {
        let all = |parts: &[Condition]| parts.iter().map(Self::from).collect();
        match condition.clone() {
            Condition::Always => Self::Always,
            Condition::Equals { attribute, value } => Self::Equals { attribute, value },
            Condition::In { attribute, values } => Self::In { attribute, values },
            Condition::Less { attribute, than } => Self::Less { attribute, than },
            Condition::Greater { attribute, than } => Self::Greater { attribute, than },
            Condition::Between { attribute, low, high } => Self::Between { attribute, low, high },
            Condition::AtMost { attribute, than } => Self::AtMost { attribute, than },
            Condition::AtLeast { attribute, than } => Self::AtLeast { attribute, than },
            Condition::StartsWith { attribute, values } => Self::StartsWith { attribute, values },
            Condition::EndsWith { attribute, values } => Self::EndsWith { attribute, values },
            Condition::Contains { attribute, values } => Self::Contains { attribute, values },
            Condition::Matches { attribute, pattern } => Self::Matches { attribute, pattern },
            Condition::Before { attribute, time } => Self::Before { attribute, time },
            Condition::After { attribute, time } => Self::After { attribute, time },
            Condition::InNetwork { attribute, networks } => Self::InNetwork { attribute, networks },
            Condition::Present { attribute } => Self::Present { attribute },
            Condition::Semver { attribute, op, version } => {
                Self::Semver { attribute, op: op.into(), version }
            }
            Condition::Segment(key) => Self::Segment(SegmentName(key)),
            Condition::And(parts) => Self::And(all(&parts)),
            Condition::Or(parts) => Self::Or(all(&parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::from(&*part))),
        }
    }
}
