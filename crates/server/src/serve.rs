//! Wires the parts together and opens the port: clock, store, live snapshot, data plane, control plane, loops; then drains them.
//! Holds no rule of the product.

use std::{
    collections::HashMap,
    io::IsTerminal,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use serinus_control::{AuthPolicy, Authenticator, ControlState, Scope};
use serinus_domain::{
    digest::Digest,
    id::{EnvironmentKey, ProviderKey},
    units::Timestamp,
};
use serinus_gateway::{Gateway, GatewayConfig, GatewayLimits, Provider};
use serinus_llm::{Jitter, OpenAiCompatible, ProviderConfig, ScaledTimer, Timer};
use serinus_loops::{Controller, ControllerConfig, Judge, JudgeConfig, Notifier, NotifierConfig};
use serinus_store::{InteractionFilter, Live, PinLife, ReportBoard, SqliteStore, Store};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, ProviderSetting},
    linger::linger,
};

/// How long a connection to a provider may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a drain waits for answers that are being streamed.
const DRAIN: Duration = Duration::from_secs(20);

/// Everything that outlives a request.
struct Parts {
    timer: Arc<dyn Timer>,
    store: Arc<dyn Store>,
    live: Arc<Live>,
    reports: Arc<ReportBoard>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Runs until a signal says stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    let listener = TcpListener::bind(config.address)
        .await
        .with_context(|| format!("listening on {}", config.address))?;
    let address = listener.local_addr().context("reading the port that was opened")?;
    let parts = parts(&config).await?;
    let base = format!("http://{address}");
    let (gateway, gateway_tasks) = gateway(&config, &parts)?;
    start_loops(&config, &parts, &base)?;
    // Ends after the last answer: what is still being answered when a stop is asked for is recorded as well.
    let answered = CancellationToken::new();
    parts.tasks.spawn(gateway_tasks.run(answered.clone()));
    let policy = AuthPolicy {
        loopback_open_until_first_token: config.address.ip().is_loopback(),
        admin_token_hash: Some(Digest::of(config.admin_token.as_bytes())),
    };
    let auth = Arc::new(Authenticator::new(policy, Arc::clone(&parts.store)));
    let router = router(&config, &parts, &gateway, &auth);
    announce(&config, &base, started);
    publish_address(&config.data, &base)?;
    let signalled = parts.shutdown.clone();
    parts.tasks.spawn(async move {
        stop_signal().await;
        signalled.cancel();
    });
    let served = serve(listener, router, parts.shutdown.clone()).await;
    answered.cancel();
    parts.shutdown.cancel();
    parts.tasks.close();
    if tokio::time::timeout(DRAIN, parts.tasks.wait()).await.is_err() {
        tracing::warn!("stopped with work in hand after {} s", DRAIN.as_secs());
    }
    served
}

async fn parts(config: &Config) -> anyhow::Result<Parts> {
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&config.data, serinus_store::SqliteOptions::default())?);
    let timer: Arc<dyn Timer> = Arc::new(ScaledTimer::new(config.clock_factor, epoch_us(&*store).await?)?);
    let node = format!("node-{}", std::process::id());
    let now = clock(&timer);
    let live = Live::start(
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        node,
        Some(config.data.join("snapshot.cache")),
        now,
    )
    .await;
    let reports = Arc::new(ReportBoard::new(Some(config.data.join("reports"))));
    Ok(Parts { timer, store, live, reports, tasks: TaskTracker::new(), shutdown: CancellationToken::new() })
}

/// Where the clock begins: now, or after the last revision and the last record where a faster clock had run ahead.
async fn epoch_us(store: &dyn Store) -> anyhow::Result<u64> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
    let head = store.head().await?;
    let before = serinus_domain::revision::RevisionNumber(head.number.0.saturating_sub(1));
    let revision = store.read(before, 1).await?.first().map_or(0, |revision| revision.body.at.0);
    let latest = InteractionFilter { limit: 1, ..InteractionFilter::default() };
    let record = store.list(&latest).await?.first().map_or(0, |view| view.record.at.0);
    let last = u64::try_from(revision.max(record)).unwrap_or(0);
    Ok(wall.max(last.saturating_add(1)))
}

fn clock(timer: &Arc<dyn Timer>) -> impl Fn() -> Timestamp + Clone + Send + Sync + 'static {
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

