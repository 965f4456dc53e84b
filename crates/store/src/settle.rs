//! What becomes of pins that are written, and when a session is over: the rules that every store shares. Pure.
//! Knows nothing of how pins are kept.

use serinus_domain::{record::EnrolmentRecord, resolve::Pin, units::Timestamp};

use crate::{PinLife, PinWrite};

/// A pin as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The pin.
    pub pin: Pin,
    /// When its session's first pin was made; a crossing makes nobody younger.
    pub opened: Timestamp,
    /// When the session's last turn came.
    pub last_seen: Timestamp,
}

/// What a write comes to.
#[derive(Debug, PartialEq)]
pub(crate) struct Settled {
    /// Whether the session was over before, so that all its older pins go.
    pub ended: bool,
    /// What is to be kept, in place of an older pin of the same feature where there is one.
    pub kept: Vec<Kept>,
    /// What stands for the features of the write, in its order.
    pub standing: Vec<Pin>,
    /// The enrolment, if what stands bears it out.
    pub enrolment: Option<EnrolmentRecord>,
}

/// Whether the session that has these pins is still open. They share one life: a turn on one feature keeps all.
pub(crate) fn is_open(session: &[Kept], life: PinLife, now: Timestamp) -> bool {
    let seen = session.iter().map(|kept| kept.last_seen).max();
    let opened = session.iter().map(|kept| kept.opened).min();
    seen.is_some_and(|seen| now.since(seen) < life.idle)
        && opened.is_some_and(|opened| now.since(opened) < life.age)
}

/// Settles a write against the pins that its session has. First writer wins, unless the head ordered a crossing.
pub(crate) fn settle(session: &[Kept], write: PinWrite, life: PinLife) -> Settled {
    // Time is the writer's: a pin that comes late from a node's spool must not find the session over before it began.
    let at = write.pins.iter().map(|pin| pin.at).max().unwrap_or_default();
    let ended = !session.is_empty() && !is_open(session, life, at);
    let session = if ended { &[] } else { session };
    let opened = session.iter().map(|kept| kept.opened).min();
    let (mut kept, mut standing) = (Vec::new(), Vec::new());
    for pin in write.pins {
        let old = session.iter().find(|kept| kept.pin.feature == pin.feature);
        match old {
            Some(old) if !(write.crossing && pin.revision > old.pin.revision) => {
                standing.push(old.pin.clone())
            }
            _ => {
                let last_seen = old.map_or(pin.at, |old| old.last_seen.max(pin.at));
                standing.push(pin.clone());
                kept.push(Kept { opened: opened.unwrap_or(pin.at), last_seen, pin });
            }
        }
    }
    // A racer that lost was never exposed to what it was resolved to, and must not count for it.
    let enrolment = write.enrolment.filter(|enrolment| {
        let borne_out = |pin: &Pin| {
            pin.arm
                .as_ref()
                .is_some_and(|arm| arm.rollout == enrolment.arm.rollout && arm.arm == enrolment.arm.arm)
        };
        standing.is_empty() || standing.iter().any(borne_out)
    });
    Settled { ended, kept, standing, enrolment }
}
