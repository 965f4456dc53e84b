//! Checks of a condition: bounds, and everything that compiling it would refuse, each with the place in it.
//! Whether the segments that it names exist is asked where the log is at hand.

use serde_json::Value;

use crate::{
    entity::Condition,
    limits::{ATTRIBUTE_BYTES_MAX, CONDITION_DEPTH_MAX, CONDITIONS_MAX, VALUES_MAX},
    resolve::CompiledCondition,
};

/// Checks a condition. The reason begins with the place where it is not one: `and[1].not: …`.
pub fn condition(condition: &Condition) -> Result<(), String> {
    let mut walk = Walk { count: 0, path: Vec::new() };
    walk.part(condition, 1).map_err(|reason| {
        if walk.path.is_empty() { reason } else { format!("{}: {reason}", walk.path.join(".")) }
    })
}

struct Walk {
    count: usize,
    /// Where it stands; left as it was when a check fails.
    path: Vec<String>,
}

impl Walk {
    fn part(&mut self, condition: &Condition, depth: usize) -> Result<(), String> {
        self.count += 1;
        if depth > CONDITION_DEPTH_MAX {
            return Err(format!("condition is nested deeper than {CONDITION_DEPTH_MAX}: flatten it"));
        }
        if self.count > CONDITIONS_MAX {
            return Err(format!("condition has more than {CONDITIONS_MAX} parts: use \"in\" for lists"));
        }
        match condition {
            Condition::And(parts) => self.all("and", parts, depth),
            Condition::Or(parts) => self.all("or", parts, depth),
            Condition::Not(part) => self.at("not".into(), part, depth),
            leaf => comparison(leaf),
        }
    }

    fn all(&mut self, name: &str, parts: &[Condition], depth: usize) -> Result<(), String> {
        parts.iter().enumerate().try_for_each(|(at, part)| self.at(format!("{name}[{at}]"), part, depth))
    }

    fn at(&mut self, step: String, part: &Condition, depth: usize) -> Result<(), String> {
        self.path.push(step);
        self.part(part, depth + 1)?;
        self.path.pop();
        Ok(())
    }
}

fn comparison(condition: &Condition) -> Result<(), String> {
    let named = |attribute: &str| {
        if attribute.is_empty() || attribute.len() > ATTRIBUTE_BYTES_MAX {
            return Err(format!("an attribute's name has 1 to {ATTRIBUTE_BYTES_MAX} bytes"));
        }
        Ok(())
    };
    let finite = |number: &f64| {
        if number.is_finite() {
            Ok(())
        } else {
            Err("it compares with a number that is not finite".to_owned())
        }
    };
    let some = |attribute: &str, count: usize| {
        named(attribute)?;
        if count == 0 || count > VALUES_MAX {
            return Err(format!(
                "attribute \"{attribute}\" is compared with {count} values: give 1 to {VALUES_MAX}"
            ));
        }
        Ok(())
    };
    match condition {
        Condition::Equals { attribute, value } => named(attribute).and_then(|()| plain(attribute, value)),
        Condition::In { attribute, values } => {
            named(attribute)?;
            // An empty list is met by nobody, which a generated rule may well mean.
            if values.len() > VALUES_MAX {
                return Err(format!(
                    "attribute \"{attribute}\" is compared with {} values: give at most {VALUES_MAX}, or use a segment's list",
                    values.len()
                ));
            }
            values.iter().try_for_each(|value| plain(attribute, value))
        }
        Condition::Less { attribute, than }
        | Condition::Greater { attribute, than }
        | Condition::AtMost { attribute, than }
        | Condition::AtLeast { attribute, than } => named(attribute).and_then(|()| finite(than)),
        Condition::Between { attribute, low, high } => {
            named(attribute)?;
            finite(low).and_then(|()| finite(high))?;
            if low > high {
                return Err(format!("attribute \"{attribute}\" is between {low} and {high}: swap them"));
            }
            Ok(())
        }
        Condition::StartsWith { attribute, values }
        | Condition::EndsWith { attribute, values }
        | Condition::Contains { attribute, values } => {
            some(attribute, values.len())?;
            if values.iter().any(String::is_empty) {
                return Err(format!(
                    "attribute \"{attribute}\": every text has the empty one in it: give another"
                ));
            }
            Ok(())
        }
        Condition::InNetwork { attribute, networks } => {
            some(attribute, networks.len())?;
            compiles(condition)
        }
        Condition::Matches { attribute, .. }
        | Condition::Semver { attribute, .. }
        | Condition::Before { attribute, .. }
        | Condition::After { attribute, .. } => {
            named(attribute)?;
            compiles(condition).map_err(|reason| format!("attribute \"{attribute}\": {reason}"))
        }
        Condition::Present { attribute } => named(attribute),
        Condition::Always
        | Condition::Segment(_)
        | Condition::And(_)
        | Condition::Or(_)
        | Condition::Not(_) => Ok(()),
    }
}

/// A list or an object equals nothing that a person would expect.
fn plain(attribute: &str, value: &Value) -> Result<(), String> {
    if value.is_array() || value.is_object() {
        return Err(format!(
            "attribute \"{attribute}\" is compared with {value}: use a text, a number or a truth value"
        ));
    }
    Ok(())
}

fn compiles(condition: &Condition) -> Result<(), String> {
    CompiledCondition::compile(condition, &mut |key| Err(format!("segment \"{key}\""))).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| (1..depth).fold(Condition::Always, |inner, _| Condition::Not(Box::new(inner)));
        assert!(condition(&nested(CONDITION_DEPTH_MAX)).is_ok());
        assert!(condition(&nested(CONDITION_DEPTH_MAX + 1)).is_err());
    }

    #[test]
    fn what_does_not_compile_is_refused_with_its_place() {
        let check = |given: Value, begins: &str| {
            let stored: Condition = serde_json::from_value(given).unwrap();
            let refused = condition(&stored).unwrap_err();
            assert!(refused.starts_with(begins), "{refused}");
        };
        check(
            json!({"and": ["always", {"not": {"matches": {"attribute": "mail", "pattern": "("}}}]}),
            "and[1].not: attribute \"mail\": pattern \"(\"",
        );
        check(
            json!({"semver": {"attribute": "v", "op": "at_least", "version": "two"}}),
            "attribute \"v\": \"two\" is no semantic version",
        );
        check(
            json!({"before": {"attribute": "t", "time": "tomorrow"}}),
            "attribute \"t\": \"tomorrow\" is no time",
        );
        check(
            json!({"in_network": {"attribute": "ip", "networks": ["10.0.0.0/40"]}}),
            "\"10.0.0.0/40\" is no network",
        );
        check(
            json!({"matches": {"attribute": "a", "pattern": "(a{1000}){1000}"}}),
            "attribute \"a\": pattern",
        );
        check(
            json!({"or": [{"between": {"attribute": "n", "low": 3, "high": 2}}]}),
            "or[0]: attribute \"n\" is between 3 and 2",
        );
        check(
            json!({"contains": {"attribute": "n", "values": []}}),
            "attribute \"n\" is compared with 0 values",
        );
    }
}
