//! Who asks, and may they, in one environment. Knows nothing of what is asked for; holds hashes of secrets, never a secret.

mod origin;
mod person;
mod scope;
mod session;
mod token;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header};
use serinus_domain::{digest::Digest, units::Timestamp};
use serinus_store::{Desk, Failure, Store, Token, Tokens};
use tokio::time::Instant;

pub use person::{PERSON, Person, Role};
pub use scope::Scope;
pub use session::SESSION_COOKIE;
pub(crate) use session::{cookie, expired_cookie};
pub use token::{Minted, mint};

/// The environment that every installation has. Its store also keeps tokens, people and the list of environments.
pub const HOME: &str = "production";
/// The header that names the environment that a request is for.
pub const ENVIRONMENT_HEADER: &str = "serinus-environment";
/// How the command line names itself to a server.
const CLI_AGENT: &str = "serinus-cli/";

/// How old what is known may be before the store is asked: how long a revocation on another node takes.
const KNOWN_AGE_MAX: Duration = Duration::from_secs(2);

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
    /// The person, where it is one and not an application.
    pub person: Option<String>,
    /// What they ask with: `cli 0.1.0`, `dashboard`, `api`.
    pub via: Option<String>,
    /// The environment that they ask in.
    pub environment: String,
}

impl Identity {
    /// Whether they may do what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|have| have.grants(scope))
    }
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
    #[error("{who} lacks the scope \"{}\" in {environment}: {way_out}", .needed.as_str())]
    Scope {
        /// What it takes.
        needed: Scope,
        /// `token`, or the person.
        who: String,
        /// Where.
        environment: String,
        /// Who can mend it.
        way_out: &'static str,
    },
    /// A token of another environment.
    #[error("token is bound to the environment \"{bound}\": ask that one, or make a token for this one")]
    Environment {
        /// Which it is bound to.
        bound: String,
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
            Self::Environment { .. } => "auth.environment",
            Self::Origin => "auth.origin",
            Self::Host => "auth.host",
            Self::Unavailable(_) => "auth.unavailable",
        }
    }

    /// How HTTP puts it.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid => StatusCode::UNAUTHORIZED,
            Self::Scope { .. } | Self::Environment { .. } | Self::Origin | Self::Host => {
                StatusCode::FORBIDDEN
            }
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What the server's clock says.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Knows every token's hash, every person and every signed-in browser, and says what they may do in one environment.
#[derive(Clone)]
pub struct Authenticator {
    shared: Arc<Shared>,
    environment: String,
}

/// What the environments of an installation have in common.
struct Shared {
    policy: AuthPolicy,
    store: Arc<dyn Store>,
    clock: Clock,
    known: RwLock<Known>,
    sessions: session::Sessions,
}

#[derive(Default)]
struct Known {
    tokens: BTreeMap<String, Token>,
    people: BTreeMap<String, Person>,
    read_at: Option<Instant>,
}

impl Authenticator {
    /// Lets in by `policy` and by the tokens and people in the home environment's store; answers for that environment.
    pub fn new(policy: AuthPolicy, home: Arc<dyn Store>, clock: Clock) -> Self {
        let (known, sessions) = (RwLock::default(), session::Sessions::default());
        let shared = Arc::new(Shared { policy, store: home, clock, known, sessions });
        Self { shared, environment: HOME.to_owned() }
    }

