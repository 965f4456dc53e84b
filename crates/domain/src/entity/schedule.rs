//! A change that is to be made later, as a document: a loop makes it when it is due, so that evaluation needs no clock.

use serde::{Deserialize, Serialize};

use super::{FeatureDoc, FlagDoc, SegmentDoc};
use crate::{
    id::{FlagKey, RolloutKey, ScheduleKey},
    revision::RevisionNumber,
    units::Timestamp,
};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Planned {
    /// The flag is to read like this.
    PutFlag {
        /// The flag.
        flag: Box<FlagDoc>,
    },
    /// The flag is to answer, or to answer the caller's default, as its definition then is.
    SetFlag {
        /// Which.
        flag: FlagKey,
        /// Whether it is to be disabled.
        disabled: bool,
    },
    /// The feature is to read like this.
    PutFeature {
        /// The feature.
        feature: Box<FeatureDoc>,
    },
    /// The segment is to read like this.
    PutSegment {
        /// The segment.
        segment: Box<SegmentDoc>,
    },
    /// A held rollout is to go on.
    Resume {
        /// Which.
        rollout: RolloutKey,
    },
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ScheduleState {
    /// Not due yet.
    #[default]
    Waiting,
    /// Made; the revision that put this document made the change as well.
    Done,
    /// Refused when it was due.
    Failed {
        /// Why, and the way out.
        reason: String,
    },
}

/// A change that is to be made later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDoc {
    /// Its key.
    pub key: ScheduleKey,
    /// When.
    pub at: Timestamp,
    /// What.
    pub planned: Planned,
    /// The head that it was declared against: a `put` of a document that was changed since is refused, not forced.
    pub base: RevisionNumber,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Who.
    pub author: String,
    /// What became of it.
    #[serde(default)]
    pub state: ScheduleState,
}
