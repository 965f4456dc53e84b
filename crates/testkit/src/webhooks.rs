//! A receiver of Standard Webhooks: checks every signature, keeps what came. Knows nothing of what the messages mean.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::task::JoinSet;

use crate::{listen, lock};

/// A signing secret for tests, in the form that receivers are given.
const SECRET: &str = "whsec_c2VyaW51cy10ZXN0LXdlYmhvb2stc2VjcmV0LTAx";

/// A message whose signature and time were good.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The same on every try.
    pub id: String,
    /// What it says.
    pub body: Value,
}

#[derive(Default)]
struct Inbox {
    taken: Vec<Delivery>,
    refused: Vec<String>,
    /// How many messages are still answered 503 though they are good.
    away_for: usize,
}

/// The receiver.
pub struct Webhooks {
    inbox: Arc<Mutex<Inbox>>,
    address: String,
    _tasks: JoinSet<()>,
}

impl Webhooks {
    /// Starts one.
    pub async fn start() -> Self {
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&inbox));
        let (address, tasks) = listen(router).await;
        Self { inbox, address, _tasks: tasks }
    }

    /// Where messages are posted.
    pub fn url(&self) -> String {
        format!("{}/hook", self.address)
    }

    /// What messages must be signed with.
    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// Answers the next `messages` with 503.
    pub fn away_for(&self, messages: usize) {
        lock(&self.inbox).away_for = messages;
    }

    /// The messages of one type, repeats included.
    pub fn of(&self, kind: &str) -> Vec<Delivery> {
        lock(&self.inbox).taken.iter().filter(|delivery| delivery.body["type"] == kind).cloned().collect()
    }

    /// The ids of the messages of one type, each once.
    pub fn ids(&self, kind: &str) -> Vec<String> {
        let mut ids: Vec<_> = self.of(kind).into_iter().map(|delivery| delivery.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Why messages were refused: signatures or times that are not good.
    pub fn refused(&self) -> Vec<String> {
        lock(&self.inbox).refused.clone()
    }
}

async fn receive(State(inbox): State<Arc<Mutex<Inbox>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let webhook = Webhook::new(SECRET).expect("a valid secret");
    let mut inbox = lock(&inbox);
    if let Err(reason) = webhook.verify(&body, &headers) {
        inbox.refused.push(reason.to_string());
        return StatusCode::UNAUTHORIZED;
    }
    if inbox.away_for > 0 {
        inbox.away_for -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).expect("a verified message has an id");
    let body = serde_json::from_slice(&body).expect("a JSON message");
    inbox.taken.push(Delivery { id: id.to_owned(), body });
    StatusCode::NO_CONTENT
}
