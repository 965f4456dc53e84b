//! How long a recorded model takes: profiles measured at real endpoints, and one request's times drawn from
//! them. Knows nothing of the text it paces.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::Deserialize;

const EMBEDDED_PROFILES: &str = include_str!("../../../demo/profiles.json");

/// Spread of the gaps within one answer; between answers it is the profile's.
const GAP_JITTER_LOG_SD: f64 = 0.1;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Profile {
    pub ttft_ms_p50: f64,
    pub ttft_log_sd: f64,
    pub gap_ms_p50: f64,
    pub gap_log_sd: f64,
    /// Where the figures come from.
    pub source: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Profiles {
    /// Recorded model → name of its profile.
    pub models: BTreeMap<String, String>,
    pub profiles: BTreeMap<String, Profile>,
}

/// One request's times, already divided by the speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    pub first_token: Duration,
    pub per_token: Duration,
}

impl Profiles {
    pub fn embedded() -> anyhow::Result<Self> {
        serde_json::from_str(EMBEDDED_PROFILES).context("profiles.json: not a table of latency profiles")
    }

    /// The profile called `name`, or an error that says which there are.
    pub fn named(&self, name: &str) -> anyhow::Result<&Profile> {
        let known = || self.profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.profiles
            .get(name)
            .with_context(|| format!("latency profile {name:?}: unknown, there are {}", known()))
    }
}

impl Profile {
    /// Draws one request's times; takes the same number of draws whatever the scale.
    pub fn pace(&self, rng: &mut ChaCha8Rng, scale: f64) -> Pace {
        let first_ms = lognormal(rng, self.ttft_ms_p50, self.ttft_log_sd);
        let gap_ms = lognormal(rng, self.gap_ms_p50, self.gap_log_sd);
        Pace { first_token: millis(first_ms * scale), per_token: millis(gap_ms * scale) }
    }
}

impl Pace {
    pub const NONE: Self = Self { first_token: Duration::ZERO, per_token: Duration::ZERO };

    /// From the request to the last of `tokens`.
    #[must_use]
    pub fn total(&self, tokens: u32) -> Duration {
        self.first_token + self.per_token.mul_f64(f64::from(tokens))
    }

    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    #[must_use]
    pub fn slowed(self, factor: f64) -> Self {
        Self { first_token: self.first_token.mul_f64(factor), per_token: self.per_token.mul_f64(factor) }
    }

    /// The wait before a piece of `tokens`.
    pub fn gap(&self, rng: &mut ChaCha8Rng, tokens: u16) -> Duration {
        self.per_token.mul_f64(lognormal(rng, f64::from(tokens), GAP_JITTER_LOG_SD))
    }
}

/// What a duration is multiplied with at `speed`; speed 0 waits for nothing.
#[must_use]
pub fn scale_of(speed: f64) -> f64 {
    if speed > 0.0 { 1.0 / speed } else { 0.0 }
}

pub fn lognormal(rng: &mut ChaCha8Rng, median: f64, log_sd: f64) -> f64 {
    let normal: f64 = rng.sample(StandardNormal);
    median * (log_sd * normal).exp()
}

/// Zero for what is no time at all (negative, not a number, longer than a duration can be).
#[must_use]
pub fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::ZERO)
}
