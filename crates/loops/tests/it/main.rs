//! Tests of the loops that need no server: analysis on made-up traffic with a known truth.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod analysis;
mod traffic;
