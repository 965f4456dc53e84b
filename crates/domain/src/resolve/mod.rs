//! (head, pin or none, context) to a decision: pure, total, and without allocation. Knows nothing of storage or HTTP.

mod bucket;
mod flag;
mod listed;
mod moment;
mod network;
mod pin;
mod rule;
mod split;
mod trace;
mod version;

use std::sync::Arc;

pub use bucket::Salt;
pub use flag::{FlagDecision, evaluate, resolve_flag};
pub use listed::{Asking, CompiledList, ListKey};
pub use moment::parse as parse_time;
pub use network::Network;
pub use pin::{Arm, ArmFacts, Pin};
pub use rule::{Attribute, CompiledCondition, CompiledSegment, compile_pattern};
pub use split::Split;
pub use trace::{Silent, Step, Trace, Tracer};
pub use version::Version;

use crate::{
    bundle::Bundle,
    compile::{CompiledFeature, CompiledRollout},
    context::Context,
    entity::{OffAnswer, StageKind},
    id::RolloutKey,
    revision::RevisionNumber,
    units::Share,
};

/// The name of the variant that is served outside a rollout.
pub const CONTROL: &str = "control";
/// The name of the variant that a rollout delivers.
pub const CANDIDATE: &str = "candidate";

/// Why a decision came out as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No rule and no rollout concerns the caller.
    Default,
    /// A rule of the feature or flag fits.
    TargetingMatch,
    /// The caller's bucket decided.
    Split,
    /// The unit stands on a list that decides before rules.
    Forced,
    /// Another flag came out otherwise than this one needs.
    Prerequisite,
    /// The session was pinned before.
    Pinned,
    /// The session's pin was taken back by the head.
    Revoked,
    /// No session is named, so nothing can be pinned.
    NoSession,
    /// The feature is killed.
    Killed,
    /// The flag is disabled.
    Disabled,
    /// The flag does not compile.
    Broken,
}

impl Reason {
    /// The reason in records and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::TargetingMatch => "targeting_match",
            Self::Split => "split",
            Self::Forced => "forced",
            Self::Prerequisite => "prerequisite",
            Self::Pinned => "pinned",
            Self::Revoked => "revoked",
            Self::NoSession => "no_session",
            Self::Killed => "killed",
            Self::Disabled => "disabled",
            Self::Broken => "broken",
        }
    }
}

/// A unit's place in a rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enrolled<'a> {
    /// The rollout.
    pub rollout: &'a RolloutKey,
    /// The arm.
    pub arm: Arm,
    /// The probability of the candidate arm.
    pub pi: Share,
    /// The kind of the stage, where the head still has the rollout.
    pub stage: Option<StageKind>,
    /// The stage's index at the resolving revision.
    pub stage_index: usize,
}

/// What `resolve` answers.
#[derive(Debug, Clone)]
pub struct Resolution<'a> {
    /// The variant's name.
    pub variant: &'a str,
    /// What is served.
    pub bundle: &'a Arc<Bundle>,
    /// Why.
    pub reason: Reason,
    /// The revision at which the assignment was made.
    pub assigned: RevisionNumber,
    /// The unit's place in a rollout; none where it has none or weighs nothing.
    pub enrolled: Option<Enrolled<'a>>,
    /// What to answer in place of a call.
    pub off: Option<&'a OffAnswer>,
}

impl Resolution<'_> {
    /// Whether a session that resolved to this is to be pinned (anew).
    pub fn wants_pin(&self) -> bool {
        !matches!(self.reason, Reason::Pinned | Reason::NoSession | Reason::Killed)
    }

    /// Whether the head moved the session off what it was pinned to.
    pub fn is_crossing(&self) -> bool {
        self.reason == Reason::Revoked
    }
}

/// Resolves a feature for a context. `revision` is that of the snapshot that `feature` comes from.
pub fn resolve<'a>(
    feature: &'a CompiledFeature,
    revision: RevisionNumber,
    pin: Option<&'a Pin>,
    context: &Context,
) -> Resolution<'a> {
    resolve_traced(feature, revision, pin, &Asking::new(context), &mut Silent)
}

/// The same with every step told.
pub fn resolve_traced<'a, T: Tracer>(
    feature: &'a CompiledFeature,
    revision: RevisionNumber,
    pin: Option<&'a Pin>,
    asking: &Asking<'_>,
    tracer: &mut T,
) -> Resolution<'a> {
    let resolution = decided(feature, revision, pin, asking, tracer);
    tracer.step(|| {
        let detail = format!("{}, bundle {}", resolution.reason.as_str(), resolution.bundle.id.short());
        Step::new(
            "answer",
            format!("feature {}", feature.doc.key),
            format!("\"{}\"", resolution.variant),
            detail,
        )
    });
    resolution
}

