//! What the stores that speak SQL have in common: the columns by which a record is found again, the names in them, and the check of
//! an entry that is read back. Knows no database.

use serinus_domain::{
    record::{Record, Role},
    resolve::Arm,
    revision::{Revision, RevisionNumber},
    units::Timestamp,
};
use tokio::sync::watch;

use crate::filter::{is_flawed, is_verdict, rated};

/// Databases count with a sign; nothing here comes near its end.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// And back.
pub(crate) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An arm's name in a column.
pub(crate) const fn arm_name(arm: Arm) -> &'static str {
    match arm {
        Arm::Control => "control",
        Arm::Candidate => "candidate",
    }
}

/// A role's name in a column.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Served => "served",
        Role::Shadow => "shadow",
        Role::ShadowRepeat => "shadow_repeat",
    }
}

/// The columns by which a record is found again.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    pub feature: Option<&'a str>,
    pub rollout: Option<&'a str>,
    pub arm: Option<&'static str>,
    pub category: Option<&'a str>,
    pub role: Option<&'static str>,
    pub at: Timestamp,
    pub response_id: Option<&'a str>,
    pub interaction: Option<&'a str>,
    pub rating: Option<f64>,
    pub flawed: bool,
    pub verdict: bool,
}

impl<'a> Columns<'a> {
    pub fn of(record: &'a Record) -> Self {
        match record {
            Record::Enrolment(record) => Self {
                feature: Some(record.feature.as_str()),
                rollout: Some(record.arm.rollout.as_str()),
                arm: Some(arm_name(record.arm.arm)),
                at: record.at,
                ..Self::default()
            },
            Record::Interaction(record) => Self {
                feature: Some(record.feature.as_str()),
                rollout: record.arm.as_ref().map(|facts| facts.rollout.as_str()),
                arm: record.arm.as_ref().map(|facts| arm_name(facts.arm)),
                category: record.category.as_ref().map(|category| category.as_str()),
                role: Some(role_name(record.role)),
                at: record.at,
                response_id: record.response_id.as_deref(),
                flawed: is_flawed(record),
                ..Self::default()
            },
            Record::Score(record) => Self {
                interaction: Some(record.interaction.as_str()),
                rating: rated(record),
                at: record.at,
                verdict: is_verdict(record),
                ..Self::default()
            },
        }
    }
}

/// Reads an entry and compares what it is with what it was when it was appended.
pub(crate) fn verified(number: i64, digest: &[u8], body: &[u8]) -> Result<Revision, String> {
    let revision = Revision::from_stored(body)
        .map_err(|refused| format!("revision {number} cannot be read: {refused}; restore a backup"))?;
    if revision.digest.0.as_slice() != digest || revision.body.number != RevisionNumber(uint(number)) {
        return Err(format!(
            "revision {number} was altered after it was appended: its digest does not match; restore a backup"
        ));
    }
    Ok(revision)
}

/// Raises what a watcher sees; watched numbers only grow, in whatever order their commits are told.
pub(crate) fn raise<T: Copy + Ord>(watched: &watch::Sender<T>, to: T) {
    watched.send_if_modified(|known| {
        let newer = to > *known;
        *known = to.max(*known);
        newer
    });
}
