//! Tests of the loops that need no server: analysis on made-up traffic with a known truth.

mod analysis;
mod traffic;
