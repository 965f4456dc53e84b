//! The pure heart of Serinus: the nouns, the log, the fold, resolution and decisions.
//! Reaches no clock, no randomness and no I/O; whatever it needs comes as an argument.
//!
//! Modules in the order of the flow: a request brings a [`context`]; [`entity`] documents travel in [`revision`]s, fold to a
//! [`snapshot`], [`compile`] to what [`resolve`] walks; [`render`] makes the call, [`check`] reads the answer, [`record`] keeps what was seen; analysis
//! makes [`evidence`], and [`decide`] turns it, or a person's command, into the next draft.

pub mod bundle;
pub mod check;
pub mod compile;
pub mod context;
pub mod decide;
pub mod desired;
pub mod diff;
pub mod digest;
pub mod entity;
pub mod evidence;
pub mod id;
pub mod limits;
pub mod lint;
pub mod logic;
pub mod proposal;
pub mod record;
pub mod render;
pub mod report;
pub mod resolve;
pub mod revision;
pub mod snapshot;
pub mod source;
pub mod text;
pub mod transfer;
pub mod units;
