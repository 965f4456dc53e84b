//! The parts of one node's data plane put together, its routes, and the tasks that run beside them.
//! Knows nothing of sockets or of who may call.

use std::{collections::HashMap, fmt, sync::Arc};

use axum::{
    Router,
    http::HeaderValue,
    routing::{any, get, post},
};
use serinus_domain::{
    id::{EnvironmentKey, ProviderKey, UnitHash},
    units::Timestamp,
};
use serinus_llm::Timer;
use serinus_store::{Live, Pins, Records, Usages};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    assign::Resolved,
    config::{GatewayConfig, GatewayLimits, InvalidConfig, Provider, origins},
    counters::Counters,
    models,
    ofrep::{self, Preparation, Prepared},
    pseudonym::{Pseudonyms, Seal},
    record::{RecordWriter, Recorder, recorder},
    serve,
    session::Sessions,
    shadow::{ShadowWorkers, Shadows, shadows},
    usage::UsageWriter,
};

/// One node's data plane.
pub struct Gateway {
    pub(crate) environment: EnvironmentKey,
    pub(crate) providers: Arc<HashMap<ProviderKey, Provider>>,
    pub(crate) live: Arc<Live>,
    pub(crate) sessions: Sessions,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) recorder: Recorder,
    pub(crate) shadows: Shadows,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) random: Arc<dyn Fn() -> u128 + Send + Sync>,
    pub(crate) limits: GatewayLimits,
    pub(crate) origins: Vec<HeaderValue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) preparation: Preparation,
    pub(crate) seal: Seal,
    pub(crate) bulk_ending: Vec<u8>,
    pub(crate) shutdown: CancellationToken,
    in_flight: Arc<Semaphore>,
    event_streams: Arc<Semaphore>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// What runs beside the requests; the server runs it, and stops it after the last of them.
pub struct GatewayTasks {
    records: RecordWriter,
    shadows: ShadowWorkers,
    usage: UsageWriter,
}

impl GatewayTasks {
    /// Prepares, records, counts and copies until `stop`; then gives up copies and writes what is still to be kept.
    pub async fn run(self, stop: CancellationToken) {
        let copied = CancellationToken::new();
        let copies = async {
            self.shadows.run(stop.clone()).await;
            copied.cancel();
        };
        let prepared = Arc::clone(&self.usage.gateway).prepare(&stop);
        tokio::join!(copies, self.records.run(copied.clone()), self.usage.run(copied.clone()), prepared);
    }
}

impl Gateway {
    /// A data plane over what it reads (`live`) and keeps (`pins`, `records`, `usages`), with the tasks that it needs.
    pub fn new(
        config: GatewayConfig,
        live: Arc<Live>,
        pins: Arc<dyn Pins>,
        records: Arc<dyn Records>,
        usages: Arc<dyn Usages>,
    ) -> Result<(Arc<Self>, GatewayTasks), InvalidConfig> {
        let GatewayConfig {
            environment,
            providers,
            pseudonym_key,
            timer,
            random,
            pin_life,
            cors_origins,
            shutdown,
            limits,
        } = config;
        let counters = Arc::new(Counters::default());
        let providers = Arc::new(providers);
        let (recorder, writer) = recorder(
            Arc::clone(&records),
            Arc::clone(&counters),
            limits.records_queue_max,
            limits.records_batch_max,
        );
        let (shadows, queue, budget) = shadows(&limits, Arc::clone(&counters));
        let workers = ShadowWorkers {
            queue,
            budget,
            concurrency: limits.shadow_concurrency_max,
            providers: Arc::clone(&providers),
            timer: Arc::clone(&timer),
            random: Arc::clone(&random),
            recorder: recorder.clone(),
            records,
        };
        let (cached_max, wait_max) = (limits.sessions_cached_max, limits.pin_wait_max);
        let seal = Seal::new(&pseudonym_key);
        let gateway = Self {
            preparation: Preparation::new(live.load(), environment.clone()),
            bulk_ending: ofrep::bulk_ending(&environment, &seal),
            seal,
            shutdown,
            environment,
            providers,
            live,
            sessions: Sessions::new(pins, Arc::clone(&counters), cached_max, pin_life, wait_max),
            pseudonyms: Pseudonyms::new(&pseudonym_key),
            recorder,
            shadows,
            timer,
            random,
            origins: origins(&cors_origins)?,
            in_flight: Arc::new(Semaphore::new(limits.in_flight_max)),
            event_streams: Arc::new(Semaphore::new(limits.event_streams_max)),
            limits,
            counters,
        };
        let gateway = Arc::new(gateway);
        let usage = UsageWriter { gateway: Arc::clone(&gateway), usages };
        Ok((gateway, GatewayTasks { records: writer, shadows: workers, usage }))
    }

    /// What this node has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The pseudonyms of this installation, for whoever else meets its sessions.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Forgets what is known of a session: it was closed in the store.
    pub fn forget_session(&self, session: UnitHash) {
        self.sessions.forget(session);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.timer.now_us()).unwrap_or(i64::MAX))
    }

    /// What is live, ready for remote evaluation.
    pub(crate) fn prepared(&self) -> Arc<Prepared> {
        self.preparation.of(&self.live.load())
    }

    /// Prepares what becomes active before a request has to.
    async fn prepare(self: Arc<Self>, stop: &CancellationToken) {
        let mut activated = self.live.subscribe();
        activated.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = activated.changed() => if changed.is_err() { return },
            }
            let gateway = Arc::clone(&self);
            if let Err(broken) = tokio::task::spawn_blocking(move || gateway.prepared()).await {
                tracing::error!("a snapshot was not prepared, the next request tries again: {broken}");
            }
        }
    }

    /// Counts a turn that was served.
    pub(crate) fn used(&self, resolved: &Resolved) {
        if let Some(feature) = self.prepared().feature(resolved.feature.doc.key.as_str()) {
            feature.used(resolved.bundle.id);
        }
    }

    /// A place among the streams of notifications, if there is one left.
    pub(crate) fn enter_stream(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.event_streams).try_acquire_owned().ok()
    }

    /// A place among the requests in work, if there is one left.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.in_flight).try_acquire_owned().ok();
        if permit.is_none() {
            self.counters.overloaded.one();
        }
        permit
    }
}

/// The routes of the data plane. Who may call them, and over what, is the server's to say; preflights carry no token.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(serve::chat))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route("/ofrep/{*path}", any(ofrep::routed))
        .with_state(gateway)
}
