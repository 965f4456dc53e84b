//! One guardrail's process: which test reads which outcome, tuned by what was declared at the start.
//! Sources of each choice: the table of processes in docs/guide/statistics.md. Knows nothing of decisions.

use serinus_domain::{
    entity::{Clock, Direction, GuardrailAction, GuardrailLimit, GuardrailSpec, Metric, RolloutSpec},
    evidence::{Effect, GuardrailEvidence},
    id::CategoryKey,
};
use serinus_stats::{
    Harm, Invalid, Margin,
    betting::MeanBeyond,
    centre::RunningCentre,
    exceedance::{Exceedance, ExceedanceConfig, ValuesUnit},
    pool::{Categories, Clock as StatsClock, MetricWeight, Pool, flat_weights},
    power::{Plan, units},
    rare_event::{EventUnit, RareEvent, RareEventConfig},
    ratio::{RatioConfig, RatioProcess, RatioUnit},
    score::{ScoreConfig, ScoreProcess, Unit},
};

use super::{Panel, finite, outcome::UnitOutcome};

/// Promotion asks for non-inferiority at this one-sided level.
const ALPHA_PROMOTION: f64 = 0.05;
/// Control units whose values freeze the scale of a cost or token guardrail.
const RATIO_REFERENCE_UNITS: usize = 50;
/// Control values that freeze the threshold of a latency guardrail.
const TAIL_REFERENCE_VALUES: usize = 100;
/// The scale of a ratio guardrail reaches this far above the reference; what is beyond is cut, in both arms alike.
const RATIO_REACH: f64 = 4.0;

/// The clock in the words of the statistics.
pub(super) fn stats_clock(clock: Clock) -> StatsClock {
    match clock {
        Clock::Fast => StatsClock::Fast,
        Clock::Session => StatsClock::Session,
        Clock::Slow => StatsClock::Slow,
    }
}

#[derive(Debug)]
enum Process {
    Event(Box<RareEvent>),
    Quality(Box<ScoreProcess>, RunningCentre),
    Tail(Box<Exceedance>),
    Ratio(Ratio),
    Absolute(Box<Absolute>),
}

/// A ratio whose scale is frozen from the first control units, which then weigh nothing.
#[derive(Debug)]
struct Ratio {
    margin: f64,
    alpha: f64,
    reference: Vec<(f64, f64)>,
    process: Option<Box<RatioProcess>>,
}

/// "The candidate's mean is beyond a limit", beside the comparison that tells the change from the world.
#[derive(Debug)]
struct Absolute {
    candidate: MeanBeyond,
    control: MeanBeyond,
    difference: ScoreProcess,
    centre: RunningCentre,
}

/// One guardrail, overall or in one category.
#[derive(Debug)]
pub(super) struct Guardrail {
    spec: GuardrailSpec,
    category: Option<(usize, CategoryKey)>,
    alpha: f64,
    process: Process,
}

