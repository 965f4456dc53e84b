//! Whether an answer is JSON that meets a schema. Fetches nothing: every reference points into the schema itself.
//! `format` is an assertion, since whoever writes it into the schema of an answer means it.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::limits::SCHEMA_BYTES_MAX;

/// Bytes of one compiled pattern of a schema.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Steps of one match of a pattern with look-around or back-references; beyond them the answer counts as no match.
const BACKTRACK_MAX: usize = 100_000;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema(Box<Validator>);

impl Schema {
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let bytes = serde_json::to_vec(schema).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > SCHEMA_BYTES_MAX {
            return Err(format!("schema has {bytes} bytes: use at most {SCHEMA_BYTES_MAX}"));
        }
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACK_MAX)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let built = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .build(schema);
        built.map(|validator| Self(Box::new(validator))).map_err(|refused| {
            let at = refused.instance_path().as_str();
            let at = if at.is_empty() { "/" } else { at };
            format!(
                "schema does not compile at {at}: {refused}: references must point into the schema itself"
            )
        })
    }

    /// Why a value does not meet the schema, and where.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.0.validate(value).map_err(|failed| {
            let at = failed.instance_path().as_str();
            let at = if at.is_empty() { "/" } else { at };
            let why: String = failed.to_string().chars().take(300).collect();
            format!("at {at}: {why}")
        })
    }

    /// Why the text is not good: the keyword that it fails first, under `schema.`.
    pub(super) fn invalid(&self, text: &str) -> Option<&'static str> {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return Some("not_json") };
        self.0.validate(&value).err().map(|failed| reason(failed.kind().keyword()))
    }
}

/// A closed list, so that a reason stays a label: nothing that a model wrote can get into it.
fn reason(keyword: &str) -> &'static str {
    match keyword {
        "type" => "schema.type",
        "required" => "schema.required",
        "enum" | "const" => "schema.enum",
        "additionalProperties" | "unevaluatedProperties" => "schema.additional",
        "pattern" => "schema.pattern",
        "format" => "schema.format",
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            "schema.size"
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => "schema.range",
        "anyOf" | "oneOf" | "not" => "schema.choice",
        _ => "schema.other",
    }
}
