//! INVARIANT(false-alarms-bounded): a harmless change is rolled back with probability at most alpha, at every
//! look, in worlds made to break naive tests; and a harm is found about as fast as theory allows.

use rand::{RngExt, SeedableRng};
use serinus_stats::centre::RunningCentre;
use serinus_stats::rare_event::{EventUnit, RareEvent, RareEventConfig};
use serinus_stats::regression_centre::RegressionCentre;
use serinus_stats::score::{ScoreConfig, ScoreProcess, Unit};
use serinus_stats::{Harm, Margin};

use crate::simulate::{Enrolled, Units, World, many, upper_limit};

const ALPHA: f64 = 0.05;

/// Feeds a rollout to a score process; the unit at which it first reached 1/alpha, if it did.
fn score_alarm(config: &ScoreConfig, prior: f64, units: Units<'_>) -> Option<(usize, usize)> {
    let mut process = ScoreProcess::new(config.clone()).unwrap();
    let mut centre = RunningCentre::new(prior);
    alarm(units, |unit| {
        let guess = centre.predict(0);
        process.push(Unit::of_mean(unit.treated, unit.pi, unit.y, guess));
        centre.observe(0, unit.y);
        process.log_e()
    })
}

fn rare_alarm(config: RareEventConfig, units: Units<'_>) -> Option<(usize, usize)> {
    let mut process = RareEvent::new(config).unwrap();
    alarm(units, |unit| {
        process.push(EventUnit { treated: unit.treated, pi: unit.pi, event: unit.y > 0.5, stratum: 0 });
        process.log_e()
    })
}

/// The unit of the first alarm, and how many events had hit treated units by then.
fn alarm(units: Units<'_>, mut log_e: impl FnMut(Enrolled) -> f64) -> Option<(usize, usize)> {
    let mut hits = 0;
    for (index, unit) in units.enumerate() {
        hits += usize::from(unit.treated && unit.y > 0.5);
        if log_e(unit) >= (1.0 / ALPHA).ln() {
            return Some((index + 1, hits));
        }
    }
    None
}

fn check_bounded<T>(name: &str, alarms: &[Option<T>]) {
    let hits = alarms.iter().flatten().count();
    let limit = upper_limit(hits, alarms.len());
    println!("{name}: {hits} of {} false, 99% limit {limit:.4}", alarms.len());
    assert!(limit <= ALPHA, "{name}: {hits} of {} harmless rollouts were rolled back", alarms.len());
}

#[test]
fn false_alarms_bounded_with_clustered_units() {
    let world = World { interactions: 4, clustering: 0.2, baseline: |_| 0.3, ..World::STILL };
    let config = ScoreConfig::unit_interval(Harm::Higher, Margin::Absolute(0.0), 0.08, 0.08);
    check_bounded("clustered A/A", &many(&world, 1, 1500, 600, |units| score_alarm(&config, 0.3, units)));
}

#[test]
fn false_alarms_bounded_on_a_canary_with_a_rare_positive() {
    let world = World { pi: |_| 0.05, baseline: |_| 0.02, ..World::STILL };
    let config = ScoreConfig::unit_interval(Harm::Lower, Margin::Absolute(0.0), 0.01, 0.02);
    check_bounded(
        "rare positive on a canary",
        &many(&world, 2, 1000, 1500, |units| score_alarm(&config, 0.02, units)),
    );
}

#[test]
fn false_alarms_bounded_for_the_fast_half_alone() {
    // Here the empirical variance alone cries wolf (treated units without the rare positive look far too
    // certain), and with unequal variances the design's variance alone does.
    let rare = World { pi: |_| 0.05, baseline: |_| 0.02, ..World::STILL };
    let unequal = World { pi: |_| 0.05, interactions: 20, baseline: |_| 0.5, ..World::STILL };
    for (name, world, prior, sigma2, mde, spread) in [
        ("rare positive", rare, 0.02, 0.02, 0.06, 1.0),
        ("unequal variances", unequal, 0.5, 0.05, 0.025, 4.0),
    ] {
        let config = ScoreConfig::unit_interval(Harm::Lower, Margin::Absolute(0.0), mde, sigma2);
        let alarms = many(&world, 21, 400, 1500, |units| {
            let mut process = ScoreProcess::new(config.clone()).unwrap();
            let mut centre = RunningCentre::new(prior);
            alarm(units, |unit| {
                // The candidate's outcomes are as high as control's on average, but stray further.
                let wider = if unit.treated { spread } else { 1.0 };
                let y = (prior + wider * (unit.y - prior)).clamp(0.0, 1.0);
                process.push(Unit::of_mean(unit.treated, unit.pi, y, centre.predict(0)));
                centre.observe(0, y);
                process.log_e_fast()
            })
        });
        check_bounded(name, &alarms);
    }
}

