//! The pool of guardrails: weights, clocks, thresholds, blame. Knows evidence, not where it came from.

use serinus_stats::pool::{Categories, Clock, MetricWeight, Pool, Standing, Thresholds, flat_weights};

fn metric(weight: f64, clock: Clock, categories: Categories) -> MetricWeight {
    MetricWeight { weight, clock, categories }
}

#[test]
fn weights_sum_to_one_and_categories_share_two_fifths() {
    let slots = flat_weights(&[
        metric(3.0, Clock::Fast, Categories::ByShare(vec![0.64, 0.16])),
        metric(1.0, Clock::Slow, Categories::ByWeight(vec![1.0, 3.0])),
        metric(1.0, Clock::Session, Categories::None),
    ])
    .unwrap();
    let weights: Vec<f64> = slots.iter().map(|slot| slot.weight).collect();
    let expected = [0.36, 0.16, 0.08, 0.12, 0.02, 0.06, 0.2];
    assert!(weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{weights:?}");
    assert_eq!(slots[2].category, Some(1));
}

#[test]
fn absent_metrics_leave_their_weight_to_the_others() {
    let slots = flat_weights(&[metric(0.15, Clock::Fast, Categories::None)]).unwrap();
    assert_eq!(slots[0].weight, 1.0);
    assert!(flat_weights(&[]).is_err());
}

#[test]
fn clocks_are_combined_by_their_best_and_not_added() {
    let slots = flat_weights(&[
        metric(0.5, Clock::Fast, Categories::None),
        metric(0.5, Clock::Slow, Categories::None),
    ])
    .unwrap();
    let mut pool = Pool::new(slots).unwrap();
    pool.observe([30f64.ln(), 30f64.ln()]);
    assert!((pool.log_e() - 15f64.ln()).abs() < 1e-12, "{}", pool.log_e().exp());
}

#[test]
fn one_clock_adds_its_guardrails_and_blames_the_harmed_one() {
    let metrics = vec![metric(0.25, Clock::Fast, Categories::None); 4];
    let mut pool = Pool::new(flat_weights(&metrics).unwrap()).unwrap();
    pool.observe([0.0, 100f64.ln(), 0.0, f64::NAN]);
    assert!((pool.log_e() - 25.75f64.ln()).abs() < 1e-12);
    assert_eq!(pool.blame(0.05), [1]);
    pool.observe([0.0, 0.0, 0.0, 0.0]);
    assert_eq!(pool.blame(0.05), [1], "blame outlives the evidence of now");
    assert!((pool.log_e_max() - 25.75f64.ln()).abs() < 1e-12);
}

#[test]
fn a_hold_ends_below_two_and_a_rollback_starts_at_twenty() {
    let thresholds = Thresholds::at(0.05);
    let cases = [
        (4.9, false, Standing::Clear),
        (5.0, false, Standing::Hold),
        (2.0, true, Standing::Hold),
        (1.9, true, Standing::Clear),
        (2.0, false, Standing::Clear),
        (20.0, false, Standing::Rollback),
    ];
    for (e, held, expected) in cases {
        assert_eq!(thresholds.standing(f64::ln(e) + 1e-12, held), expected, "E {e}, held {held}");
    }
}
