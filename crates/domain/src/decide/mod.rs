//! Decisions: a person's command, or evidence, to a draft, a rejection, or nothing. Pure; appends nothing itself.

mod adopt;
mod command;
mod copy;
mod defaults;
mod flag;
mod guard;
mod propose;
mod registry;
mod revert;
mod rollback;
mod schedule;
mod segment;
mod stage;
mod start;

use serde::{Deserialize, Serialize};

pub use adopt::{Adopted, adopt};
pub use command::{
    advance, hold, kill, live_rollout, put_channel, put_environment, put_feature, rearm, resume,
};
pub use copy::{Difference, Side, compare, copy};
pub use defaults::{default_guardrails, default_stages};
pub use flag::{put_flag, retire_flag};
pub use guard::{Firing, HOLD_LIMIT, RESUME_LIMIT, SAMPLE_RATIO_LIMIT};
pub use propose::{NewLayer, Proposed, propose};
pub use registry::{
    PersonalData, PublishRequest, PublishTerms, Published, RESERVED_LABELS, Redaction, archive, label,
    labels, publish_artifact, publish_on_terms, redact, unlabel,
};
pub use revert::{RevertConflict, RevertRefused, Reverting, revert};
pub use rollback::{RollbackPlan, RollbackRequest, plan_rollback};
pub use schedule::{cancel_schedule, described, due, next_due, put_schedule, schedule, schedules};
pub use segment::{put_group, put_segment, retire_segment};
pub use stage::{Gate, gate, restarted};
pub(crate) use start::latch;
pub use start::{StartRequest, start};

use crate::{
    entity::{HoldReason, Metric, Proof, Reach, RolledBack, RolloutDoc, RolloutState},
    evidence::Evidence,
    id::{CategoryKey, RolloutKey},
    revision::{Cause, Draft, Provenance},
    snapshot::Snapshot,
    units::Timestamp,
};

/// A refusal that the caller can mend. Carries a stable code; the text names subject, reason and way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Stable, dotted: `rollout.overlap`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Rejection {
    /// A rejection.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The six verdicts. Only `Pass` advances, only `Fail` rolls back, the rest hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The gate is open.
    Pass,
    /// Harm is shown.
    Fail,
    /// Not shown either way yet.
    Inconclusive,
    /// Nothing to look at.
    NoData,
    /// A measurement failed.
    Error,
    /// Control breaches too and the arms do not differ.
    CommonCause,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    Stay,
    /// To the next stage.
    Advance,
    /// The last stage is over.
    Complete,
    /// The share freezes.
    Hold {
        /// Why.
        reason: HoldReason,
    },
    /// An automatic hold is over.
    Resume,
    /// The change is taken back.
    RollBack {
        /// Whom it touches.
        reach: Reach,
        /// What fired.
        metric: Metric,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<CategoryKey>,
    },
}

impl Action {
    const fn verb(&self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Advance => "advance",
            Self::Complete => "complete",
            Self::Hold { .. } => "hold",
            Self::Resume => "resume",
            Self::RollBack { .. } => "roll_back",
        }
    }
}

/// What `steer` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The verdict.
    pub verdict: Verdict,
    /// What is to happen.
    pub action: Action,
    /// Why, as a sentence.
    pub reason: String,
}

/// A decision as its revision keeps it: with the document in that revision it can be computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Of which rollout.
    pub rollout: RolloutKey,
    /// What was decided.
    pub decided: Decided,
    /// When.
    pub at: Timestamp,
    /// Where the rollout was.
    pub state_before: RolloutState,
    /// What was looked at.
    pub evidence: Evidence,
}

impl DecisionRecord {
    /// Decides again from what the revision holds: `doc` is the rollout as that revision put it.
    pub fn recompute(&self, doc: &RolloutDoc) -> Decided {
        let before = RolloutDoc { state: self.state_before.clone(), ..doc.clone() };
        steer(&before, &self.evidence, self.at)
    }
}

/// The next action of a rollout. Deciding again on its result decides nothing new.
pub fn steer(doc: &RolloutDoc, evidence: &Evidence, now: Timestamp) -> Decided {
    if !doc.state.phase.is_live() {
        return Decided {
            verdict: Verdict::Inconclusive,
            action: Action::Stay,
            reason: "not running".into(),
        };
    }
    if let Some(decided) = guard::harm(doc, evidence) {
        return decided;
    }
    if let Some(hold) = &doc.state.hold {
        return guard::held(doc, hold, evidence, now);
    }
    if let Some(decided) = guard::caution(doc, evidence, now) {
        return decided;
    }
    stage::progress(doc, evidence, now)
}

/// The draft of what `steer` decided; none where nothing is to happen.
pub fn draft(
    snapshot: &Snapshot,
    doc: &RolloutDoc,
    decided: Decided,
    evidence: &Evidence,
    now: Timestamp,
) -> Option<Draft> {
    let changes = match &decided.action {
        Action::Stay => return None,
        Action::Advance => stage::advanced(doc, now),
        Action::Complete => {
            let proof = Proof::Rollout { rollout: doc.key.clone(), at: now };
            stage::completed(snapshot, doc, &proof, now)
        }
        Action::Hold { reason } => guard::hold_changes(doc, *reason, &decided.reason, now),
        Action::Resume => guard::resume_changes(doc, now),
        Action::RollBack { reach, metric, category } => {
            let back = RolledBack {
                at: now,
                revision: snapshot.revision.next(),
                reach: *reach,
                after_completion: false,
                metric: Some(*metric),
                category: category.clone(),
                reason: decided.reason.clone(),
                rearmed: false,
            };
            rollback::changes(snapshot, doc, back)
        }
    };
    // A second attempt at the same action finds the first; another action on the same head must not pass for it.
    let idempotency_key = Some(format!("steer/{}/{}/{}", doc.key, snapshot.revision, decided.action.verb()));
    let message = format!("{}: {}", doc.key, decided.reason);
    let decision = DecisionRecord {
        rollout: doc.key.clone(),
        decided,
        at: now,
        state_before: doc.state.clone(),
        evidence: evidence.clone(),
    };
    Some(Draft {
        expected_head: snapshot.revision,
        actor: "controller".into(),
        message,
        cause: Cause::Controller { decision: Box::new(decision) },
        changes,
        idempotency_key,
        provenance: Provenance::default(),
    })
}
