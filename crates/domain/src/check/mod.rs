//! Answer to tier-2 facts: what its parser says, whether it refuses, how it ended. Knows nothing of the call that it answers.

mod fence;
mod finish;
mod json;
mod length;
mod pattern;
mod refusal;
mod schema;

pub(crate) use schema::Schema;

use crate::{
    entity::{ParserContent, ParserFormat},
    limits::CHECKED_BYTES_MAX,
    record::Facts,
};

/// A compiled parser.
#[derive(Debug)]
pub struct Parser {
    format: Format,
    bounds: length::Bounds,
    strip_fence: bool,
}

#[derive(Debug)]
enum Format {
    Text,
    Json,
    Schema(Schema),
    Pattern(pattern::Pattern),
    ToolCall,
}

/// An answer as checks see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// Its text; empty where it only calls tools.
    pub text: &'a str,
    /// How many tools it calls.
    pub tool_calls: usize,
    /// Why it ended, as the provider said.
    pub finish_reason: Option<&'a str>,
    /// Whether the provider marked it as a refusal.
    pub refusal_field: bool,
}

impl Parser {
    /// Compiles; the error names the member and the way out.
    pub fn compile(content: &ParserContent) -> Result<Self, String> {
        let format = match &content.format {
            ParserFormat::Text => Format::Text,
            ParserFormat::Json => Format::Json,
            ParserFormat::JsonSchema { schema } => Format::Schema(Schema::compile(schema)?),
            ParserFormat::Regex { pattern } => Format::Pattern(pattern::Pattern::compile(pattern)?),
            ParserFormat::ToolCall => Format::ToolCall,
        };
        let bounds = length::Bounds::new(content.chars_min, content.chars_max)?;
        Ok(Self { format, bounds, strip_fence: content.strip_fence })
    }

    /// Why the answer is not good, as a short stable word; none where it is.
    fn invalid(&self, answer: &Answer, chars: u32) -> Option<&'static str> {
        if let Some(reason) = finish::cut(answer.finish_reason) {
            return Some(reason);
        }
        if let Format::ToolCall = self.format {
            return (answer.tool_calls == 0).then_some("no_tool_call");
        }
        if answer.text.trim().is_empty() {
            return Some("empty");
        }
        if answer.text.len() > CHECKED_BYTES_MAX {
            return Some("too_long");
        }
        let text = if self.strip_fence { fence::strip(answer.text) } else { answer.text };
        let malformed = match &self.format {
            Format::Text | Format::ToolCall => None,
            Format::Json => json::invalid(text),
            Format::Schema(schema) => schema.invalid(text),
            Format::Pattern(pattern) => pattern.invalid(text),
        };
        malformed.or_else(|| self.bounds.invalid(chars))
    }
}

/// Reads the facts off an answer.
pub fn facts(parser: &Parser, answer: &Answer) -> Facts {
    let chars = u32::try_from(answer.text.chars().count()).unwrap_or(u32::MAX);
    let is_step =
        answer.tool_calls > 0 && answer.text.trim().is_empty() && !matches!(parser.format, Format::ToolCall);
    let invalid = parser.invalid(answer, chars);
    // A step of an agent that only calls tools has no text to hold against a format; one that was cut off is bad all the same.
    let unread = is_step && invalid == Some("empty");
    Facts {
        chars,
        valid: (!unread).then_some(invalid.is_none()),
        invalid_reason: invalid.filter(|_| !unread).map(str::to_owned),
        refusal: Some(answer.refusal_field || refusal::refuses(answer.text)),
        finish_reason: answer.finish_reason.map(finish::name),
    }
}
