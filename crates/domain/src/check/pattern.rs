//! Whether a pattern finds itself in an answer, in time linear in the answer. Knows nothing of JSON.

use regex::{Regex, RegexBuilder};

/// Bytes of a compiled pattern; `\w{1000}` and its like would take more.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build().map(Self).map_err(|refused| {
            // The last line of a syntax error says what is wrong; those before it draw where.
            let reason = refused.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            format!("pattern does not compile: {reason}: write it in the syntax of Rust's regex crate")
        })
    }

    /// Why the text is not good.
    pub(super) fn invalid(&self, text: &str) -> Option<&'static str> {
        (!self.0.is_match(text)).then_some("no_match")
    }
}
