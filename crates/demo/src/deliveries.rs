//! The deliveries as data: which change, in which stages, under which guardrails, and how each must end. Knows
//! nothing of how a delivery goes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalog::{FEATURE, Model};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

pub const SESSION_WINDOW_MS: u64 = 30 * MINUTE_MS;
pub const JUDGE_DEADLINE_MS: u64 = 15 * MINUTE_MS;

/// After this long a delivery that has not ended is looked at as it stands.
pub const PATIENCE_MS: u64 = 40 * HOUR_MS;

/// The category that the application cares most about, and its share of the category evidence. Declared before
/// any traffic, and alike in all three deliveries.
pub const WEIGHTY_CATEGORY: &str = "keywords";
const WEIGHTY_PPM: u32 = 600_000;

/// How a delivery must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Must {
    Complete,
    /// By this guardrail, in this category.
    RollBack {
        metric: &'static str,
        category: &'static str,
    },
    /// Completed or held: anything but taken back.
    Stay,
    /// A corpus of somebody else's: nothing is known beforehand.
    Anything,
}

/// How much dearer, longer and slower the candidate may be before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Cost a call, relative.
    pub cost_ppm: u32,
    /// Output tokens a call, relative.
    pub tokens_ppm: u32,
    /// Further share of units above control's 95th percentile of time to first token, and of latency.
    pub slow_ppm: u32,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub number: u8,
    /// The rollout's key.
    pub key: &'static str,
    pub title: &'static str,
    pub from: Model,
    pub to: Model,
    pub budget: Budget,
    /// Category → parts per million of the category evidence; all alike where empty.
    pub category_weights: BTreeMap<String, u32>,
    pub must: Must,
}

const TIGHT: Budget = Budget { cost_ppm: 100_000, tokens_ppm: 100_000, slow_ppm: 20_000 };
/// What the better model of delivery 1 may cost: its price is about a hundred times the small model's.
const GENEROUS: Budget = Budget { cost_ppm: 150_000_000, tokens_ppm: 500_000, slow_ppm: 100_000 };

/// The three deliveries that the demo is about.
#[must_use]
pub fn three(categories: &[&str]) -> Vec<Delivery> {
    let [small, large, cheap] = Model::known();
    let weights = weights(categories);
    let delivery = |number, key, title, from: &Model, to: &Model, budget, must| Delivery {
        number,
        key,
        title,
        from: from.clone(),
        to: to.clone(),
        budget,
        category_weights: weights.clone(),
        must,
    };
    let fall = Must::RollBack { metric: "quality", category: WEIGHTY_CATEGORY };
    vec![
        delivery(
            1,
            "better-model",
            "a better model, its cost within a declared budget",
            &small,
            &large,
            GENEROUS,
            Must::Complete,
        ),
        delivery(
            2,
            "cheaper-model",
            "a cheaper model: alike on average, worse in one category",
            &large,
            &cheap,
            TIGHT,
            fall,
        ),
        delivery(3, "same-model", "A/A: the same model on both arms", &large, &large, TIGHT, Must::Stay),
    ]
}

/// One delivery between two recorded models of any corpus.
#[must_use]
pub fn custom(baseline: &str, candidate: &str) -> Delivery {
    Delivery {
        number: 1,
        key: "custom",
        title: "a delivery of your own",
        from: Model::of(baseline),
        to: Model::of(candidate),
        budget: GENEROUS,
        category_weights: BTreeMap::new(),
        must: Must::Anything,
    }
}

fn weights(categories: &[&str]) -> BTreeMap<String, u32> {
    let others = categories.iter().filter(|category| **category != WEIGHTY_CATEGORY).count() as u32;
    if !categories.contains(&WEIGHTY_CATEGORY) || others == 0 {
        return BTreeMap::new();
    }
    let of = |category: &str| {
        if category == WEIGHTY_CATEGORY { WEIGHTY_PPM } else { (1_000_000 - WEIGHTY_PPM) / others }
    };
    categories.iter().map(|category| ((*category).to_owned(), of(category))).collect()
}

impl Delivery {
    /// The body of the request that starts it.
    #[must_use]
    pub fn request(&self) -> Value {
        json!({
            "name": self.key,
            "change": { FEATURE: { "model": self.to.reference() } },
            "bucket_by": "session",
            "stages": stages(),
            "builtin": false,
            "guardrails": self.guardrails(),
            "alpha_ppm": 50_000,
            "session_window_ms": SESSION_WINDOW_MS,
            "fast_window_ms": SESSION_WINDOW_MS,
            "judge_deadline_ms": JUDGE_DEADLINE_MS,
            "message": self.title,
        })
    }

    /// What takes the change back, with its weight in one pool; and what only asks, in another.
    fn guardrails(&self) -> Value {
        let Budget { cost_ppm, tokens_ppm, slow_ppm } = self.budget;
        json!([
            {
                "metric": "error_rate", "worse_by": { "relative_ppm": 250_000, "absolute_ppm": 5_000 },
                "weight_ppm": 150_000, "headline": true,
            },
            {
                "metric": "invalid_output", "worse_by": { "relative_ppm": 250_000, "absolute_ppm": 10_000 },
                "weight_ppm": 150_000, "headline": true,
            },
            {
                "metric": "refusal_rate", "worse_by": { "relative_ppm": 250_000, "absolute_ppm": 10_000 },
                "weight_ppm": 100_000,
            },
            {
                "metric": "quality", "worse_by": { "absolute_ppm": 20_000 }, "weight_ppm": 600_000,
                "headline": true, "per_category": true, "category_weights": self.category_weights,
                "trust": "full", "reach": "next_turn",
            },
            {
                "metric": "cost", "worse_by": { "relative_ppm": cost_ppm }, "weight_ppm": 250_000,
                "action": "hold",
            },
            {
                "metric": "output_tokens", "worse_by": { "relative_ppm": tokens_ppm }, "weight_ppm": 250_000,
                "action": "hold",
            },
            {
                "metric": "ttft_p95", "worse_by": { "absolute_ppm": slow_ppm }, "weight_ppm": 250_000,
                "action": "hold",
            },
            {
                "metric": "latency_p95", "worse_by": { "absolute_ppm": slow_ppm }, "weight_ppm": 250_000,
                "action": "hold",
            },
        ])
    }
}

/// A short working week of a rollout: an hour of shadow, an hour of canary, one business day of A/B, two hours of
/// bake. The same for every delivery.
fn stages() -> Value {
    let stage = |kind: &str, share_ppm: u32, units_min: u32, min_ms: u64| {
        json!({
            "kind": kind, "share_ppm": share_ppm, "units_min": units_min, "min_ms": min_ms,
            "max_ms": 24 * HOUR_MS,
        })
    };
    let mut shadow = stage("shadow", 100_000, 300, HOUR_MS);
    // Pays 300 pairs of the dearest model several times over.
    shadow["spend_max_micro_usd"] = json!(20_000_000);
    json!([
        shadow,
        stage("canary", 50_000, 200, HOUR_MS),
        stage("ab", 500_000, 300, 8 * HOUR_MS),
        stage("full", 990_000, 300, 2 * HOUR_MS),
    ])
}
