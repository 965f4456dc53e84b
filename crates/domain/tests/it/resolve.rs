//! The published vectors of bucketing and the published cases of resolution. Knows nothing of how either is computed.

#![expect(clippy::disallowed_methods, reason = "a test reads the published cases from their files")]

use std::{fs, path::Path};

use serde_json::{Value, json};
use serinus_domain::{
    compile::Compiled,
    entity::OffAnswer,
    resolve::{Pin, Salt, resolve, resolve_flag},
};

use crate::fixture;

fn spec(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/resolve").join(path)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn buckets_are_as_published() {
    let rows = read(&spec("buckets.json"));
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 40);
    for row in rows {
        let (salt, unit) = (row["salt"].as_str().unwrap(), row["unit"].as_str().unwrap());
        assert_eq!(json!(Salt::new(salt).bucket(unit)), row["bucket"], "salt {salt:?}, unit {unit:?}");
    }
}

/// INVARIANT(same-answer): every case, all failures at once so that one hides nothing.
#[test]
fn cases_resolve_as_published() {
    let mut files: Vec<_> = fs::read_dir(spec("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20);
    let failures: Vec<String> = files.iter().flat_map(|file| failures(file)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(file: &Path) -> Vec<String> {
    let case = read(file);
    let contents = case.get("artifacts").and_then(Value::as_object).cloned().unwrap_or_default();
    let lists = case.get("lists").and_then(Value::as_array).cloned().unwrap_or_default();
    let compiled = fixture::compiled_with(&contents, &lists, case["documents"].as_array().unwrap());
    let steps = case["steps"].as_array().unwrap();
    let answers = steps.iter().enumerate().filter_map(|(at, step)| {
        let answer = answer(&case, &compiled, step);
        let name = file.file_stem().unwrap().to_string_lossy();
        (answer != step["expect"])
            .then(|| format!("{name} step {at}: expected {}, got {answer}", step["expect"]))
    });
    answers.collect()
}

fn answer(case: &Value, compiled: &Compiled, step: &Value) -> Value {
    let context = fixture::context(&step["context"]);
    if let Some(key) = case.get("flag").and_then(Value::as_str) {
        let decision = resolve_flag(&compiled.flags[key], &context);
        return json!({"variant": decision.variant, "value": decision.value, "reason": decision.reason.as_str()});
    }
    let feature = &compiled.features[case["feature"].as_str().unwrap()];
    let pin: Option<Pin> = step.get("pin").map(|pin| serde_json::from_value(pin.clone()).unwrap());
    let resolved = resolve(feature, compiled.revision, pin.as_ref(), &context);
    json!({
        "variant": resolved.variant,
        "reason": resolved.reason.as_str(),
        "bundle": resolved.bundle.id,
        "assigned": resolved.assigned,
        "arm": resolved.enrolled.map(|enrolled| enrolled.arm),
        "pi": resolved.enrolled.map(|enrolled| enrolled.pi),
        "off": resolved.off.map(|off: &OffAnswer| json!(off)),
    })
}
