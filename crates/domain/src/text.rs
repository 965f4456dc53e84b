//! A short text that is compared often: kept in place up to 23 bytes, with its first bytes as a number beside it. Knows nothing of what
//! it says.

use std::{cmp::Ordering, fmt, ops::Deref};

use smol_str::SmolStr;

/// A text. Two that differ mostly differ in their heads or lengths, and two of up to eight bytes that do not are the same.
#[derive(Clone)]
pub struct Text {
    head: u64,
    bytes: usize,
    text: SmolStr,
}

/// Bytes of a head.
const HEAD_BYTES: usize = 8;

impl Text {
    /// The text as a str.
    #[inline]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

/// The first eight bytes, or all there are: of four to seven the first and the last four, which overlap.
#[inline]
fn head(text: &str) -> u64 {
    let bytes = text.as_bytes();
    if let Some(first) = bytes.first_chunk() {
        return u64::from_le_bytes(*first);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    bytes.iter().fold(0, |head, byte| head << 8 | u64::from(*byte))
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self { head: head(text), bytes: text.len(), text: SmolStr::new(text) }
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
            && self.bytes == other.bytes
            && (self.bytes <= HEAD_BYTES || self.as_str() == other.as_str())
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Over a small alphabet, so that equal and nearly equal texts come up.
        #[test]
        fn equal_as_the_texts_are(one in "[a\0]{0,10}", two in "[a\0]{0,10}") {
            prop_assert_eq!(Text::from(one.as_str()) == Text::from(two.as_str()), one == two);
            prop_assert_eq!(Text::from(one.as_str()), Text::from(one.as_str()));
        }
    }
}
