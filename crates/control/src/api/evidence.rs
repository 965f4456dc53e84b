//! The documented shape of evidence and interaction records in answers. The values themselves are the domain's stored form;
//! a test reads those into these shapes, so that neither can drift from the other.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::words::{Arm, GuardrailAction, Metric, Role, Trust};

macro_rules! shape {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(ToSchema)]
        #[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

/// How long a unit is watched before its outcome counts.
#[derive(ToSchema, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub enum Clock {
    /// Its first interaction.
    Fast,
    /// Thirty minutes.
    Session,
    /// The session and the judge's deadline.
    Slow,
}

/// When a guardrail calls a difference harm.
#[derive(ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(rename_all = "snake_case", deny_unknown_fields))]
#[schema(rename_all = "snake_case")]
pub enum GuardrailLimit {
    /// Worse than control by more than the larger of the two.
    WorseBy {
        /// Of control's mean, in parts per million.
        relative_ppm: u32,
        /// Of the metric's scale, in parts per million.
        absolute_ppm: u32,
    },
    /// The candidate's own mean beyond this.
    WorseThan {
        /// In parts per million of the metric's scale.
        limit_ppm: u32,
    },
}

shape! {
    /// How much has been looked at.
    Watermark {
        /// The last record that was read.
        record: u64,
        /// Units folded on each clock, in enrolment order.
        units: BTreeMap<String, u64>,
        /// A digest of the folded rows.
        ledger: Option<String>,
    }
    /// The difference of the arms on one metric, in its own unit, candidate minus control.
    Effect {
        /// Units in the candidate.
        candidate_units: u64,
        /// Units in control.
        control_units: u64,
        /// The candidate's mean.
        candidate_mean: f64,
        /// Control's mean.
        control_mean: f64,
        /// The estimated difference.
        difference: f64,
        /// Lower end of its confidence sequence.
        lower: f64,
        /// Upper end of its confidence sequence.
        upper: f64,
    }
    /// The state of one guardrail, overall or in one category.
    GuardrailEvidence {
        /// What is watched.
        metric: Metric,
        /// Where, if in one category.
        category: Option<String>,
        /// On which clock.
        clock: Clock,
        /// When it calls a difference harm.
        limit: GuardrailLimit,
        /// The margin in the metric's unit, allowance included.
        margin: f64,
        /// Its share of its clock's pool.
        weight: f64,
        /// What it does.
        action: GuardrailAction,
        /// Whether promotion needs its non-inferiority.
        headline: bool,
        /// Of judged metrics.
        trust: Trust,
        /// The logarithm of its wealth.
        log_e: f64,
        /// The largest it has been.
        log_e_max: f64,
        /// The difference.
        effect: Effect,
        /// Whether harm is shown to be within the margin.
        non_inferior: bool,
        /// Units of both arms that non-inferiority is still expected to take.
        units_needed: Option<u64>,
        /// Of an absolute limit: whether control breaches it as well.
        control_breaches: bool,
        /// Whether it is blamed, corrected for the number of guardrails.
        blamed: bool,
    }
    /// The pooled evidence of one clock.
    ClockEvidence {
        /// Which.
        clock: Clock,
        /// Its weight among the clocks.
        weight: f64,
        /// The weighted mean of its guardrails' wealths.
        e: f64,
    }
    /// The comparison of shadow pairs on one metric.
    PairEvidence {
        /// What is compared.
        metric: Metric,
        /// Sessions compared.
        sessions: u64,
        /// Pairs compared.
        pairs: u64,
        /// The mean difference, candidate minus control.
        difference: f64,
        /// Lower end of its confidence sequence.
        lower: f64,
        /// Upper end of its confidence sequence.
        upper: f64,
        /// The logarithm of the wealth against "no worse than the margin".
        log_e: f64,
        /// That margin, in the metric's unit; absent in evidence of before it was kept.
        margin: Option<f64>,
        /// Its share of the pool.
        weight: f64,
    }
    /// What the shadow stage has shown.
    ShadowEvidence {
        /// Pairs of a served answer and a shadow answer.
        pairs: u64,
        /// Control asked again.
        repeats: u64,
        /// Of those, how many changed their verdict.
        repeats_flipped: u64,
        /// The weighted mean of wealths.
        e: f64,
        /// By metric.
        metrics: Vec<PairEvidence>,
    }
    /// Units by arm.
    ArmCounts {
        /// In the candidate.
        candidate: u64,
        /// In control.
        control: u64,
    }
    /// Everything that a decision looks at.
    Evidence {
        /// Of which rollout.
        rollout: Option<String>,
        /// Which analysis.
        analysis_version: u32,
        /// As of when.
        at: i64,
        /// How much was looked at.
        watermark: Watermark,
        /// Units enrolled since the start.
        enrolled: ArmCounts,
        /// Units enrolled in the present stage and mature on the clock that its minimum counts.
        stage_matured: ArmCounts,
        /// Interactions served since the start.
        interactions: ArmCounts,
        /// Matured units of this stage by category, both arms; absent where there are none.
        category_units: Option<BTreeMap<String, u64>>,
        /// Every guardrail, overall ones first.
        guardrails: Vec<GuardrailEvidence>,
        /// Every clock.
        clocks: Vec<ClockEvidence>,
        /// Weighted evidence of harm: holds at 5, rolls back at 1/alpha.
        e: f64,
        /// Likewise of guardrails that only hold.
        e_hold: f64,
        /// Sample ratio: the logarithm of the wealth against the declared probabilities.
        sample_ratio_log_e: f64,
        /// The shadow stage's.
        shadow: Option<ShadowEvidence>,
        /// What could not be measured, in words; absent where nothing.
        problems: Option<Vec<String>>,
    }
    /// A place in a rollout.
    ArmFacts {
        /// Of which rollout.
        rollout: String,
        /// The arm.
        arm: Arm,
        /// The probability of the candidate arm, in parts per million.
        pi: u32,
        /// The rollout's stage then, counted from 0.
        stage: usize,
    }
    /// What the checks read off an answer.
    Facts {
        /// Characters of the answer.
        chars: u32,
        /// Whether its parser accepts it.
        valid: Option<bool>,
        /// Why not.
        invalid_reason: Option<String>,
        /// Whether it refuses.
        refusal: Option<bool>,
        /// As the provider said.
        finish_reason: Option<String>,
    }
    /// One call of an LLM.
    InteractionRecord {
        /// Its id.
        id: String,
        /// For what.
        role: Role,
        /// Of a shadow: the served one that it copies.
        pair_of: Option<String>,
        /// Of which feature.
        feature: String,
        /// The session, as a pseudonym.
        session: Option<String>,
        /// The randomised unit, as a pseudonym.
        unit: Option<String>,
        /// Which variant answered.
        variant: String,
        /// Which bundle answered.
        bundle: String,
        /// Its place in a rollout.
        arm: Option<ArmFacts>,
        /// The head that the request was served at.
        head: u64,
        /// The revision at which the session was assigned.
        assigned: u64,
        /// Why it was served this variant.
        reason: String,
        /// The topic.
        category: Option<String>,
        /// When the request came, in microseconds since the epoch.
        at: i64,
        /// How it ended.
        outcome: Outcome,
        /// The provider's HTTP status; 0 where there was none.
        status: u16,
        /// Whether it was streamed.
        stream: bool,
        /// Microseconds to the first token.
        ttft_us: Option<u64>,
        /// Microseconds to the end.
        latency_us: u64,
        /// Input tokens, cached ones included.
        input_tokens: u64,
        /// Input tokens that the provider had cached.
        cached_tokens: u64,
        /// Output tokens.
        output_tokens: u64,
        /// Whether tokens are an estimate; absent where not.
        tokens_estimated: Option<bool>,
        /// In micro-dollars.
        cost: i64,
        /// What the checks read.
        facts: Facts,
        /// The digest of the body that was sent upstream.
        served_digest: Option<String>,
        /// The id that the provider gave its answer.
        response_id: Option<String>,
        /// The model that the provider says answered.
        model_returned: Option<String>,
        /// The provider's fingerprint of what answered.
        system_fingerprint: Option<String>,
        /// Whether a judge is to score it; absent where not.
        judge: Option<bool>,
    }
    /// One measurement of one interaction.
    ScoreRecord {
        /// Its id.
        id: String,
        /// Of which interaction.
        interaction: String,
        /// What was measured.
        name: String,
        /// The value.
        value: f64,
        /// Why, in the words of who measured.
        reason: Option<String>,
        /// By whom.
        source: Source,
        /// When.
        at: i64,
    }
}

