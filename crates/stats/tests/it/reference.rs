//! Every reference vector whose family has code. Knows where the file lies, nothing of what is in it.

use crate::vectors;

#[test]
fn agrees_with_the_reference_libraries() {
    let text = include_str!("../../../../spec/statistics/vectors.json");
    let tally = vectors::run(&serde_json::from_str(text).unwrap());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    assert!(tally.passed >= 48, "only {} vectors ran; skipped: {:?}", tally.passed, tally.skipped);
}
