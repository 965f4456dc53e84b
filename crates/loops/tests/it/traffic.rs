//! Made-up traffic with a known truth: sessions, verdicts, failures, as records in the order of a log.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serinus_domain::{
    bundle::BundleId,
    decide::{default_guardrails, default_stages},
    entity::{
        ArtifactRef, BucketBy, Condition, GuardrailSpec, Metric, Phase, RolloutDoc, RolloutSpec,
        RolloutState, Trust,
    },
    id::{CategoryKey, FeatureKey, InteractionId, RolloutKey, UnitHash, VariantKey},
    record::{
        EnrolmentRecord, Facts, InteractionRecord, Outcome, QUALITY, Record, Role, ScoreRecord, Source,
    },
    resolve::{Arm, ArmFacts},
    revision::RevisionNumber,
    units::{MicroUsd, Millis, Share, Timestamp},
};

pub const CATEGORIES: [&str; 3] = ["format", "keywords", "other"];

/// A rollout at a share, in its stage of that kind.
pub fn rollout(share: Share, trust: Trust) -> RolloutDoc {
    let categories: Vec<_> = CATEGORIES.iter().map(|name| CategoryKey::new(name).unwrap()).collect();
    let guardrails = default_guardrails(true)
        .into_iter()
        .map(|guardrail| match guardrail.metric {
            Metric::Quality => GuardrailSpec { trust, ..guardrail },
            _ => guardrail,
        })
        .collect();
    let stages = default_stages();
    let stage =
        stages.iter().position(|stage| stage.share >= share && stage.share != Share::percent(10)).unwrap();
    RolloutDoc {
        key: RolloutKey::new("support-1").unwrap(),
        spec: RolloutSpec {
            change: BTreeMap::new(),
            baseline: BTreeMap::new(),
            candidate: BTreeMap::new(),
            audience: Condition::Always,
            bucket_by: BucketBy::Session,
            salt: "s".into(),
            stages,
            guardrails,
            alpha: Share::percent(5),
            alpha_shadow: Share::percent(1),
            session_window: Millis::minutes(30),
            fast_window: Millis::minutes(10),
            judge_deadline: Millis::minutes(15),
            categories,
            channels: Vec::new(),
            message: String::new(),
            author: "test".into(),
            slot: None,
        },
        state: RolloutState {
            phase: Phase::Running,
            stage,
            share,
            started_at: Some(Timestamp(0)),
            stage_entered_at: Some(Timestamp(0)),
            held_before: Millis(0),
            hold: None,
            ended_at: None,
            rolled_back: None,
            resumed_at: None,
            accepted: BTreeMap::new(),
        },
    }
}

/// What is true of an arm.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Probability that an answer passes the judge, by category.
    pub quality: [f64; 3],
    /// Probability that a call fails.
    pub errors: f64,
    /// Probability that an answer is refused by its parser.
    pub invalid: f64,
}

pub const GOOD: Truth = Truth { quality: [0.85, 0.84, 0.84], errors: 0.004, invalid: 0.01 };

/// Records of `sessions` sessions, one a second, in the order in which a log would hold them.
pub fn records(seed: u64, sessions: u64, pi: Share, control: Truth, candidate: Truth) -> Vec<(u64, Record)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for n in 0..sessions {
        let arm = if random.random_bool(pi.probability()) { Arm::Candidate } else { Arm::Control };
        let truth = if arm == Arm::Candidate { candidate } else { control };
        let facts = ArmFacts { rollout: RolloutKey::new("support-1").unwrap(), arm, pi, stage: 2 };
        let at = Timestamp(i64::try_from(n).unwrap() * 1_000_000);
        let unit = UnitHash(u128::from(n) + 1);
        let feature = FeatureKey::new("support").unwrap();
        all.push(Record::Enrolment(EnrolmentRecord {
            unit,
            session: unit,
            feature: feature.clone(),
            arm: facts.clone(),
            at,
        }));
        for turn in 0..random.random_range(1..=4) {
            let category = random.random_range(0..CATEGORIES.len());
            let id = InteractionId::new(&format!("i{n}-{turn}")).unwrap();
            let failed = random.random_bool(truth.errors);
            let record = InteractionRecord {
                id: id.clone(),
                role: Role::Served,
                pair_of: None,
                feature: feature.clone(),
                session: Some(unit),
                unit: Some(unit),
                variant: VariantKey::new("control").unwrap(),
                bundle: BundleId(1),
                arm: Some(facts.clone()),
                head: RevisionNumber(1),
                assigned: RevisionNumber(1),
                reason: "split".into(),
                category: Some(CategoryKey::new(CATEGORIES[category]).unwrap()),
                at: Timestamp(at.0 + turn * 60_000_000),
                outcome: if failed { Outcome::Error { code: "upstream_status".into() } } else { Outcome::Ok },
                status: 200,
                stream: false,
                ttft_us: Some(random.random_range(200_000..900_000)),
                latency_us: random.random_range(900_000..4_000_000),
                input_tokens: 100,
                cached_tokens: 0,
                output_tokens: random.random_range(50..400),
                tokens_estimated: false,
                cost: MicroUsd(random.random_range(100..900)),
                facts: Facts {
                    chars: 100,
                    valid: (!failed).then(|| !random.random_bool(truth.invalid)),
                    ..Facts::default()
                },
                served_digest: None,
                response_id: None,
                model_returned: None,
                system_fingerprint: None,
                judge: !failed,
            };
            all.push(Record::Interaction(Box::new(record)));
            if !failed {
                let value = f64::from(u8::from(random.random_bool(truth.quality[category])));
                all.push(Record::Score(score(&id, value, at)));
            }
        }
    }
    (1..).zip(all).collect()
}

fn score(id: &InteractionId, value: f64, at: Timestamp) -> ScoreRecord {
    let reference = |text: &str| text.parse::<ArtifactRef>().unwrap();
    ScoreRecord {
        id: format!("judge/{id}"),
        interaction: id.clone(),
        name: QUALITY.into(),
        value,
        reason: None,
        source: Source::Judge { rubric: reference("rubric/helpful@1"), model: reference("model/judge@1") },
        at,
    }
}
