//! The one refusal of this crate: a parameter that no test could be built on. Knows no caller.

use std::fmt;

/// A parameter outside what the mathematics allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// The parameter, as it is called in the API.
    pub subject: &'static str,
    /// The value that was given.
    pub value: f64,
    /// What would be accepted.
    pub accepted: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is {}: choose {}", self.subject, self.value, self.accepted)
    }
}

impl std::error::Error for Invalid {}

/// Refuses unless `holds`; written so that a NaN is refused by any comparison.
pub(crate) fn require(
    holds: bool,
    subject: &'static str,
    value: f64,
    accepted: &'static str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { subject, value, accepted }) }
}

/// An error probability, strictly between 0 and 1/2.
pub(crate) fn require_alpha(alpha: f64) -> Result<(), Invalid> {
    require(alpha > 0.0 && alpha < 0.5, "alpha", alpha, "an error probability above 0 and below 0.5")
}
