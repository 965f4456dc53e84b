//! Conditions as evaluation walks them. Total: a missing or ill-typed attribute meets no comparison and never fails.
//! Knows nothing of what a condition decides.

use serde_json::Value;

use crate::{context::Context, entity::Condition};

/// A condition ready to be walked without allocation.
#[derive(Debug, Clone, PartialEq)]
pub enum CompiledCondition {
    /// Everybody.
    Always,
    /// The attribute is one of these.
    OneOf(Box<str>, Box<[Value]>),
    /// The attribute is a number in this range; open ends are infinite.
    Range {
        /// The attribute's name.
        attribute: Box<str>,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
        /// Whether the ends belong to it.
        closed: bool,
    },
    /// All of these.
    All(Box<[CompiledCondition]>),
    /// One of these.
    Any(Box<[CompiledCondition]>),
    /// Not this.
    Not(Box<CompiledCondition>),
}

impl CompiledCondition {
    /// The walked form of a stored condition.
    pub fn compile(condition: &Condition) -> Self {
        let all = |parts: &[Condition]| parts.iter().map(Self::compile).collect();
        let range = |attribute: &str, low, high, closed| Self::Range {
            attribute: attribute.into(),
            low,
            high,
            closed,
        };
        match condition {
            Condition::Always => Self::Always,
            Condition::Equals { attribute, value } => {
                Self::OneOf(attribute.as_str().into(), std::slice::from_ref(value).into())
            }
            Condition::In { attribute, values } => {
                Self::OneOf(attribute.as_str().into(), values.as_slice().into())
            }
            Condition::Less { attribute, than } => range(attribute, f64::NEG_INFINITY, *than, false),
            Condition::Greater { attribute, than } => range(attribute, *than, f64::INFINITY, false),
            Condition::Between { attribute, low, high } => range(attribute, *low, *high, true),
            Condition::And(parts) => Self::All(all(parts)),
            Condition::Or(parts) => Self::Any(all(parts)),
            Condition::Not(part) => Self::Not(Box::new(Self::compile(part))),
            _ => Self::Any(Box::new([])),
        }
    }

    /// Whether `context` meets it. The attributes `user` and `session` are the ids themselves.
    pub fn met(&self, context: &Context) -> bool {
        match self {
            Self::Always => true,
            Self::OneOf(name, values) => match (context.attributes.get(name), id(context, name)) {
                (Some(have), _) => values.iter().any(|value| same(have, value)),
                (None, Some(have)) => values.iter().any(|value| value.as_str() == Some(have)),
                (None, None) => false,
            },
            Self::Range { attribute, low, high, closed } => {
                context.attributes.get(attribute).and_then(Value::as_f64).is_some_and(|have| {
                    if *closed { have >= *low && have <= *high } else { have > *low && have < *high }
                })
            }
            Self::All(parts) => parts.iter().all(|part| part.met(context)),
            Self::Any(parts) => parts.iter().any(|part| part.met(context)),
            Self::Not(part) => !part.met(context),
        }
    }
}

fn id<'a>(context: &'a Context, name: &str) -> Option<&'a str> {
    match name {
        "user" => context.user.as_deref(),
        "session" => context.session.as_deref(),
        _ => None,
    }
}

/// Numbers by value (`2` is `2.0`), everything else as it is.
fn same(have: &Value, value: &Value) -> bool {
    match (have.as_f64(), value.as_f64()) {
        (Some(have), Some(value)) => have == value,
        _ => have == value,
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
        assert_eq!(CompiledCondition::compile(&stored).met(&context), met, "{condition} on {context:?}");
    }

    #[test]
    fn operators() {
        let plan = |value: &str| json!({"equals": {"attribute": "plan", "value": value}});
        check(&json!("always"), &json!({}), true);
        check(&plan("pro"), &json!({"plan": "pro"}), true);
        check(&plan("pro"), &json!({"plan": "free"}), false);
        check(&plan("pro"), &json!({"plan": 7}), false);
        check(&plan("pro"), &json!({}), false);
        check(&json!({"in": {"attribute": "n", "values": [1, 2]}}), &json!({"n": 2.0}), true);
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
