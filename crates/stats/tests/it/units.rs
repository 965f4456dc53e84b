//! What single processes promise: replay to the bit, units that weigh nothing, bounds, mismatch, tails,
//! pairs. Knows the public API only.

use serinus_stats::betting::MeanBeyond;
use serinus_stats::exceedance::{Exceedance, ExceedanceConfig, ValuesUnit};
use serinus_stats::fixed::proportions::{Count, Proportions};
use serinus_stats::moments::Moments;
use serinus_stats::paired::PairedDifference;
use serinus_stats::power::{Plan, units};
use serinus_stats::rare_event::{EventUnit, RareEvent, RareEventConfig};
use serinus_stats::ratio::{RatioConfig, RatioProcess, RatioUnit};
use serinus_stats::score::{ScoreConfig, ScoreProcess, Unit};
use serinus_stats::srm::SampleRatio;
use serinus_stats::{Harm, Margin};

use crate::simulate::{World, many, upper_limit};

fn score() -> ScoreProcess {
    let margin = Margin::Larger { relative: 0.25, floor: 0.01 };
    ScoreProcess::new(ScoreConfig::unit_interval(Harm::Higher, margin, 0.05, 0.1)).unwrap()
}

#[test]
fn replay_is_bit_identical() {
    let world = World { pi: |at| 0.05 + 0.4 * at, ..World::STILL };
    let config = RareEventConfig { ratio: 1.25, floor: 0.01, rate: 0.1, alpha: 0.05 };
    let states = || {
        many(&world, 11, 3, 2000, |units| {
            let (mut event, mut srm, mut score) =
                (RareEvent::new(config).unwrap(), SampleRatio::two_arms(), score());
            for unit in units {
                event.push(EventUnit { treated: unit.treated, pi: unit.pi, event: unit.y > 0.5, stratum: 1 });
                score.push(Unit::of_mean(unit.treated, unit.pi, unit.y, 0.1));
                srm.push(unit.treated, unit.pi);
            }
            let bits = [event.log_e(), score.log_e(), srm.log_e()].map(f64::to_bits);
            (event, score, srm, bits)
        })
    };
    assert_eq!(states(), states());
}

#[test]
fn units_of_a_certain_arm_weigh_nothing() {
    let mut process = score();
    for pi in [0.0, 1.0] {
        process.push(Unit { treated: pi > 0.5, pi, y: 1.0, centre: 0.0, exposure: 1.0 });
    }
    assert_eq!(process, score());
    process.push(Unit { treated: true, pi: 0.5, y: f64::NAN, centre: 0.0, exposure: 1.0 });
    assert_eq!((process.ignored(), process.log_e()), (1, 0.0));
}

#[test]
fn wealth_stays_finite_whatever_the_outcomes() {
    let mut process = score();
    for step in 0..500 {
        let (pi, y) = ([0.01, 0.5, 0.99][step % 3], [1.0, 0.0, 7.0, -7.0][step % 4]);
        process.push(Unit { treated: step % 2 == 0, pi, y, centre: 0.5 + y, exposure: 1.0 });
        assert!(process.log_e().is_finite(), "step {step}");
    }
}

#[test]
fn intervals_are_unknown_until_both_arms_have_units_and_then_hold_the_effect() {
    let world = World { treatment: |control| control + 0.2, ..World::STILL };
    let mut process = score();
    let early = process.effect(0.05);
    assert_eq!((early.lower, early.upper), (-1.0, 1.0));
    many(&world, 12, 1, 3000, |units| {
        for unit in units {
            process.push(Unit::of_mean(unit.treated, unit.pi, unit.y, 0.1));
        }
    });
    let effect = process.effect(0.05);
    assert!(effect.lower > 0.1 && effect.upper < 0.3, "{effect:?}");
    assert!(process.harm_lower(0.05) > effect.lower && process.harm_upper(0.05) < effect.upper);
    assert!(process.log_e() > 20f64.ln() && process.log_e_non_inferior() < 0.0);
}

