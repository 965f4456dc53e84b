//! Flags by key: found in a few nanoseconds, and changed one at a time without copying the others. Knows nothing of how a flag is made.

use std::{borrow::Borrow, fmt, hash::BuildHasher, ops::Index, sync::Arc};

use hashbrown::HashTable;
use rpds::RedBlackTreeSetSync;
use rustc_hash::FxBuildHasher;
use smol_str::SmolStr;

use super::CompiledFlag;
use crate::id::FlagKey;

/// A change copies one of them, and the list of all: with ten thousand flags about as much of either.
const SHARDS: usize = 256;

/// Keys stand in the table itself, where they are short: to compare one is no look elsewhere.
type Shard = HashTable<(SmolStr, Arc<CompiledFlag>)>;

/// Flags by key. A copy shares all that does not change afterwards.
#[derive(Clone)]
pub struct Flags {
    shards: Box<[Arc<Shard>]>,
    /// Those that need other flags.
    pub(super) chained: RedBlackTreeSetSync<FlagKey>,
    /// Those whose rules need segments.
    pub(super) segmented: RedBlackTreeSetSync<FlagKey>,
    /// Those that are not as their documents say, in the order in which that is told.
    pub(super) unsound: RedBlackTreeSetSync<FlagKey>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            shards: std::iter::repeat_with(Arc::default).take(SHARDS).collect(),
            chained: RedBlackTreeSetSync::new_sync(),
            segmented: RedBlackTreeSetSync::new_sync(),
            unsound: RedBlackTreeSetSync::new_sync(),
        }
    }
}

/// The hash, and which shard it is in: told by bits that the shard itself looks at least.
fn place(key: &str) -> (u64, usize) {
    let hash = FxBuildHasher.hash_one(key);
    let shard = ((hash >> 32) % SHARDS as u64) as usize;
    (hash, shard)
}

impl Flags {
    /// The flag at `key`.
    #[inline]
    pub fn get<Q: Borrow<str> + ?Sized>(&self, key: &Q) -> Option<&Arc<CompiledFlag>> {
        let key = key.borrow();
        let (hash, shard) = place(key);
        let found = self.shards.get(shard)?.find(hash, |(have, _)| have.as_str() == key);
        found.map(|(_, flag)| flag)
    }

    /// Whether there is a flag at `key`.
    pub fn contains_key<Q: Borrow<str> + ?Sized>(&self, key: &Q) -> bool {
        self.get(key).is_some()
    }

    /// All flags, in no order that means anything.
    pub fn values(&self) -> impl Iterator<Item = &Arc<CompiledFlag>> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(_, flag)| flag)
    }

    /// Their keys, in the same order.
    pub fn keys(&self) -> impl Iterator<Item = &FlagKey> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(_, flag)| &flag.doc.key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&mut self, flag: Arc<CompiledFlag>) {
        let key = flag.doc.key.clone();
        mark(&mut self.chained, &key, !flag.doc.prerequisites.is_empty());
        mark(&mut self.segmented, &key, !flag.needs.is_empty());
        mark(&mut self.unsound, &key, flag.broken.is_some() || !flag.flaws.is_empty());
        let (hash, shard) = place(key.as_str());
        let Some(shard) = self.shards.get_mut(shard).map(Arc::make_mut) else { return };
        match shard.find_mut(hash, |(have, _)| have.as_str() == key.as_str()) {
            Some((_, old)) => *old = flag,
            None => {
                shard.insert_unique(hash, (SmolStr::new(key.as_str()), flag), |(have, _)| {
                    place(have.as_str()).0
                });
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        let (hash, shard) = place(key);
        let Some(shard) = self.shards.get_mut(shard) else { return };
        let is_there = shard.find(hash, |(have, _)| have.as_str() == key).is_some();
        if is_there && let Ok(found) = Arc::make_mut(shard).find_entry(hash, |(have, _)| have.as_str() == key)
        {
            let ((_, flag), _) = found.remove();
            let key = &flag.doc.key;
            for set in [&mut self.chained, &mut self.segmented, &mut self.unsound] {
                mark(set, key, false);
            }
        }
    }
}

/// Without touching the set where it is right already.
fn mark(set: &mut RedBlackTreeSetSync<FlagKey>, key: &FlagKey, is_in: bool) {
    match (set.contains(key), is_in) {
        (false, true) => set.insert_mut(key.clone()),
        (true, false) => {
            set.remove_mut(key);
        }
        _ => {}
    }
}

impl<Q: Borrow<str> + fmt::Debug + ?Sized> Index<&Q> for Flags {
    type Output = Arc<CompiledFlag>;

    #[expect(clippy::panic, reason = "what indexing means; `get` asks")]
    fn index(&self, key: &Q) -> &Self::Output {
        self.get(key).unwrap_or_else(|| panic!("no flag {key:?}"))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values()).finish()
    }
}
