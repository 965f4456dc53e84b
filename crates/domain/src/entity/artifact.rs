//! Artifacts: named series of immutable versions, how one is referred to, and a choice of one version per layer.
//! Knows nothing of what the contents mean.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, id::ArtifactName, units::Timestamp};

/// One independently versioned part of an LLM feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// Which model, at which provider, at which price.
    Model,
    /// The system prompt.
    SystemPrompt,
    /// The template around the user's message.
    PromptTemplate,
    /// Temperature and its like.
    Sampling,
    /// What is looked up and rendered into the template.
    Retrieval,
    /// Tools offered to the model.
    Tools,
    /// How the answer is read.
    OutputParser,
}

impl LayerKind {
    /// All layers in the order in which they are written.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::SystemPrompt,
        Self::PromptTemplate,
        Self::Sampling,
        Self::Retrieval,
        Self::Tools,
        Self::OutputParser,
    ];

    /// The layer's name in files, references and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::SystemPrompt => "system_prompt",
            Self::PromptTemplate => "prompt_template",
            Self::Sampling => "sampling",
            Self::Retrieval => "retrieval",
            Self::Tools => "tools",
            Self::OutputParser => "output_parser",
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LayerKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("\"{text}\" is no layer: use one of {names}")
        })
    }
}

/// What an artifact's versions are versions of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactKind {
    /// A layer of a bundle.
    Layer(LayerKind),
    /// What a judge is told to look for.
    Rubric,
    /// Categories of queries.
    Taxonomy,
    /// Recorded or written cases to try a bundle on.
    Dataset,
}

impl ArtifactKind {
    /// Kinds that are no layer.
    pub const BESIDE: [Self; 3] = [Self::Rubric, Self::Taxonomy, Self::Dataset];

    /// All kinds in the order in which they are written.
    pub fn all() -> impl Iterator<Item = Self> {
        LayerKind::ALL.into_iter().map(Self::Layer).chain(Self::BESIDE)
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(layer) => layer.fmt(f),
            Self::Rubric => f.write_str("rubric"),
            Self::Taxonomy => f.write_str("taxonomy"),
            Self::Dataset => f.write_str("dataset"),
        }
    }
}

impl FromStr for ArtifactKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rubric" => Ok(Self::Rubric),
            "taxonomy" => Ok(Self::Taxonomy),
            "dataset" => Ok(Self::Dataset),
            _ => text.parse().map(Self::Layer).map_err(|refused: String| {
                format!(
                    "{}, rubric, taxonomy, dataset",
                    refused.replace("is no layer", "is no artifact kind")
                )
            }),
        }
    }
}

/// One version of one artifact: `system_prompt/support@7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactRef {
    /// The series' kind.
    pub kind: ArtifactKind,
    /// The series' name.
    pub name: ArtifactName,
    /// Counted from 1.
    pub version: u32,
}

impl fmt::Display for ArtifactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.kind, self.name, self.version)
    }
}

impl fmt::Debug for ArtifactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ArtifactRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "\"{text}\" is no artifact version: write kind/name@version, as in system_prompt/support@7"
            )
        };
        let (kind, rest) = text.split_once('/').ok_or_else(shape)?;
        let (name, version) = rest.rsplit_once('@').ok_or_else(shape)?;
        let version = version.parse().ok().filter(|version| *version > 0).ok_or_else(shape)?;
        let name = ArtifactName::new(name).map_err(|refused| refused.to_string())?;
        Ok(Self { kind: kind.parse()?, name, version })
    }
}

impl Serialize for ArtifactKind {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactKind {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ArtifactRef {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactRef {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a version needs of the bundle that it is put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The kind that is needed.
    pub kind: ArtifactKind,
    /// The series that it must come from, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ArtifactName>,
    /// The lowest version that will do.
    #[serde(default = "first_version")]
    pub version_min: u32,
}

const fn first_version() -> u32 {
    1
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name} >= {}", self.kind, self.version_min),
            None => write!(f, "{} >= {}", self.kind, self.version_min),
        }
    }
}

/// A version of an artifact. Its content is a blob, named by its digest and stored before this document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactDoc {
    /// What it is a version of.
    pub artifact_kind: ArtifactKind,
    /// The series.
    pub name: ArtifactName,
    /// Counted from 1 without gaps.
    pub version: u32,
    /// The digest of the content's canonical JSON.
    pub content: Digest,
    /// Needs that a bundle with this version must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// Who made it.
    pub author: String,
    /// Why, in the author's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where its content was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Whether it was put away: lists leave it out and no new bundle may use it; what uses it already goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// Whether its content was removed for good; the digest stays, and no bundle can be made of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// A version on another prompt platform that a content was copied from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `langfuse` or `promptlayer`.
    pub platform: String,
    /// The prompt's name there.
    pub name: String,
    /// Its version there.
    pub version: u32,
    /// The digest of what that platform answered, to tell when it answers something else for the same version.
    pub digest: Digest,
}

impl ArtifactDoc {
    /// How this version is referred to.
    pub fn reference(&self) -> ArtifactRef {
        ArtifactRef { kind: self.artifact_kind, name: self.name.clone(), version: self.version }
    }
}

/// A choice of one version per layer; complete for a bundle, partial for a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layers(pub BTreeMap<LayerKind, ArtifactRef>);

impl Layers {
    /// The choice for one layer.
    pub fn get(&self, kind: LayerKind) -> Option<&ArtifactRef> {
        self.0.get(&kind)
    }

    /// These layers with those of `change` in their place.
    #[must_use]
    pub fn with(&self, change: &Self) -> Self {
        let mut layers = self.0.clone();
        layers.extend(change.0.iter().map(|(kind, reference)| (*kind, reference.clone())));
        Self(layers)
    }

    /// The layers in which `other` differs from this, as (kind, here, there).
    pub fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> Vec<(LayerKind, Option<&'a ArtifactRef>, Option<&'a ArtifactRef>)> {
        let differs = |kind: &LayerKind| self.get(*kind) != other.get(*kind);
        LayerKind::ALL
            .into_iter()
            .filter(differs)
            .map(|kind| (kind, self.get(kind), other.get(kind)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_text() {
        for text in ["system_prompt/support@7", "rubric/helpful@1", "model/gpt-4o-2024-08-06@12"] {
            assert_eq!(text.parse::<ArtifactRef>().unwrap().to_string(), text);
        }
        for bad in [
            "support@7",
            "system_prompt/support",
            "system_prompt/support@0",
            "prompt/support@1",
            "model/a b@1",
        ] {
            assert!(bad.parse::<ArtifactRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn layers_are_keyed_by_name_in_json() {
        let layers: Layers =
            serde_json::from_str(r#"{"model":"model/a@1","sampling":"sampling/s@2"}"#).unwrap();
        assert_eq!(layers.get(LayerKind::Sampling).unwrap().version, 2);
        assert_eq!(
            serde_json::to_string(&layers).unwrap(),
            r#"{"model":"model/a@1","sampling":"sampling/s@2"}"#
        );
    }
}
