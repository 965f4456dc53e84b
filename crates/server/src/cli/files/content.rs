//! The file of one version: text with what has to be said about it above a line `---`, or YAML, JSON or TOML. Knows nothing of where
//! it lies.

use serde_json::{Map, Value, json};

use super::people;

/// A version's content and needs, as a file gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The content, in the shape of its kind.
    pub content: Value,
    /// Its needs.
    pub requires: Vec<Value>,
}

const FENCE: &str = "---\n";

/// Reads a file's text. `end` is the file name's extension.
pub fn parse(kind: &str, end: &str, text: &str) -> Result<Given, String> {
    let mut given = match (kind, end) {
        ("system_prompt" | "prompt_template" | "rubric", "md" | "txt" | "j2" | "mustache") => {
            prose(kind, end, text)?
        }
        (_, "yaml" | "yml" | "json" | "toml") => data(end, text)?,
        _ => {
            return Err(format!(
                "a file ending in .{end} is no content of kind {kind}: use .md for texts, .yaml for the rest"
            ));
        }
    };
    let requires = given.remove("requires").unwrap_or_else(|| json!([]));
    let needs = requires.as_array().ok_or("requires: write a list")?.iter().map(people::requirement);
    Ok(Given { requires: needs.collect::<Result<_, _>>()?, content: Value::Object(given) })
}

/// A file of structured values.
pub fn data(end: &str, text: &str) -> Result<Map<String, Value>, String> {
    let value: Value = match end {
        "toml" => toml::from_str(text).map_err(|refused| refused.to_string())?,
        _ => serde_yaml_ng::from_str(text).map_err(|refused| refused.to_string())?,
    };
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        _ => Err("this is no mapping: write `name: value` lines".to_owned()),
    }
}

fn prose(kind: &str, end: &str, text: &str) -> Result<Map<String, Value>, String> {
    let (mut members, body) = match text.strip_prefix(FENCE).and_then(|rest| split_head(rest)) {
        Some((head, body)) => (data("yaml", head)?, body),
        None => (Map::new(), text),
    };
    // An editor ends a file with a line end that is no part of the text.
    let body = body.strip_suffix('\n').unwrap_or(body);
    members.insert(if kind == "rubric" { "instructions" } else { "text" }.to_owned(), body.into());
    if end == "mustache" {
        members.insert("syntax".to_owned(), "mustache".into());
    }
    Ok(members)
}

fn split_head(rest: &str) -> Option<(&str, &str)> {
    if let Some(body) = rest.strip_prefix(FENCE) {
        return Some(("", body));
    }
    rest.split_once("\n---\n")
}

/// Writes what `parse` reads; answers the extension and the text.
pub fn write(kind: &str, content: &Value, requires: &Value) -> (&'static str, String) {
    let mut members = content.as_object().cloned().unwrap_or_default();
    if requires.as_array().is_some_and(|needs| !needs.is_empty()) {
        members.insert("requires".to_owned(), requires.clone());
    }
    let name = if kind == "rubric" { "instructions" } else { "text" };
    let prose = matches!(kind, "system_prompt" | "prompt_template" | "rubric");
    let Some(text) = members.get(name).and_then(Value::as_str).filter(|_| prose).map(str::to_owned) else {
        return ("yaml", yaml(&Value::Object(members)));
    };
    members.remove(name);
    let end = if members.remove("syntax") == Some("mustache".into()) { "mustache" } else { "md" };
    let head = if members.is_empty() { String::new() } else { yaml(&Value::Object(members)) };
    if head.is_empty() && !text.starts_with(FENCE) {
        return (end, format!("{text}\n"));
    }
    (end, format!("{FENCE}{head}{FENCE}{text}\n"))
}

/// A value as YAML.
pub fn yaml(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_survive_their_files() {
        let cases = [
            ("system_prompt", json!({ "text": "Be brief." }), json!([])),
            ("system_prompt", json!({ "text": "Be brief.\n" }), json!([])),
            ("system_prompt", json!({ "text": "---\nnot a head\n---\n" }), json!([])),
            ("prompt_template", json!({ "text": "{{{input}}}", "syntax": "mustache" }), json!([])),
            (
                "system_prompt",
                json!({ "text": "Hi {{ name }}", "variables": { "name": { "type": "string" } } }),
                json!([{ "kind": "output_parser", "name": "json", "version_min": 3 }]),
            ),
            ("rubric", json!({ "instructions": "Is it kind?" }), json!([])),
            (
                "sampling",
                json!({ "temperature": 0.2, "stop": ["---\n"] }),
                json!([{ "kind": "model", "version_min": 1 }]),
            ),
        ];
        for (kind, content, requires) in cases {
            let (end, text) = write(kind, &content, &requires);
            let given = parse(kind, end, &text).unwrap();
            assert_eq!((&given.content, json!(given.requires)), (&content, requires), "{text}");
        }
    }

    #[test]
    fn toml_is_read_and_needs_may_be_short() {
        let given =
            parse("sampling", "toml", "temperature = 0.5\nrequires = [\"output_parser/json@3\"]\n").unwrap();
        assert_eq!(given.content, json!({ "temperature": 0.5 }));
        assert_eq!(given.requires, [json!({ "kind": "output_parser", "name": "json", "version_min": 3 })]);
        assert!(parse("model", "md", "x").unwrap_err().contains(".yaml"));
    }
}
