//! Takes a markdown fence off an answer. Knows nothing of what stands in it.

/// The text within one fence around the whole answer; the answer itself where there is none.
pub(super) fn strip(text: &str) -> &str {
    fn fenced(text: &str) -> Option<&str> {
        let (_language, body) = text.trim().strip_prefix("```")?.split_once('\n')?;
        body.strip_suffix("```").map(str::trim)
    }
    fenced(text).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn only_a_fence_around_everything_is_taken_off() {
        for (text, inner) in [
            ("```json\n{\"a\": 1}\n```", "{\"a\": 1}"),
            ("  ```\n[1]\n```\n", "[1]"),
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("Here it is:\n```json\n{}\n```", "Here it is:\n```json\n{}\n```"),
            ("```json\n{\"cut\": ", "```json\n{\"cut\": "),
            ("```", "```"),
        ] {
            assert_eq!(strip(text), inner, "{text}");
        }
    }
}
