//! Conditions in the manner of MongoDB, as GrowthBook writes them. Knows nothing of flags.

use serde_json::{Map, Value};
use serinus_domain::entity::{Comparison, Condition};

use crate::{
    draft::{Draft, all, any, not, numeric},
    read::texts,
};

/// The name of the attribute that is the user's id there.
pub(crate) const USER: &str = "id";

/// What conditions are read with.
pub(crate) struct Mongo<'a> {
    /// The flag that they belong to.
    pub of: &'a str,
    /// Lists of values by name.
    pub groups: Option<&'a Map<String, Value>>,
}

impl Mongo<'_> {
    /// A condition, or the part of it that is not understood.
    pub fn condition(&self, given: &Value, draft: &mut Draft) -> Result<Condition, String> {
        let members = given.as_object().ok_or_else(|| given.to_string())?;
        let mut parts = Vec::new();
        for (name, value) in members {
            parts.push(match name.as_str() {
                "$and" => all(self.each(value, draft)?),
                "$or" => any(self.each(value, draft)?),
                "$nor" => not(any(self.each(value, draft)?)),
                "$not" => not(self.condition(value, draft)?),
                name if name.starts_with('$') => return Err(name.to_owned()),
                name if name.contains('.') => return Err(format!("nested attribute {name}")),
                USER => self.attribute("user", value, draft)?,
                name => self.attribute(name, value, draft)?,
            });
        }
        Ok(all(parts))
    }

    fn each(&self, given: &Value, draft: &mut Draft) -> Result<Vec<Condition>, String> {
        let parts = given.as_array().ok_or_else(|| given.to_string())?;
        parts.iter().map(|part| self.condition(part, draft)).collect()
    }

    fn attribute(&self, name: &str, given: &Value, draft: &mut Draft) -> Result<Condition, String> {
        match given {
            Value::Object(members)
                if members.keys().all(|name| name.starts_with('$')) && !members.is_empty() =>
            {
                let parts = members.iter().map(|(op, value)| self.operator(name, op, value, draft));
                parts.collect::<Result<_, _>>().map(all)
            }
            Value::Object(_) | Value::Array(_) => Err(format!("{name} compared with {given}")),
            Value::Null => Ok(not(Condition::Present { attribute: name.to_owned() })),
            value => self.one_of(name, std::slice::from_ref(value), draft),
        }
    }

    fn one_of(&self, name: &str, values: &[Value], draft: &mut Draft) -> Result<Condition, String> {
        if name == "user" {
            return draft.people(self.of, texts(values)).ok_or_else(|| "list of people".to_owned());
        }
        if values.iter().any(|value| value.is_object() || value.is_array()) {
            return Err(format!("{name} compared with lists or objects"));
        }
        Ok(Condition::In { attribute: name.to_owned(), values: values.to_vec() })
    }

    fn operator(&self, name: &str, op: &str, value: &Value, draft: &mut Draft) -> Result<Condition, String> {
        let refused = || format!("{name} {op}");
        let attribute = || name.to_owned();
        let listed = |value: &Value| value.as_array().cloned().ok_or_else(refused);
        let group = |value: &Value| {
            let group = value.as_str().and_then(|id| self.groups?.get(id)?.as_array());
            group.cloned().ok_or_else(|| format!("{name} in a saved group that the document does not hold"))
        };
        let versioned = |op| {
            let version = value.as_str().ok_or_else(refused)?.to_owned();
            Ok(Condition::Semver { attribute: attribute(), op, version })
        };
        // Texts are compared as texts there; times written in one form compare as times.
        let ordered = |op: Comparison| match value {
            Value::String(time) if time.len() >= 10 && time.as_bytes()[4] == b'-' => match op {
                Comparison::Less | Comparison::AtMost => {
                    Ok(Condition::Before { attribute: attribute(), time: time.clone() })
                }
                _ => Ok(Condition::After { attribute: attribute(), time: time.clone() }),
            },
            value => Ok(numeric(name, op, value.as_f64().ok_or_else(refused)?)),
        };
        match op {
            "$eq" => self.one_of(name, std::slice::from_ref(value), draft),
            "$ne" => self.one_of(name, std::slice::from_ref(value), draft).map(not),
            "$in" => self.one_of(name, &listed(value)?, draft),
            "$nin" => self.one_of(name, &listed(value)?, draft).map(not),
            "$inGroup" => self.one_of(name, &group(value)?, draft),
            "$notInGroup" => self.one_of(name, &group(value)?, draft).map(not),
            "$exists" => {
                let present = Condition::Present { attribute: attribute() };
                Ok(if value.as_bool().unwrap_or(true) { present } else { not(present) })
            }
            "$gt" => ordered(Comparison::Greater),
            "$gte" => ordered(Comparison::AtLeast),
            "$lt" => ordered(Comparison::Less),
            "$lte" => ordered(Comparison::AtMost),
            "$regex" => Ok(Condition::Matches {
                attribute: attribute(),
                pattern: value.as_str().ok_or_else(refused)?.to_owned(),
            }),
            "$veq" => versioned(Comparison::Equal),
            "$vne" => versioned(Comparison::Equal).map(not),
            "$vgt" => versioned(Comparison::Greater),
            "$vgte" => versioned(Comparison::AtLeast),
            "$vlt" => versioned(Comparison::Less),
            "$vlte" => versioned(Comparison::AtMost),
            "$not" => self.attribute(name, value, draft).map(not),
            "$elemMatch" => match value.get("$eq").and_then(Value::as_str) {
                Some(element) => {
                    Ok(Condition::Contains { attribute: attribute(), values: vec![element.to_owned()] })
                }
                None => Err(refused()),
            },
            _ => Err(refused()),
        }
    }
}