#[test]
fn harmless_candidate_is_shown_non_inferior_at_the_planned_n() {
    let world = World { baseline: |_| 0.5, ..World::STILL };
    let plan = Plan { sigma2: 0.25, margin: 0.1, mde: 0.2, alpha: 0.05, power: 0.8 };
    let planned = units(plan.information_for_non_inferiority(0.05).unwrap().unwrap(), 0.5);
    let config = ScoreConfig::unit_interval(Harm::Lower, Margin::Absolute(0.1), 0.2, 0.25);
    let passed = many(&world, 13, 300, planned as usize, |units| {
        let mut process = ScoreProcess::new(config.clone()).unwrap();
        for unit in units {
            process.push(Unit::of_mean(unit.treated, unit.pi, unit.y, 0.5));
        }
        process.harm_upper(0.05) < 0.1
    });
    let share = passed.iter().filter(|&&passed| passed).count() as f64 / 300.0;
    println!("non-inferior at the planned {planned:.0} units: {share:.2}");
    assert!((0.72..0.9).contains(&share), "{share} at {planned} units");
    assert_eq!(
        plan.information_to_detect(0.05, 0.05, 1.0),
        Ok(None),
        "a harm within the margin is never found"
    );
}

#[test]
fn mismatch_is_found_and_a_fair_ramp_is_not() {
    let world = World { pi: |at| if at < 0.5 { 0.05 } else { 0.5 }, ..World::STILL };
    let alarms = |loss: usize| {
        many(&world, 14, 60, 4000, |units| {
            let mut srm = SampleRatio::two_arms();
            for (index, unit) in units.enumerate() {
                if !(unit.treated && loss > 0 && index % loss == 0) {
                    srm.push(unit.treated, unit.pi);
                }
            }
            srm.mismatched()
        })
        .into_iter()
        .filter(|&mismatched| mismatched)
        .count()
    };
    assert_eq!(alarms(0), 0);
    assert!(alarms(4) >= 55, "a loss of every fourth treated unit was found {} times in 60", alarms(4));
}

#[test]
fn exceedance_freezes_its_threshold_and_finds_a_heavier_tail() {
    let config = ExceedanceConfig { quantile: 0.95, reference_values: 200, margin: 0.01, alpha: 0.05 };
    let mut process = Exceedance::calibrating(config).unwrap();
    let world = World { baseline: |_| 0.05, treatment: |_| 0.2, ..World::STILL };
    many(&world, 15, 1, 3000, |units| {
        for (index, unit) in units.enumerate() {
            let slow = if unit.y > 0.5 { 1000.0 } else { 0.0 };
            let values = [100.0 + (index % 50) as f64 + slow];
            process.push(ValuesUnit { treated: unit.treated, pi: unit.pi, values: &values, stratum: 0 });
        }
    });
    assert!(process.threshold().is_some_and(|threshold| threshold > 140.0));
    assert!(process.log_e() > 20f64.ln(), "{}", process.log_e());
    let known = Exceedance::frozen(config, 150.0).unwrap();
    assert_eq!(known.threshold(), Some(150.0));
}

#[test]
fn ratio_of_sums_is_compared_and_not_the_mean_of_ratios() {
    let config = RatioConfig {
        harm: Harm::Higher,
        margin: 0.02,
        numerator_max: 10.0,
        denominator_max: 10.0,
        ratio: 0.1,
        sigma2: 0.4,
        alpha: 0.05,
    };
    let run = |treatment: fn(f64) -> f64| {
        let mut process = RatioProcess::new(config).unwrap();
        let world = World { treatment, interactions: 4, ..World::STILL };
        many(&world, 16, 1, 6000, |units| {
            for unit in units {
                let (numerator, denominator) = (4.0 * unit.y, 4.0);
                process.push(RatioUnit {
                    treated: unit.treated,
                    pi: unit.pi,
                    numerator,
                    denominator,
                    stratum: 0,
                });
            }
        });
        process
    };
    let (same, worse) = (run(|control| control), run(|_| 0.2));
    assert!(same.log_e() < 0.0 && worse.log_e() > 20f64.ln(), "{} {}", same.log_e(), worse.log_e());
    let effect = worse.effect(0.05);
    assert!(effect.lower < 0.1 && 0.1 < effect.upper && (effect.delta_hat - 0.1).abs() < 0.02, "{effect:?}");
    assert!(effect.mean_control.is_some_and(|ratio| (ratio - 0.1).abs() < 0.02));
}

