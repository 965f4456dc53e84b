//! One environment as this process runs it: its store, its live snapshot, its data plane, its control plane and its loops.
//! Knows nothing of the others, nor of which request is whose. Holds no rule of the product.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use serinus_control::{
    Authenticator, ControlState, EnvironmentReader, Environments, HOME, ReadSource, Scope,
};
use serinus_domain::{
    id::{EnvironmentKey, ProviderKey},
    resolve::ListKey,
    units::Timestamp,
};
use serinus_gateway::{
    Gateway, GatewayConfig, GatewayLimits, Provider, Pseudonyms, evaluation, evaluation_refused,
    is_notification,
};
use serinus_llm::{Jitter, OpenAiCompatible, ProviderConfig, ScaledTimer, Timer};
use serinus_loops::{
    Calendar, Controller, ControllerConfig, Judge, JudgeConfig, Notifier, NotifierConfig, PromptSources,
    SourceWatch,
};
use serinus_store::{Live, Node, PinLife, ReportBoard, Store};
use sha2::Sha256;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::config::{Config, ProviderSetting};

/// How long a connection to a provider may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often copied prompts are compared with where they came from.
const SOURCES_EVERY: Duration = Duration::from_secs(600);

/// What the environments of a process have in common.
pub struct Shared {
    /// What the server runs with.
    pub config: Config,
    /// The one clock.
    pub timer: Arc<dyn Timer>,
    /// Who may do what, in the home environment.
    pub auth: Authenticator,
    /// Where the server is reached.
    pub base: String,
    /// The key of unit pseudonyms, the same on all nodes.
    pub pseudonym_key: [u8; 32],
    /// Everything that runs beside requests.
    pub tasks: TaskTracker,
    /// Ends after the last answer: what is still being answered when a stop is asked for is recorded as well.
    pub answered: CancellationToken,
    /// Ends everything else.
    pub shutdown: CancellationToken,
}

/// Everything of one environment that outlives a request.
struct Parts {
    key: String,
    store: Arc<dyn Store>,
    live: Arc<Live>,
    reports: Arc<ReportBoard>,
}

/// Where an environment keeps its files: the home environment in the data directory itself.
pub fn folder(data: &Path, key: &str) -> PathBuf {
    if key == HOME { data.to_owned() } else { data.join("environments").join(key) }
}

/// Starts an environment on its store; answers how others read it, and its routes.
pub async fn open(
    shared: &Shared,
    key: &str,
    store: Arc<dyn Store>,
    environments: Arc<dyn Environments>,
) -> anyhow::Result<(EnvironmentReader, Surfaces)> {
    let folder = folder(&shared.config.data, key);
    let follower = Node { name: shared.config.node.clone(), list_key: Some(list_key(&shared.pseudonym_key)) };
    let live = Live::start(
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        follower,
        Some(folder.join("snapshot.cache")),
        clock(&shared.timer),
    )
    .await;
    let reports = Arc::new(ReportBoard::new(Some(folder.join("reports"))));
    let parts = Parts { key: key.to_owned(), store, live, reports };
    let (gateway, gateway_tasks) = gateway(shared, &parts)?;
    start_loops(shared, &parts)?;
    shared.tasks.spawn(gateway_tasks.run(shared.answered.clone()));
    let router = router(shared, &parts, &gateway, environments, sources(&shared.config)?);
    let evaluation = Evaluation { auth: Arc::new(shared.auth.within(&parts.key)), gateway };
    let reader = EnvironmentReader { key: parts.key, store: parts.store, live: parts.live };
    Ok((reader, Surfaces { router, evaluation }))
}

/// The key of lists of people, which gives nothing away of the key that it comes from.
fn list_key(pseudonym_key: &[u8; 32]) -> ListKey {
    // HMAC pads a key with zeros to its block of 64 bytes; doing so here cannot fail, as a slice of any length could.
    let mut block = [0; 64];
    block[..32].copy_from_slice(pseudonym_key);
    let code = Hmac::<Sha256>::new(&block.into()).chain_update(b"serinus lists").finalize();
    ListKey::new(code.into_bytes().into())
}

/// How an environment is called.
#[derive(Clone)]
pub struct Surfaces {
    /// All routes.
    pub router: Router,
    /// Remote evaluation by itself: layers and routes cost several times what an evaluation does.
    pub evaluation: Evaluation,
}

