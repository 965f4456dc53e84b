//! An environment's own rules: whether a change waits for a second person. Knows nothing of who people are.

use serde::{Deserialize, Serialize};

/// What counts as an approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalBy {
    /// A person with the role, on the dashboard or by command.
    #[default]
    Person,
    /// A merge counts too: what a token with the scope `approve` applies from files.
    Git,
}

/// The rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentDoc {
    /// Whether a change is a proposal until a person other than its author approves it. Rollback, kill and hold never wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// How many approvals it takes; 0 is read as 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approvals_min: u32,
    /// What counts as one.
    #[serde(default)]
    pub approve: ApprovalBy,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
