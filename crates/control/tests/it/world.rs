//! A control API over a store of its own, and the personas that ask it. Time stands still unless a test moves it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body};
use futures::FutureExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serinus_control::{
    AuthPolicy, Authenticator, ControlState, EnvironmentReader, OneEnvironment, Scope, mint,
};
use serinus_domain::{
    digest::Digest,
    resolve::ListKey,
    revision::{Cause, Change, Draft, Provenance, RevisionNumber},
    source::{CitedPrompt, CopiedPrompt, SourceError},
    units::Timestamp,
};
use serinus_store::{Live, Log as _, LogReader as _, MemoryStore, Node, ReportBoard, Store, Token, Tokens};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

/// The administrator's token of every world.
pub fn admin_token() -> String {
    mint("admin", [11, 22]).text
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// From this machine, without a token.
    Local,
    /// From this machine, without a token, in a world that has tokens.
    Anonymous,
    Viewer,
    Publisher,
    Operator,
    Recorder,
    Approver,
    Admin,
}

impl Who {
    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Local | Self::Anonymous | Self::Admin => &[],
            Self::Viewer => &[Scope::Read],
            Self::Publisher => &[Scope::Write],
            Self::Operator => &[Scope::Operate],
            Self::Recorder => &[Scope::Record],
            Self::Approver => &[Scope::Approve],
        }
    }

    /// The persona's token.
    pub fn token(self) -> Option<String> {
        match self {
            Self::Local | Self::Anonymous => None,
            Self::Admin => Some(admin_token()),
            persona => Some(mint(&format!("{persona:?}").to_lowercase(), [7, persona as u128]).text),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|refused| panic!("{refused}: {}", self.text))
    }

    /// The answer's JSON, if its status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// Checks a refusal.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }
}

pub struct World {
    pub router: Router,
    pub store: Arc<MemoryStore>,
    pub reports: Arc<ReportBoard>,
    pub clock: Arc<AtomicI64>,
    pub shutdown: CancellationToken,
    /// Messages of revisions that somebody else appends while a command is being decided, one per decision.
    pub rivals: Arc<Mutex<VecDeque<String>>>,
    _ended: DropGuard,
}

impl World {
    /// A server on loopback without any token.
    pub async fn open() -> Self {
        Self::new(Arc::new(MemoryStore::default())).await
    }

    /// A server with a token for each persona.
    pub async fn guarded() -> Self {
        let store = Arc::new(MemoryStore::default());
        for who in [Who::Viewer, Who::Publisher, Who::Operator, Who::Recorder, Who::Approver] {
            let id = format!("{who:?}").to_lowercase();
            let token = Token {
                hash: mint(&id, [7, who as u128]).hash,
                name: id.clone(),
                id,
                scopes: who.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
                created_at: Timestamp(0),
                revoked_at: None,
                person: None,
                environment: None,
                expires_at: None,
            };
            Tokens::put(&*store, &token).await.unwrap();
        }
        Self::new(store).await
    }

