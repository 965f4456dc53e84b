//! Which variant a bucket falls to. Knows nothing of what is bucketed, nor of why.

/// Variants by their places, each with a part of the whole; almost all splits have one part or two, which stand in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// One for everybody.
    Whole(usize),
    /// One below an end, the other from there on.
    Halves {
        /// The end, in parts per million.
        end: u32,
        /// What is below it.
        below: usize,
        /// What is not.
        above: usize,
    },
    /// (upper end in parts per million, place), ends rising to the whole.
    Parts(Box<[(u32, usize)]>),
}

impl Split {
    /// The split with these (upper end, place), whose ends rise to the whole.
    pub fn new(parts: &[(u32, usize)]) -> Self {
        match *parts {
            [(_, place)] => Self::Whole(place),
            [(end, below), (_, above)] => Self::Halves { end, below, above },
            _ => Self::Parts(parts.into()),
        }
    }

    /// Whose part the bucket is in.
    #[inline]
    pub fn place(&self, bucket: u32) -> Option<usize> {
        match self {
            Self::Whole(place) => Some(*place),
            Self::Halves { end, below, above } => Some(if bucket < *end { *below } else { *above }),
            Self::Parts(parts) => parts.iter().find(|(end, _)| bucket < *end).map(|(_, place)| *place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_in_one_part() {
        let check = |parts: &[(u32, usize)], bucket, place| {
            assert_eq!(Split::new(parts).place(bucket), Some(place), "{bucket} of {parts:?}");
        };
        check(&[(1_000_000, 3)], 999_999, 3);
        check(&[(250_000, 1), (1_000_000, 0)], 249_999, 1);
        check(&[(250_000, 1), (1_000_000, 0)], 250_000, 0);
        check(&[(0, 1), (1_000_000, 0)], 0, 0);
        check(&[(10, 2), (20, 1), (1_000_000, 0)], 10, 1);
        check(&[(10, 2), (20, 1), (1_000_000, 0)], 999_999, 0);
    }
}
