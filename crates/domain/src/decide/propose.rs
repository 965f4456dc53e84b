//! New versions and the rollout that brings them into use, as one draft. Knows nothing of who has to approve it.

use std::sync::Arc;

use crate::{
    bundle::Contents,
    decide::{PublishRequest, Rejection, StartRequest, publish_artifact, start},
    entity::{ArtifactRef, LayerKind, RolloutDoc},
    id::FeatureKey,
    revision::{Draft, Revision},
    snapshot::Snapshot,
    units::Timestamp,
};

/// A version to publish, and the layer of a feature that it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLayer {
    /// Of which feature.
    pub feature: FeatureKey,
    /// Which layer.
    pub layer: LayerKind,
    /// The version.
    pub publish: PublishRequest,
}

/// What proposing comes to.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The rollout with every default spelled out.
    pub rollout: RolloutDoc,
    /// All of it.
    pub draft: Draft,
    /// Blobs that it names.
    pub blobs: Vec<Vec<u8>>,
    /// The versions that it moves features to, where they are not published yet.
    pub published: Vec<ArtifactRef>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// Publishes, then starts, on a snapshot that runs ahead of the log.
pub fn propose(
    snapshot: &Snapshot,
    contents: &Contents,
    layers: &[NewLayer],
    request: &StartRequest,
    now: Timestamp,
) -> Result<Proposed, Rejection> {
    let (mut ahead, mut contents, mut request) = (snapshot.clone(), contents.clone(), request.clone());
    let (mut changes, mut blobs, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for NewLayer { feature, layer, publish } in layers {
        let made = publish_artifact(&ahead, &contents, publish, now)?;
        if let Some(draft) = made.draft {
            // What was just made follows its own head, so neither a gap nor a fork can come of it.
            let sealed = Revision::seal(&draft, ahead.revision, ahead.digest, now);
            ahead = ahead
                .apply(&sealed)
                .map_err(|refused| Rejection::new("proposal.invalid", refused.to_string()))?;
            if let Ok(content) = serde_json::from_slice(&made.blob) {
                contents.held.insert(made.digest, Arc::new(content));
            }
            changes.extend(draft.changes);
            published.push(made.reference.clone());
        }
        blobs.push(made.blob);
        request.change.entry(feature.clone()).or_default().0.insert(*layer, made.reference);
    }
    let (rollout, draft, warnings) = start(&ahead, &contents, &request, now)?;
    changes.extend(draft.changes);
    let draft = Draft { expected_head: snapshot.revision, changes, ..draft };
    Ok(Proposed { rollout, draft, blobs, published, warnings })
}
