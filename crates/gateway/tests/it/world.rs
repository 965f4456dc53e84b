//! An environment in a process: a store, a live snapshot, gateways over them, and what operators do to it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use serinus_domain::{
    decide::{
        PublishRequest, RollbackRequest, StartRequest, kill, plan_rollback, publish_artifact, put_feature,
        put_flag, start,
    },
    entity::{ArtifactRef, Layers, Reach, StageKind, StageSpec},
    id::{EnvironmentKey, FeatureKey, ProviderKey, RolloutKey, UnitHash},
    record::{InteractionRecord, Record},
    resolve::{Arm, Pin},
    revision::{Draft, RevisionNumber},
    units::{MicroUsd, Millis, Share, Timestamp},
};
use serinus_gateway::{Gateway, GatewayConfig, GatewayLimits, Provider, router};
use serinus_llm::{ApiKey, OpenAiCompatible, ProviderConfig, ScaledTimer, Timeouts, Timer};
use serinus_store::{Blobs, Failure, Live, Log, PinLife, PinWrite, Pins, Records, SharedStore};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::upstream::Upstream;

pub const SECRET: &str = "sk-never-to-be-seen";

/// Real time that a test can push forward.
pub struct TestTimer {
    real: ScaledTimer,
    ahead_us: AtomicU64,
}

