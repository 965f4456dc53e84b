//! Bucketing, algorithm `serinus-64`: which part of a whole a unit falls in. Knows nothing of flags or shares' meaning.
//!
//! `bucket = (xxh3_64(unit, seed = xxh3_64(salt)) * 1_000_000) >> 64` in 128-bit arithmetic: a multiplication, so without
//! modulo bias (it is off by less than 1e6 / 2^64). Frozen: another algorithm would be another name.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::units::{PPM_WHOLE, Share};

/// A salt, hashed once. Two salts give independent buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(u64);

impl Salt {
    /// The salt behind a text.
    pub fn new(text: &str) -> Self {
        Self(xxh3_64(text.as_bytes()))
    }

    /// A salt of its own for another purpose, independent of this one.
    #[must_use]
    pub fn derive(self, purpose: &str) -> Self {
        Self(xxh3_64_with_seed(purpose.as_bytes(), self.0))
    }

    /// The unit's bucket in 0..1_000_000.
    #[inline]
    pub fn bucket(self, unit: &str) -> u32 {
        let hash = xxh3_64_with_seed(unit.as_bytes(), self.0);
        let scaled = (u128::from(hash) * u128::from(PPM_WHOLE)) >> 64;
        // Below 1_000_000 by construction.
        scaled as u32
    }

    /// Whether the unit is in a share that begins at bucket 0: growing the share moves nobody out.
    pub fn within(self, unit: &str, share: Share) -> bool {
        // INVARIANT(monotone): `bucket < share` only turns from false to true as the share grows.
        self.bucket(unit) < share.as_ppm()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn monotone(unit in ".{1,40}", salt in ".{0,20}", low in 0..=PPM_WHOLE, high in 0..=PPM_WHOLE) {
            let (low, high) = (low.min(high), low.max(high));
            let salt = Salt::new(&salt);
            prop_assert!(!salt.within(&unit, Share::ppm(low)) || salt.within(&unit, Share::ppm(high)));
        }
    }

    /// Chi-squared over 100 cells with 99 degrees of freedom: 160 is beyond the 99.99th percentile.
    fn uniform(counts: &[u32]) -> bool {
        let total: u32 = counts.iter().sum();
        let expected = f64::from(total) / counts.len() as f64;
        counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum::<f64>() < 160.0
    }

    #[test]
    fn buckets_are_uniform() {
        let mut counts = [0; 100];
        let salt = Salt::new("checkout-1");
        for unit in 0..200_000 {
            counts[salt.bucket(&format!("user-{unit}")) as usize / 10_000] += 1;
        }
        assert!(uniform(&counts), "{counts:?}");
    }

    #[test]
    fn salts_are_independent() {
        let mut counts = [0; 100];
        let (one, two) = (Salt::new("a"), Salt::new("a").derive("shadow"));
        for unit in 0..200_000 {
            let unit = format!("{unit}");
            counts[(one.bucket(&unit) / 100_000 * 10 + two.bucket(&unit) / 100_000) as usize] += 1;
        }
        assert!(uniform(&counts), "{counts:?}");
    }
}
