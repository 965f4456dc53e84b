//! A label: a pointer to a version of an artifact, for people and for prompt clients. Nothing that is decided depends on one.

use serde::{Deserialize, Serialize};

use super::{ArtifactKind, ArtifactRef};
use crate::id::{ArtifactName, LabelKey};

/// A label of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelDoc {
    /// The series' kind.
    pub artifact_kind: ArtifactKind,
    /// The series' name.
    pub name: ArtifactName,
    /// The label.
    pub label: LabelKey,
    /// Where it points.
    pub version: u32,
}

impl LabelDoc {
    /// The version that it points to.
    pub fn reference(&self) -> ArtifactRef {
        ArtifactRef { kind: self.artifact_kind, name: self.name.clone(), version: self.version }
    }
}
