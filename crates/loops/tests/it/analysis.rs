//! Analysis against traffic whose truth is known: what it must find, what it must leave alone, what must not matter.

use proptest::prelude::*;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serinus_domain::{
    decide::{Action, Verdict, steer},
    entity::{Metric, Reach, Trust},
    evidence::Evidence,
    record::Record,
    units::{Share, Timestamp},
};
use serinus_loops::analysis::{Analysis, History};

use crate::traffic::{GOOD, Truth, records, rollout};

const END: Timestamp = Timestamp(1_000_000_000_000);

fn evidence(share: Share, trust: Trust, records: &[(u64, Record)]) -> Evidence {
    let mut analysis = Analysis::new(&rollout(share, trust));
    for (seq, record) in records {
        analysis.ingest(*seq, record);
    }
    analysis.advance(END);
    analysis.evidence(END)
}

fn decide(share: Share, trust: Trust, evidence: &Evidence) -> (Verdict, Action) {
    let decided = steer(&rollout(share, trust), evidence, END);
    (decided.verdict, decided.action)
}

const HALF: Share = Share::percent(50);
const WORSE_IN_KEYWORDS: Truth = Truth { quality: [0.90, 0.69, 0.89], ..GOOD };

#[test]
fn a_loss_in_one_category_is_found_and_named() {
    let evidence = evidence(HALF, Trust::Full, &records(1, 9_000, HALF, GOOD, WORSE_IN_KEYWORDS));
    let (verdict, action) = decide(HALF, Trust::Full, &evidence);
    assert_eq!(verdict, Verdict::Fail, "e = {}", evidence.e);
    let Action::RollBack { reach, metric, category } = action else { panic!("{action:?}") };
    assert_eq!(
        (metric, category.unwrap().as_str(), reach),
        (Metric::Quality, "keywords", Reach::NewSessions)
    );
    let blamed: Vec<_> =
        evidence.guardrails.iter().filter(|g| g.blamed).map(|g| (g.metric, g.category.clone())).collect();
    assert!(blamed.iter().any(|(metric, at)| *metric == Metric::Quality && at.is_some()), "{blamed:?}");
    assert!(blamed.iter().all(|(metric, _)| *metric == Metric::Quality), "{blamed:?}");
}

#[test]
fn a_judge_that_is_not_calibrated_takes_back_only_a_collapse() {
    let same = records(1, 9_000, HALF, GOOD, WORSE_IN_KEYWORDS);
    let loss = evidence(HALF, Trust::Uncalibrated, &same);
    assert_ne!(decide(HALF, Trust::Uncalibrated, &loss).0, Verdict::Fail, "e = {}", loss.e);
    let collapse = Truth { quality: [0.4, 0.4, 0.4], ..GOOD };
    let collapsed = evidence(HALF, Trust::Uncalibrated, &records(2, 3_000, HALF, GOOD, collapse));
    assert_eq!(decide(HALF, Trust::Uncalibrated, &collapsed).0, Verdict::Fail, "e = {}", collapsed.e);
}

#[test]
fn failing_calls_on_a_small_canary_reach_every_session() {
    let five = Share::percent(5);
    let evidence = evidence(five, Trust::Full, &records(3, 2_000, five, GOOD, Truth { errors: 0.2, ..GOOD }));
    let (_, action) = decide(five, Trust::Full, &evidence);
    let Action::RollBack { reach, metric, .. } = action else { panic!("{action:?}, e = {}", evidence.e) };
    assert_eq!((metric, reach), (Metric::ErrorRate, Reach::NextTurn));
}

#[test]
fn the_same_on_both_arms_is_left_alone() {
    let mut taken_back = 0;
    for seed in 0..20 {
        let evidence = evidence(HALF, Trust::Full, &records(100 + seed, 2_000, HALF, GOOD, GOOD));
        taken_back += u32::from(decide(HALF, Trust::Full, &evidence).0 == Verdict::Fail);
        assert!(evidence.sample_ratio_log_e < 3.0);
        assert_eq!(evidence.problems, Vec::<String>::new());
    }
    assert_eq!(taken_back, 0);
}

#[test]
fn enough_of_the_same_is_shown_to_be_no_worse() {
    let evidence = evidence(HALF, Trust::Full, &records(7, 14_000, HALF, GOOD, GOOD));
    let headline: Vec<_> =
        evidence.guardrails.iter().filter(|g| g.headline && g.category.is_none()).collect();
    assert_eq!(headline.len(), 3);
    for guardrail in headline {
        assert!(guardrail.non_inferior, "{guardrail:?}");
    }
}

