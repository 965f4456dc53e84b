//! Integration tests of the domain, one file per subject. Knows nothing of private items.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by failing")]

mod check;
mod decide;
mod desired;
mod fixture;
mod incremental;
mod mustache;
mod refusals;
mod registry;
mod render;
mod resolve;
mod scenario;
mod script;
mod targeting;
mod world;
