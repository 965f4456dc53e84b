//! The life of a flag: new, in use, settled or unused, by what was counted; and which documents refer to it.
//! Knows nothing of where the counts are kept.

use crate::{
    entity::{DocKey, Document, FlagDoc, Planned, Prerequisite, ScheduleState},
    id::{FlagKey, GroupKey, SegmentKey},
    snapshot::Snapshot,
    units::{Millis, Timestamp},
};

/// How long a flag is watched before it is called settled or unused.
pub const STALE_AFTER: Millis = Millis::hours(30 * 24);

/// What was counted of a flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagUsage {
    /// How often it was evaluated.
    pub evaluations: u64,
    /// When last.
    pub last_at: Option<Timestamp>,
    /// When each of its variants came out last; those that never did are not there.
    pub variants: Vec<(String, Timestamp)>,
}

/// Where a flag is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Changed less than thirty days ago: too early to say.
    New,
    /// It still tells people apart, or is meant to stay.
    Active,
    /// Everybody has had one variant for thirty days: its other branches are dead code.
    Settled,
    /// Nobody asked for it for thirty days.
    Unused,
}

impl Lifecycle {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Settled => "settled",
            Self::Unused => "unused",
        }
    }

    /// Whether the flag is a candidate for removal.
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Settled | Self::Unused)
    }
}

/// Where a flag is in its life, `changed` being when its document last changed.
pub fn lifecycle(doc: &FlagDoc, changed: Timestamp, usage: &FlagUsage, now: Timestamp) -> Lifecycle {
    if doc.permanent {
        return Lifecycle::Active;
    }
    if changed.plus(STALE_AFTER) > now {
        return Lifecycle::New;
    }
    let recent = |at: &Timestamp| at.plus(STALE_AFTER) > now;
    if !usage.last_at.as_ref().is_some_and(recent) {
        return Lifecycle::Unused;
    }
    let came_out = usage.variants.iter().filter(|(_, at)| recent(at)).count();
    if came_out == 1 { Lifecycle::Settled } else { Lifecycle::Active }
}

fn needs_flag(prerequisites: &[Prerequisite], flag: &FlagKey) -> bool {
    prerequisites.iter().any(|other| other.flag == *flag)
}

/// The documents that refer to a flag: flags and features that need it, changes of it that wait.
pub fn users_of_flag(snapshot: &Snapshot, flag: &FlagKey) -> Vec<DocKey> {
    users(snapshot, |document| match document {
        Document::Flag(doc) => needs_flag(&doc.prerequisites, flag),
        Document::Feature(doc) => needs_flag(&doc.prerequisites, flag),
        Document::Schedule(doc) if doc.state == ScheduleState::Waiting => match &doc.planned {
            Planned::PutFlag { flag: planned } => {
                planned.key == *flag || needs_flag(&planned.prerequisites, flag)
            }
            Planned::SetFlag { flag: planned, .. } => planned == flag,
            Planned::PutFeature { feature } => needs_flag(&feature.prerequisites, flag),
            Planned::PutSegment { .. } | Planned::Resume { .. } => false,
        },
        _ => false,
    })
}

/// The documents that refer to a segment. Of rollouts, those that may still enrol.
pub fn users_of_segment(snapshot: &Snapshot, segment: &SegmentKey) -> Vec<DocKey> {
    let refers = |condition: &crate::entity::Condition| condition.segments().contains(&segment);
    users(snapshot, |document| match document {
        Document::Flag(doc) => doc.rules.iter().any(|rule| refers(&rule.when)),
        Document::Feature(doc) => doc.rules.iter().any(|rule| refers(&rule.when)),
        Document::Segment(doc) => doc.key != *segment && refers(&doc.when),
        Document::Rollout(doc) => doc.state.phase.is_live() && refers(&doc.spec.audience),
        Document::Schedule(doc) if doc.state == ScheduleState::Waiting => match &doc.planned {
            Planned::PutFlag { flag } => flag.rules.iter().any(|rule| refers(&rule.when)),
            Planned::PutFeature { feature } => feature.rules.iter().any(|rule| refers(&rule.when)),
            Planned::PutSegment { segment: planned } => planned.key == *segment || refers(&planned.when),
            Planned::SetFlag { .. } | Planned::Resume { .. } => false,
        },
        _ => false,
    })
}

/// The live rollouts that have a part of a group.
pub fn users_of_group(snapshot: &Snapshot, group: &GroupKey) -> Vec<DocKey> {
    users(snapshot, |document| match document {
        Document::Rollout(doc) => {
            doc.state.phase.is_live() && doc.spec.slot.as_ref().is_some_and(|slot| slot.group == *group)
        }
        _ => false,
    })
}

fn users(snapshot: &Snapshot, refers: impl Fn(&Document) -> bool) -> Vec<DocKey> {
    snapshot.documents().filter(|document| refers(document)).map(Document::key).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flag_ages() {
        let doc = |permanent| -> FlagDoc {
            let doc = json!({"key": "a", "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": "off", "salt": "a", "permanent": permanent});
            serde_json::from_value(doc).unwrap()
        };
        let days = |n: u64| Timestamp(0).plus(Millis::hours(24 * n));
        let check = |permanent, variants: &[(&str, u64)], expected| {
            let variants: Vec<_> =
                variants.iter().map(|(name, day)| ((*name).to_owned(), days(*day))).collect();
            let last_at = variants.iter().map(|(_, at)| *at).max();
            let usage = FlagUsage { evaluations: 3, last_at, variants };
            assert_eq!(lifecycle(&doc(permanent), days(10), &usage, days(100)), expected, "{usage:?}");
        };
        check(false, &[("on", 99), ("off", 98)], Lifecycle::Active);
        check(false, &[("on", 99), ("off", 60)], Lifecycle::Settled);
        check(false, &[("on", 60)], Lifecycle::Unused);
        check(false, &[], Lifecycle::Unused);
        check(true, &[("on", 99)], Lifecycle::Active);
        assert_eq!(lifecycle(&doc(false), days(80), &FlagUsage::default(), days(100)), Lifecycle::New);
    }
}
