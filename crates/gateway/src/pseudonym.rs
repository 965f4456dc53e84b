//! Ids of people and sessions to keyed pseudonyms: HMAC-SHA-256, cut to 128 bits. Keeps no id.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serinus_domain::id::UnitHash;
use sha2::Sha256;

/// Makes pseudonyms under one installation's key.
#[derive(Clone)]
pub struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Pseudonyms under this key.
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a key with zeros to its block of 64 bytes; doing so here cannot fail, as a slice of any length could.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// The pseudonym of a session, user or task.
    pub fn of(&self, id: &str) -> UnitHash {
        let code = self.0.clone().chain_update(id.as_bytes()).finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&code[..16]);
        UnitHash(u128::from_be_bytes(first))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference value: `printf s1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07`.
    #[test]
    fn known_pseudonym() {
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        assert_eq!(pseudonyms.of("s1").to_string(), "36fe98a2f1ef20bcf82400a981177b8d");
        assert_ne!(pseudonyms.of("s1"), Pseudonyms::new(&[8; 32]).of("s1"));
        assert!(!format!("{pseudonyms:?}").contains('7'));
    }
}
