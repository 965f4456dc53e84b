//! Who asks, and may they. Knows nothing of what is asked for; holds hashes of secrets, never a secret.

mod origin;
mod session;
mod token;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use serinus_domain::digest::Digest;
use serinus_store::{Failure, Store, Token, Tokens};
use tokio::time::Instant;

pub use session::SESSION_COOKIE;
pub(crate) use session::{cookie, expired_cookie};
pub use token::{Minted, mint};

/// How old the tokens in memory may be before the store is asked: how long a revocation on another node takes.
const TOKENS_AGE_MAX: Duration = Duration::from_secs(2);

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

/// How people and applications get in.
#[derive(Debug, Clone, Default)]
pub struct AuthPolicy {
    /// Whether requests to a loopback host need no token until the first one is made. Only where the socket is bound to one.
    pub loopback_open_until_first_token: bool,
    /// The SHA-256 of the administrator's whole token, as it stands in the data directory.
    pub admin_token_hash: Option<Digest>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As revisions name them.
    pub actor: String,
    /// How they got in.
    pub subject: Subject,
    /// What they may do.
    pub scopes: Vec<Scope>,
}

/// How somebody got in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// From this machine, while no token exists.
    Local,
    /// With the administrator's token.
    Administrator,
    /// With this token.
    Token(String),
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credentials.
    #[error("no token: send \"Authorization: Bearer srn_...\", or sign in on the dashboard")]
    Missing,
    /// Credentials of nobody.
    #[error("token is not known or was revoked: make one with `serinus token create`")]
    Invalid,
    /// Somebody who may not.
    #[error("token lacks the scope \"{}\": make one that has it", .needed.as_str())]
    Scope {
        /// What it takes.
        needed: Scope,
    },
    /// A browser on somebody else's page.
    #[error("requests from other origins are refused: use the dashboard's own address, or a token")]
    Origin,
    /// A name that does not mean this machine.
    #[error("without a token this server answers to localhost only: use that name, or make a token")]
    Host,
    /// Tokens could not be read.
    #[error(transparent)]
    Unavailable(#[from] Failure),
}

impl AuthError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "auth.missing",
            Self::Invalid => "auth.invalid",
            Self::Scope { .. } => "auth.scope",
            Self::Origin => "auth.origin",
            Self::Host => "auth.host",
            Self::Unavailable(_) => "auth.unavailable",
        }
    }

    /// How HTTP puts it.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid => StatusCode::UNAUTHORIZED,
            Self::Scope { .. } | Self::Origin | Self::Host => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Knows every token's hash and every signed-in browser.
pub struct Authenticator {
    policy: AuthPolicy,
    store: Arc<dyn Store>,
    tokens: RwLock<Known>,
    sessions: session::Sessions,
}

#[derive(Default)]
struct Known {
    by_id: BTreeMap<String, Token>,
    read_at: Option<Instant>,
}

impl Authenticator {
    /// Lets in by `policy` and by the tokens in `store`.
    pub fn new(policy: AuthPolicy, store: Arc<dyn Store>) -> Self {
        Self { policy, store, tokens: RwLock::default(), sessions: session::Sessions::default() }
    }

    /// Who sent these headers, if they may do what needs `scope`.
    pub async fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<Identity, AuthError> {
        let identity = self.identify(headers).await?;
        if identity.scopes.iter().any(|have| have.grants(scope)) {
            return Ok(identity);
        }
        Err(AuthError::Scope { needed: scope })
    }

    /// Who sent these headers, whatever they may do.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthError> {
        self.refresh().await?;
        let open = self.is_open();
        // Unchanged applications bring their provider's key along: while the server is open that is not held against them.
        let presented = token::presented(headers).filter(|key| !open || key.starts_with(token::PREFIX));
        if let Some(key) = presented {
            return self
                .subject_of(&key)
                .and_then(|subject| self.identity(subject))
                .ok_or(AuthError::Invalid);
        }
        // What follows is believed without a secret in the request itself, so another site's page must not be able to send it.
        let signed_in = self.sessions.subject(headers).and_then(|subject| self.identity(subject));
        if signed_in.is_none() && !open {
            return Err(AuthError::Missing);
        }
        if origin::is_foreign(headers) {
            return Err(AuthError::Origin);
        }
        match signed_in {
            Some(identity) => Ok(identity),
            None if origin::is_loopback(headers) => {
                Ok(Identity { actor: "local".into(), subject: Subject::Local, scopes: vec![Scope::Admin] })
            }
            None => Err(AuthError::Host),
        }
    }

    /// Exchanges a key for a browser session's secret.
    pub(crate) async fn sign_in(
        &self,
        key: &str,
        chance: [u128; 2],
    ) -> Result<(Identity, String), AuthError> {
        self.refresh().await?;
        let subject = self.subject_of(key).ok_or(AuthError::Invalid)?;
        let identity = self.identity(subject.clone()).ok_or(AuthError::Invalid)?;
        Ok((identity, self.sessions.open(subject, chance)))
    }

    /// Ends a browser's session.
    pub(crate) fn sign_out(&self, headers: &HeaderMap) {
        self.sessions.close(headers);
    }

    /// Has the tokens read again before the next check, because one was made or revoked here.
    pub(crate) fn forget(&self) {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).read_at = None;
    }

    fn is_open(&self) -> bool {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        self.policy.loopback_open_until_first_token && tokens.by_id.is_empty()
    }

    async fn refresh(&self) -> Result<(), Failure> {
        let read_at = self.tokens.read().unwrap_or_else(PoisonError::into_inner).read_at;
        if read_at.is_some_and(|at| at.elapsed() < TOKENS_AGE_MAX) {
            return Ok(());
        }
        let all = match Tokens::all(&*self.store).await {
            Ok(all) => all,
            // Tokens that were good a moment ago stay good while the store is away.
            Err(_) if read_at.is_some() => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.by_id = all.into_iter().map(|token| (token.id.clone(), token)).collect();
        tokens.read_at = Some(Instant::now());
        Ok(())
    }

    fn subject_of(&self, key: &str) -> Option<Subject> {
        // The administrator's is hashed as it stands in its file, the others without their public id.
        if self.policy.admin_token_hash.is_some_and(|hash| token::same(&Digest::of(key.as_bytes()), &hash)) {
            return Some(Subject::Administrator);
        }
        let (id, secret) = token::split(key)?;
        let given = Digest::of(secret.as_bytes());
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        // An unknown id is compared as well, so that the time taken does not tell ids apart.
        let hash = tokens.by_id.get(id).map_or(Digest::ZERO, |token| token.hash);
        (token::same(&given, &hash) && tokens.by_id.contains_key(id)).then(|| Subject::Token(id.to_owned()))
    }

    fn identity(&self, subject: Subject) -> Option<Identity> {
        let Subject::Token(id) = &subject else {
            return Some(Identity { actor: "admin".into(), subject, scopes: vec![Scope::Admin] });
        };
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.by_id.get(id).filter(|token| token.revoked_at.is_none())?;
        let scopes =
            Scope::ALL.iter().copied().filter(|scope| token.scopes.iter().any(|name| name == scope.as_str()));
        Some(Identity { actor: token.name.clone(), scopes: scopes.collect(), subject })
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
