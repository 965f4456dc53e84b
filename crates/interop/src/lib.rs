//! Flags of other platforms, read from what they export. Pure: bytes to documents and a report of what could not be carried over.
//! Knows nothing of storage, and keeps the ids of people apart, since hashing them is the edge's.

mod draft;
mod flagd;
mod flagsmith;
mod growthbook;
mod launchdarkly;
mod mongo;
mod read;
mod unleash;

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use serinus_domain::{
    entity::{Condition, FlagDoc},
    id::{SegmentKey, VariantKey},
};

use draft::Draft;

/// Where a document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A flag definition file of flagd.
    Flagd,
    /// An export of Unleash, or what it serves its clients.
    Unleash,
    /// A flag or a list of flags as the REST API of LaunchDarkly gives them, or all data of an environment.
    LaunchDarkly,
    /// What GrowthBook serves its SDKs.
    GrowthBook,
    /// An environment document of Flagsmith.
    Flagsmith,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Flagd, Self::Unleash, Self::LaunchDarkly, Self::GrowthBook, Self::Flagsmith];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flagd => "flagd",
            Self::Unleash => "unleash",
            Self::LaunchDarkly => "launchdarkly",
            Self::GrowthBook => "growthbook",
            Self::Flagsmith => "flagsmith",
        }
    }
}

impl FromStr for Format {
    type Err = ImportError;
    fn from_str(text: &str) -> Result<Self, ImportError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| ImportError::UnknownFormat(text.chars().take(80).collect()))
    }
}

/// A flag with the people it names.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedFlag {
    /// The flag; `forced` is empty.
    pub doc: FlagDoc,
    /// Who gets what whatever the rules say.
    pub forced: Vec<ForcedUnits>,
}

/// Named units and what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedUnits {
    /// Their ids as they are.
    pub units: Vec<String>,
    /// What they get.
    pub variant: VariantKey,
}

/// A segment with the people it names.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedSegment {
    /// Its key.
    pub key: SegmentKey,
    /// What it is for.
    pub description: String,
    /// Who belongs to it by what is known of them.
    pub when: Condition,
    /// Ids of those who belong to it in any case.
    pub included: Vec<String>,
    /// Ids of those who do not.
    pub excluded: Vec<String>,
}

/// What could not be carried over as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotCarried {
    /// Of what: `flag search`, `segment beta`.
    pub subject: String,
    /// Which part.
    pub what: String,
    /// Why, and what stands in its place.
    pub why: String,
}

/// What a document comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Its flags.
    pub flags: Vec<ImportedFlag>,
    /// Its segments, and those made of lists of people.
    pub segments: Vec<ImportedSegment>,
    /// What is different from where it comes from.
    pub not_carried: Vec<NotCarried>,
}

/// Why a document cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A format that is not known.
    #[error("format \"{0}\" is not known: use flagd, unleash, launchdarkly, growthbook or flagsmith")]
    UnknownFormat(String),
    /// Not JSON.
    #[error("document is no valid JSON: {0}; export it again, or convert it to JSON")]
    NotJson(String),
    /// JSON of another shape.
    #[error("document is no {} export: it has no {missing}; check the format", format.as_str())]
    Shape {
        /// Which was asked for.
        format: Format,
        /// What it lacks.
        missing: &'static str,
    },
}

impl ImportError {
    /// Stable, dotted.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownFormat(_) => "import.unknown_format",
            Self::NotJson(_) => "import.not_json",
            Self::Shape { .. } => "import.wrong_shape",
        }
    }
}

/// Reads a document. What is not understood of a flag is reported and never widens whom a rule is for.
pub fn import(format: Format, document: &[u8]) -> Result<Imported, ImportError> {
    let document: Value =
        serde_json::from_slice(document).map_err(|refused| ImportError::NotJson(refused.to_string()))?;
    let mut draft = Draft::default();
    let missing = match format {
        Format::Flagd => flagd::import(&document, &mut draft),
        Format::Unleash => unleash::import(&document, &mut draft),
        Format::LaunchDarkly => launchdarkly::import(&document, &mut draft),
        Format::GrowthBook => growthbook::import(&document, &mut draft),
        Format::Flagsmith => flagsmith::import(&document, &mut draft),
    };
    match missing {
        Ok(()) => Ok(draft.finish()),
        Err(missing) => Err(ImportError::Shape { format, missing }),
    }
}