#[test]
fn absolute_guardrail_fires_beyond_its_limit_only() {
    let world = World { baseline: |_| 0.02, ..World::STILL };
    let highest = |limit: f64| {
        many(&world, 17, 300, 1500, |units| {
            let mut process = MeanBeyond::new(Harm::Higher, limit).unwrap();
            { units }.any(|unit| {
                process.push(unit.y);
                process.log_e() >= 20f64.ln()
            })
        })
        .into_iter()
        .filter(|&fired| fired)
        .count()
    };
    assert!(upper_limit(highest(0.02), 300) <= 0.08, "{}", highest(0.02));
    assert_eq!(highest(0.002), 300);
}

#[test]
fn paired_interval_covers_and_stops_a_worse_candidate() {
    let world = World { baseline: |_| 0.6, ..World::STILL };
    let missed = many(&world, 18, 60, 300, |units| {
        let mut pairs = PairedDifference::new(Harm::Lower, 0.05, 0.05).unwrap();
        { units }.any(|unit| {
            pairs.push(unit.y - 0.6);
            pairs.bounds().0 > 0.0 || pairs.bounds().1 < 0.0
        })
    });
    assert!(missed.iter().filter(|&&missed| missed).count() <= 6, "{missed:?}");
    let mut worse = PairedDifference::new(Harm::Lower, 0.05, 0.05).unwrap();
    (0..300).for_each(|i| worse.push(if i % 3 == 0 { -1.0 } else { 0.0 }));
    assert!(worse.log_e() > 20f64.ln());
    assert!(worse.bounds().1 < 0.0 && worse.harm_upper() > 0.3, "{:?}", worse.bounds());
}

#[test]
fn moments_merge_to_what_one_stream_gives() {
    let values: Vec<f64> = (0..50).map(|i| f64::from(i * i % 17)).collect();
    let whole: Moments = values.iter().copied().collect();
    let (left, right): (Moments, Moments) =
        (values[..13].iter().copied().collect(), values[13..].iter().copied().collect());
    let mut merged = left;
    merged.merge(&right);
    assert_eq!(merged.n(), whole.n());
    assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-12);
    assert!((merged.variance().unwrap() - whole.variance().unwrap()).abs() < 1e-10);
}

#[test]
fn impossible_parameters_are_refused_with_the_way_out() {
    let refusal = ScoreProcess::new(ScoreConfig::unit_interval(Harm::Lower, Margin::Relative(1.0), 0.1, 0.1));
    let text = refusal.unwrap_err().to_string();
    assert_eq!(text, "relative margin is 1: choose a fraction of 0 or more, below 1 where lower is worse");
    assert!(
        ScoreProcess::new(ScoreConfig::unit_interval(Harm::Higher, Margin::Absolute(f64::NAN), 0.1, 0.1))
            .is_err()
    );
}

#[test]
fn score_test_uses_the_most_likely_rates() {
    // Independently maximised likelihoods give 2.27895907 and 3.69899352.
    for ((c, t), (n_c, n_t), null, expected) in [
        ((180.0, 205.0), (400.0, 410.0), -0.03, 2.278_959_072_526),
        ((3.0, 11.0), (950.0, 1020.0), -0.01, 3.698_993_515_618),
    ] {
        let both = Proportions {
            control: Count { successes: c, n: n_c },
            treatment: Count { successes: t, n: n_t },
        };
        assert!((both.z_score(null) - expected).abs() < 1e-9, "{}", both.z_score(null));
        let (lower, upper) = both.score_interval(0.05, Proportions::z_score);
        assert!(
            (both.z_score(lower) - 1.959_963_984_540).abs() < 1e-6
                && (both.z_score(upper) + 1.959_963_984_540).abs() < 1e-6
        );
    }
}
