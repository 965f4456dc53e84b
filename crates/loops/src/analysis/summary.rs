//! The arms as they were served, in plain numbers for people to look at. Knows nothing of tests; no decision reads it.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use serinus_domain::{
    evidence::ArmCounts,
    id::InteractionId,
    record::{EnrolmentRecord, InteractionRecord, Outcome, QUALITY, ScoreRecord, THUMBS},
    report::{ArmSummary, CategorySummary, Exposure},
    resolve::Arm,
    units::{MicroUsd, Timestamp},
};

/// Interactions whose scores are still expected.
const OPEN_MAX: usize = 200_000;
/// One hour in microseconds: longer latencies count as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    yes: u64,
    of: u64,
}

impl Share {
    fn add(&mut self, value: Option<bool>) {
        if let Some(value) = value {
            self.of += 1;
            self.yes += u64::from(value);
        }
    }

    fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.yes as f64 / self.of as f64)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    n: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1;
    }

    fn get(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

#[derive(Debug, Default)]
struct Category {
    interactions: u64,
    invalid: Share,
    quality: Mean,
}

#[derive(Debug)]
struct Side {
    units: u64,
    interactions: u64,
    errors: u64,
    ttft: Option<Histogram<u32>>,
    latency: Option<Histogram<u32>>,
    output_tokens: Mean,
    cost: Mean,
    invalid: Share,
    refusal: Share,
    quality: Mean,
    thumbs_up: u64,
    thumbs_down: u64,
    categories: BTreeMap<String, Category>,
}

impl Default for Side {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).ok();
        Self {
            units: 0,
            interactions: 0,
            errors: 0,
            ttft: histogram(),
            latency: histogram(),
            output_tokens: Mean::default(),
            cost: Mean::default(),
            invalid: Share::default(),
            refusal: Share::default(),
            quality: Mean::default(),
            thumbs_up: 0,
            thumbs_down: 0,
            categories: BTreeMap::new(),
        }
    }
}

/// Both arms.
#[derive(Debug, Default)]
pub(super) struct Summary {
    control: Side,
    candidate: Side,
    open: HashMap<InteractionId, (Arm, Option<String>)>,
    last_enrolment_at: Option<Timestamp>,
    last_turn_at: Option<Timestamp>,
}

impl Summary {
    fn side(&mut self, arm: Arm) -> &mut Side {
        match arm {
            Arm::Control => &mut self.control,
            Arm::Candidate => &mut self.candidate,
        }
    }

    pub fn enrolled(&mut self, record: &EnrolmentRecord) {
        self.side(record.arm.arm).units += 1;
        if record.arm.arm == Arm::Candidate {
            self.last_enrolment_at = self.last_enrolment_at.max(Some(record.at));
        }
    }

    pub fn interaction(&mut self, record: &InteractionRecord) {
        let Some(arm) = record.arm.as_ref().map(|facts| facts.arm) else { return };
        if arm == Arm::Candidate {
            self.last_turn_at = self.last_turn_at.max(Some(record.at));
        }
        let category = record.category.as_ref().map(ToString::to_string);
        if self.open.len() < OPEN_MAX {
            self.open.insert(record.id.clone(), (arm, category.clone()));
        }
        let side = self.side(arm);
        side.interactions += 1;
        side.errors += u64::from(matches!(record.outcome, Outcome::Error { .. }));
        if record.outcome == Outcome::Ok {
            let observe = |histogram: &mut Option<Histogram<u32>>, us: u64| {
                if let Some(histogram) = histogram {
                    histogram.saturating_record(us.max(1));
                }
            };
            observe(&mut side.latency, record.latency_us);
            if let Some(us) = record.ttft_us {
                observe(&mut side.ttft, us);
            }
            side.output_tokens.add(record.output_tokens as f64);
            side.cost.add(record.cost.0 as f64);
        }
        side.invalid.add(record.facts.valid.map(|valid| !valid));
        side.refusal.add(record.facts.refusal);
        if let Some(category) = category {
            let category = side.categories.entry(category).or_default();
            category.interactions += 1;
            category.invalid.add(record.facts.valid.map(|valid| !valid));
        }
    }

    pub fn score(&mut self, record: &ScoreRecord) {
        let Some((arm, category)) = self.open.get(&record.interaction).cloned() else { return };
        let side = self.side(arm);
        match record.name.as_str() {
            QUALITY => {
                side.quality.add(record.value);
                if let Some(category) = category.and_then(|name| side.categories.get_mut(&name)) {
                    category.quality.add(record.value);
                }
            }
            THUMBS if record.value < 0.5 => side.thumbs_down += 1,
            THUMBS => side.thumbs_up += 1,
            _ => {}
        }
    }

    pub fn interactions(&self) -> ArmCounts {
        ArmCounts { candidate: self.candidate.interactions, control: self.control.interactions }
    }

    pub fn exposure(&self) -> Exposure {
        Exposure {
            candidate_units: self.candidate.units,
            candidate_interactions: self.candidate.interactions,
            last_enrolment_at: self.last_enrolment_at,
            last_turn_at: self.last_turn_at,
        }
    }

    pub fn arms(&self) -> Vec<ArmSummary> {
        vec![summarise(Arm::Control, &self.control), summarise(Arm::Candidate, &self.candidate)]
    }
}

fn summarise(arm: Arm, side: &Side) -> ArmSummary {
    let quantile = |histogram: &Option<Histogram<u32>>, q| {
        histogram.as_ref().filter(|h| !h.is_empty()).map(|h| h.value_at_quantile(q) as f64 / 1000.0)
    };
    let categories = side.categories.iter().map(|(name, category)| CategorySummary {
        category: name.clone(),
        interactions: category.interactions,
        invalid_rate: category.invalid.rate(),
        quality_mean: category.quality.get(),
        judged: category.quality.n,
    });
    ArmSummary {
        arm,
        units: side.units,
        interactions: side.interactions,
        errors: side.errors,
        ttft_p50_ms: quantile(&side.ttft, 0.5),
        ttft_p95_ms: quantile(&side.ttft, 0.95),
        latency_p50_ms: quantile(&side.latency, 0.5),
        latency_p95_ms: quantile(&side.latency, 0.95),
        output_tokens_mean: side.output_tokens.get(),
        cost_mean: side.cost.get().map(|cost| MicroUsd(cost.round() as i64)),
        invalid_rate: side.invalid.rate(),
        refusal_rate: side.refusal.rate(),
        quality_mean: side.quality.get(),
        judged: side.quality.n,
        thumbs_up: side.thumbs_up,
        thumbs_down: side.thumbs_down,
        categories: categories.collect(),
    }
}
