//! A flag as commands carry it and answers show it. Knows nothing of paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    bundle::Contents,
    decide::Rejection,
    entity::{FlagDoc, FlagRule, Serve, Targeting, WeightedVariant},
    id::{FlagKey, VariantKey},
    units::Share,
};
use utoipa::ToSchema;

use super::{
    condition::ConditionBody,
    lists::{ForcedBody, Lists, PrerequisiteBody},
    words::FlagKind,
};

/// A variant with its share of a split.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPart {
    /// One of the flag's variants.
    #[schema(value_type = String)]
    pub variant: VariantKey,
    /// Its share; the shares of a split make 1,000,000.
    #[schema(value_type = u32, maximum = 1_000_000)]
    pub share_ppm: Share,
}

/// The name of a variant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct VariantName(pub VariantKey);

/// What a rule serves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Serve)]
pub enum ServeBody {
    /// One variant.
    Variant(VariantName),
    /// A split over the targeting key, or over `bucket_by`.
    Split(Vec<SplitPart>),
}

/// A rule: the first whose condition is met decides.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FlagRule)]
pub struct FlagRuleBody {
    /// Its name in answers and explanations; its place in the list where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whom it is for; everybody where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionBody>,
    /// What they get.
    pub serve: ServeBody,
    /// Of a split: the attribute whose value is bucketed; the targeting key where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_by: Option<String>,
    /// Of a split: a salt of its own, independent of the flag's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// Targeting by flagd's JSONLogic in place of rules.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Targeting)]
pub struct TargetingBody {
    /// The expression, `$ref`s resolved.
    #[schema(value_type = Object)]
    pub logic: Value,
    /// The flag's key as the expression knows it, where ours differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag_key: Option<String>,
}

/// A flag as it is declared.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagBody {
    /// The type of all its values.
    pub kind: FlagKind,
    /// Its values by name.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub variants: BTreeMap<VariantKey, Value>,
    /// What those get whom no rule fits.
    #[schema(value_type = String)]
    pub default: VariantKey,
    /// Its rules in order.
    #[serde(default)]
    pub rules: Vec<FlagRuleBody>,
    /// Whether it answers the caller's default.
    #[serde(default)]
    pub disabled: bool,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Variants for named units; they decide before prerequisites and rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<ForcedBody>,
    /// Other flags that must come out in a certain way before rules are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<PrerequisiteBody>,
    /// What every variant of an object flag must meet: a JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// In place of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targeting: Option<TargetingBody>,
    /// Whether those whom no rule fits get the caller's own default in place of `default`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_default: bool,
    /// Facts that go out with every answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
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

impl FlagRuleBody {
    fn to_doc(&self) -> FlagRule {
        let part =
            |part: &SplitPart| WeightedVariant { variant: part.variant.clone(), share: part.share_ppm };
        FlagRule {
            when: self.when.clone().map(Into::into).unwrap_or_default(),
            serve: match &self.serve {
                ServeBody::Variant(VariantName(variant)) => Serve::Variant(variant.clone()),
                ServeBody::Split(parts) => Serve::Split(parts.iter().map(part).collect()),
            },
            id: self.id.clone(),
            bucket_by: self.bucket_by.clone(),
            salt: self.salt.clone(),
        }
    }
}

impl From<&FlagRule> for FlagRuleBody {
    fn from(rule: &FlagRule) -> Self {
        let part =
            |part: &WeightedVariant| SplitPart { variant: part.variant.clone(), share_ppm: part.share };
        Self {
            when: (!rule.when.is_always()).then(|| (&rule.when).into()),
            serve: match &rule.serve {
                Serve::Variant(variant) => ServeBody::Variant(VariantName(variant.clone())),
                Serve::Split(parts) => ServeBody::Split(parts.iter().map(part).collect()),
            },
            id: rule.id.clone(),
            bucket_by: rule.bucket_by.clone(),
            salt: rule.salt.clone(),
        }
    }
}

impl FlagBody {
    /// The document; ids in it become lists.
    pub(crate) fn to_doc(
        &self,
        key: &FlagKey,
        salt: String,
        lists: &mut Lists<'_>,
    ) -> Result<FlagDoc, Rejection> {
        Ok(FlagDoc {
            key: key.clone(),
            value_kind: self.kind.into(),
            description: self.description.clone(),
            variants: self.variants.clone(),
            default: self.default.clone(),
            rules: self.rules.iter().map(FlagRuleBody::to_doc).collect(),
            salt,
            disabled: self.disabled,
            forced: lists.forced(&format!("flag \"{key}\""), &self.forced)?,
            prerequisites: self.prerequisites.iter().map(Into::into).collect(),
            schema: self.schema.clone(),
            targeting: self
                .targeting
                .clone()
                .map(|body| Targeting { logic: body.logic, flag_key: body.flag_key }),
            code_default: self.code_default,
            metadata: self.metadata.clone(),
            owner: self.owner.clone(),
            tags: self.tags.clone(),
            permanent: self.permanent,
            archived: self.archived,
        })
    }

    /// As an answer shows it.
    pub(crate) fn shown(doc: &FlagDoc, contents: Option<&Contents>) -> Self {
        let targeting = doc.targeting.as_ref();
        Self {
            kind: doc.value_kind.into(),
            variants: doc.variants.clone(),
            default: doc.default.clone(),
            rules: doc.rules.iter().map(Into::into).collect(),
            disabled: doc.disabled,
            description: doc.description.clone(),
            forced: doc.forced.iter().map(|forced| ForcedBody::shown(forced, contents)).collect(),
            prerequisites: doc.prerequisites.iter().map(Into::into).collect(),
            schema: doc.schema.clone(),
            targeting: targeting
                .map(|doc| TargetingBody { logic: doc.logic.clone(), flag_key: doc.flag_key.clone() }),
            code_default: doc.code_default,
            metadata: doc.metadata.clone(),
            owner: doc.owner.clone(),
            tags: doc.tags.clone(),
            permanent: doc.permanent,
            archived: doc.archived,
        }
    }
}
