//! What decides before a rule looks: variants forced for named units, and prerequisites on other flags. Shared by flags and features.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    id::{FlagKey, VariantKey},
};

/// Named units and what they get. The list is a blob like that of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    /// The list of units (users or sessions).
    pub units: Digest,
    /// What they get.
    pub variant: VariantKey,
}

/// Another flag that must come out in a certain way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    /// The other flag.
    pub flag: FlagKey,
    /// The variants of it that will do.
    pub variants: Vec<VariantKey>,
    /// What is served where it comes out otherwise; the default (of a feature, control) where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<VariantKey>,
}
