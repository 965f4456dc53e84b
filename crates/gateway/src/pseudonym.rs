//! Ids of people and sessions to keyed pseudonyms, and seals by which this installation knows its own tokens again: HMAC-SHA-256, cut to
//! 128 bits. Keeps no id.

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

/// Seals what this installation hands out, under a key that no pseudonym gives away.
#[derive(Clone)]
pub(crate) struct Seal(Hmac<Sha256>);

impl Seal {
    /// Seals under a key derived from the installation's.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let derived = Pseudonyms::new(key).0.chain_update(b"\0serinus seal").finalize().into_bytes();
        Self(Pseudonyms::new(&derived.into()).0)
    }

    /// Which key it is, without a word on the key.
    pub(crate) fn id(&self, purpose: &str) -> String {
        self.of(purpose, "\0key").chars().take(8).collect()
    }

    /// The seal of `text` for one purpose.
    pub(crate) fn of(&self, purpose: &str, text: &str) -> String {
        let code = self.0.clone().chain_update(purpose).chain_update(b"\0").chain_update(text);
        code.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(***)")
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
