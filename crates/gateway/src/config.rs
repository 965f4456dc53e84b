//! What the data plane is given at its start, and its bounds. Reads no environment and no file.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use serinus_domain::{
    id::{EnvironmentKey, ProviderKey},
    limits::REQUEST_BYTES_MAX,
    units::MicroUsd,
};
use serinus_llm::{OpenAiCompatible, Timeouts, Timer};
use serinus_store::PinLife;
use tokio_util::sync::CancellationToken;

/// A provider with what calls to it may take.
#[derive(Debug)]
pub struct Provider {
    /// Its client.
    pub client: OpenAiCompatible,
    /// Virtual time for one call.
    pub timeouts: Timeouts,
    /// Attempts of one call, all before its first byte.
    pub attempts_max: u32,
}

impl Provider {
    /// A provider with the usual timeouts and one retry.
    pub fn new(client: OpenAiCompatible) -> Self {
        Self { client, timeouts: Timeouts::default(), attempts_max: 2 }
    }
}

/// Everything the data plane is made of, but for what it reads and keeps.
pub struct GatewayConfig {
    /// The environment that it serves.
    pub environment: EnvironmentKey,
    /// Providers by the name that model artifacts give them.
    pub providers: HashMap<ProviderKey, Provider>,
    /// Keys the pseudonyms of sessions and users; the same on all nodes, for ever.
    pub pseudonym_key: [u8; 32],
    /// The clock.
    pub timer: Arc<dyn Timer>,
    /// 128 random bits a call; interaction ids.
    pub random: Arc<dyn Fn() -> u128 + Send + Sync>,
    /// How long pins last, as the store has it.
    pub pin_life: PinLife,
    /// Origins of browsers that may evaluate flags, as in `https://app.example.com`.
    pub cors_origins: Vec<String>,
    /// Ends what would never end by itself: notifications.
    pub shutdown: CancellationToken,
    /// Bounds.
    pub limits: GatewayLimits,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// The configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cors origin \"{origin}\": not a web origin: write scheme and host, as in https://app.example.com")]
pub struct InvalidConfig {
    /// What was given.
    pub origin: String,
}

/// Bounds of one node's data plane; each queue says what it does when it is full.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Bytes of a request to the LLM surfaces.
    pub request_bytes_max: usize,
    /// Bytes of an evaluation request; a context has at most 128 attributes.
    pub evaluation_bytes_max: usize,
    /// Requests in work at once; one more is answered 429, which SDKs retry.
    pub in_flight_max: usize,
    /// Clients that wait for notifications, a few kilobytes each; one more is answered 429, and asks again later.
    pub event_streams_max: usize,
    /// Sessions whose pins are kept in memory, 300 bytes each; the oldest are read from the store again.
    pub sessions_cached_max: usize,
    /// How long a first byte waits for its pin, on the wall's clock: a store knows no other.
    pub pin_wait_max: Duration,
    /// Observations that wait to be recorded; the newest are dropped and counted.
    pub records_queue_max: usize,
    /// Records of one append.
    pub records_batch_max: usize,
    /// Shadow copies that wait; the newest are dropped and counted.
    pub shadow_queue_max: usize,
    /// Shadow calls at once.
    pub shadow_concurrency_max: usize,
    /// Shadow copies a second, on the virtual clock.
    pub shadow_per_second_max: u32,
    /// What the copies of a shadow stage may cost where it does not say.
    pub shadow_spend_max: MicroUsd,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: REQUEST_BYTES_MAX,
            evaluation_bytes_max: 1024 * 1024,
            in_flight_max: 4096,
            event_streams_max: 20_000,
            sessions_cached_max: 100_000,
            pin_wait_max: Duration::from_secs(2),
            records_queue_max: 8192,
            records_batch_max: 256,
            shadow_queue_max: 256,
            shadow_concurrency_max: 8,
            shadow_per_second_max: 50,
            shadow_spend_max: MicroUsd(5_000_000),
        }
    }
}

/// The origins as headers carry them.
pub(crate) fn origins(given: &[String]) -> Result<Vec<HeaderValue>, InvalidConfig> {
    let origin = |text: &String| {
        let invalid = || InvalidConfig { origin: text.clone() };
        let (scheme, host) = text.split_once("://").ok_or_else(invalid)?;
        if scheme.is_empty() || host.is_empty() || host.contains(['/', '*']) {
            return Err(invalid());
        }
        HeaderValue::try_from(text.as_str()).map_err(|_| invalid())
    };
    given.iter().map(origin).collect()
}
