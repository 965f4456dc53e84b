//! When to try a call again, and how long to wait first. Knows nothing of what is tried.

use std::sync::Arc;

use http::HeaderMap;

use crate::error::{ErrorKind, ProviderError};
use crate::providers::ProviderKey;
use crate::timer::Timer;

/// Numbers within 0..1; injected so that a simulation repeats.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// First wait; doubles to the longest. The values of the official SDKs.
const WAIT_US_FIRST: u64 = 500_000;
const WAIT_US_MAX: u64 = 8_000_000;

/// One logical call over its attempts.
pub(crate) struct Retry<'a> {
    pub provider: &'a ProviderKey,
    pub timer: &'a Arc<dyn Timer>,
    pub jitter: &'a Jitter,
    pub attempts_max: u32,
    pub attempts: u32,
    pub started_us: u64,
    /// No attempt starts after this, so no wait goes past it.
    pub total_at_us: u64,
}

impl Retry<'_> {
    /// Waits for the next attempt, or says why there is none.
    pub(crate) async fn wait_or_fail(&mut self, kind: ErrorKind) -> Result<(), ProviderError> {
        let now_us = self.timer.now_us();
        let wait_us = self.wait_us(&kind);
        let room = now_us.saturating_add(wait_us) < self.total_at_us;
        if self.attempts >= self.attempts_max || !kind.is_retryable() || !room {
            let waited_us = now_us.saturating_sub(self.started_us);
            return Err(ProviderError {
                provider: self.provider.clone(),
                kind,
                attempts: self.attempts,
                waited_us,
            });
        }
        self.attempts += 1;
        self.timer.sleep(wait_us).await;
        Ok(())
    }

    /// What the provider asked for, else a doubling wait of which a random half is taken off at most.
    fn wait_us(&self, kind: &ErrorKind) -> u64 {
        if let ErrorKind::Status(failure) = kind
            && let Some(asked_us) = failure.retry_after_us
        {
            return asked_us;
        }
        let doubled = WAIT_US_FIRST.saturating_mul(1 << (self.attempts - 1).min(16)).min(WAIT_US_MAX);
        let kept = 1.0 - 0.5 * (self.jitter)().clamp(0.0, 1.0);
        (doubled as f64 * kept) as u64
    }
}

/// `retry-after-ms`, else `retry-after` in seconds. A date there counts as absent: its clock is not ours.
pub(crate) fn retry_after_us(headers: &HeaderMap) -> Option<u64> {
    let number =
        |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|n| *n >= 0.0);
    let after_us =
        number("retry-after-ms").map(|ms| ms * 1e3).or_else(|| number("retry-after").map(|s| s * 1e6))?;
    Some(after_us as u64) // saturates
}

pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    headers.get("x-should-retry")?.to_str().ok()?.parse().ok()
}
