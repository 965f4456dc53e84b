//! What goes wrong inside the database layer and what that means to callers. Knows nothing of tables.

use crate::Failure;
pub(super) use crate::sql::{int, uint};

/// What went wrong.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    reason: String,
    retryable: bool,
    /// Whether the handle may no longer be trusted.
    pub fatal: bool,
}

impl Trouble {
    /// Something that is stored is not what it should be.
    pub fn damaged(reason: String) -> Self {
        Self { reason, retryable: false, fatal: false }
    }

    /// The same, where asking again may help.
    pub fn passing(self) -> Self {
        Self { retryable: true, ..self }
    }

    /// The thread that would have answered is gone.
    pub fn gone() -> Self {
        let reason =
            "the store's thread ended before it answered; ask again, or restart if it stays so".into();
        Self { reason, retryable: true, fatal: false }
    }

    /// As callers see it.
    pub fn failure(self, what: &'static str, subject: &str) -> Failure {
        let reason = if subject.is_empty() { self.reason } else { format!("{subject}: {}", self.reason) };
        Failure { what, reason, retryable: self.retryable }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(refused: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let code = refused.sqlite_error_code();
        // After a failed fsync the kernel may have dropped the pages and forgotten it: that handle must not commit again.
        let fatal = matches!(code, Some(Code::SystemIoFailure | Code::DatabaseCorrupt | Code::NotADatabase));
        let full = code == Some(Code::DiskFull);
        let passing = matches!(
            code,
            Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::SystemIoFailure | Code::CannotOpen)
        );
        let reason =
            if full { format!("{refused}; free space or raise the limit") } else { refused.to_string() };
        Self { reason, retryable: full || passing, fatal }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(refused: std::io::Error) -> Self {
        Self { reason: refused.to_string(), retryable: true, fatal: false }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(refused: serde_json::Error) -> Self {
        Self::damaged(refused.to_string())
    }
}
