//! Turns of sessions at the gateway, one or many at a time. Knows nothing of rollouts.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Api};

/// One call of a feature.
#[derive(Debug, Clone)]
pub struct Turn {
    body: Value,
    session: Option<String>,
}

impl Turn {
    /// A question to a feature.
    pub fn new(feature: &str, question: &str) -> Self {
        let messages = json!([{"role": "user", "content": question}]);
        Self { body: json!({"model": feature, "messages": messages}), session: None }
    }

    /// In this session.
    #[must_use]
    pub fn session(self, session: &str) -> Self {
        Self { session: Some(session.to_owned()), ..self }
    }

    /// With a further member of the body.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.body[member] = value;
        self
    }

    /// Asks.
    pub async fn ask(&self, api: &Api) -> Answer {
        api.send(self.request(api)).await
    }

    /// Asks a server that may be gone.
    pub async fn try_ask(&self, api: &Api) -> Option<Answer> {
        api.try_send(self.request(api)).await.ok()
    }

    /// The request, to be read as it comes.
    pub fn request(&self, api: &Api) -> reqwest::RequestBuilder {
        let request = api.request(Method::POST, "/v1/chat/completions").json(&self.body);
        match &self.session {
            Some(session) => request.header("x-serinus-session", session),
            None => request,
        }
    }
}

/// Does `one` for each item, so many at a time; answers in the order of the items.
pub async fn crowd<I, T, F>(
    items: impl IntoIterator<Item = I>,
    at_a_time: usize,
    one: impl FnMut(I) -> F,
) -> Vec<T>
where
    F: Future<Output = T>,
{
    stream::iter(items).map(one).buffered(at_a_time).collect().await
}

/// Waits until `look` sees what is awaited; longer than `limit` fails the test by this name.
pub async fn eventually<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < limit, "{what}: not seen within {limit:?}");
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}
