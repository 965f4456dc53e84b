//! A combination of layers that a feature has had, and whether anybody may roll back to it.
//! Knows nothing of who is served it now.

use serde::{Deserialize, Serialize};

use super::Layers;
use crate::{
    bundle::BundleId,
    id::{FeatureKey, RolloutKey},
    units::Timestamp,
};

/// Why a combination is trusted as a rollback target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Proof {
    /// A person declared it as the baseline.
    Declared {
        /// Who.
        actor: String,
        /// When.
        at: Timestamp,
    },
    /// It ended an A/B or a full bake with PASS.
    Rollout {
        /// Which rollout.
        rollout: RolloutKey,
        /// When.
        at: Timestamp,
    },
}

/// A combination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CombinationDoc {
    /// Whose.
    pub feature: FeatureKey,
    /// The digest of its references.
    pub fingerprint: BundleId,
    /// One version per layer.
    pub layers: Layers,
    /// What proves it; lost when a rollback names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// When it last became what the feature serves outside a rollout; orders rollback targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_since: Option<Timestamp>,
}
