//! The control plane's edge: the API through which people and pipelines command Serinus, the log stream, audit views, who may do
//! what, and the embedded dashboard. Decides nothing (the domain does), knows no provider, no statistics and no sockets.

pub mod api;
mod append;
mod auth;
mod diff;
mod environments;
mod error;
mod extract;
mod follow;
mod proposal;
mod router;
mod sentence;
mod spa;
mod state;
mod stream;
mod timeline;
mod token_count;

pub use append::{Activation, ClientCount};
pub use auth::{
    AuthError, AuthPolicy, Authenticator, ENVIRONMENT_HEADER, HOME, Identity, Minted, Person, Role,
    SESSION_COOKIE, Scope, Subject, mint,
};
pub use environments::{ENVIRONMENT, EnvironmentReader, Environments, OneEnvironment};
pub use error::{ApiError, Problem, Waiting, Winner, problem};
pub use router::{openapi, router};
pub use sentence::sentence;
pub use state::{ControlState, ReadSource};
pub use stream::{ReportEvent, RevisionEvent};
