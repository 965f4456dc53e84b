//! The control router on a port, over any store. Holds no measurement.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::serve::ListenerExt;
use serde_json::{json, Value};
use serinus_control::{AuthPolicy, Authenticator, ControlState, EnvironmentReader, OneEnvironment};
use serinus_domain::{
    entity::DocKey,
    id::UnitHash,
    revision::{Cause, Change, Draft, Provenance, RevisionNumber},
    units::Timestamp,
};
use serinus_store::{Live, Log, LogReader, ReportBoard, Store};
use tokio_util::sync::CancellationToken;

pub struct Server {
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    pub address: SocketAddr,
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    Timestamp(i64::try_from(since.as_micros()).expect("a time"))
}

pub async fn start(store: Arc<dyn Store>, port: u16) -> Server {
    let (log, blobs, nodes) = (store.clone() as _, store.clone() as _, store.clone() as _);
    let live = Live::start(log, blobs, nodes, "node-1", None, now).await;
    let shutdown = CancellationToken::new();
    tokio::spawn(Arc::clone(&live).run(shutdown.clone()));
    let policy = AuthPolicy { loopback_open_until_first_token: true, ..AuthPolicy::default() };
    let reader = EnvironmentReader { key: "production".into(), store: store.clone(), live: Arc::clone(&live) };
    let router = serinus_control::router(ControlState {
        store: Arc::clone(&store),
        live: Arc::clone(&live),
        reports: Arc::new(ReportBoard::new(None)),
        clock: Arc::new(now),
        random: Arc::new(rand::random::<u128>),
        auth: Arc::new(Authenticator::new(policy, Arc::clone(&store), Arc::new(now))),
        // Pins are not looked up here.
        pseudonym: Arc::new(|_| UnitHash(0)),
        clock_factor: 1.0,
        environment: "production".into(),
        environments: Arc::new(OneEnvironment(reader)),
        // Nobody asks another platform here.
        sources: Arc::new(|_| Box::pin(std::future::pending())),
        shutdown,
    });
    let listener = loop {
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let address = listener.local_addr().expect("an address");
    // As the product's own server does.
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).expect("a socket"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { store, live, address }
}

/// A flag like those that people have: a rule, a split, a default.
pub fn flag(at: usize, turn: usize) -> Change {
    let body: Value = json!({
        "kind": "flag", "key": format!("flag-{at}"), "value_kind": "boolean", "salt": format!("flag-{at}"),
        "description": "a flag of the benchmark", "variants": {"on": true, "off": false},
        "default": if turn % 2 == 0 { "off" } else { "on" },
        "rules": [
            {"when": {"equals": {"attribute": "plan", "value": "pro"}}, "serve": {"variant": "on"}},
            {"when": {"equals": {"attribute": "country", "value": "DE"}},
             "serve": {"split": [{"variant": "on", "share": 50_000}, {"variant": "off", "share": 950_000}]}},
        ],
    });
    Change::Put { key: DocKey::stored(&format!("flag/flag-{at}")), body }
}

impl Server {
    pub async fn append(&self, changes: Vec<Change>) -> RevisionNumber {
        let draft = Draft {
            expected_head: LogReader::head(&*self.store).await.expect("a head").number,
            actor: "bench".into(),
            message: "a change".into(),
            cause: Cause::Person,
            changes,
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        Log::append(&*self.store, &draft, now()).await.expect("an append").body.number
    }

    pub async fn fill(&self, flags: usize) -> RevisionNumber {
        let mut last = RevisionNumber(0);
        for from in (0..flags).step_by(500) {
            last = self.append((from..flags.min(from + 500)).map(|at| flag(at, 0)).collect()).await;
        }
        self.live.wait_for(last, Duration::from_secs(60)).await.expect("a node that keeps up");
        last
    }
}
