//! Why a decision came out as it did, step by step, from the same code that decides: evaluation is generic over who listens, and with
//! nobody listening nothing is left of it. Knows nothing of how steps are shown.

use super::CompiledCondition;
use crate::context::Context;

/// A step of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was looked at: `forced`, `prerequisite`, `rule`, `condition`, `split`, `segment`, `pin`, `rollout`, `answer`.
    pub step: &'static str,
    /// Which.
    pub subject: String,
    /// What it came to.
    pub outcome: String,
    /// What that rests on.
    pub detail: String,
}

impl Step {
    /// A step.
    pub fn new(
        step: &'static str,
        subject: impl Into<String>,
        outcome: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { step, subject: subject.into(), outcome: outcome.into(), detail: detail.into() }
    }

    pub(super) fn condition(condition: &CompiledCondition, context: &Context, met: bool) -> Self {
        let detail = condition.attribute().map_or_else(String::new, |attribute| attribute.shown(context));
        Self::new("condition", condition.to_string(), if met { "met" } else { "not met" }, detail)
    }
}

/// Who listens.
pub trait Tracer {
    /// Hears of a step, which is made only for those who do.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Tracer for Silent {
    #[inline(always)]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Everything that was heard, in order, as far as it is worth reading.
#[derive(Debug, Clone, Default)]
pub struct Trace(pub Vec<Step>);

impl Tracer for Trace {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        if self.0.len() < crate::limits::TRACE_STEPS_MAX {
            self.0.push(step());
        }
    }
}