/// How a call ended.
#[derive(ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Outcome {
    /// `ok`, `error` or `cancelled`.
    pub r#type: String,
    /// Of an error: a stable code.
    pub code: Option<String>,
}

/// Who measured.
#[derive(ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Source {
    /// `judge`, `feedback`, `human` or `application`.
    pub by: String,
    /// Of a judge: by which rubric.
    pub rubric: Option<String>,
    /// Of a judge: which model.
    pub model: Option<String>,
    /// Of a person: who.
    pub annotator: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    /// Reads `value` as the domain does, writes it as the domain does, and reads that in the documented shape.
    #[track_caller]
    fn check<Domain: DeserializeOwned + serde::Serialize, Shape: DeserializeOwned>(value: Value) {
        let stored: Domain = serde_json::from_value(value).unwrap();
        let written = serde_json::to_value(stored).unwrap();
        if let Err(refused) = serde_json::from_value::<Shape>(written.clone()) {
            panic!("{refused}: {written}");
        }
    }

    fn guardrail() -> Value {
        json!({
            "metric": "quality", "category": "billing", "clock": "slow", "limit": { "worse_by": {} }, "margin": 0.02,
            "weight": 0.1, "action": "roll_back", "headline": true, "trust": { "allowance": 1 }, "log_e": 1.0,
            "log_e_max": 2.0, "non_inferior": false, "units_needed": 10,
            "effect": {
                "candidate_units": 1, "control_units": 2, "candidate_mean": 0.1, "control_mean": 0.2, "difference": 0.1,
                "lower": -0.1, "upper": 0.2,
            },
        })
    }

    #[test]
    fn evidence_has_the_documented_shape() {
        let mut absolute = guardrail();
        absolute["limit"] = json!({ "worse_than": { "limit_ppm": 1 } });
        let pairs = json!({
            "metric": "cost", "sessions": 1, "pairs": 2, "difference": 0.0, "lower": 0.0, "upper": 0.0, "log_e": 0.0,
            "margin": 0.02, "weight": 1.0,
        });
        check::<serinus_domain::evidence::Evidence, Evidence>(json!({
            "rollout": "r", "analysis_version": 1, "at": 1, "watermark": { "record": 1, "units": { "fast": 1 }, "ledger": null },
            "enrolled": { "candidate": 1, "control": 2 }, "stage_matured": { "candidate": 1, "control": 2 },
            "interactions": { "candidate": 1, "control": 2 }, "category_units": { "billing": 3 },
            "guardrails": [guardrail(), absolute], "clocks": [{ "clock": "fast", "weight": 1.0, "e": 1.0 }], "e": 1.0, "e_hold": 1.0,
            "sample_ratio_log_e": 0.0, "problems": ["x"],
            "shadow": { "pairs": 1, "repeats": 1, "repeats_flipped": 0, "e": 1.0, "metrics": [pairs] },
        }));
    }

    #[test]
    fn interactions_and_scores_have_the_documented_shape() {
        let bundle = "0".repeat(32);
        check::<serinus_domain::record::InteractionRecord, InteractionRecord>(json!({
            "id": "i", "role": "shadow", "pair_of": "j", "feature": "f", "session": bundle, "unit": bundle, "variant": "control",
            "bundle": bundle, "arm": { "rollout": "r", "arm": "control", "pi": 1, "stage": 0 }, "head": 1, "assigned": 1,
            "reason": "SPLIT", "category": "c", "at": 1, "outcome": { "type": "error", "code": "x" }, "status": 500, "stream": true,
            "ttft_us": 1, "latency_us": 2, "tokens_estimated": true, "judge": true, "served_digest": "0".repeat(64),
            "response_id": "x", "model_returned": "m", "system_fingerprint": "s",
            "facts": { "chars": 1, "valid": false, "invalid_reason": "x", "refusal": true, "finish_reason": "stop" },
        }));
        for source in [
            json!({ "by": "judge", "rubric": "rubric/r@1", "model": "model/m@1" }),
            json!({ "by": "human", "annotator": "ana" }),
            json!({ "by": "feedback" }),
        ] {
            check::<serinus_domain::record::ScoreRecord, ScoreRecord>(json!({
                "id": "s", "interaction": "i", "name": "quality", "value": 0.5, "reason": "x", "source": source, "at": 1,
            }));
        }
    }
}
