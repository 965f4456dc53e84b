//! A condition over attributes as a command carries it: like the stored one, but strict about what it does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::entity::Condition;
use utoipa::ToSchema;

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
            Condition::And(parts) => Self::And(all(&parts)),
            Condition::Or(parts) => Self::Or(all(&parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::from(&*part))),
        }
    }
}
