//! What stores read off records to find them again: flaws, scores that count as bad, verdicts of judges. Pure.
//! Knows nothing of how records are kept.

use serinus_domain::record::{InteractionRecord, Outcome, QUALITY, Record, ScoreRecord, Source, THUMBS};

use crate::InteractionFilter;

/// Whether a call failed or its parser refuses the answer.
pub(crate) fn is_flawed(record: &InteractionRecord) -> bool {
    matches!(record.outcome, Outcome::Error { .. }) || record.facts.valid == Some(false)
}

/// The value by which a score may count as bad. An application's own names have scales of their own and do not.
pub(crate) fn rated(score: &ScoreRecord) -> Option<f64> {
    matches!(score.name.as_str(), QUALITY | THUMBS).then_some(score.value)
}

/// Whether a judge gave it, so that the interaction waits for none any more.
pub(crate) fn is_verdict(score: &ScoreRecord) -> bool {
    matches!(score.source, Source::Judge { .. })
}

/// The name of a record's kind.
pub(crate) const fn kind(record: &Record) -> &'static str {
    match record {
        Record::Enrolment(_) => "enrolment",
        Record::Interaction(_) => "interaction",
        Record::Score(_) => "score",
    }
}

/// Whether `filter` lets an interaction with these scores through; its place and the limit are the caller's.
pub(crate) fn lets_through(
    filter: &InteractionFilter,
    record: &InteractionRecord,
    scores: &[ScoreRecord],
) -> bool {
    let arm = record.arm.as_ref();
    filter.feature.as_ref().is_none_or(|feature| *feature == record.feature)
        && filter.rollout.as_ref().is_none_or(|rollout| arm.is_some_and(|facts| facts.rollout == *rollout))
        && filter.arm.is_none_or(|wanted| arm.is_some_and(|facts| facts.arm == wanted))
        && filter.category.as_ref().is_none_or(|category| record.category.as_ref() == Some(category))
        && filter.role.is_none_or(|role| role == record.role)
        && filter.score_below.is_none_or(|bound| {
            is_flawed(record) || scores.iter().filter_map(rated).any(|value| value < bound)
        })
}
