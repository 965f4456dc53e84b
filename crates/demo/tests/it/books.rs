//! The ledger held against what a product counts. Knows nothing of a running server.

use std::sync::Arc;

use serinus_demo::corpus::PromptIndex;
use serinus_demo::ledger::Entry;
use serinus_demo::reckoning::Tally;

fn entry(session: &str, at_us: u64, variant: Option<&str>) -> Entry {
    Entry {
        at_us,
        session: Arc::from(session),
        turn: 0,
        prompt: PromptIndex(0),
        model: None,
        passed: Some(true),
        status: 200,
        error: None,
        streamed: false,
        latency_us: 1,
        first_byte_us: None,
        variant: variant.map(str::to_owned),
        interaction: None,
    }
}

#[test]
fn candidate_turns_of_a_span_are_counted_by_session() {
    let entries = [
        entry("early", 9, Some("candidate")),
        entry("a", 10, Some("candidate")),
        entry("a", 20, Some("candidate")),
        entry("b", 30, Some("candidate")),
        entry("c", 40, Some("control")),
        entry("d", 50, None),
        entry("late", 100, Some("candidate")),
    ];
    let tally = |serinus| Tally::of(&entries, "r", 10, 100, serinus);
    assert_eq!((tally((2, 3)).ledger_sessions, tally((2, 3)).ledger_turns), (2, 3));
    assert!(tally((2, 3)).agrees());
    assert!(!tally((2, 2)).agrees() && !tally((1, 3)).agrees());
}