    /// The same doors, for another environment: what somebody may do there can differ.
    #[must_use]
    pub fn within(&self, environment: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), environment: environment.to_owned() }
    }

    /// Where tokens, people and the list of environments are kept.
    pub fn home(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// Who sent these headers, if they may do what needs `scope`.
    pub async fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<Identity, AuthError> {
        let identity = self.identify(headers).await?;
        if identity.may(scope) {
            return Ok(identity);
        }
        let (who, way_out) = match &identity.person {
            Some(person) => (person.clone(), "ask an administrator for a role that has it"),
            None => ("token".to_owned(), "make one that has it"),
        };
        Err(AuthError::Scope { needed: scope, who, environment: self.environment.clone(), way_out })
    }

    /// Who sent these headers, if they may let others in: a matter of the installation, so of its home environment.
    pub async fn check_administrator(&self, headers: &HeaderMap) -> Result<Identity, AuthError> {
        self.within(HOME).check(headers, Scope::Admin).await
    }

    /// Who sent these headers, whatever they may do.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthError> {
        self.refresh().await?;
        if let Some(key) = self.presented(headers) {
            let subject = self.subject_of(&key).ok_or(AuthError::Invalid)?;
            return self.identity(subject, Some(via_of(headers)));
        }
        // What follows is believed without a secret in the request itself, so another site's page must not be able to send it.
        let signed_in = self.shared.sessions.subject(headers);
        let signed_in = signed_in.map(|subject| self.identity(subject, Some("dashboard".to_owned())));
        let signed_in = match signed_in {
            // A session whose token ended is no session.
            Some(Err(AuthError::Invalid)) | None => None,
            Some(found) => Some(found?),
        };
        if signed_in.is_none() && !self.is_open() {
            return Err(AuthError::Missing);
        }
        if origin::is_foreign(headers) {
            return Err(AuthError::Origin);
        }
        match signed_in {
            Some(identity) => Ok(identity),
            None if origin::is_loopback(headers) => {
                Ok(self.all_powerful("local", Subject::Local, Some(via_of(headers))))
            }
            None => Err(AuthError::Host),
        }
    }

    /// The environment that these headers' token is bound to; none for people and for the administrator. Says where a request
    /// goes, not whether it is let in.
    pub async fn bound_to(&self, headers: &HeaderMap) -> Result<Option<String>, Failure> {
        self.refresh().await?;
        let id = match self.presented(headers) {
            Some(key) => token::split(&key).map(|(id, _)| id.to_owned()),
            None => match self.shared.sessions.subject(headers) {
                Some(Subject::Token(id)) => Some(id),
                _ => None,
            },
        };
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        let token = id.and_then(|id| known.tokens.get(&id)).filter(|token| token.person.is_none());
        Ok(token.map(|token| bound(token).to_owned()))
    }

    /// The environment of the application whose token these headers bring, if it may do what needs `scope` there: one look, for
    /// those who ask often. None says nothing of why; `bound_to` and `check` do, and know everybody else.
    pub fn application(&self, headers: &HeaderMap, scope: Scope) -> Option<String> {
        let (id, secret) = token::split(token::bearer(headers)?)?;
        let given = Digest::of(secret.as_bytes());
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        known.read_at.filter(|at| at.elapsed() < KNOWN_AGE_MAX)?;
        let token = known.tokens.get(id).filter(|token| token::same(&given, &token.hash))?;
        let granted =
            |have: &Scope| have.grants(scope) && token.scopes.iter().any(|name| name == have.as_str());
        let stands = token.revoked_at.is_none()
            && token.person.is_none()
            && token.expires_at.is_none_or(|at| at > (self.shared.clock)())
            && Scope::ALL.iter().any(granted);
        stands.then(|| bound(token).to_owned())
    }

    /// Exchanges a key for a browser session's secret.
    pub(crate) async fn sign_in(
        &self,
        key: &str,
        chance: [u128; 2],
    ) -> Result<(Identity, String), AuthError> {
        self.refresh().await?;
        let subject = self.subject_of(key).ok_or(AuthError::Invalid)?;
        let identity = self.identity(subject.clone(), Some("dashboard".to_owned()))?;
        Ok((identity, self.shared.sessions.open(subject, chance)))
    }

    /// Ends a browser's session.
    pub(crate) fn sign_out(&self, headers: &HeaderMap) {
        self.shared.sessions.close(headers);
    }

    /// Has tokens and people read again before the next check, because one was made, changed or revoked here.
    pub(crate) fn forget(&self) {
        self.shared.known.write().unwrap_or_else(PoisonError::into_inner).read_at = None;
    }

    /// A person, as of the last look.
    pub(crate) fn person(&self, id: &str) -> Option<Person> {
        self.shared.known.read().unwrap_or_else(PoisonError::into_inner).people.get(id).cloned()
    }

    fn is_open(&self) -> bool {
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        self.shared.policy.loopback_open_until_first_token && known.tokens.is_empty()
    }

    /// Unchanged applications bring their provider's key along: while the server is open that is not held against them.
    fn presented(&self, headers: &HeaderMap) -> Option<String> {
        token::presented(headers).filter(|key| key.starts_with(token::PREFIX) || !self.is_open())
    }

    async fn refresh(&self) -> Result<(), Failure> {
        let read_at = self.shared.known.read().unwrap_or_else(PoisonError::into_inner).read_at;
        if read_at.is_some_and(|at| at.elapsed() < KNOWN_AGE_MAX) {
            return Ok(());
        }
        let (tokens, people) = match tokio::join!(Tokens::all(self.home()), Desk::papers(self.home(), PERSON))
        {
            (Ok(tokens), Ok(people)) => (tokens, people),
            // Tokens that were good a moment ago stay good while the store is away.
            _ if read_at.is_some() => return Ok(()),
            (Err(failure), _) | (_, Err(failure)) => return Err(failure),
        };
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tokens = tokens.into_iter().map(|token| (token.id.clone(), token)).collect();
        known.people = people.iter().filter_map(Person::of).map(|one| (one.id.clone(), one)).collect();
        known.read_at = Some(Instant::now());
        Ok(())
    }

    fn subject_of(&self, key: &str) -> Option<Subject> {
        // The administrator's is hashed as it stands in its file, the others without their public id.
        let admin = self.shared.policy.admin_token_hash;
        if admin.is_some_and(|hash| token::same(&Digest::of(key.as_bytes()), &hash)) {
            return Some(Subject::Administrator);
        }
        let (id, secret) = token::split(key)?;
        let given = Digest::of(secret.as_bytes());
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        // An unknown id is compared as well, so that the time taken does not tell ids apart.
        let hash = known.tokens.get(id).map_or(Digest::ZERO, |token| token.hash);
        (token::same(&given, &hash) && known.tokens.contains_key(id)).then(|| Subject::Token(id.to_owned()))
    }

    fn all_powerful(&self, actor: &str, subject: Subject, via: Option<String>) -> Identity {
        let environment = self.environment.clone();
        Identity { actor: actor.into(), subject, scopes: vec![Scope::Admin], person: None, via, environment }
    }

    fn identity(&self, subject: Subject, via: Option<String>) -> Result<Identity, AuthError> {
        let Subject::Token(id) = &subject else {
            return Ok(self.all_powerful("admin", subject, via));
        };
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        let ended = |token: &Token| token.expires_at.is_some_and(|at| at <= (self.shared.clock)());
        let token = known.tokens.get(id).filter(|token| token.revoked_at.is_none() && !ended(token));
        let token = token.ok_or(AuthError::Invalid)?;
        let environment = self.environment.clone();
        if let Some(handle) = &token.person {
            let person =
                known.people.get(handle).filter(|person| !person.disabled).ok_or(AuthError::Invalid)?;
            let scopes = person.roles.get(&environment).map_or(&[][..], |role| role.scopes()).to_vec();
            let (actor, person) = (person.id.clone(), Some(person.id.clone()));
            return Ok(Identity { actor, subject, scopes, person, via, environment });
        }
        if bound(token) != environment {
            return Err(AuthError::Environment { bound: bound(token).to_owned() });
        }
        let granted = |scope: &Scope| token.scopes.iter().any(|name| name == scope.as_str());
        let scopes = Scope::ALL.iter().copied().filter(granted).collect();
        Ok(Identity { actor: token.name.clone(), subject, scopes, person: None, via, environment })
    }
}

/// The environment of an application's token.
fn bound(token: &Token) -> &str {
    token.environment.as_deref().unwrap_or(HOME)
}

/// What a request was sent with, as far as it says: for people who read the log, never for a decision.
fn via_of(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match agent.strip_prefix(CLI_AGENT) {
        Some(version) => format!("cli {}", version.chars().take(20).collect::<String>()),
        // The dashboard says so itself: a browser's own name tells nothing of what it shows.
        None if headers.get("serinus-client").is_some_and(|client| client == "dashboard") => {
            "dashboard".to_owned()
        }
        None => "api".to_owned(),
    }
}
