//! What a feature has served: its combinations of layers, what proves each, and when it was served last. Changes nothing.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use serinus_domain::{
    entity::{CombinationDoc, Document, Layers, Proof},
    id::FeatureKey,
    units::Timestamp,
};
use serinus_store::Usages;
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    extract::{Key, Reader},
    state::App,
};

/// A combination that a feature has had.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastBundle {
    /// Its fingerprint.
    pub fingerprint: String,
    /// One version per layer.
    #[schema(value_type = BTreeMap<String, String>)]
    pub layers: Layers,
    /// Whether it is what the feature serves outside a rollout now.
    pub current: bool,
    /// Whether anybody may roll back to it.
    pub proven: bool,
    /// What proves it, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// When it last became what the feature serves outside a rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub current_since: Option<Timestamp>,
    /// When it was served last, as far as nodes have told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub served_last_at: Option<Timestamp>,
    /// How often it was served.
    pub served: u64,
    /// Versions of it whose content was removed, so that it cannot be served again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<String>,
}

/// What a feature has served.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureHistory {
    /// Latest first; those that were never served outside a rollout come last.
    pub combinations: Vec<PastBundle>,
}

/// Shows what a feature has served, with what is known to be good.
#[utoipa::path(get, path = "/features/{key}/history", tag = "features", params(("key" = String, Path)),
    responses((status = 200, body = FeatureHistory)))]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<FeatureKey>,
) -> Result<Json<FeatureHistory>, ApiError> {
    let active = app.active();
    let snapshot = &active.snapshot;
    let feature = snapshot.feature(&key).ok_or_else(|| {
        let detail = format!("feature \"{key}\" does not exist: see `serinus feature list`");
        ApiError::unknown("feature.unknown", detail)
    })?;
    let told = Usages::usages(app.store(), &format!("bundle/{key}/")).await?;
    let prefix = format!("combination/{key}/");
    let past = snapshot.under(&prefix).filter_map(|document| match document {
        Document::Combination(doc) => Some(doc),
        _ => None,
    });
    let view = |doc: &CombinationDoc| {
        let subject = format!("bundle/{key}/{}", doc.fingerprint);
        let usage = told.iter().find(|usage| usage.subject == subject);
        let gone = doc
            .layers
            .0
            .values()
            .filter(|reference| snapshot.artifact(reference).is_some_and(|artifact| artifact.redacted));
        PastBundle {
            fingerprint: doc.fingerprint.to_string(),
            layers: doc.layers.clone(),
            current: doc.layers == feature.control,
            proven: doc.proof.is_some(),
            proof: doc.proof.as_ref().map(sentence),
            current_since: doc.current_since,
            served_last_at: usage.map(|usage| usage.last_at),
            served: usage.map_or(0, |usage| usage.count),
            redacted: gone.map(ToString::to_string).collect(),
        }
    };
    let mut combinations: Vec<_> = past.map(view).collect();
    combinations.sort_by_key(|one| std::cmp::Reverse((one.current, one.current_since)));
    Ok(Json(FeatureHistory { combinations }))
}

fn sentence(proof: &Proof) -> String {
    match proof {
        Proof::Declared { actor, .. } => format!("declared by {actor}"),
        Proof::Rollout { rollout, .. } => format!("passed rollout {rollout}"),
    }
}