/// An environment's remote evaluation.
#[derive(Clone)]
pub struct Evaluation {
    auth: Arc<Authenticator>,
    gateway: Arc<Gateway>,
}

impl Evaluation {
    /// Answers a request under `/ofrep/`, for whoever may evaluate.
    pub async fn answer(&self, request: Request) -> Response {
        // A browser asks before it calls, without credentials; the answer holds nothing. Notifications bring a token of their own.
        let open = request.method() == axum::http::Method::OPTIONS || is_notification(request.uri());
        if !open && let Err(refused) = self.auth.check(request.headers(), Scope::Evaluate).await {
            let details = refused.to_string();
            return evaluation_refused(&self.gateway, request.headers(), refused.status(), &details);
        }
        self.evaluate(request).await
    }

    /// Answers a request under `/ofrep/` of somebody of whom it is known that they may evaluate.
    pub async fn evaluate(&self, request: Request) -> Response {
        evaluation(&self.gateway, request).await
    }
}

/// What the one clock says.
pub fn clock(timer: &Arc<dyn Timer>) -> impl Fn() -> Timestamp + Clone + Send + Sync + 'static {
    let timer = Arc::clone(timer);
    move || Timestamp(i64::try_from(timer.now_us()).unwrap_or(i64::MAX))
}

fn client(setting: &ProviderSetting, timer: &Arc<dyn Timer>) -> anyhow::Result<OpenAiCompatible> {
    let jitter: Jitter = Arc::new(rand::random::<f64>);
    let config = ProviderConfig {
        key: serinus_llm::ProviderKey::new(&setting.name),
        base_url: setting.base_url.clone(),
        api_key: setting.api_key.clone(),
        connect_timeout: connect_timeout(timer),
    };
    OpenAiCompatible::new(config, Arc::clone(timer), jitter)
        .with_context(|| format!("provider {}", setting.name))
}

/// The connect limit is the network's, so it lasts as long on the wall however fast the clock runs.
fn connect_timeout(timer: &Arc<dyn Timer>) -> Duration {
    let wall = timer.wall_duration(1_000_000).as_secs_f64();
    Duration::try_from_secs_f64(CONNECT_TIMEOUT.as_secs_f64() / wall.max(1e-9)).unwrap_or(Duration::MAX)
}

fn gateway(shared: &Shared, parts: &Parts) -> anyhow::Result<(Arc<Gateway>, serinus_gateway::GatewayTasks)> {
    let config = &shared.config;
    let mut providers = HashMap::new();
    for setting in &config.providers {
        providers.insert(ProviderKey::new(&setting.name)?, Provider::new(client(setting, &shared.timer)?));
    }
    let gateway = GatewayConfig {
        environment: EnvironmentKey::new(&parts.key)?,
        providers,
        pseudonym_key: shared.pseudonym_key,
        timer: Arc::clone(&shared.timer),
        random: Arc::new(rand::random::<u128>),
        pin_life: PinLife::default(),
        cors_origins: config.origins.clone(),
        shutdown: shared.shutdown.clone(),
        limits: GatewayLimits::default(),
    };
    let pins = Arc::clone(&parts.store) as _;
    let records = Arc::clone(&parts.store) as _;
    let usages = Arc::clone(&parts.store) as _;
    Gateway::new(gateway, Arc::clone(&parts.live), pins, records, usages).map_err(Into::into)
}

