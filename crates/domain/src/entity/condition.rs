//! Conditions over the attributes of a context, as they are stored. Knows nothing of how they are evaluated.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// All of these; of none, everybody.
    And(Vec<Condition>),
    /// At least one of these; of none, nobody.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

impl Condition {
    /// Whether it is met by everybody.
    pub fn is_always(&self) -> bool {
        matches!(self, Self::Always)
    }
}
