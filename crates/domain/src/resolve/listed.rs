//! Lists of people: which keyed hash an id has, and whether it stands in a sorted list of them.
//! Knows neither where the key comes from nor what a list decides.

use std::{cell::Cell, fmt};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::{context::Context, id::UnitHash};

/// The key under which ids become entries of lists: HMAC-SHA-256, cut to its first 128 bits.
#[derive(Clone)]
pub struct ListKey {
    mac: Hmac<Sha256>,
    bytes: [u8; 32],
}

impl ListKey {
    /// Under this key.
    pub fn new(key: [u8; 32]) -> Self {
        // HMAC pads a key with zeros to its block of 64 bytes; doing so here cannot fail, as a slice of any length could.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        Self { mac: Hmac::new(&block.into()), bytes: key }
    }

    /// The key itself, for a follower that may evaluate.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The entry of a user or session.
    pub fn hash(&self, id: &str) -> UnitHash {
        let code = self.mac.clone().chain_update(id.as_bytes()).finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&code[..16]);
        UnitHash(u128::from_be_bytes(first))
    }

    /// The blob of a list of these ids: each once, sorted, so that the same people are the same bytes.
    pub fn list<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        let mut hashes: Vec<_> = ids.into_iter().map(|id| self.hash(id)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        crate::digest::canonical_json(&hashes)
    }
}

/// A key is never shown.
impl fmt::Debug for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListKey(***)")
    }
}

/// A list ready to be asked.
#[derive(Debug, Clone)]
pub struct CompiledList {
    key: ListKey,
    sorted: Box<[UnitHash]>,
}

impl CompiledList {
    /// The list in a blob.
    pub fn compile(key: &ListKey, blob: &Value) -> Result<Self, String> {
        let mut sorted: Vec<UnitHash> =
            serde::Deserialize::deserialize(blob).map_err(|refused| format!("it is no list: {refused}"))?;
        sorted.sort_unstable();
        sorted.dedup();
        Ok(Self { key: key.clone(), sorted: sorted.into() })
    }

    /// Whether the user or the session stands in it.
    pub fn has(&self, asking: &Asking<'_>) -> bool {
        let listed = |id: Option<&str>, known: &Cell<Option<UnitHash>>| {
            let Some(id) = id else { return false };
            let hash = known.get().unwrap_or_else(|| self.key.hash(id));
            known.set(Some(hash));
            self.sorted.binary_search(&hash).is_ok()
        };
        let context = asking.context;
        !self.sorted.is_empty()
            && (listed(context.user.as_deref(), &asking.user)
                || listed(context.session.as_deref(), &asking.session))
    }
}

/// A context with what evaluation works out about it at most once, however many lists are asked. All lists of one installation have
/// one key.
#[derive(Debug)]
pub struct Asking<'a> {
    /// The context.
    pub context: &'a Context,
    user: Cell<Option<UnitHash>>,
    session: Cell<Option<UnitHash>>,
}

impl<'a> Asking<'a> {
    /// Nothing is worked out yet.
    pub const fn new(context: &'a Context) -> Self {
        Self { context, user: Cell::new(None), session: Cell::new(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Attributes;

    /// Reference value: `printf s1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07`.
    #[test]
    fn known_hash() {
        let key = ListKey::new([7; 32]);
        assert_eq!(key.hash("s1").to_string(), "36fe98a2f1ef20bcf82400a981177b8d");
        assert!(!format!("{key:?}").contains('7'));
    }

    #[test]
    fn users_and_sessions_are_found() {
        let key = ListKey::new([7; 32]);
        let blob = serde_json::from_slice(&key.list(["ana", "s1", "ana"])).unwrap();
        let list = CompiledList::compile(&key, &blob).unwrap();
        let has = |session, user| {
            let context = Context::new(session, user, Attributes::default()).unwrap();
            list.has(&Asking::new(&context))
        };
        assert_eq!(blob.as_array().unwrap().len(), 2);
        assert!(has(None, Some("ana")) && has(Some("s1"), Some("ben")));
        assert!(!has(Some("s2"), Some("ben")) && !has(None, None));
    }
}
