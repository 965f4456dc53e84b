//! A replay upstream on a port of its own and what asks it. Knows nothing of what a test expects.

use std::sync::Arc;

use reqwest::Response;
use serde_json::{Value, json};
use serinus_demo::corpus::{ModelIndex, PromptIndex};
use serinus_demo::{Recordings, ReplayConfig, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const GPT_4O: &str = "gpt-4o-2024-08-06";
pub const GPT_4O_MINI: &str = "gpt-4o-mini-2024-07-18";

/// Dropped at a test's end with its runtime.
pub struct Upstream {
    pub base: String,
    pub client: reqwest::Client,
    pub task: JoinHandle<anyhow::Result<()>>,
    pub stop: Option<tokio::sync::oneshot::Sender<()>>,
}

/// Quick and without background errors unless a test wants them.
pub fn quiet() -> ReplayConfig {
    ReplayConfig { speed: 0.0, background_error_share: 0.0, ..ReplayConfig::default() }
}

impl Upstream {
    pub async fn start(config: ReplayConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        let task = tokio::spawn(serve(listener, config, async move {
            let _dropped = stopped.await;
        }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, client, task, stop: Some(stop) }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    pub async fn ask(&self, model: &str, message: &str) -> Response {
        self.post("/v1/chat/completions", &chat(model, message)).await
    }

    pub async fn set_faults(&self, faults: Value) {
        let reply = self.post("/replay/faults", &json!({ "faults": faults })).await;
        let status = reply.status();
        assert!(status.is_success(), "{status}: {}", reply.text().await.unwrap());
    }
}

pub fn chat(model: &str, message: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": message }] })
}

pub fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap().to_owned()
}

pub async fn content(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

pub fn recordings() -> Arc<Recordings> {
    Recordings::embedded().unwrap()
}

pub fn prompt_text(index: u32) -> String {
    recordings().corpus.prompt(PromptIndex(index)).text.clone()
}

pub fn model(name: &str) -> ModelIndex {
    recordings().corpus.model(name).unwrap()
}

pub fn recorded(index: u32, name: &str) -> String {
    recordings().corpus.answer(PromptIndex(index), model(name)).unwrap().text.clone()
}
