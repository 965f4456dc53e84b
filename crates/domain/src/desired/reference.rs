//! How files refer to versions: `kind/name@version`, or `kind/name` for the version that the files themselves give the content of.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    entity::{ArtifactKind, ArtifactRef},
    id::ArtifactName,
};

/// A series of an artifact's versions: `system_prompt/support`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Its kind.
    pub kind: ArtifactKind,
    /// Its name.
    pub name: ArtifactName,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for Series {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').ok_or_else(|| {
            format!("\"{text}\" is no series: write kind/name, as in system_prompt/support")
        })?;
        let name = ArtifactName::new(name).map_err(|refused| refused.to_string())?;
        Ok(Self { kind: kind.parse()?, name })
    }
}

/// A version, or the one that the files give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Of which series.
    pub series: Series,
    /// Which; without one, the version whose content the files give.
    pub version: Option<u32>,
}

impl Reference {
    /// The version that it names, if it names one.
    pub fn exact(&self) -> Option<ArtifactRef> {
        let version = self.version?;
        Some(ArtifactRef { kind: self.series.kind, name: self.series.name.clone(), version })
    }
}

impl From<&ArtifactRef> for Reference {
    fn from(reference: &ArtifactRef) -> Self {
        let series = Series { kind: reference.kind, name: reference.name.clone() };
        Self { series, version: Some(reference.version) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.series),
            None => self.series.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return text.parse::<ArtifactRef>().map(|exact| Self::from(&exact));
        }
        Ok(Self { series: text.parse()?, version: None })
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Series Reference);
