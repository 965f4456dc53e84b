//! What every store must do, run on each; what only files must do; and what a live snapshot must do when its log misbehaves.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by failing"
)]

mod crash;
mod documents;
mod fixtures;
mod follow;
mod permutations;
mod postgres;
mod sqlite;
mod suite;
