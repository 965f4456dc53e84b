//! How an end is classified, and the shapes of what machines and people read at it. Knows nothing of a running
//! server.

use serde_json::{Value, json};
use serinus_demo::deliveries::{Delivery, Must, three};
use serinus_demo::look::Look;
use serinus_demo::outcome::{End, Fired, Outcome, RunOutcome, TrafficOutcome, table};
use serinus_demo::reckoning::Reckoning;
use serinus_demo::seeds::SeedsOutcome;

const CATEGORIES: [&str; 2] = ["keywords", "language"];
const DAY_FACTOR: f64 = 1_440.0;

fn delivery(number: usize) -> Delivery {
    three(&CATEGORIES).swap_remove(number - 1)
}

fn look(view: Value, report: Value) -> Look {
    Look { view: serde_json::from_value(view).unwrap(), report: serde_json::from_value(report).unwrap() }
}

/// A rollback in A/B, 8 h of the clock after the canary began; the last turn 14.4 s of the clock after it.
fn taken_back(metric: &str, category: Option<&str>) -> Look {
    let hour = 3_600_000_000_i64;
    look(
        json!({
            "key": "cheaper-model", "phase": "rolled_back", "sentence": "Taken back",
            "stage": { "index": 2, "kind": "ab", "share_ppm": 0, "entered_at": 4 * hour, "age_ms": 1 },
            "rolled_back": {
                "rolled_back_at": 10 * hour, "reach": "next_turn", "after_completion": false,
                "metric": metric, "category": category, "reason": "taken back at evidence 21.3", "rearmed": false,
            },
        }),
        json!({
            "exposure": {
                "candidate_sessions": 1_200, "candidate_interactions": 2_345,
                "last_enrolment_at": 10 * hour - 5_000, "last_turn_at": 10 * hour + 14_400_000,
            },
            "events": [
                { "revision": 7, "at": 1, "actor": "demo", "message": "start" },
                { "revision": 8, "at": 2, "actor": "controller", "message": "m", "verdict": "PASS" },
            ],
        }),
    )
}

fn of(number: usize, look: &Look) -> Outcome {
    Outcome::of(&delivery(number), look, Some(2 * 3_600_000_000), 20_000.0, DAY_FACTOR)
}

#[test]
fn an_end_is_as_it_must_only_for_the_right_reason() {
    let fired = |metric: &str, category: Option<&str>| {
        Some(Fired { metric: metric.to_owned(), category: category.map(str::to_owned) })
    };
    let fall = Must::RollBack { metric: "quality", category: "keywords" };
    for (must, end, by, allowed) in [
        (&Must::Complete, End::Completed, None, true),
        (&Must::Complete, End::Held, None, false),
        (&Must::Complete, End::RolledBack, fired("quality", None), false),
        (&fall, End::RolledBack, fired("quality", Some("keywords")), true),
        (&fall, End::RolledBack, fired("quality", Some("language")), false),
        (&fall, End::RolledBack, fired("quality", None), false),
        (&fall, End::RolledBack, fired("error_rate", Some("keywords")), false),
        (&fall, End::RolledBack, None, false),
        (&fall, End::Completed, None, false),
        (&Must::Stay, End::Held, None, true),
        (&Must::Stay, End::Completed, None, true),
        (&Must::Stay, End::RolledBack, fired("quality", None), false),
        (&Must::Anything, End::RolledBack, None, true),
    ] {
        assert_eq!(must.allows(end, by.as_ref()), allowed, "{must:?} {end:?} {by:?}");
    }
    let phases = ["completed", "rolled_back", "held", "running"].map(End::of_phase);
    assert_eq!(phases, [End::Completed, End::RolledBack, End::Held, End::Held]);
}

