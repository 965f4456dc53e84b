//! The environments of an installation as this process runs them: opened at the start or when somebody makes one, and which of
//! them a request is for. Knows nothing of what happens inside of one.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{Request, State},
    http::HeaderMap,
    middleware::from_fn,
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, future::BoxFuture};
use http_body::Body as _;
use serde_json::json;
use serinus_control::{
    AuthError, AuthPolicy, Authenticator, ENVIRONMENT, ENVIRONMENT_HEADER, EnvironmentReader, Environments,
    HOME, Problem, Scope, problem,
};
use serinus_domain::{digest::Digest, id::EnvironmentKey, revision::RevisionNumber, units::Timestamp};
use serinus_llm::{ScaledTimer, Timer};
use serinus_store::{
    Desk, InteractionFilter, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt as _};

use crate::{
    config::Config,
    linger::linger,
    node::{self, Evaluation, Shared, Surfaces},
};

/// How often the list of environments is read: how long one that was made on another node stays unknown here.
const POLL: Duration = Duration::from_millis(250);

/// The kind of papers that no surface ever shows.
const SEALED: &str = "sealed";
/// Of the key of unit pseudonyms.
const PSEUDONYM: &str = "pseudonym";

/// What is open, for those who read across environments.
#[derive(Default)]
struct Registry(RwLock<BTreeMap<String, EnvironmentReader>>);

