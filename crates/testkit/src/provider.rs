//! An OpenAI-compatible provider that does as it is told, by model. Real HTTP on a real port. Knows nothing of Serinus.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, header},
    routing::post,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{Reply, listen, lock};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// The model that was asked.
    pub model: String,
    /// Its last user message.
    pub question: String,
    /// The whole body.
    pub body: Value,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
}

type Script = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

#[derive(Default)]
struct Stage {
    scripts: HashMap<String, Script>,
    calls: Vec<Call>,
}

/// The provider.
pub struct ScriptedProvider {
    stage: Arc<Mutex<Stage>>,
    address: String,
    _tasks: JoinSet<()>,
}

impl ScriptedProvider {
    /// Starts one that knows no model yet.
    pub async fn start() -> Self {
        let stage = Arc::new(Mutex::new(Stage::default()));
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&stage));
        let (address, tasks) = listen(router).await;
        Self { stage, address, _tasks: tasks }
    }

    /// Its base URL, `/v1` included.
    pub fn url(&self) -> String {
        format!("{}/v1", self.address)
    }

    /// From now on `model` answers by this script.
    pub fn on(&self, model: &str, script: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        lock(&self.stage).scripts.insert(model.to_owned(), Arc::new(script));
    }

    /// From now on `model` answers this text.
    pub fn says(&self, model: &str, text: &str) {
        let text = text.to_owned();
        self.on(model, move |_| Reply::text(text.clone()));
    }

    /// From now on `model` judges: the score of a (question, answer).
    pub fn judges(&self, model: &str, score: impl Fn(&str, &str) -> f64 + Send + Sync + 'static) {
        self.on(model, move |call| {
            let (question, answer) =
                judged(&call.question).expect("a judge's prompt with question and answer");
            Reply::score(score(question, answer))
        });
    }

    /// How often `model` was asked.
    pub fn count(&self, model: &str) -> usize {
        lock(&self.stage).calls.iter().filter(|call| call.model == model).count()
    }

    /// Every request to `model`, in order.
    pub fn calls(&self, model: &str) -> Vec<Call> {
        lock(&self.stage).calls.iter().filter(|call| call.model == model).cloned().collect()
    }
}

async fn answer(State(stage): State<Arc<Mutex<Stage>>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let body: Value = serde_json::from_slice(&body).expect("a JSON body from the gateway");
    let asked = body["messages"]
        .as_array()
        .and_then(|all| all.iter().rev().find(|message| message["role"] == "user"));
    let call = Call {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        question: asked.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned(),
        authorization: headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        body,
    };
    let (script, id) = {
        let mut stage = lock(&stage);
        stage.calls.push(call.clone());
        (stage.scripts.get(&call.model).cloned(), format!("chatcmpl-scripted-{}", stage.calls.len()))
    };
    let reply = script.map_or_else(|| Reply::status(404), |script| script(&call));
    reply.play(&id, &call.model, &call.body).await
}

/// Question and answer in what a judge is asked.
fn judged(prompt: &str) -> Option<(&str, &str)> {
    let rest = prompt.strip_prefix("Question:\n")?;
    let (question, rest) = rest.split_once("\n\nAnswer:\n")?;
    let (answer, _) = rest.rsplit_once("\n\nReply with JSON")?;
    Some((question, answer))
}
