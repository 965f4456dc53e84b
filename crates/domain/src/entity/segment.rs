//! A segment: a named set of contexts that rules refer to. Knows nothing of who refers to it.

use serde::{Deserialize, Serialize};

use super::Condition;
use crate::{digest::Digest, id::SegmentKey};

/// A segment. Its lists of people are blobs of keyed hashes, so that a person can be taken out for good: a JSON array of texts of 32
/// hexadecimal digits, as [`crate::id::UnitHash`] writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentDoc {
    /// Its key.
    pub key: SegmentKey,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who belongs to it by what is known of them; nobody where it is an empty `or`.
    #[serde(default = "nobody")]
    pub when: Condition,
    /// The list of units (users or sessions) that belong to it whatever is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<Digest>,
    /// The list of units that do not belong to it whatever else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Digest>,
}

fn nobody() -> Condition {
    Condition::Or(Vec::new())
}
