//! The contents of artifacts, one shape per kind, with the checks that a content must pass before it is stored.
//! Knows nothing of bundles: what one layer needs of another is checked where a bundle is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ArtifactKind, LayerKind};
use crate::{
    id::{CategoryKey, ProviderKey},
    units::MicroUsd,
};

/// A model at a provider, with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelContent {
    /// The provider as the server's configuration names it.
    pub provider: ProviderKey,
    /// The model's name at the provider.
    pub model: String,
    /// Price of a million input tokens.
    #[serde(default)]
    pub input_micro_usd_per_million: MicroUsd,
    /// Price of a million input tokens that the provider had cached; the input price where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_micro_usd_per_million: Option<MicroUsd>,
    /// Price of a million output tokens.
    #[serde(default)]
    pub output_micro_usd_per_million: MicroUsd,
    /// Tokens that fit in one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window_tokens: Option<u32>,
}

/// How a template is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSyntax {
    /// Jinja.
    #[default]
    Jinja,
    /// Mustache: variables, sections, inverted sections, partials as includes, comments. Nothing is escaped: prompts are no HTML.
    Mustache,
}

impl TemplateSyntax {
    fn is_jinja(&self) -> bool {
        *self == Self::Jinja
    }
}

/// A text with the variables that it may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptContent {
    /// The template's source. `{% include "system_prompt/tone@3" %}` brings in another version.
    pub text: String,
    /// Every variable that the text may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, VariableDecl>,
    /// How it is written.
    #[serde(default, skip_serializing_if = "TemplateSyntax::is_jinja")]
    pub syntax: TemplateSyntax,
}

/// A declared variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableDecl {
    /// What values it takes.
    #[serde(rename = "type", default)]
    pub kind: VariableType,
    /// What it is when the request does not say; without one the request must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// The type of a declared variable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableType {
    /// Text.
    #[default]
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// An object.
    Object,
}

impl VariableType {
    /// Whether `value` is of this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// Sampling parameters, sent as they are. `extra` holds what a provider knows and this version does not name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingContent {
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Upper bound of output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// For providers that repeat themselves on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Further request members by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

/// What is looked up before the template is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalContent {
    /// Where documents are asked for.
    pub endpoint: String,
    /// Names of what is searched, each with its index version: `kb@2026-11`.
    pub sources: Vec<String>,
    /// How many documents.
    pub top_k: u32,
    /// How they are ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranker: Option<String>,
}

/// Tools offered to the model, in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolsContent {
    /// Each `{"type":"function","function":{"name","description","parameters"}}`.
    pub tools: Vec<Value>,
}

/// How an answer is read and what it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParserContent {
    /// The form of a good answer.
    pub format: ParserFormat,
    /// Characters that a good answer has at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_min: Option<u32>,
    /// Characters that a good answer has at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<u32>,
    /// Whether a markdown fence around JSON is taken off before it is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strip_fence: bool,
}

/// The form of a good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ParserFormat {
    /// Any text that is not empty.
    Text,
    /// A JSON value.
    Json,
    /// A JSON value that meets a schema.
    JsonSchema {
        /// The schema, draft 2020-12 unless it says otherwise.
        schema: Value,
    },
    /// A text that a pattern finds itself in.
    Regex {
        /// The pattern, in the syntax of Rust's `regex` crate.
        pattern: String,
    },
    /// At least one tool call.
    ToolCall,
}

/// What a judge looks for. Scores run from 0 to 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RubricContent {
    /// What the judge is told.
    pub instructions: String,
}

/// Categories of queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonomyContent {
    /// What each is about, by name.
    pub categories: BTreeMap<CategoryKey, TaxonomyCategory>,
}

/// One category of a taxonomy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonomyCategory {
    /// What belongs to it, in words.
    pub description: String,
    /// Queries that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// Cases to try a bundle on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetContent {
    /// The cases.
    pub cases: Vec<DatasetCase>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetCase {
    /// The conversation so far, in OpenAI's shape; the last message is the user's.
    pub messages: Vec<Value>,
    /// Template variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// A good answer, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryKey>,
}

/// A content of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A model.
    Model(ModelContent),
    /// A system prompt.
    SystemPrompt(PromptContent),
    /// A template around the user's message.
    PromptTemplate(PromptContent),
    /// Sampling parameters.
    Sampling(SamplingContent),
    /// A retriever.
    Retrieval(RetrievalContent),
    /// Tools.
    Tools(ToolsContent),
    /// A parser.
    OutputParser(ParserContent),
    /// A rubric.
    Rubric(RubricContent),
    /// A taxonomy.
    Taxonomy(TaxonomyContent),
    /// A dataset.
    Dataset(DatasetContent),
}

impl Content {
    /// Reads a content of `kind`; the error names the field.
    pub fn parse(kind: ArtifactKind, value: &Value) -> Result<Self, String> {
        fn read<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, String> {
            T::deserialize(value).map_err(|refused| refused.to_string())
        }
        match kind {
            ArtifactKind::Layer(LayerKind::Model) => read(value).map(Self::Model),
            ArtifactKind::Layer(LayerKind::SystemPrompt) => read(value).map(Self::SystemPrompt),
            ArtifactKind::Layer(LayerKind::PromptTemplate) => read(value).map(Self::PromptTemplate),
            ArtifactKind::Layer(LayerKind::Sampling) => read(value).map(Self::Sampling),
            ArtifactKind::Layer(LayerKind::Retrieval) => read(value).map(Self::Retrieval),
            ArtifactKind::Layer(LayerKind::Tools) => read(value).map(Self::Tools),
            ArtifactKind::Layer(LayerKind::OutputParser) => read(value).map(Self::OutputParser),
            ArtifactKind::Rubric => read(value).map(Self::Rubric),
            ArtifactKind::Taxonomy => read(value).map(Self::Taxonomy),
            ArtifactKind::Dataset => read(value).map(Self::Dataset),
        }
    }

    /// The stored form; its canonical bytes are the blob.
    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Model(content) => serde_json::to_value(content),
            Self::SystemPrompt(content) | Self::PromptTemplate(content) => serde_json::to_value(content),
            Self::Sampling(content) => serde_json::to_value(content),
            Self::Retrieval(content) => serde_json::to_value(content),
            Self::Tools(content) => serde_json::to_value(content),
            Self::OutputParser(content) => serde_json::to_value(content),
            Self::Rubric(content) => serde_json::to_value(content),
            Self::Taxonomy(content) => serde_json::to_value(content),
            Self::Dataset(content) => serde_json::to_value(content),
        };
        value.unwrap_or(Value::Null)
    }
}
