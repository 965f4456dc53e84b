//! What differs between two JSON values, by path. Knows nothing of what they mean, and compares texts as a whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A place where two values differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathChange {
    /// Where: `rules[0].serve.variant`; empty for the whole.
    pub path: String,
    /// What was there; nothing where the place is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now; nothing where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The differences in the order of their paths, each as deep as both sides go. `None` stands for nothing at all.
pub fn diff(before: Option<&Value>, after: Option<&Value>) -> Vec<PathChange> {
    let mut changes = Vec::new();
    walk(String::new(), before, after, &mut changes);
    changes
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<PathChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(place, old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for at in 0..old.len().max(new.len()) {
                walk(format!("{path}[{at}]"), old.get(at), new.get(at), changes);
            }
        }
        (before, after) => {
            changes.push(PathChange { path, before: before.cloned(), after: after.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_as_deep_as_both_sides_go() {
        let before = json!({ "a": { "b": 1, "c": [1, 2] }, "gone": true, "same": [1] });
        let after = json!({ "a": { "b": 2, "c": [1, 3, 4] }, "new": null, "same": [1] });
        let paths: Vec<_> = diff(Some(&before), Some(&after)).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["a.b", "a.c[1]", "a.c[2]", "gone", "new"]);
        let whole = diff(None, Some(&after));
        assert_eq!((whole.len(), whole[0].path.as_str()), (1, ""));
        assert!(diff(Some(&after), Some(&after)).is_empty());
    }
}
