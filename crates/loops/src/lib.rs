//! The loops beside traffic: judge (sample to score), analyse (records to evidence), steer (evidence to revision),
//! notify (revision to page). Serve nobody and know nothing of HTTP servers.
//!
//! [`analysis`] is the pure part: records in, evidence out, in enrolment order, whatever order the records came in.

pub mod analysis;
mod controller;
mod judge;
mod notify;
mod schedule;
mod sources;

pub use controller::{Controller, ControllerConfig};
pub use judge::{Judge, JudgeConfig, judge_messages};
pub use notify::{Notifier, NotifierConfig, Page};
pub use schedule::Calendar;
pub use sources::{LangfuseAccess, PromptLayerAccess, PromptSources, SourceWatch};
