//! Stories of the whole system, told over HTTP and the command line to the real binary. Knows nothing of its inside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints' exemption covers test functions, not their fixtures"
)]

mod audit;
mod cli;
mod delivery;
mod durable;
mod environments;
mod files;
mod judged;
mod kill;
mod openfeature;
mod protected;
mod refusals;
mod rollback;
mod secrets;
mod world;
