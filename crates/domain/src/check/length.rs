//! Whether an answer is as long as it should be, in characters. Knows nothing of what it says.

/// Characters that a good answer has, both ends included.
#[derive(Debug)]
pub(super) struct Bounds {
    min: u32,
    max: u32,
}

impl Bounds {
    pub(super) fn new(min: Option<u32>, max: Option<u32>) -> Result<Self, String> {
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(u32::MAX));
        if min > max {
            return Err(format!(
                "chars_min {min} is above chars_max {max}: no answer could be good, correct one of them"
            ));
        }
        Ok(Self { min, max })
    }

    /// Why an answer of `chars` characters is not good.
    pub(super) fn invalid(&self, chars: u32) -> Option<&'static str> {
        match chars {
            few if few < self.min => Some("too_short"),
            many if many > self.max => Some("too_long"),
            _ => None,
        }
    }
}
