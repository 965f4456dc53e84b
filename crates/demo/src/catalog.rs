//! What the demo's feature is made of: models with their public prices, prompt, parser, rubric, and the feature
//! itself, each as the body of a control API request. Knows nothing of rollouts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::verdict::JUDGE_MODEL;

pub const FEATURE: &str = "assistant";

const SYSTEM_PROMPT: &str = "You are a careful writing assistant. Follow every instruction of the request to the letter: \
length, format, keywords, case, language. Answer with the requested text and nothing else.";

const RUBRIC: &str = "Score 1 if the answer follows every instruction of the question, whatever else it is like; \
score 0 if it misses one. Judge instructions only: not style, not length beyond what was asked for.";

/// A recorded model, as an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The artifact's name.
    pub name: String,
    /// The recorded model.
    pub recorded: String,
    /// Micro-dollars a million input tokens.
    pub input_price: u64,
    /// Micro-dollars a million output tokens.
    pub output_price: u64,
}

impl Model {
    /// Price lists: OpenAI's for the dated models; the usual price of a hosted 7B model.
    #[must_use]
    pub fn known() -> [Self; 3] {
        let model = |name: &str, recorded: &str, input_price, output_price| Self {
            name: name.to_owned(),
            recorded: recorded.to_owned(),
            input_price,
            output_price,
        };
        [
            model("qwen2.5-7b", "qwen2.5-7b-instruct-int4", 40_000, 100_000),
            model("gpt-4o", "gpt-4o-2024-08-06", 2_500_000, 10_000_000),
            model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 150_000, 600_000),
        ]
    }

    /// The model recorded under `recorded`, without a price where none is known.
    #[must_use]
    pub fn of(recorded: &str) -> Self {
        Self::known().into_iter().find(|model| model.recorded == recorded).unwrap_or_else(|| Self {
            name: key_of(recorded),
            recorded: recorded.to_owned(),
            input_price: 0,
            output_price: 0,
        })
    }

    #[must_use]
    pub fn reference(&self) -> String {
        format!("model/{}@1", self.name)
    }

    fn artifact(&self) -> Value {
        artifact(
            "model",
            &self.name,
            &json!({
                "provider": "replay",
                "model": self.recorded,
                "input_micro_usd_per_million": self.input_price,
                "output_micro_usd_per_million": self.output_price,
            }),
        )
    }
}

/// A recorded model's name in the alphabet of keys.
fn key_of(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    name.chars().map(allowed).take(64).collect()
}

/// Every artifact that the feature and its deliveries need.
#[must_use]
pub fn artifacts(models: &[Model]) -> Vec<Value> {
    let mut all: Vec<Value> = models.iter().map(Model::artifact).collect();
    all.extend([
        artifact("model", "judge", &json!({ "provider": "replay", "model": JUDGE_MODEL })),
        artifact("system_prompt", FEATURE, &json!({ "text": SYSTEM_PROMPT })),
        artifact("sampling", FEATURE, &json!({ "temperature": 0.2, "max_tokens": 4_096 })),
        artifact(
            "output_parser",
            FEATURE,
            &json!({ "format": { "type": "text" }, "chars_min": 1, "chars_max": 20_000 }),
        ),
        artifact("rubric", "instructions", &json!({ "instructions": RUBRIC })),
    ]);
    all
}

fn artifact(kind: &str, name: &str, content: &Value) -> Value {
    json!({ "kind": kind, "name": name, "content": content, "message": "demo" })
}

/// The feature as it is served before a delivery.
#[must_use]
pub fn feature(control: &Model, categories: &BTreeSet<&str>) -> Value {
    json!({
        "description": "writes texts to order; categories are kinds of instruction",
        "control": {
            "model": control.reference(),
            "system_prompt": format!("system_prompt/{FEATURE}@1"),
            "sampling": format!("sampling/{FEATURE}@1"),
            "output_parser": format!("output_parser/{FEATURE}@1"),
        },
        "bucket_by": "session",
        "caller_system": "replace",
        "categories": categories,
        "judge": {
            "rubric": "rubric/instructions@1",
            "model": "model/judge@1",
            "rate_ppm": 1_000_000,
            "deadline_ms": 900_000,
        },
        "capture_ppm": 50_000,
        "off": { "type": "text", "text": "The assistant is switched off." },
    })
}
