//! The bodies of the control API and the handlers behind its paths, one file per resource.
//! Knows nothing of sockets, and decides nothing: what a command comes to is asked of the domain.

pub mod artifacts;
pub mod channels;
pub mod condition;
pub mod evidence;
pub mod features;
pub mod flags;
pub mod interactions;
pub mod measurements;
pub mod nodes;
pub mod overview;
pub mod report;
pub mod revisions;
pub mod rollback;
pub mod rollout_spec;
pub mod rollout_view;
pub mod rollouts;
pub mod session;
pub mod tokens;
pub mod words;
