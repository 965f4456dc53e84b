//! Conditions over the attributes of a context, as they are stored. Knows nothing of how they are evaluated.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::SegmentKey;

/// How two versions compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Of the same precedence.
    Equal,
    /// Below.
    Less,
    /// Below or equal.
    AtMost,
    /// Above.
    Greater,
    /// Above or equal.
    AtLeast,
    /// At least it, with the same major number (of 0, the same minor).
    Compatible,
    /// At least it, with the same major and minor number.
    SameMinor,
}

/// A condition. A missing attribute, or one of another type, meets no comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Everybody.
    #[default]
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
    Segment(SegmentKey),
    /// All of these; of none, everybody.
    And(Vec<Condition>),
    /// At least one of these; of none, nobody.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

impl Condition {
    /// The segments that it refers to, in the order of the text.
    pub fn segments(&self) -> Vec<&SegmentKey> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(part) = open.pop() {
            match part {
                Self::Segment(key) => found.push(key),
                Self::And(parts) | Self::Or(parts) => open.extend(parts.iter().rev()),
                Self::Not(part) => open.push(part),
                _ => {}
            }
        }
        found
    }

    /// Whether it is met by everybody.
    pub fn is_always(&self) -> bool {
        matches!(self, Self::Always)
    }
}
