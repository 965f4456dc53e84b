//! The data plane: OpenAI's chat completions under a feature's key, and OFREP evaluation. Holds a reader of the log, never the
//! log, so it cannot change what it serves; knows nothing of statistics, of who may call, or of sockets.
//!
//! Modules in the order of the flow: [`serve`] is a request from top to bottom: [`admit`] reads it, [`session`] assigns it by
//! [`assign`] and keeps its pins, [`upstream`] calls the provider, [`respond`] answers, [`record`] keeps what was seen and
//! [`shadow`] copies it. [`ofrep`] and [`models`] are the other surfaces; [`usage`] counts what is served.

mod admit;
mod assign;
mod body;
mod config;
mod counters;
mod error;
mod gateway;
mod models;
mod observe;
mod off;
mod ofrep;
mod pin_cache;
mod pseudonym;
mod record;
mod respond;
mod serve;
mod session;
mod shadow;
mod spend;
mod upstream;
mod usage;

pub use config::{GatewayConfig, GatewayLimits, InvalidConfig, Provider};
pub use counters::{Counter, Counters};
pub use gateway::{Gateway, GatewayTasks, router};
pub use ofrep::{environment_of, evaluation, evaluation_refused, is_notification};
pub use pseudonym::Pseudonyms;