fn gateway(config: &Config, parts: &Parts) -> anyhow::Result<(Arc<Gateway>, serinus_gateway::GatewayTasks)> {
    let mut providers = HashMap::new();
    for setting in &config.providers {
        providers.insert(ProviderKey::new(&setting.name)?, Provider::new(client(setting, &parts.timer)?));
    }
    let gateway = GatewayConfig {
        environment: EnvironmentKey::new(&config.environment)?,
        providers,
        pseudonym_key: config.pseudonym_key,
        timer: Arc::clone(&parts.timer),
        random: Arc::new(rand::random::<u128>),
        pin_life: PinLife::default(),
        cors_origins: config.origins.clone(),
        limits: GatewayLimits::default(),
    };
    let pins = Arc::clone(&parts.store) as _;
    let records = Arc::clone(&parts.store) as _;
    Gateway::new(gateway, Arc::clone(&parts.live), pins, records).map_err(Into::into)
}

fn start_loops(config: &Config, parts: &Parts, base: &str) -> anyhow::Result<()> {
    let Parts { timer, store, live, reports, tasks, shutdown } = parts;
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
            dashboard: base.to_owned(),
            ..NotifierConfig::default()
        },
        log: Arc::clone(store) as _,
        live: Arc::clone(live),
        outbox: Arc::clone(store) as _,
        // Receivers compare a signature's time with their own clock, which is the wall's.
        timer: Arc::new(ScaledTimer::real_time()),
    };
    tasks.spawn(notifier.run(shutdown.clone()));
    Ok(())
}

fn router(config: &Config, parts: &Parts, gateway: &Arc<Gateway>, auth: &Arc<Authenticator>) -> Router {
    let control = ControlState {
        store: Arc::clone(&parts.store),
        live: Arc::clone(&parts.live),
        reports: Arc::clone(&parts.reports),
        clock: Arc::new(clock(&parts.timer)),
        random: Arc::new(rand::random::<u128>),
        auth: Arc::clone(auth),
        clock_factor: config.clock_factor,
        environment: config.environment.clone(),
        shutdown: parts.shutdown.clone(),
    };
    let data_plane =
        serinus_gateway::router(Arc::clone(gateway)).layer(from_fn_with_state(Arc::clone(auth), guard));
    data_plane.merge(metrics(gateway, auth)).merge(serinus_control::router(control)).layer(from_fn(linger))
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
async fn guard(State(auth): State<Arc<Authenticator>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let ofrep = path.starts_with("/ofrep/");
    // A browser asks before it calls, without credentials; the answer holds nothing.
    if request.method() == axum::http::Method::OPTIONS {
        return next.run(request).await;
    }
    let scope = if ofrep { Scope::Evaluate } else { Scope::Invoke };
    match auth.check(request.headers(), scope).await {
        Ok(_) => next.run(request).await,
        Err(refused) => {
            let status = refused.status();
            let text = refused.to_string();
            let body = if ofrep {
                serde_json::json!({"errorCode": "GENERAL", "errorDetails": text})
            } else {
                let code = refused.code();
                serde_json::json!({"error": {"message": text, "type": "invalid_request_error", "param": null, "code": code}})
            };
            (status, axum::Json(body)).into_response()
        }
    }
}

async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> anyhow::Result<()> {
    use axum::serve::ListenerExt;
    // Without it a short stream waits 40 ms for the client's delayed acknowledgement.
    let listener = listener.tap_io(|socket| {
        if let Err(refused) = socket.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {refused}");
        }
    });
    let drained = shutdown.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { drained.cancelled().await });
    tokio::select! {
        served = serving => served.context("serving"),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// What a person sees first: where it is, what it may call.
fn announce(config: &Config, base: &str, started: Instant) {
    let ready = started.elapsed().as_millis();
    // Only for a person's eyes: what is not a terminal is a log that is kept and read by others.
    let key =
        if std::io::stderr().is_terminal() { format!("#k={}", config.admin_token) } else { String::new() };
    eprintln!(
        "serinus {} ready in {ready} ms   base URL {base}/v1   dashboard {base}/{key}",
        env!("CARGO_PKG_VERSION")
    );
    let names: Vec<_> = config
        .providers
        .iter()
        .map(|setting| match &setting.key_source {
            Some(source) => format!("{} ({source})", setting.name),
            None => format!("{} ({}, no key)", setting.name, setting.base_url),
        })
        .collect();
    match names.as_slice() {
        [] => eprintln!("  providers  none: set OPENAI_API_KEY, or say --provider NAME=URL"),
        names => eprintln!("  providers  {}", names.join("  ")),
    }
    if config.clock_factor > 1.0 {
        eprintln!(
            "  clock      runs {} times as fast as the wall: for rehearsals, not for production",
            config.clock_factor
        );
    }
    eprintln!("  data       {}", config.data.display());
}

/// Leaves the address where the command line finds it.
fn publish_address(data: &Path, base: &str) -> anyhow::Result<()> {
    let file = data.join("address");
    let part = data.join("address.part");
    std::fs::write(&part, base)
        .and_then(|()| std::fs::rename(&part, &file))
        .with_context(|| format!("writing {}", file.display()))
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