#[test]
fn false_alarms_bounded_under_a_ramp_with_a_drifting_baseline() {
    let world =
        World { pi: |at| if at < 0.3 { 0.05 } else { 0.5 }, baseline: |at| 0.08 + 0.06 * at, ..World::STILL };
    let config = ScoreConfig::unit_interval(Harm::Higher, Margin::Absolute(0.0), 0.04, 0.1);
    check_bounded("ramp with drift", &many(&world, 3, 1500, 1000, |units| score_alarm(&config, 0.08, units)));
}

#[test]
fn false_alarms_bounded_at_a_relative_margin() {
    let world = World { baseline: |at| 0.2 + 0.2 * at, treatment: |control| 0.9 * control, ..World::STILL };
    let margin = Margin::Relative(0.1);
    let config = ScoreConfig::unit_interval(Harm::Lower, margin, 0.06, 0.2);
    check_bounded(
        "at a relative margin",
        &many(&world, 4, 1500, 800, |units| score_alarm(&config, 0.3, units)),
    );
}

#[test]
fn false_alarms_bounded_for_rare_events_at_the_floor() {
    // Control fails at 0.4 %, the candidate half a point more: exactly what the floor allows.
    let world = World {
        pi: |at| if at < 0.5 { 0.05 } else { 0.5 },
        baseline: |_| 0.004,
        treatment: |control| control + 0.005,
        ..World::STILL
    };
    let config = RareEventConfig { ratio: 1.25, floor: 0.005, rate: 0.004, alpha: ALPHA };
    check_bounded("rare events at the floor", &many(&world, 5, 800, 2000, |units| rare_alarm(config, units)));
}

#[test]
fn false_alarms_bounded_for_events_at_the_ratio() {
    let world = World {
        pi: |at| if at < 0.5 { 0.05 } else { 0.5 },
        baseline: |at| 0.05 + 0.1 * at,
        treatment: |control| 1.25 * control,
        ..World::STILL
    };
    let config = RareEventConfig { ratio: 1.25, floor: 0.005, rate: 0.1, alpha: ALPHA };
    check_bounded("events at the ratio", &many(&world, 6, 1500, 1000, |units| rare_alarm(config, units)));
}

#[test]
fn quality_drop_is_found_fast() {
    // 0.84 against 0.69 at an even split; the oracle is the best test of these two known rates.
    let world = World { baseline: |_| 0.84, treatment: |_| 0.69, ..World::STILL };
    let config = ScoreConfig::unit_interval(Harm::Lower, Margin::Absolute(0.0), 0.15, 0.18);
    let alarms = many(&world, 7, 300, 3000, |units| score_alarm(&config, 0.8, units));
    let found: Vec<f64> = alarms.iter().flatten().map(|&(unit, _)| unit as f64).collect();
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let oracle = oracle_units(0.5, 0.69, 0.84);
    println!(
        "0.84 -> 0.69: {} of 300 found, mean {mean:.0} units, oracle {oracle:.0}, factor {:.2}",
        found.len(),
        mean / oracle
    );
    assert_eq!(found.len(), 300);
    assert!(mean / oracle <= 1.6, "mean {mean} units, oracle {oracle}");
}

/// log(1/alpha) over the information per unit about "treatment has this rate" against "both have the same".
fn oracle_units(pi: f64, treated: f64, control: f64) -> f64 {
    let kl = |p: f64, q: f64| p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
    let pooled = pi * treated + (1.0 - pi) * control;
    (1.0 / ALPHA).ln() / (pi * kl(treated, pooled) + (1.0 - pi) * kl(control, pooled))
}