fn decided<'a, T: Tracer>(
    feature: &'a CompiledFeature,
    revision: RevisionNumber,
    pin: Option<&'a Pin>,
    asking: &Asking<'_>,
    tracer: &mut T,
) -> Resolution<'a> {
    let context = asking.context;
    let control = |reason| Resolution {
        variant: CONTROL,
        bundle: &feature.control,
        reason,
        assigned: revision,
        enrolled: None,
        off: None,
    };
    if feature.doc.killed {
        return Resolution { off: feature.doc.off.as_ref(), ..control(Reason::Killed) };
    }
    if let Some(pin) = pin {
        tracer.step(|| {
            let outcome = if pin.revoked(feature) { "taken back since" } else { "stands" };
            let detail = format!("\"{}\", assigned at revision {}", pin.variant, pin.revision);
            Step::new("pin", feature.doc.key.as_str(), outcome, detail)
        });
    }
    match pin {
        // INVARIANT(pinned): the record decides and no rule runs, unless the head revoked it.
        Some(pin) if pin.revoked(feature) => control(Reason::Revoked),
        Some(pin) => match feature.bundles.get(&pin.bundle) {
            Some(bundle) => pinned(pin, bundle, feature),
            // Only when a combination left the log's memory: sessions do not live that long.
            None => control(Reason::Default),
        },
        None if context.session.is_none() => control(Reason::NoSession),
        None => fresh(feature, asking, control, tracer),
    }
}

fn pinned<'a>(pin: &'a Pin, bundle: &'a Arc<Bundle>, feature: &'a CompiledFeature) -> Resolution<'a> {
    let enrolled = pin.arm.as_ref().map(|facts| Enrolled {
        rollout: &facts.rollout,
        arm: facts.arm,
        pi: facts.pi,
        stage: feature.rollout.as_ref().filter(|live| live.key == facts.rollout).map(|live| live.stage),
        stage_index: facts.stage,
    });
    Resolution {
        variant: pin.variant.as_str(),
        bundle,
        reason: Reason::Pinned,
        assigned: pin.revision,
        enrolled,
        off: None,
    }
}

fn fresh<'a, T: Tracer>(
    feature: &'a CompiledFeature,
    asking: &Asking<'_>,
    control: impl Fn(Reason) -> Resolution<'a>,
    tracer: &mut T,
) -> Resolution<'a> {
    let own = |variant: Option<usize>, reason| match variant.and_then(|at| feature.variants.get(at)) {
        Some((name, bundle)) => Resolution { variant: name.as_str(), bundle, ..control(reason) },
        None => control(reason),
    };
    let key = feature.doc.key.as_str();
    if let Some((_, variant)) = feature.forced.iter().find(|(list, _)| list.has(asking)) {
        tracer.step(|| Step::new("forced", key, "on the list", "a list of units decides before rules"));
        return own(*variant, Reason::Forced);
    }
    if let Some(reason) = &feature.broken {
        tracer.step(|| Step::new("rule", key, "control for everybody new", reason.as_str()));
        return control(Reason::Broken);
    }
    if let Some(unmet) = flag::unmet(&feature.prerequisites, asking, tracer) {
        return own(unmet.otherwise, Reason::Prerequisite);
    }
    for (at, (condition, variant)) in feature.rules.iter().enumerate() {
        let met = condition.walk(asking, tracer);
        tracer.step(|| {
            let outcome = if met { "met" } else { "not met" };
            Step::new("rule", at.to_string(), outcome, condition.to_string())
        });
        if met {
            return own(*variant, Reason::TargetingMatch);
        }
    }
    let enrolled = enrol(feature, asking.context);
    if let Some(rollout) = &feature.rollout {
        tracer.step(|| {
            let outcome = match enrolled {
                Some((_, Arm::Candidate)) => "the candidate",
                Some((_, Arm::Control)) => "control",
                None => "not enrolled",
            };
            let detail = format!("stage {}, {} of new units", rollout.stage.as_str(), rollout.share);
            Step::new("rollout", rollout.key.as_str(), outcome, detail)
        });
    }
    let Some((rollout, arm)) = enrolled else { return control(Reason::Default) };
    let enrolled = Enrolled {
        rollout: &rollout.key,
        arm,
        pi: rollout.share,
        stage: Some(rollout.stage),
        stage_index: rollout.stage_index,
    };
    match arm {
        Arm::Control => Resolution { enrolled: Some(enrolled), ..control(Reason::Split) },
        Arm::Candidate => Resolution {
            variant: CANDIDATE,
            bundle: &rollout.candidate,
            enrolled: Some(enrolled),
            ..control(Reason::Split)
        },
    }
}

fn enrol<'a>(feature: &'a CompiledFeature, context: &Context) -> Option<(&'a CompiledRollout, Arm)> {
    let rollout = feature.rollout.as_ref()?;
    if rollout.share == Share::NONE || !rollout.concerns(context) {
        return None;
    }
    let unit = context.unit(rollout.bucket_by)?;
    let arm = if rollout.salt.within(unit, rollout.share) { Arm::Candidate } else { Arm::Control };
    Some((rollout, arm))
}

/// Whether the session's answers are to be copied to the candidate of a shadow stage.
pub fn shadowed<'a>(feature: &'a CompiledFeature, context: &Context) -> Option<&'a CompiledRollout> {
    let rollout = feature.rollout.as_ref()?;
    let session = context.session.as_deref()?;
    let sampled = rollout.salt.derive("shadow").within(session, rollout.shadow_sample);
    (sampled && rollout.concerns(context)).then_some(rollout)
}
