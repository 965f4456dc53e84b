//! The sticky assignment of a session or task: what it was resolved to, and whether the head has taken that back.
//! Knows nothing of where pins are kept.

use serde::{Deserialize, Serialize};

use crate::{
    bundle::BundleId,
    compile::{CompiledFeature, Revocation},
    entity::{Layers, Reach},
    id::{FeatureKey, RolloutKey, UnitHash, VariantKey},
    resolve::CONTROL,
    revision::RevisionNumber,
    units::{Share, Timestamp},
};

/// An arm of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// What is served today.
    Control,
    /// The change.
    Candidate,
}

/// Which arm, and with which probability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmFacts {
    /// Of which rollout.
    pub rollout: RolloutKey,
    /// The arm.
    pub arm: Arm,
    /// The probability of the candidate arm at the resolving revision.
    pub pi: Share,
    /// The rollout's stage at that revision, counted from 0.
    pub stage: usize,
}

/// A pin. One per session (or task) and feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Whose, as a pseudonym.
    pub session: UnitHash,
    /// Of which feature.
    pub feature: FeatureKey,
    /// What it was resolved to.
    pub variant: VariantKey,
    /// Its bundle.
    pub bundle: BundleId,
    /// At which revision.
    pub revision: RevisionNumber,
    /// By which rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmFacts>,
    /// When.
    pub at: Timestamp,
}

impl Pin {
    /// After a completion sessions are pinned to what it brought without having been in its candidate: as control, or in a
    /// later rollout. Variants that the feature itself assigns by rule are nobody's delivery, and stay.
    fn inherited(&self, revocation: &Revocation, feature: &CompiledFeature) -> bool {
        let holds =
            |layers: &Layers| revocation.change.0.iter().all(|(kind, to)| layers.get(*kind) == Some(to));
        revocation.after_completion
            && self.revision < revocation.revision
            && (self.arm.is_some() || self.variant.as_str() == CONTROL)
            && feature.bundles.get(&self.bundle).is_some_and(|bundle| holds(&bundle.layers))
            && !holds(&feature.control.layers)
    }

    /// Whether the head has withdrawn what this pin names from running sessions.
    pub fn revoked(&self, feature: &CompiledFeature) -> bool {
        feature.revoked.iter().filter(|revocation| revocation.reach == Reach::NextTurn).any(|revocation| {
            let enrolled = self
                .arm
                .as_ref()
                .is_some_and(|facts| facts.arm == Arm::Candidate && facts.rollout == revocation.rollout);
            enrolled || self.inherited(revocation, feature)
        })
    }
}
