//! The client against the real control router, with a proxy in between that cuts, counts and alters. Knows nothing of private items.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints' exemption covers test functions, not their fixtures"
)]

mod evaluate;
mod follow;
mod openfeature;
mod proxy;
mod world;
