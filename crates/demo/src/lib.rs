//! The demo: a replay upstream that answers with recorded outputs of real models, traffic that asks it through a
//! gateway, and deliveries of changes that must end as they should. Knows Serinus only by its public HTTP surface
//! and its binary, and no crate of it.

pub mod chance;
pub mod corpus;
pub mod faults;
pub mod gateway_sender;
pub mod ledger;
pub mod matching;
pub mod pace;
pub mod recordings;
pub mod replay;
pub mod server;
pub mod session;
pub mod speech;
pub mod stream;
pub mod traffic;
pub mod verdict;
pub mod wire;

pub mod api;
pub mod bar;
pub mod catalog;
pub mod child;
pub mod deliveries;
pub mod follow;
pub mod look;
pub mod options;
pub mod outcome;
pub mod play;
pub mod reckoning;
pub mod run;
pub mod screen;
pub mod seeds;
pub mod setup;
pub mod terminal;

pub use options::DemoOptions;
pub use recordings::Recordings;
pub use replay::ReplayConfig;
pub use run::run;
pub use server::serve;