#[test]
fn a_rollback_is_told_in_real_milliseconds() {
    let outcome = of(2, &taken_back("quality", Some("keywords")));
    assert!(outcome.as_it_must && outcome.outcome == End::RolledBack && outcome.stage == "ab");
    assert_eq!(outcome.detection_ms, Some(8.0 * 3_600_000.0 / DAY_FACTOR));
    assert_eq!(outcome.last_turn_ms, Some(10.0));
    assert_eq!(outcome.last_enrolment_ms, Some(0.0), "an enrolment before the decision is none after it");
    assert_eq!(
        (outcome.exposed.sessions, outcome.exposed.interactions, outcome.revisions),
        (1_200, 2_345, 2)
    );
}

#[test]
fn what_was_not_rolled_back_has_no_times_of_a_rollback() {
    let done = look(json!({ "key": "same-model", "phase": "completed", "sentence": "Delivered" }), json!({}));
    let outcome = of(3, &done);
    assert!(outcome.as_it_must);
    assert_eq!((outcome.detection_ms, outcome.last_turn_ms, outcome.guardrail), (None, None, None));
    assert_eq!(outcome.reason, "Delivered");
}

fn run(outcomes: Vec<Outcome>) -> RunOutcome {
    RunOutcome {
        seed: 1,
        clock_factor: DAY_FACTOR,
        requests_per_s: 600.0,
        url: "http://127.0.0.1:7171".to_owned(),
        as_it_must: outcomes.iter().all(|outcome| outcome.as_it_must),
        took_ms: 1.0,
        deliveries: outcomes,
        traffic: TrafficOutcome::default(),
        reckoning: Reckoning::default(),
    }
}

#[test]
fn json_has_the_members_that_machines_rely_on() {
    let value = serde_json::to_value(run(vec![of(2, &taken_back("quality", Some("keywords")))])).unwrap();
    for member in ["seed", "as_it_must", "took_ms", "url", "deliveries", "traffic", "reckoning"] {
        assert!(value.get(member).is_some(), "{member} is missing");
    }
    let delivery = &value["deliveries"][0];
    let expected = json!({
        "delivery": 2,
        "title": "a cheaper model: alike on average, worse in one category",
        "rollout": "cheaper-model",
        "from": "gpt-4o-2024-08-06",
        "to": "gpt-4o-mini-2024-07-18",
        "must": "rolled back on quality in keywords",
        "outcome": "rolled_back",
        "as_it_must": true,
        "stage": "ab",
        "guardrail": { "metric": "quality", "category": "keywords" },
        "reach": "next_turn",
        "reason": "taken back at evidence 21.3",
        "exposed": { "sessions": 1_200, "interactions": 2_345 },
        "detection_ms": 20_000.0,
        "last_enrolment_ms": 0.0,
        "last_turn_ms": 10.0,
        "revisions": 2,
        "took_ms": 20_000.0,
    });
    assert_eq!(delivery, &expected);
}

#[test]
fn the_exit_code_and_the_seeds_share_say_who_did_not_end_as_it_must() {
    let good = || of(2, &taken_back("quality", Some("keywords")));
    let bad = || of(3, &taken_back("quality", None));
    assert_eq!(run(vec![good()]).exit_code(), 0);
    assert_eq!(run(vec![good(), bad()]).exit_code(), 1);
    let mut seeds = SeedsOutcome::default();
    seeds.add(run(vec![good(), of(3, &look(json!({ "phase": "held" }), json!({})))]));
    seeds.add(run(vec![good(), bad()]));
    assert_eq!((seeds.seeds, seeds.seeds_as_they_must, seeds.exit_code()), (2, 1, 1));
    let shares: Vec<_> =
        seeds.shares.iter().map(|share| (share.delivery, share.runs, share.as_it_must)).collect();
    assert_eq!(shares, [(2, 2, 2), (3, 2, 1)]);
}

#[test]
fn the_table_lines_up() {
    let table = table(&[of(2, &taken_back("quality", Some("keywords")))]);
    assert_eq!(
        table,
        [
            "delivery         outcome      as it must  stage  fired                exposed                    detected  last turn  revisions",
            "2 cheaper-model  rolled back  yes         ab     quality in keywords  1200 sessions, 2345 turns  20.0 s    10 ms      2",
        ]
    );
}
