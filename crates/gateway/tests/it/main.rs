//! The data plane over a real store and a scripted provider, as clients and operators see it. Knows nothing of its insides.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints' exemption covers test functions, not their fixtures"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "bodies are written in place with json!, where a borrow is noise"
)]

mod bad_input;
mod chat;
mod events;
mod faults;
mod ofrep;
mod pins;
mod shadow;
mod upstream;
mod world;
