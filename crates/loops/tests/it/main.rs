//! Tests of the loops that need no server: analysis on made-up traffic with a known truth, and prompts copied from a platform that
//! does as it is told.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod analysis;
mod sources;
mod traffic;
