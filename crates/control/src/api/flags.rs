//! Plain flags: declaring and reading them. Knows nothing of how one is evaluated.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    decide::put_flag,
    entity::{DocKey, Document, FlagDoc, FlagRule, Serve, WeightedVariant},
    id::{FlagKey, VariantKey},
    revision::RevisionNumber,
    snapshot::Snapshot,
    units::Share,
};
use serinus_store::Active;
use utoipa::ToSchema;

use super::{condition::ConditionBody, features::Stored, words::FlagKind};
use crate::{
    append::{Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Reader, Writer},
    state::App,
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
    /// A split over the targeting key.
    Split(Vec<SplitPart>),
}

/// A rule: the first whose condition is met decides.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FlagRule)]
pub struct FlagRuleBody {
    /// Whom it is for; everybody where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionBody>,
    /// What they get.
    pub serve: ServeBody,
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
}

impl FlagBody {
    fn to_doc(&self, key: &FlagKey, salt: String) -> FlagDoc {
        let part =
            |part: &SplitPart| WeightedVariant { variant: part.variant.clone(), share: part.share_ppm };
        let rule = |rule: &FlagRuleBody| FlagRule {
            when: rule.when.clone().map(Into::into).unwrap_or_default(),
            serve: match &rule.serve {
                ServeBody::Variant(VariantName(variant)) => Serve::Variant(variant.clone()),
                ServeBody::Split(parts) => Serve::Split(parts.iter().map(part).collect()),
            },
            id: None,
            bucket_by: None,
            salt: None,
        };
        FlagDoc {
            key: key.clone(),
            value_kind: self.kind.into(),
            description: self.description.clone(),
            variants: self.variants.clone(),
            default: self.default.clone(),
            rules: self.rules.iter().map(rule).collect(),
            salt,
            disabled: self.disabled,
            forced: Vec::new(),
            prerequisites: Vec::new(),
            schema: None,
            targeting: None,
            code_default: false,
            metadata: BTreeMap::new(),
            owner: String::new(),
            tags: Vec::new(),
            permanent: false,
            archived: false,
        }
    }
}

impl From<&FlagDoc> for FlagBody {
    fn from(doc: &FlagDoc) -> Self {
        let part =
            |part: &WeightedVariant| SplitPart { variant: part.variant.clone(), share_ppm: part.share };
        let rule = |rule: &FlagRule| FlagRuleBody {
            when: (!rule.when.is_always()).then(|| (&rule.when).into()),
            serve: match &rule.serve {
                Serve::Variant(variant) => ServeBody::Variant(VariantName(variant.clone())),
                Serve::Split(parts) => ServeBody::Split(parts.iter().map(part).collect()),
            },
        };
        Self {
            kind: doc.value_kind.into(),
            variants: doc.variants.clone(),
            default: doc.default.clone(),
            rules: doc.rules.iter().map(rule).collect(),
            disabled: doc.disabled,
            description: doc.description.clone(),
        }
    }
}

fn find<'a>(snapshot: &'a Snapshot, key: &FlagKey) -> Option<&'a FlagDoc> {
    match snapshot.get(&DocKey::flag(key))?.document.as_ref()? {
        Document::Flag(doc) => Some(doc),
        _ => None,
    }
}

/// Creates or changes a flag. The same declaration again changes nothing.
#[utoipa::path(put, path = "/flags/{key}", tag = "flags", params(("key" = String, Path)),
    request_body = FlagBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<FlagKey>,
    Body(body): Body<FlagBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let before = find(&base.snapshot, &key);
        // A flag keeps the salt that it has; a new one is given one.
        let doc = body.to_doc(&key, before.map(|before| before.salt.clone()).unwrap_or_default());
        if before == Some(&doc) {
            return Ok(Plan::new(None, ()));
        }
        Ok(Plan::new(put_flag(&base.snapshot, &doc, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::flag(&key), done))
}

/// A flag as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlagView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: FlagKey,
    /// As it is declared.
    #[serde(flatten)]
    pub declared: FlagBody,
    /// Why it does not compile; it then answers the caller's default.
    pub broken: Option<String>,
    /// The revision that put it as it is.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
}

impl FlagView {
    fn new(doc: &FlagDoc, active: &Active) -> Self {
        let stored = active.snapshot.get(&DocKey::flag(&doc.key));
        Self {
            key: doc.key.clone(),
            declared: doc.into(),
            broken: active.compiled.flags.get(&doc.key).and_then(|flag| flag.broken.clone()),
            revision: stored.map_or(active.snapshot.revision, |stored| stored.revision),
        }
    }
}

/// Every flag.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlagList {
    /// In the order of their keys.
    pub flags: Vec<FlagView>,
}

/// Lists every flag.
#[utoipa::path(get, path = "/flags", tag = "flags", responses((status = 200, body = FlagList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<FlagList> {
    let active = app.active();
    let flags = active.snapshot.documents().filter_map(|document| match document {
        Document::Flag(doc) => Some(FlagView::new(doc, &active)),
        _ => None,
    });
    Json(FlagList { flags: flags.collect() })
}

/// Shows a flag.
#[utoipa::path(get, path = "/flags/{key}", tag = "flags", params(("key" = String, Path)),
    responses((status = 200, body = FlagView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FlagKey>,
) -> Result<Json<FlagView>, ApiError> {
    let active = app.active();
    let doc = find(&active.snapshot, &key).ok_or_else(|| {
        ApiError::unknown("flag.unknown", format!("flag \"{key}\" does not exist: see `serinus flag list`"))
    })?;
    Ok(Json(FlagView::new(doc, &active)))
}