fn start_loops(shared: &Shared, parts: &Parts) -> anyhow::Result<()> {
    let Shared { config, timer, base, tasks, shutdown, .. } = shared;
    let Parts { store, live, reports, .. } = parts;
    tasks.spawn(Arc::clone(live).run(shutdown.clone()));
    let controller = Controller {
        config: ControllerConfig { clock_factor: config.clock_factor, ..ControllerConfig::default() },
        log: Arc::clone(store) as _,
        records: Arc::clone(store) as _,
        live: Arc::clone(live),
        reports: Arc::clone(reports),
        timer: Arc::clone(timer),
    };
    tasks.spawn(controller.run(shutdown.clone()));
    let calendar = Calendar { log: Arc::clone(store) as _, live: Arc::clone(live), timer: Arc::clone(timer) };
    tasks.spawn(calendar.run(shutdown.clone()));
    let mut judges = HashMap::new();
    for setting in &config.providers {
        judges.insert(setting.name.clone(), Arc::new(client(setting, timer)?));
    }
    let judge = Judge {
        config: JudgeConfig::default(),
        providers: judges,
        live: Arc::clone(live),
        records: Arc::clone(store) as _,
        timer: Arc::clone(timer),
    };
    tasks.spawn(judge.run(shutdown.clone()));
    let notifier = Notifier {
        config: NotifierConfig {
            secrets: config.secrets.clone(),
            dashboard: base.clone(),
            ..NotifierConfig::default()
        },
        log: Arc::clone(store) as _,
        live: Arc::clone(live),
        outbox: Arc::clone(store) as _,
        // Receivers compare a signature's time with their own clock, which is the wall's.
        timer: Arc::new(ScaledTimer::real_time()),
    };
    let watch = SourceWatch {
        sources: sources(config)?,
        live: Arc::clone(live),
        desk: Arc::clone(store) as _,
        notifier: notifier.clone(),
        timer: Arc::clone(timer),
        every: SOURCES_EVERY,
    };
    tasks.spawn(watch.run(shutdown.clone()));
    tasks.spawn(notifier.run(shutdown.clone()));
    Ok(())
}

fn sources(config: &Config) -> anyhow::Result<PromptSources> {
    PromptSources::new(config.langfuse.clone(), config.promptlayer.clone())
        .context("setting up a client for prompt platforms")
}

fn read_source(sources: PromptSources) -> ReadSource {
    Arc::new(move |cited| {
        let sources = sources.clone();
        Box::pin(async move { sources.read(&cited).await })
    })
}

fn router(
    shared: &Shared,
    parts: &Parts,
    gateway: &Arc<Gateway>,
    environments: Arc<dyn Environments>,
    sources: PromptSources,
) -> Router {
    let auth = Arc::new(shared.auth.within(&parts.key));
    let pseudonyms = Pseudonyms::new(&shared.pseudonym_key);
    let control = ControlState {
        store: Arc::clone(&parts.store),
        live: Arc::clone(&parts.live),
        reports: Arc::clone(&parts.reports),
        clock: Arc::new(clock(&shared.timer)),
        random: Arc::new(rand::random::<u128>),
        auth: Arc::clone(&auth),
        clock_factor: shared.config.clock_factor,
        environment: parts.key.clone(),
        environments,
        sources: read_source(sources),
        pseudonym: Arc::new(move |id| pseudonyms.of(id)),
        shutdown: shared.shutdown.clone(),
    };
    let data_plane = serinus_gateway::router(Arc::clone(gateway))
        .layer(from_fn_with_state((Arc::clone(&auth), Arc::clone(gateway)), guard));
    data_plane.merge(metrics(gateway, &auth)).merge(serinus_control::router(control))
}

/// Counters for Prometheus, for whoever may read.
fn metrics(gateway: &Arc<Gateway>, auth: &Arc<Authenticator>) -> Router {
    const TEXT: [(axum::http::HeaderName, &str); 1] =
        [(axum::http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let (gateway, auth) = (Arc::clone(gateway), Arc::clone(auth));
    let answer = move |headers: axum::http::HeaderMap| async move {
        match auth.check(&headers, Scope::Read).await {
            Ok(_) => (TEXT, gateway.counters().prometheus_text()).into_response(),
            Err(refused) => (refused.status(), refused.to_string()).into_response(),
        }
    };
    Router::new().route("/metrics", axum::routing::get(answer))
}

/// Who may use the data plane, in the error shape of the surface that is asked.
async fn guard(
    State((auth, gateway)): State<(Arc<Authenticator>, Arc<Gateway>)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let ofrep = path.starts_with("/ofrep/");
    // A browser asks before it calls, without credentials; the answer holds nothing. Notifications bring a token of their own.
    if request.method() == axum::http::Method::OPTIONS || is_notification(request.uri()) {
        return next.run(request).await;
    }
    let scope = if ofrep { Scope::Evaluate } else { Scope::Invoke };
    match auth.check(request.headers(), scope).await {
        Ok(_) => next.run(request).await,
        Err(refused) => {
            let status = refused.status();
            let text = refused.to_string();
            if ofrep {
                return evaluation_refused(&gateway, request.headers(), status, &text);
            }
            let code = refused.code();
            let body = serde_json::json!({"error": {"message": text, "type": "invalid_request_error", "param": null, "code": code}});
            (status, axum::Json(body)).into_response()
        }
    }
}
