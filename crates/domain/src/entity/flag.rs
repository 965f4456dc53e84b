//! A plain flag: boolean, string, number or object. Knows nothing of prompts, sessions or rollouts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, Forced, Prerequisite};
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
    /// Its name in traces and answers; its place in the list where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of a split: the attribute whose value is bucketed; the targeting key (user, else session) where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_by: Option<String>,
    /// Of a split: a salt of its own, independent of the flag's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// Targeting by flagd's JSONLogic in place of rules, so that a definition file evaluates here as it does there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Targeting {
    /// The expression, `$ref`s resolved.
    pub logic: Value,
    /// The flag's key as the expression knows it, where ours differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag_key: Option<String>,
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
    /// Variants for named units; they decide before prerequisites and rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Forced>,
    /// Other flags that must come out in a certain way before rules are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// What every variant of an object flag must meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// In place of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targeting: Option<Targeting>,
    /// Whether those whom no rule fits get the caller's own default in place of `default`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_default: bool,
    /// Facts that go out with every answer: texts, numbers and truth values by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// Who is asked about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it is meant to stay; one that is not becomes a candidate for removal when it has settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
    /// Whether it was put away: it still answers, and no list shows it unasked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}
