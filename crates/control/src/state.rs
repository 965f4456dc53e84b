//! What every handler is given: the store, the live snapshot, reports, and time and chance as values.
//! Reads no configuration and opens nothing.

use std::sync::Arc;

use futures::future::BoxFuture;
use serinus_domain::{
    id::UnitHash,
    source::{CitedPrompt, CopiedPrompt, SourceError},
    units::Timestamp,
};
use serinus_store::{Active, Live, ReportBoard, Store};
use tokio_util::sync::CancellationToken;

use crate::{auth::Authenticator, environments::Environments, follow::Follow, timeline::Timeline};

/// Reads a prompt of another platform.
pub type ReadSource =
    Arc<dyn Fn(CitedPrompt) -> BoxFuture<'static, Result<CopiedPrompt, SourceError>> + Send + Sync>;

/// The parts that the control API is made of.
#[derive(Clone)]
pub struct ControlState {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What this node serves.
    pub live: Arc<Live>,
    /// Where analysis leaves its reports.
    pub reports: Arc<ReportBoard>,
    /// The server's clock, which a demo may run faster than the wall's.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Unpredictable numbers: tokens are made of them, so nothing less than the system's source will do.
    pub random: Arc<dyn Fn() -> u128 + Send + Sync>,
    /// Who may do what.
    pub auth: Arc<Authenticator>,
    /// The keyed pseudonym of a session, under which its pins are kept.
    pub pseudonym: Arc<dyn Fn(&str) -> UnitHash + Send + Sync>,
    /// How much faster than the wall's the clock runs.
    pub clock_factor: f64,
    /// The environment's name.
    pub environment: String,
    /// The others, to read.
    pub environments: Arc<dyn Environments>,
    /// Other prompt platforms.
    pub sources: ReadSource,
    /// Ends open streams.
    pub shutdown: CancellationToken,
}

/// The parts with what this crate keeps beside them.
pub(crate) struct App {
    pub control: ControlState,
    pub timeline: Timeline,
    pub follow: Follow,
}

impl App {
    pub fn new(control: ControlState) -> Arc<Self> {
        Arc::new(Self { control, timeline: Timeline::default(), follow: Follow::default() })
    }

    pub fn now(&self) -> Timestamp {
        (self.control.clock)()
    }

    pub fn random(&self) -> u128 {
        (self.control.random)()
    }

    pub fn store(&self) -> &dyn Store {
        &*self.control.store
    }

    /// What this node serves now.
    pub fn active(&self) -> Arc<Active> {
        self.control.live.load()
    }
}
