//! A plain flag: boolean, string, number or object. Knows nothing of prompts, sessions or rollouts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Condition;
use crate::{
    id::{FlagKey, VariantKey},
    units::Share,
};

/// The type of a flag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// True or false.
    Boolean,
    /// Text.
    String,
    /// A number.
    Number,
    /// An object.
    Object,
}

impl FlagKind {
    /// Whether `value` is of this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
        }
    }
}

/// A variant with its share of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedVariant {
    /// One of the flag's variants.
    pub variant: VariantKey,
    /// Its share; the shares of a split make the whole.
    pub share: Share,
}

/// What a rule serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serve {
    /// One variant.
    Variant(VariantKey),
    /// A split over the targeting key.
    Split(Vec<WeightedVariant>),
}

/// A rule: the first whose condition is met decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagRule {
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Condition::is_always")]
    pub when: Condition,
    /// What they get.
    pub serve: Serve,
}

/// A plain flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagDoc {
    /// Its key.
    pub key: FlagKey,
    /// The type of all its values.
    pub value_kind: FlagKind,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its values by name.
    pub variants: BTreeMap<VariantKey, Value>,
    /// What those get whom no rule fits.
    pub default: VariantKey,
    /// Its rules in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<FlagRule>,
    /// Set once when the flag is made, so that no edit reshuffles anybody.
    pub salt: String,
    /// Whether it answers the caller's default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}