impl Environments for Registry {
    fn get(&self, key: &str) -> Option<EnvironmentReader> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keys(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// All environments behind one port.
pub struct Host {
    shared: Shared,
    home: Arc<dyn Store>,
    registry: Arc<Registry>,
    surfaces: RwLock<BTreeMap<String, Surfaces>>,
}

impl Host {
    /// Opens the home environment and every other that exists.
    pub async fn open(config: Config, base: &str) -> anyhow::Result<Arc<Self>> {
        let home = store_of(&config, HOME).await?;
        let mut stores = vec![(HOME.to_owned(), Arc::clone(&home))];
        for key in listed(&*home).await? {
            let store = store_of(&config, &key).await?;
            stores.push((key, store));
        }
        let timer: Arc<dyn Timer> =
            Arc::new(ScaledTimer::new(config.clock_factor, epoch_us(&stores).await?)?);
        let policy = AuthPolicy {
            loopback_open_until_first_token: config.address.ip().is_loopback(),
            admin_token_hash: Some(Digest::of(config.admin_token.as_bytes())),
        };
        let clock = node::clock(&timer);
        let pseudonym_key = pseudonym_key(&config, &*home, clock()).await?;
        let auth = Authenticator::new(policy, Arc::clone(&home), Arc::new(clock));
        let shared = Shared {
            timer,
            auth,
            base: base.to_owned(),
            pseudonym_key,
            tasks: TaskTracker::new(),
            answered: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            config,
        };
        let (registry, surfaces) = (Arc::default(), RwLock::default());
        let host = Arc::new(Self { shared, home, registry, surfaces });
        for (key, store) in stores {
            host.enter(&key, store).await?;
        }
        host.shared.tasks.spawn(Arc::clone(&host).follow());
        Ok(host)
    }

    /// What all environments have in common.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Every surface of every environment.
    pub fn front(self: &Arc<Self>) -> Front {
        let rest = Router::new().fallback(dispatch).with_state(Arc::clone(self)).layer(from_fn(linger));
        Front { host: Arc::clone(self), rest }
    }

    async fn enter(&self, key: &str, store: Arc<dyn Store>) -> anyhow::Result<()> {
        let environments = Arc::clone(&self.registry) as Arc<dyn Environments>;
        let (reader, surfaces) = node::open(&self.shared, key, store, environments).await?;
        self.surfaces.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), surfaces);
        self.registry.0.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), reader);
        Ok(())
    }

    /// Opens what is made while this runs, here or on another node.
    async fn follow(self: Arc<Self>) {
        let mut failing = BTreeMap::new();
        loop {
            tokio::select! {
                () = self.shared.shutdown.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            // A store that is away opens nothing now; the data plane goes on without it.
            let Ok(keys) = listed(&*self.home).await else { continue };
            for key in keys.into_iter().filter(|key| self.registry.get(key).is_none()) {
                match self.open_one(&key).await {
                    Ok(()) => tracing::info!(environment = key, "opened environment {key}"),
                    Err(refused) => {
                        let reason = format!("{refused:#}");
                        if failing.insert(key.clone(), reason.clone()).as_ref() != Some(&reason) {
                            tracing::error!(environment = key, "cannot open environment {key}: {reason}");
                        }
                    }
                }
            }
        }
    }

    async fn open_one(&self, key: &str) -> anyhow::Result<()> {
        let store = store_of(&self.shared.config, key).await?;
        self.enter(key, store).await
    }

    /// The environment that a request is for: its token's, else the one that it names, else the home environment.
    async fn environment_of(&self, headers: &HeaderMap, named: Named) -> Result<String, Box<Problem>> {
        let bound = self.shared.auth.bound_to(headers).await;
        let bound = bound.map_err(|failure| Box::new(problem(&failure.into())))?;
        match (bound, named.by_caller) {
            (Some(bound), Some(named)) if bound != named => {
                Err(Box::new(problem(&AuthError::Environment { bound }.into())))
            }
            (Some(bound), _) => Ok(bound),
            (None, Some(named)) => Ok(named),
            (None, None) => Ok(named.by_path.unwrap_or_else(|| HOME.to_owned())),
        }
    }

    /// Where an application with a token evaluates, if that is all that there is to a request: everything else goes the long way,
    /// which says why where it ends.
    fn evaluation_for(&self, request: &Request) -> Option<Evaluation> {
        let bound = self.shared.auth.application(request.headers(), Scope::Evaluate)?;
        let elsewhere = named(request).is_some_and(|named| named != bound);
        let surfaces = self.surfaces.read().unwrap_or_else(PoisonError::into_inner);
        (!elsewhere).then(|| surfaces.get(&bound).map(|surfaces| surfaces.evaluation.clone()))?
    }

    /// What a request says of where it goes.
    fn named(&self, request: &Request) -> Named {
        Named { by_caller: named(request), by_path: self.ruled(request) }
    }

    /// An environment's rules are in its own log, so a change of them goes there whoever sends it.
    fn ruled(&self, request: &Request) -> Option<String> {
        let key = request.uri().path().strip_prefix("/api/v1/environments/")?;
        (request.method() == axum::http::Method::PUT && self.registry.get(key).is_some())
            .then(|| key.to_owned())
    }

    fn route(&self, key: &str) -> Result<Surfaces, Box<Problem>> {
        let surfaces = self.surfaces.read().unwrap_or_else(PoisonError::into_inner);
        surfaces.get(key).cloned().ok_or_else(|| {
            let key: String = key.chars().take(80).collect();
            let known = surfaces.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let detail = format!("environment \"{key}\" does not exist: there are {known}");
            Box::new(Problem::new(axum::http::StatusCode::NOT_FOUND, "environment.unknown", detail))
        })
    }
}

/// What the port is served by: remote evaluation on a short way of its own, everything else by its routes.
#[derive(Clone)]
pub struct Front {
    host: Arc<Host>,
    rest: Router,
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !is_short(&request) {
            return self.rest.clone().oneshot(request).boxed();
        }
        let host = Arc::clone(&self.host);
        async move {
            if let Some(evaluation) = host.evaluation_for(&request) {
                return Ok(evaluation.evaluate(request).await);
            }
            let named = host.named(&request);
            let (parts, body) = request.into_parts();
            let found = host.environment_of(&parts.headers, named).await.and_then(|key| host.route(&key));
            Ok(match found {
                Ok(surfaces) => surfaces.evaluation.answer(Request::from_parts(parts, body)).await,
                Err(refused) => refused.into_response(),
            })
        }
        .boxed()
    }
}

