//! How a client stands: what it evaluates by, whether it hears from the server, and why it is not further. Holds no logic.

use serinus_domain::revision::RevisionNumber;

/// Where what a client evaluates by came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// There is nothing yet: every evaluation answers the caller's default.
    #[default]
    Nothing,
    /// From the file on disk; the server has not been heard yet.
    Disk,
    /// From the server.
    Server,
}

/// Whether a client hears from the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Connection {
    /// It asks for the first time.
    #[default]
    Connecting,
    /// It follows.
    Connected,
    /// It was cut off, or not let in, and asks again by itself.
    Lost {
        /// Why.
        reason: String,
    },
}

/// How a client stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What it evaluates by.
    pub revision: RevisionNumber,
    /// Where that came from.
    pub source: Source,
    /// Whether it hears from the server.
    pub connection: Connection,
    /// Why it stays on that revision although a later one came; nothing is wrong with what it evaluates by.
    pub refusal: Option<String>,
}
