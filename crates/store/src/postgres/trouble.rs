//! What goes wrong between here and the database and what that means to callers. Knows nothing of tables, and repeats neither the
//! database's address nor a password.

use std::error::Error;

use deadpool_postgres::{HookError, PoolError};

use crate::Failure;

/// What went wrong.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    reason: String,
    pub retryable: bool,
    /// Whether the connection is gone, so that whatever was asked may or may not have been done.
    pub gone: bool,
}

impl Trouble {
    /// Something that is stored, or was given, is not what it should be.
    pub fn damaged(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: false, gone: false }
    }

    /// The task that would have answered is gone.
    pub fn ended() -> Self {
        let reason =
            "the store's writer ended before it answered; ask again, or restart if it stays so".into();
        Self { reason, retryable: true, gone: false }
    }

    /// The server closed the connection.
    pub fn lost() -> Self {
        Self { reason: "the connection was closed".into(), retryable: true, gone: true }
    }

    /// What the driver says, with its reasons.
    fn beside(refused: &tokio_postgres::Error) -> Self {
        let mut reason = refused.to_string();
        let mut source = refused.source();
        while let Some(why) = source {
            reason.push_str(&format!(": {why}"));
            source = why.source();
        }
        let unreadable = reason.starts_with("error deserializing") || reason.starts_with("error serializing");
        let untrusted = reason.contains("TLS");
        Self { reason, retryable: !unreadable && !untrusted, gone: !unreadable }
    }

    /// As callers see it.
    pub fn failure(self, what: &'static str) -> Failure {
        Failure { what, reason: self.reason, retryable: self.retryable }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(refused: tokio_postgres::Error) -> Self {
        let Some(said) = refused.as_db_error() else {
            return Self::beside(&refused);
        };
        // Classes of SQLSTATE: connection, resources, transaction order, and an operator's or a crash's intervention.
        let code = said.code().code();
        let class = code.get(..2).unwrap_or_default();
        let gone = class == "08" || code.starts_with("57P");
        let retryable = gone || matches!(class, "40" | "53" | "57") || matches!(code, "55P03" | "25006");
        let way_out = match class {
            "28" => "; check the user and the password of the database URL",
            "3D" => "; create the database, or name another one in the database URL",
            "42" if code == "42501" => "; let the user create schemas in the database, or own this one",
            "53" => "; give the database more room, or open fewer connections",
            _ => "",
        };
        Self { reason: format!("PostgreSQL says: {} ({code}){way_out}", said.message()), retryable, gone }
    }
}

impl From<PoolError> for Trouble {
    fn from(refused: PoolError) -> Self {
        match refused {
            PoolError::Backend(refused) | PoolError::PostCreateHook(HookError::Backend(refused)) => {
                refused.into()
            }
            other => Self { reason: format!("no connection: {other}"), retryable: true, gone: false },
        }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(refused: serde_json::Error) -> Self {
        Self::damaged(refused.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_may_be_asked_again() {
        let ended = Trouble::ended().failure("append records");
        assert!(ended.retryable);
        let damaged = Trouble::damaged("x").failure("read a blob");
        assert_eq!(damaged.to_string(), "store: read a blob: x");
        assert!(!damaged.retryable);
    }
}