/// All guardrails of one action, overall and by category, with their weights.
pub(super) fn panel(spec: &RolloutSpec, action: GuardrailAction) -> Result<Panel, String> {
    let chosen: Vec<_> = spec.guardrails.iter().filter(|guardrail| guardrail.action == action).collect();
    if chosen.is_empty() {
        return Ok(Panel { guardrails: Vec::new(), pool: None });
    }
    let weights: Vec<_> = chosen.iter().map(|guardrail| metric_weight(guardrail, &spec.categories)).collect();
    let refused = |invalid: Invalid| format!("guardrails cannot be set up: {invalid}");
    let slots = flat_weights(&weights).map_err(refused)?;
    let guardrails = slots
        .iter()
        .filter_map(|slot| {
            let guardrail = chosen.get(slot.metric)?;
            let category = slot.category.and_then(|at| Some((at, spec.categories.get(at)?.clone())));
            Some(Guardrail::new(guardrail, category, spec.alpha.probability()))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused)?;
    Ok(Panel { guardrails, pool: Some(Pool::new(slots).map_err(refused)?) })
}

fn metric_weight(guardrail: &GuardrailSpec, categories: &[CategoryKey]) -> MetricWeight {
    let by_category = guardrail.per_category && !categories.is_empty() && guardrail.metric.is_share();
    let weights = || {
        let declared = |key| guardrail.category_weights.get(key).map(|share| share.probability());
        // A category that was given no weight while others were has none of the pool; with none given all are alike.
        let absent = if guardrail.category_weights.is_empty() { 1.0 } else { 0.0 };
        categories.iter().map(|key| declared(key).unwrap_or(absent)).collect()
    };
    MetricWeight {
        weight: guardrail.weight.probability(),
        clock: stats_clock(guardrail.metric.clock()),
        categories: if by_category { Categories::ByWeight(weights()) } else { Categories::None },
    }
}

const fn ppm(parts: u32) -> f64 {
    parts as f64 / 1e6
}

fn harm(metric: Metric) -> Harm {
    match metric.direction() {
        Direction::HigherIsWorse => Harm::Higher,
        Direction::LowerIsWorse => Harm::Lower,
    }
}

/// The rate, or mean, that a process is tuned for; a wrong guess costs time, never validity.
fn planned(metric: Metric) -> f64 {
    match metric {
        Metric::ErrorRate => 0.01,
        Metric::InvalidOutput | Metric::RefusalRate | Metric::ThumbsDown => 0.05,
        Metric::Quality => 0.8,
        Metric::TtftP95 | Metric::LatencyP95 | Metric::OutputTokens | Metric::Cost => 0.05,
    }
}

impl Guardrail {
    fn new(
        spec: &GuardrailSpec,
        category: Option<(usize, CategoryKey)>,
        alpha: f64,
    ) -> Result<Self, Invalid> {
        let margin = margin(spec, category.is_some());
        let process = process(spec, margin, alpha)?;
        Ok(Self { spec: spec.clone(), category, alpha, process })
    }

    pub fn clock(&self) -> Clock {
        self.spec.metric.clock()
    }

    pub fn log_e(&self) -> f64 {
        match &self.process {
            Process::Event(process) => process.log_e(),
            Process::Quality(process, _) => process.log_e(),
            Process::Tail(process) => process.log_e(),
            Process::Ratio(ratio) => ratio.process.as_ref().map_or(0.0, |process| process.log_e()),
            Process::Absolute(absolute) => absolute.candidate.log_e(),
        }
    }

    /// Takes in the next unit that is mature on this guardrail's clock. One that says nothing of it is passed over.
    pub fn push(&mut self, unit: &UnitOutcome) {
        let category = self.category.as_ref().map(|(at, _)| *at);
        let (metric, stratum) = (self.spec.metric, unit.stratum());
        let (treated, pi) = (unit.treated, unit.pi);
        match &mut self.process {
            Process::Event(process) => {
                if let Some(event) = unit.event(metric, category) {
                    process.push(EventUnit { treated, pi, event, stratum });
                }
            }
            Process::Quality(process, centre) => {
                if let Some(y) = unit.quality(category) {
                    process.push(Unit { treated, pi, y, centre: centre.predict(stratum), exposure: 1.0 });
                    centre.observe(stratum, y);
                }
            }
            Process::Tail(process) => {
                let values = unit.values(metric);
                if !values.is_empty() {
                    process.push(ValuesUnit { treated, pi, values: &values, stratum });
                }
            }
            Process::Ratio(ratio) => {
                if let Some((numerator, denominator)) = unit.ratio(metric) {
                    ratio.push(RatioUnit { treated, pi, numerator, denominator, stratum });
                }
            }
            Process::Absolute(absolute) => {
                if let Some(value) = unit.value(metric, category) {
                    absolute.push(treated, pi, value, stratum);
                }
            }
        }
    }

    /// What a decision and a page read.
    pub fn evidence(&self, weight: f64, log_e_max: f64, blamed: bool, share: f64) -> GuardrailEvidence {
        let (effect, score) = self.effect();
        let non_inferior =
            score.is_some_and(|score| score.log_e_non_inferior() >= (1.0 / ALPHA_PROMOTION).ln());
        let margin = match (&self.process, score) {
            (Process::Ratio(ratio), _) => ratio.margin * effect.control_mean,
            (Process::Absolute(_), _) => match self.spec.limit {
                GuardrailLimit::WorseThan { limit_ppm } => ppm(limit_ppm),
                GuardrailLimit::WorseBy { .. } => 0.0,
            },
            (_, Some(score)) => score.margin_now(),
            (_, None) => 0.0,
        };
        let control_breaches = matches!(&self.process, Process::Absolute(absolute)
            if absolute.control.log_e() >= (1.0 / self.alpha).ln());
        GuardrailEvidence {
            metric: self.spec.metric,
            category: self.category.as_ref().map(|(_, key)| key.clone()),
            clock: self.clock(),
            limit: self.spec.limit,
            margin: finite(margin),
            weight,
            action: self.spec.action,
            headline: self.spec.headline,
            trust: self.spec.trust,
            log_e: finite(self.log_e()),
            log_e_max: finite(log_e_max),
            units_needed: if non_inferior {
                None
            } else {
                score.and_then(|score| self.units_needed(score, share))
            },
            effect,
            non_inferior,
            control_breaches,
            blamed,
        }
    }

    fn effect(&self) -> (Effect, Option<&ScoreProcess>) {
        let (effect, score) = match &self.process {
            Process::Event(process) => (process.effect(self.alpha), process.score()),
            Process::Quality(process, _) => (process.effect(self.alpha), process.as_ref()),
            Process::Tail(process) => (process.effect(self.alpha), process.score()),
            Process::Ratio(ratio) => match &ratio.process {
                Some(process) => (process.effect(self.alpha), process.score()),
                None => return (Effect::default(), None),
            },
            Process::Absolute(absolute) => (absolute.difference.effect(self.alpha), &absolute.difference),
        };
        let effect = Effect {
            candidate_units: effect.n_treated,
            control_units: effect.n_control,
            candidate_mean: finite(effect.mean_treated.unwrap_or(0.0)),
            control_mean: finite(effect.mean_control.unwrap_or(0.0)),
            difference: finite(effect.delta_hat),
            lower: finite(effect.lower),
            upper: finite(effect.upper),
        };
        (effect, Some(score))
    }

    /// Units of both arms that non-inferiority is still expected to take at the present share, if the difference stays what it
    /// seems to be; none where it would never be shown.
    fn units_needed(&self, score: &ScoreProcess, share: f64) -> Option<u64> {
        if !(share > 0.0 && share < 1.0) {
            return None;
        }
        let spread =
            score.control().variance().filter(|variance| *variance > 0.0).unwrap_or(score.config().sigma2);
        let harm = score.config().harm.sign() * score.effect(self.alpha).delta_hat;
        let plan = Plan {
            sigma2: spread,
            margin: (score.margin_now() - harm).max(0.0),
            mde: score.config().mde,
            alpha: self.alpha,
            power: 0.5,
        };
        let information = plan.information_for_non_inferiority(ALPHA_PROMOTION).ok()??;
        let missing = (information - score.information()).max(0.0);
        Some(units(missing, share).ceil().max(1.0) as u64)
    }
}

/// The declared margin; a category gets twice its parent's, a judge that is not calibrated its allowance on top.
fn margin(spec: &GuardrailSpec, in_category: bool) -> Margin {
    let times = if in_category { 2.0 } else { 1.0 };
    let allowance = if spec.metric == Metric::Quality { ppm(spec.trust.allowance_ppm()) } else { 0.0 };
    match spec.limit {
        GuardrailLimit::WorseBy { relative_ppm, absolute_ppm } => {
            let relative = times * ppm(relative_ppm);
            if allowance > 0.0 || relative_ppm == 0 {
                // An allowance is added to what is tolerated, so the larger of the two would not do.
                Margin::Absolute(
                    times * ppm(absolute_ppm).max(ppm(relative_ppm) * planned(spec.metric)) + allowance,
                )
            } else {
                Margin::Larger { relative, floor: times * ppm(absolute_ppm) }
            }
        }
        GuardrailLimit::WorseThan { .. } => Margin::Absolute(0.0),
    }
}

fn process(spec: &GuardrailSpec, margin: Margin, alpha: f64) -> Result<Process, Invalid> {
    let rate = planned(spec.metric);
    let mde = 2.0 * margin.at(rate).max(0.005);
    if let GuardrailLimit::WorseThan { limit_ppm } = spec.limit {
        return Absolute::new(spec.metric, ppm(limit_ppm), alpha)
            .map(|absolute| Process::Absolute(Box::new(absolute)));
    }
    Ok(match spec.metric {
        Metric::ErrorRate | Metric::InvalidOutput | Metric::RefusalRate | Metric::ThumbsDown => {
            let (relative, floor) = match margin {
                Margin::Absolute(floor) => (0.0, floor),
                Margin::Relative(relative) => (relative, 0.0),
                Margin::Larger { relative, floor } => (relative, floor),
            };
            Process::Event(Box::new(RareEvent::new(RareEventConfig {
                ratio: 1.0 + relative,
                floor,
                rate,
                alpha,
            })?))
        }
        Metric::Quality => {
            let config = ScoreConfig {
                alpha,
                ..ScoreConfig::unit_interval(harm(spec.metric), margin, mde, rate * (1.0 - rate))
            };
            Process::Quality(Box::new(ScoreProcess::new(config)?), RunningCentre::new(rate))
        }
        Metric::TtftP95 | Metric::LatencyP95 => {
            Process::Tail(Box::new(Exceedance::calibrating(ExceedanceConfig {
                quantile: 0.95,
                reference_values: TAIL_REFERENCE_VALUES,
                margin: margin.at(rate).max(0.001),
                alpha,
            })?))
        }
        Metric::OutputTokens | Metric::Cost => {
            let relative = match spec.limit {
                GuardrailLimit::WorseBy { relative_ppm, .. } => ppm(relative_ppm),
                GuardrailLimit::WorseThan { .. } => 0.0,
            };
            Process::Ratio(Ratio { margin: relative, alpha, reference: Vec::new(), process: None })
        }
    })
}

impl Ratio {
    fn push(&mut self, unit: RatioUnit) {
        if let Some(process) = &mut self.process {
            process.push(unit);
            return;
        }
        if !unit.treated {
            self.reference.push((unit.numerator, unit.denominator));
        }
        if self.reference.len() >= RATIO_REFERENCE_UNITS {
            self.process = self.freeze().map(Box::new);
            self.reference.truncate(0);
        }
    }

    /// The scale from the reference: its ratio, its spread, and four times its largest unit, or as much more as the budget
    /// allows, for what is not cut.
    fn freeze(&self) -> Option<RatioProcess> {
        let (numerators, denominators): (Vec<f64>, Vec<f64>) = self.reference.iter().copied().unzip();
        let (all, calls) = (numerators.iter().sum::<f64>(), denominators.iter().sum::<f64>());
        if all <= 0.0 || calls <= 0.0 {
            return None;
        }
        let ratio = all / calls;
        let residuals = self.reference.iter().map(|(n, d)| (n - ratio * d).powi(2)).sum::<f64>();
        let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        RatioProcess::new(RatioConfig {
            harm: Harm::Higher,
            margin: self.margin * ratio,
            numerator_max: RATIO_REACH * (1.0 + self.margin) * largest(&numerators),
            denominator_max: RATIO_REACH * largest(&denominators),
            ratio,
            sigma2: (residuals / self.reference.len() as f64).max(f64::MIN_POSITIVE),
            alpha: self.alpha,
        })
        .ok()
    }
}

impl Absolute {
    fn new(metric: Metric, limit: f64, alpha: f64) -> Result<Self, Invalid> {
        let rate = planned(metric);
        let config = ScoreConfig {
            alpha,
            ..ScoreConfig::unit_interval(harm(metric), Margin::Absolute(0.0), 0.02, rate * (1.0 - rate))
        };
        Ok(Self {
            candidate: MeanBeyond::new(harm(metric), limit)?,
            control: MeanBeyond::new(harm(metric), limit)?,
            difference: ScoreProcess::new(config)?,
            centre: RunningCentre::new(rate),
        })
    }

    fn push(&mut self, treated: bool, pi: f64, y: f64, stratum: usize) {
        if treated {
            self.candidate.push(y)
        } else {
            self.control.push(y)
        }
        self.difference.push(Unit { treated, pi, y, centre: self.centre.predict(stratum), exposure: 1.0 });
        self.centre.observe(stratum, y);
    }
}
