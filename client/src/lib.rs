//! The Rust SDK of Serinus: follows a server's revisions, keeps the last good snapshot in memory and on disk, and evaluates flags and
//! features in the application's own process by the code that the server evaluates with. Knows nothing of pins, which are the
//! server's, and asks no server when it evaluates.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use serinus_client::{Attributes, Client, Config, Context};
//! use std::time::Duration;
//!
//! let client = Client::connect(Config::new("http://127.0.0.1:7171", "srn_..."))?;
//! client.wait_ready(Duration::from_secs(5)).await?;
//! let context = Context::new(Some("session-1"), Some("user-1"), Attributes::default())?;
//! if client.boolean("new-checkout", &context, false).value { /* ... */ }
//! # Ok(()) }
//! ```

mod active;
mod backoff;
mod client;
mod config;
mod disk;
mod evaluate;
mod follow;
#[cfg(feature = "openfeature")]
mod openfeature;
mod sse;
mod status;

pub use backoff::wait as reconnect_wait;
pub use client::{Client, NotReady, View};
pub use config::{Config, InvalidConfig};
pub use evaluate::{BundleEvaluation, Evaluation, EvaluationError, Explanation};
#[cfg(feature = "openfeature")]
pub use openfeature::Provider;
pub use serinus_domain::{
    bundle::Bundle,
    context::{AttributeValue, Attributes, Context, InvalidContext},
    entity::OffAnswer,
    resolve::{FlagDecision, Reason, Step},
    revision::RevisionNumber,
};
pub use status::{Connection, Source, Status};
