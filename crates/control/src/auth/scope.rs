//! What somebody may do, as tokens and roles name it. Knows nothing of who has which.

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What a token may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Scope { $($(#[$doc])* $variant,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in tokens and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

scopes! {
    /// Evaluate flags and features.
    Evaluate = "evaluate";
    /// Call features at the gateway.
    Invoke = "invoke";
    /// Report feedback, scores and telemetry.
    Record = "record";
    /// Look at everything but secrets.
    Read = "read";
    /// Publish artifacts, change features and flags, start rollouts.
    Write = "write";
    /// Hold, resume, advance, roll back, kill.
    Operate = "operate";
    /// Approve proposals.
    Approve = "approve";
    /// Everything, and letting others in.
    Admin = "admin";
}

impl Scope {
    /// Whether who has this may do what needs `other`.
    pub fn grants(self, other: Self) -> bool {
        self == other
            || self == Self::Admin
            || (other == Self::Read && matches!(self, Self::Write | Self::Operate | Self::Approve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_imply_what_they_must_and_no_more() {
        for scope in Scope::ALL {
            assert!(Scope::Admin.grants(*scope));
            assert!(scope.grants(*scope));
        }
        assert!(Scope::Write.grants(Scope::Read) && Scope::Operate.grants(Scope::Read));
        for (have, need) in [
            (Scope::Read, Scope::Write),
            (Scope::Operate, Scope::Write),
            (Scope::Write, Scope::Operate),
            (Scope::Record, Scope::Read),
            (Scope::Invoke, Scope::Read),
            (Scope::Write, Scope::Admin),
        ] {
            assert!(!have.grants(need), "{have:?} {need:?}");
        }
    }
}
