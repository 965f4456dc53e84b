//! The built-in metrics: what each measures, in which direction it hurts, on which clock it is mature.
//! Knows nothing of how one is tested.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which of the three kinds of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Latency, tokens, cost, errors.
    Computational,
    /// Format, length, refusals.
    Behavioural,
    /// Judges, feedback, labels.
    Semantic,
}

/// How long a unit is watched before its outcome counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Its first interaction.
    Fast,
    /// Thirty minutes.
    Session,
    /// The session and the judge's deadline.
    Slow,
}

/// In which direction a metric hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is harm.
    HigherIsWorse,
    /// Less is harm.
    LowerIsWorse,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $tier:ident, $clock:ident, $direction:ident;)*) => {
        /// A built-in metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $($(#[$doc])* $variant,)*
        }

        impl Metric {
            /// Every metric, in the order of the tiers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in files and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// Which kind of measurement it is.
            pub const fn tier(self) -> Tier {
                match self { $(Self::$variant => Tier::$tier,)* }
            }
            /// When a unit's outcome counts.
            pub const fn clock(self) -> Clock {
                match self { $(Self::$variant => Clock::$clock,)* }
            }
            /// In which direction it hurts.
            pub const fn direction(self) -> Direction {
                match self { $(Self::$variant => Direction::$direction,)* }
            }
        }
    };
}

metrics! {
    /// Share of units whose first interaction failed (transport, 5xx, timeout, empty).
    ErrorRate = "error_rate", Computational, Fast, HigherIsWorse;
    /// Time to first token: share of units above control's 95th percentile.
    TtftP95 = "ttft_p95", Computational, Fast, HigherIsWorse;
    /// Total latency: share of units above control's 95th percentile.
    LatencyP95 = "latency_p95", Computational, Fast, HigherIsWorse;
    /// Output tokens a call.
    OutputTokens = "output_tokens", Computational, Session, HigherIsWorse;
    /// Cost a call.
    Cost = "cost", Computational, Session, HigherIsWorse;
    /// Share of units with an answer that its parser refuses (form, schema, length, cut short).
    InvalidOutput = "invalid_output", Behavioural, Session, HigherIsWorse;
    /// Share of units with a refusal.
    RefusalRate = "refusal_rate", Behavioural, Session, HigherIsWorse;
    /// Judged quality, 0 to 1.
    Quality = "quality", Semantic, Slow, LowerIsWorse;
    /// Share of units with a thumbs-down.
    ThumbsDown = "thumbs_down", Semantic, Slow, HigherIsWorse;
}

impl Metric {
    /// Whether a unit's outcome lies between 0 and 1 whatever the traffic.
    pub const fn is_share(self) -> bool {
        match self {
            Self::ErrorRate | Self::InvalidOutput | Self::RefusalRate | Self::Quality | Self::ThumbsDown => {
                true
            }
            Self::TtftP95 | Self::LatencyP95 | Self::OutputTokens | Self::Cost => false,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|metric| metric.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|metric| metric.as_str()).collect();
            format!("\"{text}\" is no metric: use one of {}", names.join(", "))
        })
    }
}