#[test]
fn a_biased_split_freezes_the_analysis() {
    let mut biased = records(8, 3_000, HALF, GOOD, GOOD);
    let mut dropped = 0;
    biased.retain(|(_, record)| match record {
        Record::Enrolment(enrolment) if enrolment.arm.arm == serinus_domain::resolve::Arm::Candidate => {
            dropped += 1;
            dropped % 5 != 0
        }
        _ => true,
    });
    let evidence = evidence(HALF, Trust::Full, &biased);
    let (verdict, action) = decide(HALF, Trust::Full, &evidence);
    assert_eq!(verdict, Verdict::Error, "{action:?}, log e = {}", evidence.sample_ratio_log_e);
}

#[test]
fn no_verdict_is_no_data_never_zero() {
    let mut unjudged = records(9, 3_000, HALF, GOOD, GOOD);
    unjudged.retain(|(_, record)| !matches!(record, Record::Score(_)));
    let evidence = evidence(HALF, Trust::Full, &unjudged);
    let quality = evidence.guardrails.iter().find(|g| g.metric == Metric::Quality).unwrap();
    assert_eq!((quality.effect.candidate_units, quality.log_e), (0, 0.0));
    assert!(!quality.non_inferior);
    assert!(
        evidence.problems.iter().any(|problem| problem.contains("judge is blind: 0%")),
        "{:?}",
        evidence.problems
    );
    assert_eq!(decide(HALF, Trust::Full, &evidence).0, Verdict::Error);
}

#[test]
fn without_a_guardrail_on_quality_nobody_waits_for_a_judge() {
    let mut unjudged = records(9, 3_000, HALF, GOOD, GOOD);
    unjudged.retain(|(_, record)| !matches!(record, Record::Score(_)));
    let mut doc = rollout(HALF, Trust::Full);
    doc.spec.guardrails.retain(|guardrail| guardrail.metric != Metric::Quality);
    let mut analysis = Analysis::new(&doc);
    unjudged.iter().for_each(|(seq, record)| analysis.ingest(*seq, record));
    analysis.advance(END);
    assert_eq!(analysis.evidence(END).problems, Vec::<String>::new());
}

#[test]
fn what_comes_after_its_unit_was_folded_changes_no_test() {
    let all = records(10, 500, HALF, GOOD, GOOD);
    let mut analysis = Analysis::new(&rollout(HALF, Trust::Full));
    let (scores, rest): (Vec<_>, Vec<_>) =
        all.iter().partition(|(_, record)| matches!(record, Record::Score(_)));
    rest.iter().for_each(|(seq, record)| analysis.ingest(*seq, record));
    analysis.advance(END);
    let before = analysis.evidence(END).guardrails;
    scores.iter().for_each(|(seq, record)| analysis.ingest(*seq, record));
    analysis.advance(END);
    assert_eq!(analysis.evidence(END).guardrails, before);
}

#[test]
fn a_report_thins_but_keeps_its_ends() {
    let mut analysis = Analysis::new(&rollout(HALF, Trust::Full));
    let mut history = History::default();
    let all = records(11, 1_000, HALF, GOOD, GOOD);
    let mut looks = 0;
    for (seq, record) in &all {
        analysis.ingest(*seq, record);
        if let Record::Enrolment(enrolment) = record {
            analysis.advance(enrolment.at);
            history.look(&analysis.evidence(enrolment.at));
            looks += 1;
        }
    }
    let report = history.report(&analysis, analysis.evidence(END));
    assert!(looks > report.harm.len() && report.harm.len() > 50);
    assert_eq!(report.harm.last().unwrap().at, Timestamp(999_000_000));
    assert_eq!(report.exposure.candidate_units, report.evidence.enrolled.candidate);
    assert_eq!(report.arms.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Counted once, whatever the order in which everything but enrolments came, and however often.
    #[test]
    fn order_and_repetition_do_not_show(seed in 0_u64..1000) {
        let all = records(seed, 120, HALF, GOOD, WORSE_IN_KEYWORDS);
        let straight = evidence(HALF, Trust::Full, &all);
        let (enrolments, mut rest): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|(_, record)| matches!(record, Record::Enrolment(_)));
        let again: Vec<_> = rest.iter().step_by(3).cloned().collect();
        rest.extend(again);
        rest.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let shuffled: Vec<_> = enrolments.iter().cloned().chain(rest).chain(enrolments.iter().cloned()).collect();
        let other = evidence(HALF, Trust::Full, &shuffled);
        prop_assert_eq!(straight.guardrails, other.guardrails);
        prop_assert_eq!(straight.watermark.ledger, other.watermark.ledger);
        prop_assert_eq!(straight.enrolled, other.enrolled);
    }
}
