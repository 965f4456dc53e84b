//! Whether an answer is one JSON value. Knows nothing of its shape.

use serde::de::IgnoredAny;

/// Why the text is no JSON value.
pub(super) fn invalid(text: &str) -> Option<&'static str> {
    serde_json::from_str::<IgnoredAny>(text).is_err().then_some("not_json")
}