impl TestTimer {
    pub fn pass(&self, span: Duration) {
        self.ahead_us.fetch_add(u64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Timer for TestTimer {
    fn now_us(&self) -> u64 {
        self.real.now_us() + self.ahead_us.load(Ordering::SeqCst)
    }

    fn sleep(&self, virtual_us: u64) -> BoxFuture<'static, ()> {
        tokio::time::sleep(Duration::from_micros(virtual_us)).boxed()
    }
}

/// Pins behind something that a test can break.
pub struct Breakable {
    inner: Arc<dyn Pins>,
    pub broken: Mutex<bool>,
    /// How long a write takes.
    pub write: Mutex<Duration>,
}

#[async_trait]
impl Pins for Breakable {
    async fn session(&self, session: UnitHash, now: Timestamp) -> Result<Vec<Pin>, Failure> {
        self.check()?;
        self.inner.session(session, now).await
    }
    async fn pin(&self, write: PinWrite) -> Result<Vec<Pin>, Failure> {
        self.check()?;
        let wait = *self.write.lock().unwrap();
        tokio::time::sleep(wait).await;
        self.inner.pin(write).await
    }
    async fn close(&self, session: UnitHash) -> Result<(), Failure> {
        self.inner.close(session).await
    }
    async fn open_sessions(&self, rollout: &RolloutKey, arm: Arm, since: Timestamp) -> Result<u64, Failure> {
        self.inner.open_sessions(rollout, arm, since).await
    }
}

impl Breakable {
    fn check(&self) -> Result<(), Failure> {
        let broken = *self.broken.lock().unwrap();
        if broken {
            Err(Failure { what: "pins", reason: "disk on fire".into(), retryable: true })
        } else {
            Ok(())
        }
    }
}

/// A gateway that listens.
pub struct Node {
    pub gateway: Arc<Gateway>,
    pub base: String,
    pub pins: Arc<Breakable>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Node {
    /// Stops it, so that everything it has seen is in the store.
    pub async fn drained(mut self) {
        self.stop.cancel();
        while !self.tasks.is_empty() {
            self.tasks.join_next().await.unwrap().unwrap();
        }
    }
}

pub struct World {
    pub store: SharedStore,
    pub live: Arc<Live>,
    pub upstream: Upstream,
    pub timer: Arc<TestTimer>,
    pub http: reqwest::Client,
    pub limits: GatewayLimits,
    _following: JoinSet<()>,
}

pub fn feature_key(key: &str) -> FeatureKey {
    FeatureKey::new(key).unwrap()
}

pub fn layers(layers: &[&str]) -> Layers {
    let reference = |text: &&str| text.parse::<ArtifactRef>().unwrap();
    let kind = |text: &&str| text.split('/').next().unwrap().parse().unwrap();
    Layers(layers.iter().map(|text| (kind(text), reference(text))).collect())
}

pub fn stage(kind: StageKind, percent: u32) -> StageSpec {
    StageSpec {
        kind,
        share: Share::percent(percent),
        units_min: 10,
        min: Millis(0),
        max: Millis::hours(24),
        category_units_min: 0,
        spend_max: Some(MicroUsd(1_000_000)),
    }
}

impl World {
    pub async fn new() -> Self {
        let timer = Arc::new(TestTimer { real: ScaledTimer::real_time(), ahead_us: AtomicU64::new(0) });
        Self::over(Arc::new(serinus_store::MemoryStore::default()), timer).await
    }

    /// Two models, `model/a@1` and `model/b@1`, a system prompt that asks for `tone`, and the feature `support`.
    pub async fn over(store: SharedStore, timer: Arc<TestTimer>) -> Self {
        let clock = Arc::clone(&timer);
        let now = move || Timestamp(i64::try_from(clock.now_us()).unwrap());
        let live = Live::start(store.clone(), store.clone(), store.clone(), "test", None, now).await;
        let mut following = JoinSet::new();
        following.spawn(Arc::clone(&live).run(CancellationToken::new()));
        let upstream = Upstream::start().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let world = Self {
            store,
            live,
            upstream,
            timer,
            http,
            limits: GatewayLimits::default(),
            _following: following,
        };
        if world.live.load().snapshot.revision == RevisionNumber(0) {
            for model in ["a", "b"] {
                world.publish("model", model, model_content(model)).await;
            }
            world.publish("system_prompt", "support", json!({"text": "Be kind."})).await;
            world.feature("support", json!({})).await;
        }
        world
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.timer.now_us()).unwrap())
    }

    pub async fn append(&self, draft: Draft) {
        let revision = Log::append(&*self.store, &draft, self.now()).await.unwrap();
        self.live.wait_for(revision.body.number, Duration::from_secs(5)).await.unwrap();
    }

    pub async fn publish(&self, kind: &str, name: &str, content: Value) {
        let request = PublishRequest {
            kind: kind.parse().unwrap(),
            name: name.parse().unwrap(),
            content,
            requires: Vec::new(),
            message: String::new(),
            actor: "ann".into(),
        };
        let head = self.live.load();
        let published = publish_artifact(&head.snapshot, &head.contents, &request, self.now()).unwrap();
        Blobs::put(&*self.store, &published.blob).await.unwrap();
        self.append(published.draft.unwrap()).await;
    }

    /// Puts a feature on `model/a@1` and the system prompt; `more` are further members of its document.
    pub async fn feature(&self, key: &str, more: Value) {
        let mut doc = json!({
            "key": key, "control": {"model": "model/a@1", "system_prompt": "system_prompt/support@1"}, "capture": 1_000_000,
        });
        doc.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let doc = serde_json::from_value(doc).unwrap();
        let head = self.live.load();
        self.append(put_feature(&head.snapshot, &head.contents, &doc, "ann", self.now()).unwrap()).await;
    }

    pub async fn flag(&self, doc: Value) {
        let doc = serde_json::from_value(doc).unwrap();
        self.append(put_flag(&self.live.load().snapshot, &doc, "ann").unwrap()).await;
    }

    pub async fn kill(&self, key: &str) {
        self.append(kill(&self.live.load().snapshot, &feature_key(key), true, "ann").unwrap()).await;
    }

    /// Starts a rollout of `change` over `features` in one stage.
    pub async fn start(&self, features: &[&str], change: &[&str], stage: StageSpec) {
        let change: BTreeMap<_, _> = features.iter().map(|key| (feature_key(key), layers(change))).collect();
        let request = StartRequest {
            change,
            stages: Some(vec![stage]),
            actor: "ann".into(),
            ..StartRequest::default()
        };
        let head = self.live.load();
        let (_, draft, _) = start(&head.snapshot, &head.contents, &request, self.now()).unwrap();
        self.append(draft).await;
    }

    pub async fn roll_back(&self, subject: &str, reach: Reach) {
        let request = RollbackRequest {
            subject: Some(subject.into()),
            reach: Some(reach),
            message: String::new(),
            actor: "ann".into(),
            force: false,
        };
        let plan = plan_rollback(&self.live.load().snapshot, &request, self.now()).unwrap();
        self.append(plan.draft.unwrap()).await;
    }

    pub async fn node(&self) -> Node {
        self.node_with(|_| {}).await
    }

    pub async fn node_with(&self, change: impl FnOnce(&mut GatewayConfig)) -> Node {
        self.node_over(self.store.clone(), change).await
    }

    pub async fn node_over(
        &self,
        records: Arc<dyn Records>,
        change: impl FnOnce(&mut GatewayConfig),
    ) -> Node {
        let timer: Arc<dyn Timer> = Arc::clone(&self.timer) as _;
        let provider = ProviderConfig {
            key: serinus_llm::ProviderKey::new("fake"),
            base_url: format!("http://{}/v1", self.upstream.address),
            api_key: Some(ApiKey::new(SECRET)),
            connect_timeout: Duration::from_secs(5),
        };
        let client = OpenAiCompatible::new(provider, Arc::clone(&timer), Arc::new(|| 1.0)).unwrap();
        let timeouts = Timeouts { total: Duration::from_secs(20), ..Timeouts::default() };
        let provider = Provider { client, timeouts, attempts_max: 1 };
        let mut config = GatewayConfig {
            environment: EnvironmentKey::new("production").unwrap(),
            providers: HashMap::from([(ProviderKey::new("fake").unwrap(), provider)]),
            pseudonym_key: [7; 32],
            timer,
            random: random(),
            pin_life: PinLife::default(),
            cors_origins: vec!["https://app.example.com".into()],
            shutdown: CancellationToken::new(),
            limits: self.limits.clone(),
        };
        change(&mut config);
        let pins = Arc::new(Breakable {
            inner: self.store.clone(),
            broken: Mutex::new(false),
            write: Mutex::default(),
        });
        let (gateway, work) =
            Gateway::new(config, Arc::clone(&self.live), Arc::clone(&pins) as _, records, self.store.clone())
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (app, stopped) = (router(Arc::clone(&gateway)), stop.clone());
        let server = async move { axum::serve(listener, app).await.unwrap() };
        tasks.spawn(async move {
            tokio::select! {
                () = server => {}
                () = stopped.cancelled_owned() => {}
            }
        });
        tasks.spawn(work.run(stop.clone()));
        Node { gateway, base, pins, stop, tasks }
    }

    /// A turn of a session, whole.
    pub async fn turn(&self, node: &Node, feature: &str, session: &str) -> Reply {
        self.ask(node, chat_body(feature, json!({"session": session}))).await
    }

    pub async fn ask(&self, node: &Node, body: Value) -> Reply {
        let sent =
            self.http.post(format!("{}/v1/chat/completions", node.base)).json(&body).send().await.unwrap();
        Reply::of(sent).await
    }

    /// All records, in order.
    pub async fn records(&self) -> Vec<Record> {
        self.store.after(0, 100_000).await.unwrap().into_iter().map(|(_, record)| record).collect()
    }

    /// Waits until so many interactions are recorded.
    pub async fn interactions(&self, at_least: usize) -> Vec<InteractionRecord> {
        for _ in 0..500 {
            let all: Vec<_> = self.records().await.into_iter().filter_map(interaction).collect();
            if all.len() >= at_least {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{at_least} interactions are not recorded in 5 s: {:?}", self.records().await);
    }
}

fn interaction(record: Record) -> Option<InteractionRecord> {
    match record {
        Record::Interaction(record) => Some(*record),
        _ => None,
    }
}

pub fn model_content(name: &str) -> Value {
    json!({
        "provider": "fake", "model": format!("model-{name}"), "input_micro_usd_per_million": 2_000_000,
        "cached_micro_usd_per_million": 500_000, "output_micro_usd_per_million": 8_000_000,
    })
}

pub fn chat_body(feature: &str, serinus: Value) -> Value {
    json!({"model": feature, "messages": [{"role": "user", "content": "Where is my order?"}], "serinus": serinus})
}

fn random() -> Arc<dyn Fn() -> u128 + Send + Sync> {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    // Spread like random ids, so that samples by hash are fair.
    Arc::new(|| {
        let n = NEXT.fetch_add(1, Ordering::SeqCst).unsigned_abs();
        u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n)
    })
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        assert!(!text.contains(SECRET) && !format!("{headers:?}").contains(SECRET), "{text} {headers:?}");
        Self { status, headers, text }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn variant(&self) -> &str {
        self.header("x-serinus-variant")
    }

    pub fn reason(&self) -> &str {
        self.header("x-serinus-reason")
    }
}
