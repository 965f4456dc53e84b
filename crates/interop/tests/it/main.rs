//! Tests of imports. Knows no transport.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases, and fails where it cannot"
)]

mod flagd;
mod fuzz;
mod logic;
mod samples;
mod world;
