//! Documents of a sticky feature with three rules and of plain flags, for what counts or times resolution. Knows nothing of
//! what they are compiled to.

use serde_json::{Map, Value, json};

/// Contents of the fewest artifacts that make a bundle, in two versions of the model.
pub fn models() -> Map<String, Value> {
    let model = |name: &str| json!({"provider": "openai", "model": name});
    [("model/m@1".to_owned(), model("small")), ("model/m@2".to_owned(), model("large"))].into_iter().collect()
}

/// A feature with three rules that none but the named contexts meet, and a rollout at 5%.
pub fn sticky() -> Vec<Value> {
    let equals = |attribute: &str, value: &str| json!({"equals": {"attribute": attribute, "value": value}});
    let feature = json!({
        "kind": "feature", "key": "support", "control": {"model": "model/m@1"}, "variants": {"large": {"model": "model/m@2"}},
        "rules": [
            {"when": equals("plan", "enterprise"), "serve": "large"},
            {"when": {"and": [equals("country", "CH"), {"greater": {"attribute": "age_days", "than": 30}}]}, "serve": "large"},
            {"when": {"in": {"attribute": "user", "values": ["ana", "ben", "eve"]}}, "serve": "control"},
        ],
    });
    vec![feature, rollout("support-1", &json!({"phase": "running", "stage": 0, "share": 50_000}))]
}

/// A rollout of `support` from model 1 to model 2 in this state.
fn rollout(key: &str, state: &Value) -> Value {
    json!({
        "kind": "rollout", "key": key, "state": state,
        "spec": {
            "change": {"support": {"model": "model/m@2"}}, "baseline": {"support": {"model": "model/m@1"}},
            "candidate": {"support": {"model": "model/m@2"}}, "bucket_by": "user", "salt": key,
            "stages": [{"kind": "canary", "share": 50_000, "units_min": 100, "min": 0, "max": 1000}],
            "guardrails": [], "alpha": 50_000, "alpha_shadow": 10_000, "session_window": 1, "fast_window": 1,
            "judge_deadline": 1, "author": "ana",
        },
    })
}

/// Plain flags: `static`, `split` and `rule`.
pub fn flags() -> Vec<Value> {
    let flag = |key: &str, rules: Value| {
        json!({
            "kind": "flag", "key": key, "value_kind": "boolean", "variants": {"on": true, "off": false},
            "default": "off", "salt": key, "rules": rules,
        })
    };
    let split = json!({"split": [{"variant": "on", "share": 50_000}, {"variant": "off", "share": 950_000}]});
    let pro = json!({"equals": {"attribute": "plan", "value": "pro"}});
    vec![
        flag("static", json!([])),
        flag("split", json!([{"serve": split}])),
        flag("rule", json!([{"when": pro, "serve": {"variant": "on"}}])),
    ]
}
