//! The deliveries as they are declared: bodies of requests, weights, what the corpus says about how they must end.
//! Knows nothing of a running server.

use std::collections::BTreeMap;

use serde_json::Value;
use serinus_demo::catalog::{Model, artifacts, feature};
use serinus_demo::deliveries::{Must, WEIGHTY_CATEGORY, custom, three};
use serinus_demo::setup;

use crate::upstream::recordings;

fn deliveries() -> Vec<serinus_demo::deliveries::Delivery> {
    let recordings = recordings();
    let categories: Vec<&str> = recordings.corpus.categories().into_iter().collect();
    three(&categories)
}

/// The members that the control API's contract knows; it refuses any other.
fn check_members(body: &Value, known: &[&str]) {
    for member in body.as_object().unwrap().keys() {
        assert!(known.contains(&member.as_str()), "{member} is not in the contract: {body}");
    }
}

#[test]
fn a_start_has_the_contract_s_members() {
    for delivery in deliveries().iter().chain([&custom("a", "b")]) {
        let body = delivery.request();
        check_members(
            &body,
            &[
                "name",
                "change",
                "audience",
                "bucket_by",
                "from",
                "stages",
                "guardrails",
                "builtin",
                "alpha_ppm",
                "session_window_ms",
                "fast_window_ms",
                "judge_deadline_ms",
                "categories",
                "channels",
                "message",
                "dry_run",
            ],
        );
        assert_eq!(body["change"]["assistant"]["model"], delivery.to.reference());
        for stage in body["stages"].as_array().unwrap() {
            check_members(
                stage,
                &[
                    "kind",
                    "share_ppm",
                    "units_min",
                    "min_ms",
                    "max_ms",
                    "category_units_min",
                    "spend_max_micro_usd",
                ],
            );
            assert!(stage["min_ms"].as_u64().unwrap() <= stage["max_ms"].as_u64().unwrap());
        }
        for guardrail in body["guardrails"].as_array().unwrap() {
            check_members(
                guardrail,
                &[
                    "metric",
                    "worse_by",
                    "worse_than_ppm",
                    "action",
                    "weight_ppm",
                    "per_category",
                    "category_weights",
                    "headline",
                    "trust",
                    "reach",
                ],
            );
        }
    }
}

#[test]
fn the_ladder_goes_up_and_is_the_same_for_all() {
    let bodies: Vec<Value> = deliveries().iter().map(|delivery| delivery.request()).collect();
    assert!(bodies.iter().all(|body| body["stages"] == bodies[0]["stages"]), "a delivery is special-cased");
    let stages = bodies[0]["stages"].as_array().unwrap();
    let ladder: Vec<(&str, u64)> = stages
        .iter()
        .map(|stage| (stage["kind"].as_str().unwrap(), stage["share_ppm"].as_u64().unwrap()))
        .collect();
    assert_eq!(ladder, [("shadow", 100_000), ("canary", 50_000), ("ab", 500_000), ("full", 990_000)]);
}

#[test]
fn harm_weighs_alike_in_all_deliveries_and_most_in_the_declared_category() {
    let pools: Vec<Vec<Value>> = deliveries()
        .iter()
        .map(|delivery| {
            let body = delivery.request();
            let all = body["guardrails"].as_array().unwrap().clone();
            all.into_iter().filter(|guardrail| guardrail["action"] != "hold").collect()
        })
        .collect();
    assert!(pools.iter().all(|pool| pool == &pools[0]), "a delivery has guardrails of its own");
    let weight = |guardrail: &Value| guardrail["weight_ppm"].as_u64().unwrap();
    assert_eq!(pools[0].iter().map(weight).sum::<u64>(), 1_000_000);
    let quality = pools[0].iter().find(|guardrail| guardrail["metric"] == "quality").unwrap();
    assert_eq!((&quality["trust"], &quality["reach"]), (&"full".into(), &"next_turn".into()));
    let within: BTreeMap<String, u64> = serde_json::from_value(quality["category_weights"].clone()).unwrap();
    assert_eq!(within.values().sum::<u64>(), 1_000_000);
    assert!(
        within.iter().all(|(name, weight)| name == WEIGHTY_CATEGORY || *weight < within[WEIGHTY_CATEGORY])
    );
    assert_eq!(within.len(), recordings().corpus.categories().len());
}

/// Share of the corpus that a model passes, in one category or in all.
fn truth(model: &Model, category: Option<&str>) -> f64 {
    let corpus = &recordings().corpus;
    let index = corpus.model(&model.recorded).unwrap();
    let answers = corpus.prompts().filter(|(_, prompt)| category.is_none_or(|name| prompt.category == name));
    let passed: Vec<f64> = answers
        .map(|(prompt, _)| f64::from(u8::from(corpus.answer(prompt, index).unwrap().checks.strict)))
        .collect();
    passed.iter().sum::<f64>() / passed.len() as f64
}

#[test]
fn what_must_happen_is_what_the_recorded_truth_says() {
    let corpus = &recordings().corpus;
    for delivery in deliveries() {
        let fall = |category| truth(&delivery.from, category) - truth(&delivery.to, category);
        let worst = corpus.categories().into_iter().map(|name| fall(Some(name))).fold(f64::MIN, f64::max);
        match &delivery.must {
            Must::Complete => assert!(fall(None) < -0.05 && worst < 0.04, "not better everywhere: {worst}"),
            Must::RollBack { category, .. } => {
                assert!(fall(None).abs() < 0.02, "averages differ: {}", fall(None));
                assert!(fall(Some(category)) > 0.1 && (worst - fall(Some(category))).abs() < 1e-9);
            }
            Must::Stay => assert_eq!(delivery.from, delivery.to),
            Must::Anything => panic!("delivery {}: nothing is expected of it", delivery.number),
        }
    }
}

#[test]
fn the_feature_names_artifacts_that_are_published() {
    let recordings = recordings();
    let categories = recordings.corpus.categories();
    let published: Vec<String> = artifacts(&Model::known())
        .iter()
        .map(|body| {
            check_members(body, &["kind", "name", "content", "requires", "message"]);
            format!("{}/{}@1", body["kind"].as_str().unwrap(), body["name"].as_str().unwrap())
        })
        .collect();
    let body = feature(&Model::known()[0], &categories);
    check_members(
        &body,
        &[
            "description",
            "control",
            "variants",
            "rules",
            "bucket_by",
            "caller_system",
            "categories",
            "judge",
            "capture_ppm",
            "off",
        ],
    );
    let layers = body["control"].as_object().unwrap().values();
    for reference in layers.chain([&body["judge"]["rubric"], &body["judge"]["model"]]) {
        assert!(
            published.iter().any(|one| one == reference.as_str().unwrap()),
            "{reference} is not published"
        );
    }
}

#[test]
fn a_model_that_is_not_recorded_is_refused_by_name() {
    let corpus = &recordings().corpus;
    let error = setup::check_models(corpus, &[custom("gpt-4o-2024-08-06", "gpt-9")]).unwrap_err().to_string();
    assert!(error.contains("\"gpt-9\"") && error.contains("gpt-4o-mini-2024-07-18"), "{error}");
    assert_eq!(Model::of("meta/llama 3").reference(), "model/meta-llama-3@1");
}
