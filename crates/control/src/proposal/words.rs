//! How many words two texts do not have in common. Knows nothing of what they say.

use similar::{ChangeTag, TextDiff};

/// Words that only `after` has, and words that only `before` has.
pub(crate) fn counted(before: &str, after: &str) -> (usize, usize) {
    let diff = TextDiff::from_words(before, after);
    let mut counts = (0, 0);
    for change in diff.iter_all_changes().filter(|change| !change.value().trim().is_empty()) {
        match change.tag() {
            ChangeTag::Insert => counts.0 += 1,
            ChangeTag::Delete => counts.1 += 1,
            ChangeTag::Equal => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_no_word() {
        assert_eq!(counted("Answer kindly and at length.", "Answer\nbriefly."), (1, 4));
        assert_eq!(counted("", "three new words"), (3, 0));
        assert_eq!(counted("same", "same"), (0, 0));
    }
}
