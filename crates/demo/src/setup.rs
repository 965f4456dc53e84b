//! Sets a server up as a user would: publishes artifacts, puts the feature, starts a delivery. Knows nothing of
//! how a delivery goes on.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::catalog::{FEATURE, Model, artifacts, feature};
use crate::corpus::Corpus;
use crate::deliveries::Delivery;
use crate::pace::Profiles;

/// What a model without a measured profile of its own is paced like.
const PROFILE_OF_UNKNOWN: &str = "gpt-4o";

/// Publishes what the deliveries need and puts the feature on the first one's baseline.
pub async fn prepare(api: &Api, deliveries: &[Delivery], categories: &BTreeSet<&str>) -> anyhow::Result<()> {
    let mut models: Vec<Model> = Vec::new();
    for model in deliveries.iter().flat_map(|delivery| [&delivery.from, &delivery.to]) {
        if !models.contains(model) {
            models.push(model.clone());
        }
    }
    for artifact in artifacts(&models) {
        api.post("/artifacts", &artifact).await?;
    }
    let first = deliveries.first().context("no delivery is asked for")?;
    put_feature(api, &first.from, categories).await
}

async fn put_feature(api: &Api, control: &Model, categories: &BTreeSet<&str>) -> anyhow::Result<()> {
    api.put(&format!("/features/{FEATURE}"), &feature(control, categories)).await?;
    Ok(())
}

/// Starts a delivery from its baseline; answers the rollout's key. A delivery before it that ended otherwise than
/// planned leaves another model in place, which an operator would then put right.
pub async fn start(api: &Api, delivery: &Delivery, categories: &BTreeSet<&str>) -> anyhow::Result<String> {
    let served: Value = api.get(&format!("/features/{FEATURE}")).await?;
    if let Some(live) = served["rollout"].as_str() {
        let body = json!({ "subject": live, "message": "the demo goes on with its next delivery" });
        api.post("/rollback", &body).await?;
    }
    if served["control"]["model"].as_str() != Some(&delivery.from.reference()) {
        put_feature(api, &delivery.from, categories).await?;
    }
    let started = api.post("/rollouts", &delivery.request()).await?;
    let key =
        started["rollout"]["key"].as_str().context("POST /rollouts: an answer without the rollout's key")?;
    Ok(key.to_owned())
}

/// That the corpus holds what the deliveries are about.
pub fn check_models(corpus: &Corpus, deliveries: &[Delivery]) -> anyhow::Result<()> {
    for model in deliveries.iter().flat_map(|delivery| [&delivery.from, &delivery.to]) {
        let known: Vec<_> = corpus.models().map(|(_, name)| name).collect();
        ensure!(
            known.contains(&model.recorded.as_str()),
            "model {:?}: not recorded in this corpus, there are {}",
            model.recorded,
            known.join(", ")
        );
    }
    Ok(())
}

/// Latency profiles for models that have none of their own.
pub fn profiles(corpus: &Corpus) -> anyhow::Result<std::collections::BTreeMap<String, String>> {
    let known = Profiles::embedded()?;
    let unknown = corpus.models().filter(|(_, name)| !known.models.contains_key(*name));
    Ok(unknown.map(|(_, name)| (name.to_owned(), PROFILE_OF_UNKNOWN.to_owned())).collect())
}
