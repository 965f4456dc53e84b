//! The control plane's edge: the API through which people and pipelines command Serinus, the log stream, audit views, who may do
//! what, and the embedded dashboard. Decides nothing (the domain does), knows no provider, no statistics and no sockets.

pub mod api;
mod append;
mod auth;
mod error;
mod extract;
mod router;
mod sentence;
mod spa;
mod state;
mod stream;
mod timeline;

pub use append::Activation;
pub use auth::{
    AuthError, AuthPolicy, Authenticator, Identity, Minted, SESSION_COOKIE, Scope, Subject, mint,
};
pub use error::{ApiError, Problem, Winner, problem};
pub use router::{openapi, router};
pub use sentence::sentence;
pub use state::ControlState;
pub use stream::{ReportEvent, RevisionEvent};
