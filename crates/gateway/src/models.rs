//! The features of an environment as OpenAI clients list models. Knows nothing of what they serve.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};
use serinus_domain::id::FeatureKey;
use serinus_store::Active;

use crate::{error::Refused, gateway::Gateway};

pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let head = gateway.live.load();
    let mut keys: Vec<_> = head.compiled.features.keys().collect();
    keys.sort_unstable();
    let models: Vec<_> = keys.into_iter().map(|key| model(&head, key)).collect();
    Json(json!({"object": "list", "data": models}))
}

pub(crate) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let head = gateway.live.load();
    match head.compiled.features.get_key_value(id.as_str()) {
        Some((key, _)) => Ok(Json(model(&head, key))),
        None => Err(Refused::feature_not_found(&id, head.compiled.features.keys().map(FeatureKey::as_str))),
    }
}

fn model(head: &Active, key: &FeatureKey) -> Value {
    json!({"id": key.as_str(), "object": "model", "created": head.snapshot.at.0 / 1_000_000, "owned_by": "serinus"})
}
