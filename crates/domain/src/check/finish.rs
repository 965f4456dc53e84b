//! How an answer ended, in one spelling, and whether that makes it bad. Knows nothing of its text.

/// Characters of a finish reason that are kept; a provider's word, not its prose.
const NAME_CHARS_MAX: usize = 32;

/// The reason in one spelling.
pub(super) fn name(reason: &str) -> String {
    match reason {
        "tool_call" | "tool_calls" => "tool_calls".into(),
        other => other.chars().take(NAME_CHARS_MAX).collect(),
    }
}

/// Why an answer that ended like this is not good.
pub(super) fn cut(reason: Option<&str>) -> Option<&'static str> {
    match reason? {
        "length" => Some("length"),
        "content_filter" => Some("content_filter"),
        _ => None,
    }
}
