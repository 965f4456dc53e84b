//! Seeded chance: the same seed and key give the same draws on every machine. Knows nothing of what is drawn.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a draw is for, so that two uses of one key never share a stream.
#[derive(Clone, Copy)]
pub enum Purpose {
    Answer = 1,
    Judge = 2,
    Arrivals = 3,
    Session = 4,
}

/// A generator of its own for `key`: the key is part of the cipher's key, so neighbours are unrelated.
#[must_use]
pub fn rng(seed: u64, purpose: Purpose, key: [u32; 3]) -> ChaCha8Rng {
    let mut bytes = [0u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = purpose as u8;
    for (slot, part) in bytes[12..24].chunks_exact_mut(4).zip(key) {
        slot.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}
