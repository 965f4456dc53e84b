//! The tests of the statistics from outside: reference values, error rates by simulation, replay. Knows the
//! public API only.

#[cfg(test)]
mod error_rates;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod units;
#[cfg(test)]
mod vectors;
