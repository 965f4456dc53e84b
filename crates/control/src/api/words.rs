//! The words of the API for what the domain enumerates. Exhaustive in both directions, so that a new word in the domain does
//! not compile until it has one here. Knows nothing of what the words mean.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod source {
    pub use serinus_domain::{
        decide::Verdict,
        entity::{
            BucketBy, CallerSystem, Comparison, FlagKind, GuardrailAction, HoldReason, Metric, Phase, Reach,
            StageKind, Trust,
        },
        record::Role,
        resolve::Arm,
    };
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $case:tt { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = $case)]
        pub enum $name { $(#[doc = concat!("`", stringify!($variant), "` of the domain.")] $variant),* }

        impl From<source::$name> for $name {
            fn from(word: source::$name) -> Self {
                match word { $(source::$name::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for source::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),* }
            }
        }
    };
}

words! {
    /// What is randomised and analysed.
    BucketBy, "snake_case" { User, Session }
}
words! {
    /// What becomes of the application's own system message.
    CallerSystem, "snake_case" { Replace, Append, Refuse }
}
words! {
    /// How two versions compare.
    Comparison, "snake_case" { Equal, Less, AtMost, Greater, AtLeast, Compatible, SameMinor }
}
words! {
    /// The type of a flag's values.
    FlagKind, "snake_case" { Boolean, String, Number, Object }
}
words! {
    /// What a guardrail that fires does.
    GuardrailAction, "snake_case" { RollBack, Hold }
}
words! {
    /// Why a rollout is held.
    HoldReason, "snake_case" { Operator, Evidence, Guardrail, SampleRatio, CommonCause, Deadline, Measurement }
}
words! {
    /// A built-in metric.
    Metric, "snake_case" {
        ErrorRate, TtftP95, LatencyP95, OutputTokens, Cost, InvalidOutput, RefusalRate, Quality, ThumbsDown,
    }
}
words! {
    /// Where a rollout is.
    Phase, "snake_case" { Draft, Validated, Running, Held, Completed, RolledBack, Cancelled }
}
words! {
    /// Whom a withdrawal touches.
    Reach, "snake_case" { NewSessions, NextTurn }
}
words! {
    /// The kind of a stage.
    StageKind, "snake_case" { Shadow, Canary, Ab, Full }
}
words! {
    /// What an interaction was for.
    Role, "snake_case" { Served, Shadow, ShadowRepeat }
}
words! {
    /// An arm of a rollout.
    Arm, "snake_case" { Control, Candidate }
}
words! {
    /// The six verdicts. Only PASS advances, only FAIL rolls back, the rest hold.
    Verdict, "SCREAMING_SNAKE_CASE" { Pass, Fail, Inconclusive, NoData, Error, CommonCause }
}

/// How far a judge is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Not compared with people yet: ten points are added to its margin.
    Uncalibrated,
    /// Its verdicts are ground truth.
    Full,
    /// An allowance for its bias, in parts per million of the scale.
    Allowance(u32),
}

impl From<source::Trust> for Trust {
    fn from(trust: source::Trust) -> Self {
        match trust {
            source::Trust::Uncalibrated => Self::Uncalibrated,
            source::Trust::Full => Self::Full,
            source::Trust::Allowance(ppm) => Self::Allowance(ppm),
        }
    }
}

impl From<Trust> for source::Trust {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Uncalibrated => Self::Uncalibrated,
            Trust::Full => Self::Full,
            Trust::Allowance(ppm) => Self::Allowance(ppm),
        }
    }
}
