//! Tests of imports. Knows no transport.

mod flagd;
mod fuzz;
mod logic;
mod samples;
mod world;