/// Whether a request is for remote evaluation, and so small that nobody refuses to read it.
fn is_short(request: &Request) -> bool {
    const BYTES_MAX: u64 = 64 * 1024;
    request.uri().path().starts_with("/ofrep/")
        && request.body().size_hint().upper().is_some_and(|bytes| bytes <= BYTES_MAX)
}

/// Where a request says that it goes.
struct Named {
    by_caller: Option<String>,
    by_path: Option<String>,
}

/// The environment that a request names. A browser's event stream cannot send a header.
fn named(request: &Request) -> Option<String> {
    let header =
        request.headers().get(ENVIRONMENT_HEADER).map(|value| value.to_str().unwrap_or("").to_owned());
    header.or_else(|| {
        let query = request.uri().query().filter(|_| {
            request.uri().path().ends_with("/stream") || serinus_gateway::is_notification(request.uri())
        })?;
        query.split('&').find_map(|pair| pair.strip_prefix("environment=")).map(str::to_owned)
    })
}

async fn dispatch(State(host): State<Arc<Host>>, request: Request) -> Response {
    let named = host.named(&request);
    let found = match host.environment_of(request.headers(), named).await {
        Ok(key) => host.route(&key),
        Err(refused) => Err(refused),
    };
    match found {
        Ok(surfaces) => surfaces.router.oneshot(request).await.into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn store_of(config: &Config, key: &str) -> anyhow::Result<Arc<dyn Store>> {
    let folder = node::folder(&config.data, key);
    match &config.database_url {
        None => Ok(Arc::new(SqliteStore::open(&folder, SqliteOptions::default())?)),
        Some(url) => {
            // What a node keeps for itself stays on its own disk: the cache that it starts from without the database.
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("data directory {}", folder.display()))?;
            let environment = EnvironmentKey::new(key)?;
            Ok(Arc::new(PostgresStore::connect(url, &environment, PostgresOptions::default()).await?))
        }
    }
}

/// The key of unit pseudonyms: in the data directory, or, where nodes share a database, the one that the first of them brought along.
async fn pseudonym_key(config: &Config, home: &dyn Store, now: Timestamp) -> anyhow::Result<[u8; 32]> {
    if config.database_url.is_none() {
        return Ok(config.pseudonym_key);
    }
    let own = json!({ "key": Digest(config.pseudonym_key) });
    Desk::write(home, SEALED, PSEUDONYM, 0, &own, now).await?;
    let paper = Desk::paper(home, SEALED, PSEUDONYM)
        .await?
        .context("the database lost the key of unit pseudonyms")?;
    let key: Digest =
        serde_json::from_value(paper.body["key"].clone()).context("reading the key of unit pseudonyms")?;
    Ok(key.0)
}

/// The environments that were made, beside the home environment.
async fn listed(home: &dyn Store) -> anyhow::Result<Vec<String>> {
    let papers = Desk::papers(home, ENVIRONMENT).await?;
    let keys = papers.into_iter().map(|paper| paper.id);
    Ok(keys.filter(|key| key != HOME && EnvironmentKey::new(key).is_ok()).collect())
}

/// Where the clock begins: now, or after the last revision and the last record where a faster clock had run ahead.
async fn epoch_us(stores: &[(String, Arc<dyn Store>)]) -> anyhow::Result<u64> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut epoch = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
    for (_, store) in stores {
        let head = store.head().await?;
        let before = RevisionNumber(head.number.0.saturating_sub(1));
        let revision = store.read(before, 1).await?.first().map_or(0, |revision| revision.body.at.0);
        let latest = InteractionFilter { limit: 1, ..InteractionFilter::default() };
        let record = store.list(&latest).await?.first().map_or(0, |view| view.record.at.0);
        let last = u64::try_from(revision.max(record)).unwrap_or(0);
        epoch = epoch.max(last.saturating_add(1));
    }
    Ok(epoch)
}
