//! Finds the JSON object in a model's text. Knows nothing of schemas or of what the object should hold.

use serde_json::Value;

/// Text searched, and places tried: a judge's reply is a few hundred bytes, and bad text must not cost more than good.
const TEXT_BYTES_MAX: usize = 256 * 1024;
const STARTS_MAX: usize = 32;

/// The first JSON object in `text`, whether bare, in a markdown fence or amid prose. Each of at most 32 opening braces
/// is tried in turn.
#[must_use]
pub fn extract_json_object(text: &str) -> Option<Value> {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    text.match_indices('{').take(STARTS_MAX).find_map(|(start, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        values.next()?.ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_are_found() {
        for (text, want) in [
            (r#"{"score":4}"#, Some(r#"{"score":4}"#)),
            ("```json\n{\"score\": 4}\n```", Some(r#"{"score":4}"#)),
            ("Sure! {\"a\":{\"b\":\"}\"}} Hope it helps {\"c\":1}", Some(r#"{"a":{"b":"}"}}"#)),
            ("use {braces} like {\"a\":1}", Some(r#"{"a":1}"#)),
            ("[1,2]", None),
            ("{\"cut\":", None),
            ("", None),
        ] {
            assert_eq!(extract_json_object(text).map(|v| v.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn work_is_bounded() {
        assert_eq!(extract_json_object(&"{".repeat(1_000_000)), None);
        assert_eq!(extract_json_object(&format!("{}{{}}", "{x ".repeat(STARTS_MAX))), None);
    }

    proptest! {
        #[test]
        fn any_text_is_fine(text in "[{}\"a:,é\\[\\]`]{0,60}") {
            if let Some(value) = extract_json_object(&text) {
                prop_assert!(value.is_object());
            }
        }
    }
}
