//! What a rollout is where its author says nothing: the ladder and the built-in guardrails. Sources: the design's stages, and
//! the table of metrics with margins and weights that the statistics guide explains.

use std::collections::BTreeMap;

use crate::{
    entity::{GuardrailAction, GuardrailLimit, GuardrailSpec, Metric, StageKind, StageSpec, Trust},
    units::{MicroUsd, Millis, Share},
};

/// Shadow 10 %, canary 5 %, A/B 50 %, full 99 % with a bake of 72 h.
pub fn default_stages() -> Vec<StageSpec> {
    let day = 24;
    let stage = |kind, percent, units_min, min, max| StageSpec {
        kind,
        share: Share::percent(percent),
        units_min,
        min,
        max,
        category_units_min: 0,
        spend_max: None,
    };
    vec![
        StageSpec {
            spend_max: Some(MicroUsd(5_000_000)),
            ..stage(StageKind::Shadow, 10, 300, Millis::hours(1), Millis::hours(3 * day))
        },
        stage(StageKind::Canary, 5, 300, Millis::hours(1), Millis::hours(7 * day)),
        stage(StageKind::Ab, 50, 300, Millis::hours(7 * day), Millis::hours(28 * day)),
        stage(StageKind::Full, 99, 300, Millis::hours(72), Millis::hours(14 * day)),
    ]
}

/// The built-in guardrails. Judged quality is among them where the feature has a judge.
pub fn default_guardrails(judged: bool) -> Vec<GuardrailSpec> {
    let worse_by = |relative_ppm, absolute_ppm| GuardrailLimit::WorseBy { relative_ppm, absolute_ppm };
    let guardrail = |metric, limit, percent| GuardrailSpec {
        metric,
        limit,
        action: GuardrailAction::RollBack,
        weight: Share::percent(percent),
        per_category: false,
        category_weights: BTreeMap::new(),
        headline: false,
        trust: Trust::Full,
        reach: None,
    };
    let asks = |guardrail| GuardrailSpec { action: GuardrailAction::Hold, ..guardrail };
    let mut all = vec![
        GuardrailSpec { headline: true, ..guardrail(Metric::ErrorRate, worse_by(250_000, 5_000), 15) },
        asks(guardrail(Metric::TtftP95, worse_by(0, 10_000), 5)),
        asks(guardrail(Metric::LatencyP95, worse_by(0, 10_000), 5)),
        asks(guardrail(Metric::OutputTokens, worse_by(100_000, 0), 5)),
        asks(guardrail(Metric::Cost, worse_by(100_000, 0), 5)),
        GuardrailSpec {
            headline: true,
            per_category: true,
            ..guardrail(Metric::InvalidOutput, worse_by(250_000, 10_000), 20)
        },
        guardrail(Metric::RefusalRate, worse_by(250_000, 10_000), 10),
        guardrail(Metric::ThumbsDown, worse_by(250_000, 10_000), 10),
    ];
    if judged {
        all.push(GuardrailSpec {
            headline: true,
            per_category: true,
            trust: Trust::Uncalibrated,
            ..guardrail(Metric::Quality, worse_by(0, 20_000), 25)
        });
    }
    all
}