/// Treated events before the alarm, on a canary of 5 % with a control rate of 0.4 %.
fn treated_events_before_alarm(treatment: fn(f64) -> f64, config: RareEventConfig, runs: u64) -> Vec<usize> {
    let world = World { pi: |_| 0.05, baseline: |_| 0.004, treatment, ..World::STILL };
    let mut events: Vec<usize> =
        many(&world, 8, runs, 30_000, |units| rare_alarm(config, units).map_or(usize::MAX, |(_, hits)| hits));
    events.sort_unstable();
    events
}

#[test]
fn rare_regressions_are_found_after_a_few_failures() {
    let relative = RareEventConfig { ratio: 1.25, floor: 0.0, rate: 0.004, alpha: ALPHA };
    for (name, treatment, limit) in [
        ("tenfold", (|control| 10.0 * control) as fn(f64) -> f64, 5),
        ("fourfold", |control| 4.0 * control, 12),
    ] {
        let events = treated_events_before_alarm(treatment, relative, 41);
        let median = events[events.len() / 2];
        println!("{name}: median {median} treated failures before the alarm");
        assert!(median <= limit, "{name}: median {median} treated failures");
    }
}

#[test]
fn catastrophe_is_found_after_a_few_units() {
    // Every other candidate answer fails; the floor binds.
    let floor = RareEventConfig { ratio: 1.25, floor: 0.005, rate: 0.004, alpha: ALPHA };
    let events = treated_events_before_alarm(|_| 0.5, floor, 41);
    println!("catastrophe: median {} treated failures before the alarm", events[20]);
    assert!(events[20] <= 6, "median {} treated failures", events[20]);
}

#[test]
fn intervals_cover_at_every_look() {
    let world = World { pi: |_| 0.3, treatment: |control| control + 0.1, ..World::STILL };
    let config = ScoreConfig::unit_interval(Harm::Higher, Margin::Absolute(0.02), 0.1, 0.1);
    let missed = many(&world, 9, 500, 800, |units| {
        let mut process = ScoreProcess::new(config.clone()).unwrap();
        let mut centre = RunningCentre::new(0.1);
        { units }.any(|unit| {
            let guess = centre.predict(0);
            process.push(Unit::of_mean(unit.treated, unit.pi, unit.y, guess));
            centre.observe(0, unit.y);
            let effect = process.effect(ALPHA);
            effect.lower > 0.1 || effect.upper < 0.1
        })
    });
    let missed = missed.into_iter().filter(|&missed| missed).count();
    println!("interval missed at some look in {missed} of 500");
    assert!(upper_limit(missed, 500) <= 0.08, "missed {missed} of 500");
}

#[test]
fn covariates_save_the_units_that_they_explain() {
    // The outcome is half covariate, half noise: R squared is .5, so half of the units should do, and a tenth
    // is allowed for learning the slope.
    let config = ScoreConfig::unit_interval(Harm::Lower, Margin::Absolute(0.0), 0.04, 0.04);
    let units_to_alarm = |covariates: usize| -> f64 {
        let total: usize = (0..60)
            .map(|run| {
                let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(run);
                // The planned variance is that of what the centre leaves over.
                let config = ScoreConfig { sigma2: 0.04 / (1.0 + covariates as f64), ..config.clone() };
                let mut process = ScoreProcess::new(config).unwrap();
                let mut centre = RegressionCentre::new(0.5, covariates);
                let mut count = 0;
                while process.log_e() < (1.0 / ALPHA).ln() {
                    let (treated, known, noise) =
                        (rng.random::<bool>(), rng.random::<f64>(), rng.random::<f64>());
                    let y = 0.5 * (known + noise) - if treated { 0.04 } else { 0.0 };
                    let covariate = [known - 0.5];
                    process.push(Unit::of_mean(treated, 0.5, y, centre.predict(&covariate)));
                    centre.observe(&covariate, y);
                    count += 1;
                }
                count
            })
            .sum();
        total as f64 / 60.0
    };
    let (with, without) = (units_to_alarm(1), units_to_alarm(0));
    println!("units to alarm: {with:.0} with covariates, {without:.0} without");
    assert!(with / without <= 0.6, "{with} of {without}");
}