    async fn new(store: Arc<MemoryStore>) -> Self {
        let clock = Arc::new(AtomicI64::new(1_764_000_000_000_000));
        let shared: Arc<dyn Store> = store.clone();
        let now = {
            let clock = Arc::clone(&clock);
            move || Timestamp(clock.load(Ordering::SeqCst))
        };
        let follower = Node { name: "node-1".into(), list_key: Some(ListKey::new([8; 32])) };
        let live =
            Live::start(store.clone(), store.clone(), store.clone(), follower, None, now.clone()).await;
        let shutdown = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the world ends it with its drop guard")]
        tokio::spawn(Arc::clone(&live).run(shutdown.clone()));
        let rivals: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let reports = Arc::new(ReportBoard::new(None));
        let policy = AuthPolicy {
            loopback_open_until_first_token: true,
            admin_token_hash: Some(Digest::of(admin_token().as_bytes())),
        };
        let chance = AtomicU64::new(1000);
        let still = now.clone();
        let reader =
            EnvironmentReader { key: "production".into(), store: shared.clone(), live: Arc::clone(&live) };
        let (racing, rival_store) = (Arc::clone(&rivals), store.clone());
        let control = ControlState {
            store: shared.clone(),
            live,
            reports: Arc::clone(&reports),
            clock: Arc::new(move || {
                let message = racing.lock().unwrap().pop_front();
                if let Some(message) = message {
                    rival(&rival_store, message);
                }
                now()
            }),
            random: Arc::new(move || {
                let next = u128::from(chance.fetch_add(1, Ordering::SeqCst));
                next << 64 | next
            }),
            auth: Arc::new(Authenticator::new(policy, shared.clone(), Arc::new(still))),
            clock_factor: 60.0,
            environment: "production".into(),
            environments: Arc::new(OneEnvironment(reader)),
            pseudonym: Arc::new(|id| {
                serinus_domain::id::UnitHash(u128::from(serinus_domain::resolve::Salt::new(id).bucket(id)))
            }),
            sources: Arc::new(|cited| async move { elsewhere(&cited) }.boxed()),
            shutdown: shutdown.clone(),
        };
        let router = serinus_control::router(control);
        Self { router, store, reports, clock, rivals, _ended: shutdown.clone().drop_guard(), shutdown }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// Sends `body` as a persona.
    pub async fn ask(&self, who: Who, method: Method, path: &str, body: &Value) -> Reply {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(request(who, method, path, bytes)).await
    }

    /// Sends `body` with a token's text, as a person or an application does.
    pub async fn ask_with(&self, token: &str, method: Method, path: &str, body: &Value) -> Reply {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request =
            Request::builder().method(method).uri(format!("/api/v1{path}")).header("host", "serinus");
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(bytes)).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask(Who::Local, Method::GET, &format!("/api/v1{path}"), &Value::Null).await.expect(200)
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(Who::Local, Method::POST, &format!("/api/v1{path}"), &body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.ask(Who::Local, Method::PUT, &format!("/api/v1{path}"), &body).await
    }

    pub async fn publish(&self, kind: &str, name: &str, content: Value) -> Value {
        self.post("/artifacts", json!({ "kind": kind, "name": name, "content": content })).await.expect(201)
    }

    /// A feature `support` and a second version of its prompt.
    pub async fn with_feature(self) -> Self {
        self.publish("model", "small", json!({ "provider": "openai", "model": "gpt-4o-mini" })).await;
        self.publish("system_prompt", "support", json!({ "text": "Answer kindly." })).await;
        self.publish("system_prompt", "support", json!({ "text": "Answer briefly." })).await;
        self.put("/features/support", support()).await.expect(200);
        self
    }

    /// A rollout of the second prompt, in its canary.
    pub async fn with_rollout(self) -> Self {
        let world = self.with_feature().await;
        world.post("/rollouts", change()).await.expect(201);
        world
    }

    pub async fn head(&self) -> RevisionNumber {
        self.store.head().await.unwrap().number
    }
}

/// The feature's declaration.
pub fn support() -> Value {
    json!({
        "description": "answers customers",
        "control": { "model": "model/small@1", "system_prompt": "system_prompt/support@1" },
        "categories": ["billing", "returns"],
    })
}

/// The rollout's request.
pub fn change() -> Value {
    json!({ "change": { "support": { "system_prompt": "system_prompt/support@2" } }, "from": "canary" })
}

pub fn request(who: Who, method: Method, path: &str, bytes: Vec<u8>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:7171");
    if let Some(token) = who.token() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(bytes)).unwrap()
}

/// A rival's message that stands for a bug of ours.
pub const BUG: &str = "an invariant does not hold";

/// Somebody else's append. The memory store answers at once.
fn rival(store: &MemoryStore, message: String) {
    assert!(message != BUG, "{message}");
    let head = store.head().now_or_never().unwrap().unwrap().number;
    let key = "flag/rival".parse().unwrap();
    let draft = Draft {
        expected_head: head,
        actor: "bo".into(),
        message,
        cause: Cause::Person,
        changes: vec![Change::Put { key, body: json!({ "kind": "note" }) }],
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    store.append(&draft, Timestamp(1)).now_or_never().unwrap().unwrap();
}

/// Another prompt platform: it has `support` in version 3, whatever version is asked for.
fn elsewhere(cited: &CitedPrompt) -> Result<CopiedPrompt, SourceError> {
    match (cited.platform.as_str(), cited.name.as_str()) {
        ("langfuse", "support") => Ok(CopiedPrompt {
            version: 3,
            content: serde_json::from_value(json!({
                "text": "Help {{name}}.", "syntax": "mustache", "variables": { "name": {} },
            }))
            .unwrap(),
            digest: Digest::of(b"Help {{name}}."),
            not_carried: vec!["tags: old".into()],
        }),
        ("langfuse", name) => Err(SourceError::Gone(format!("langfuse knows no prompt {name}"))),
        (other, _) => Err(SourceError::Unconfigured(format!("no access to {other}"))),
    }
}
