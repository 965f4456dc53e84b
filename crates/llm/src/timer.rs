//! Virtual time for everything that waits or measures. Knows nothing of who waits or why.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;

/// A clock that can be slept on. All limits and measured latencies of this crate are in its microseconds.
pub trait Timer: Send + Sync {
    /// Virtual microseconds since the Unix epoch; never goes back.
    fn now_us(&self) -> u64;

    /// Resolves once `virtual_us` have passed on this clock.
    fn sleep(&self, virtual_us: u64) -> BoxFuture<'static, ()>;

    /// How long `virtual_us` last on the wall; for limits that a library enforces on its own (connecting).
    fn wall_duration(&self, virtual_us: u64) -> Duration {
        Duration::from_micros(virtual_us)
    }
}

/// Virtual time that runs `factor` times as fast as the wall, from a chosen epoch.
#[derive(Debug)]
pub struct ScaledTimer {
    started: Instant,
    epoch_us: u64,
    factor: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("clock factor {0}: must be between 0.001 and 1000000; 1 is real time")]
pub struct FactorInvalid(f64);

impl ScaledTimer {
    /// # Errors
    /// When `factor` is not a number within 0.001..=1000000.
    pub fn new(factor: f64, epoch_us: u64) -> Result<Self, FactorInvalid> {
        // The bounds keep every conversion below finite and every sleep longer than nothing.
        if !(0.001..=1_000_000.0).contains(&factor) {
            return Err(FactorInvalid(factor));
        }
        Ok(Self { started: Instant::now(), epoch_us, factor })
    }

    /// Wall-clock speed, from now.
    #[must_use]
    pub fn real_time() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch_us = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), epoch_us, factor: 1.0 }
    }

    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }
}

impl Timer for ScaledTimer {
    fn now_us(&self) -> u64 {
        let elapsed_us = self.started.elapsed().as_secs_f64() * 1e6 * self.factor;
        // A float cast saturates, which is what a clock at the end of time should do.
        self.epoch_us.saturating_add(elapsed_us as u64)
    }

    fn sleep(&self, virtual_us: u64) -> BoxFuture<'static, ()> {
        tokio::time::sleep(self.wall_duration(virtual_us)).boxed()
    }

    fn wall_duration(&self, virtual_us: u64) -> Duration {
        Duration::try_from_secs_f64(virtual_us as f64 / 1e6 / self.factor).unwrap_or(Duration::MAX)
    }
}

impl<T: Timer + ?Sized> Timer for Arc<T> {
    fn now_us(&self) -> u64 {
        (**self).now_us()
    }

    fn sleep(&self, virtual_us: u64) -> BoxFuture<'static, ()> {
        (**self).sleep(virtual_us)
    }

    fn wall_duration(&self, virtual_us: u64) -> Duration {
        (**self).wall_duration(virtual_us)
    }
}
