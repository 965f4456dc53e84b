//! People and their roles. A person is a paper beside the log: only the handle ever enters a revision, never a name or an address.
//! Knows nothing of how somebody shows who they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serinus_domain::units::Timestamp;
use serinus_store::Paper;

use super::Scope;

/// The kind of a person's paper.
pub const PERSON: &str = "person";

/// What a person may do in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PersonRole)]
pub enum Role {
    /// Look.
    Viewer,
    /// Also publish, change and start.
    Editor,
    /// Also hold, resume, advance, roll back and kill.
    Operator,
    /// Also approve what others propose.
    Approver,
    /// Everything, and letting others in.
    Admin,
}

impl Role {
    /// What that comes to.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Viewer => &[Scope::Read],
            Self::Editor => &[Scope::Read, Scope::Write],
            Self::Operator => &[Scope::Read, Scope::Write, Scope::Operate],
            Self::Approver => &[Scope::Read, Scope::Write, Scope::Operate, Scope::Approve],
            Self::Admin => &[Scope::Admin],
        }
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The handle that revisions name them by.
    pub id: String,
    /// As others call them.
    pub name: String,
    /// Their address.
    #[serde(default)]
    pub email: String,
    /// What they may do, by environment.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Whether they are kept out.
    #[serde(default)]
    pub disabled: bool,
    /// When they were added.
    pub created_at: Timestamp,
}

impl Person {
    /// The person on a paper.
    pub fn of(paper: &Paper) -> Option<Self> {
        Self::deserialize(&paper.body).ok()
    }

    /// Whether they may do everything in an environment.
    pub fn administers(&self, environment: &str) -> bool {
        !self.disabled && self.roles.get(environment) == Some(&Role::Admin)
    }
}
