//! The control API over HTTP bodies and headers, as each persona meets it. Knows nothing of handlers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the lints' exemption covers test functions, not their fixtures"
)]

mod access;
mod configuration;
mod contract;
mod delivery;
mod files;
mod import;
mod langfuse;
mod observation;
mod people;
mod proposals;
mod refusals;
mod registry;
mod targeting;
mod world;
