//! Lists of people as commands bring them, by id, and as they are kept: sorted keyed hashes in a blob, so that nobody can be read out of
//! one and anybody can be taken out. Knows nothing of what a list decides.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serinus_domain::{
    bundle::Contents,
    decide::Rejection,
    digest::Digest,
    entity::{Forced, Prerequisite},
    id::{FlagKey, VariantKey},
    limits::{LIST_UNITS_MAX, UNIT_BYTES_MAX},
};
use utoipa::ToSchema;

/// Named units and what they get.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Forced)]
pub struct ForcedBody {
    /// Ids of users or sessions. They are kept as keyed hashes and never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<String>>,
    /// In place of ids: the list that stands already, as an answer named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub list: Option<Digest>,
    /// How many units stand in it; only answers say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// What they get.
    #[schema(value_type = String)]
    pub variant: VariantKey,
}

/// Another flag that must come out in a certain way.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prerequisite)]
pub struct PrerequisiteBody {
    /// The other flag.
    #[schema(value_type = String)]
    pub flag: FlagKey,
    /// The variants of it that will do.
    #[schema(value_type = Vec<String>)]
    pub variants: Vec<VariantKey>,
    /// What is served where it comes out otherwise; the default (of a feature, control) where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub otherwise: Option<VariantKey>,
}

impl From<&PrerequisiteBody> for Prerequisite {
    fn from(body: &PrerequisiteBody) -> Self {
        Self { flag: body.flag.clone(), variants: body.variants.clone(), otherwise: body.otherwise.clone() }
    }
}

impl From<&Prerequisite> for PrerequisiteBody {
    fn from(doc: &Prerequisite) -> Self {
        Self { flag: doc.flag.clone(), variants: doc.variants.clone(), otherwise: doc.otherwise.clone() }
    }
}

impl ForcedBody {
    /// As an answer shows it.
    pub(crate) fn shown(doc: &Forced, contents: Option<&Contents>) -> Self {
        let count = contents.and_then(|contents| length(contents, &doc.units));
        Self { units: None, list: Some(doc.units), count, variant: doc.variant.clone() }
    }
}

/// How many units stand in a list; nothing where it is not held here.
pub(crate) fn length(contents: &Contents, list: &Digest) -> Option<usize> {
    contents.held.get(list)?.as_array().map(Vec::len)
}

/// Turns ids into lists, and keeps what has to be stored.
pub(crate) struct Lists<'a> {
    contents: &'a Contents,
    /// What has to be stored before the revision that names it.
    pub blobs: Vec<Vec<u8>>,
}

impl<'a> Lists<'a> {
    pub fn new(contents: &'a Contents) -> Self {
        Self { contents, blobs: Vec::new() }
    }

    /// The list of `units`, or the one that is named, or none.
    pub fn list(
        &mut self,
        subject: &str,
        units: Option<&[String]>,
        list: Option<Digest>,
    ) -> Result<Option<Digest>, Rejection> {
        let refused = |reason: String| Rejection::new("list.invalid", format!("{subject}: {reason}"));
        match (units, list) {
            (Some(_), Some(_)) => Err(refused("give either ids or a list that stands already".into())),
            (None, None) => Ok(None),
            (None, Some(list)) if !self.contents.held.contains_key(&list) => {
                Err(refused(format!("list {} is not held here: give ids", list.short())))
            }
            (None, Some(list)) => Ok(Some(list)),
            (Some(units), None) => {
                let distinct: BTreeSet<&str> = units.iter().map(String::as_str).collect();
                if distinct.len() > LIST_UNITS_MAX {
                    let text = format!(
                        "{} units: list at most {LIST_UNITS_MAX}, or target an attribute",
                        distinct.len()
                    );
                    return Err(refused(text));
                }
                if distinct.iter().any(|unit| unit.is_empty() || unit.len() > UNIT_BYTES_MAX) {
                    return Err(refused(format!("an id has 1 to {UNIT_BYTES_MAX} bytes")));
                }
                let key = self.contents.list_key.as_ref().ok_or_else(|| {
                    refused("this server has no key for lists of people: target an attribute".into())
                })?;
                let blob = key.list(distinct);
                let digest = Digest::of(&blob);
                self.blobs.push(blob);
                Ok(Some(digest))
            }
        }
    }

    /// Forced units of a flag or feature.
    pub fn forced(&mut self, subject: &str, bodies: &[ForcedBody]) -> Result<Vec<Forced>, Rejection> {
        let mut all = Vec::new();
        for body in bodies {
            let subject = format!("{subject}: forced \"{}\"", body.variant);
            let units = self.list(&subject, body.units.as_deref(), body.list)?.ok_or_else(|| {
                Rejection::new("list.invalid", format!("{subject}: name the units, or a list of them"))
            })?;
            all.push(Forced { units, variant: body.variant.clone() });
        }
        Ok(all)
    }
}
