//! An exclusion group: rollouts of which a unit meets at most one. Knows nothing of the rollouts; each keeps its own slot.

use serde::{Deserialize, Serialize};

use crate::id::GroupKey;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDoc {
    /// Its key.
    pub key: GroupKey,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Set once when the group is made: its rollouts share the buckets that come of it.
    pub salt: String,
}

/// A rollout's part of a group: the units whose bucket under the group's salt is in `from..to`, in parts per million.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The group.
    pub group: GroupKey,
    /// The first bucket.
    pub from: u32,
    /// The bucket after the last.
    pub to: u32,
}
