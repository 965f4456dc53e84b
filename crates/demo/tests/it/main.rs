//! What the demo promises, checked over real sockets. Knows nothing of Serinus.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod books;
mod corpus_facts;
mod ending;
mod faults;
mod judge;
mod matching;
mod plan;
mod screen;
mod steps;
mod times;
mod traffic;
mod upstream;
mod wire_shape;
