//! A control plane on a port of its own, over a store in memory, with a proxy before it; and documents to put in its log.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use serinus_client::{Attributes, Client, Config, Context, RevisionNumber, Status};
use serinus_control::{
    AuthPolicy, Authenticator, ControlState, EnvironmentReader, OneEnvironment, Scope, mint,
};
use serinus_domain::{
    entity::DocKey,
    id::UnitHash,
    resolve::ListKey,
    revision::{Cause, Change, Draft, Provenance},
    units::Timestamp,
};
use serinus_store::{Live, Log, LogReader, MemoryStore, Node, ReportBoard, Store, Token, Tokens};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::proxy::Proxy;

/// Longer than anything takes on a machine that is busy building.
pub const SOON: Duration = Duration::from_secs(20);

pub struct World {
    pub store: Arc<MemoryStore>,
    pub live: Arc<Live>,
    pub proxy: Proxy,
    pub token: String,
    address: SocketAddr,
    server: DropGuard,
    _live: DropGuard,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

impl World {
    /// A server that asks for a token with the scope `evaluate`.
    pub async fn open() -> Self {
        let store = Arc::new(MemoryStore::default());
        let minted = mint("app", [3, 4]);
        let token = Token {
            id: "app".into(),
            hash: minted.hash,
            name: "app".into(),
            scopes: vec![Scope::Evaluate.as_str().into()],
            created_at: Timestamp(0),
            revoked_at: None,
            person: None,
            environment: None,
            expires_at: None,
        };
        Tokens::put(&*store, &token).await.unwrap();
        // The key that the published cases hash their lists of people under.
        let node = Node { name: "node-1".into(), list_key: Some(ListKey::new([7; 32])) };
        let live = Live::start(store.clone(), store.clone(), store.clone(), node, None, now).await;
        let following = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the world ends it with its drop guard")]
        tokio::spawn(Arc::clone(&live).run(following.clone()));
        let (address, server) = serve(&store, &live, "127.0.0.1:0".parse().unwrap()).await;
        let proxy = Proxy::before(address).await;
        Self { store, live, proxy, token: minted.text, address, server, _live: following.drop_guard() }
    }

    /// Ends the server, with every stream, and starts another one on the same port.
    pub async fn restart(self) -> Self {
        drop(self.server);
        let (_, server) = serve(&self.store, &self.live, self.address).await;
        Self { server, ..self }
    }

    pub fn config(&self) -> Config {
        Config::new(format!("http://{}", self.proxy.address), &self.token).name("app-1")
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.config()).unwrap()
    }

    pub fn connect_with(&self, cache: &Path) -> Client {
        Client::connect(self.config().cache(cache)).unwrap()
    }

    pub async fn append(&self, changes: Vec<Change>) -> RevisionNumber {
        let number = append(&self.store, changes).await;
        // A client that begins to follow gets what this node serves.
        self.live.wait_for(number, SOON).await.unwrap();
        number
    }

    /// Puts a boolean flag.
    pub async fn flag(&self, key: &str, on: bool) -> RevisionNumber {
        self.append(vec![flag(key, on)]).await
    }
}

pub async fn append(store: &MemoryStore, changes: Vec<Change>) -> RevisionNumber {
    let draft = Draft {
        expected_head: store.head().await.unwrap().number,
        actor: "ann".into(),
        message: "a change".into(),
        cause: Cause::Person,
        changes,
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    store.append(&draft, now()).await.unwrap().body.number
}

pub fn put(body: Value) -> Change {
    let key = format!("{}/{}", body["kind"].as_str().unwrap(), body["key"].as_str().unwrap());
    Change::Put { key: DocKey::stored(&key), body }
}

pub fn flag(key: &str, on: bool) -> Change {
    put(json!({
        "kind": "flag", "key": key, "value_kind": "boolean", "variants": {"on": true, "off": false},
        "default": if on { "on" } else { "off" }, "salt": key,
    }))
}

pub fn context(given: &Value) -> Context {
    let id = |name: &str| given.get(name).and_then(Value::as_str);
    let attributes = given.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    Context::new(id("session"), id("user"), Attributes::new(attributes).unwrap()).unwrap()
}

/// Waits for a client to stand in a certain way.
#[track_caller]
pub fn stands(client: &Client, what: &str, is: impl Fn(&Status) -> bool) -> impl Future<Output = Status> {
    let (mut status, what) = (client.watch(), what.to_owned());
    async move {
        let reached = tokio::time::timeout(SOON, status.wait_for(|status| is(status))).await;
        if let Ok(Ok(status)) = reached {
            return status.clone();
        }
        drop(reached);
        panic!("{what}: {:?}", *status.borrow())
    }
}

async fn serve(store: &Arc<MemoryStore>, live: &Arc<Live>, at: SocketAddr) -> (SocketAddr, DropGuard) {
    let shared: Arc<dyn Store> = store.clone();
    let shutdown = CancellationToken::new();
    let chance = AtomicU64::new(1);
    let reader =
        EnvironmentReader { key: "production".into(), store: shared.clone(), live: Arc::clone(live) };
    let router = serinus_control::router(ControlState {
        store: shared.clone(),
        live: Arc::clone(live),
        reports: Arc::new(ReportBoard::new(None)),
        clock: Arc::new(now),
        // The multiples of a large odd number are as good as dice for jitter.
        random: Arc::new(move || {
            u128::from(chance.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
        }),
        auth: Arc::new(Authenticator::new(AuthPolicy::default(), shared, Arc::new(now))),
        // Pins are not looked up here.
        pseudonym: Arc::new(|_| UnitHash(0)),
        clock_factor: 1.0,
        environment: "production".into(),
        environments: Arc::new(OneEnvironment(reader)),
        // Nobody asks another platform here.
        sources: Arc::new(|_| Box::pin(std::future::pending())),
        shutdown: shutdown.clone(),
    });
    let listener = loop {
        // The port of a server that ended is free in a moment.
        match TcpListener::bind(at).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let address = listener.local_addr().unwrap();
    let ended = shutdown.clone();
    #[expect(clippy::disallowed_methods, reason = "the world ends it with its drop guard")]
    tokio::spawn(async move {
        let serving = axum::serve(listener, router);
        tokio::select! { served = serving => served.unwrap(), () = ended.cancelled() => {} }
    });
    (address, shutdown.drop_guard())
}
