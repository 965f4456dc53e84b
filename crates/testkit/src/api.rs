//! A client of every HTTP surface, with or without a token: what was answered, as it was answered. Checks nothing by itself.

use std::time::Duration;

use axum::http::HeaderMap;
use reqwest::Method;
use serde_json::Value;

/// Longer than any answer may take on a machine that is busy building.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Somebody who talks to a server.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages.
    asked: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Api {
    /// Talks to the server at `base`.
    pub(crate) fn new(base: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("an HTTP client");
        Self { http, base: base.to_owned(), token }
    }

    /// The same connection with another token, or none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request that can still be changed, to a path from the root.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; no answer at all fails the test.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|failed| panic!("no answer: {failed}"))
    }

    /// Sends a request to a server that may be gone.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { asked, status, headers, text: response.text().await? })
    }

    /// A request with a body of bytes, to a path from the root. On a connection of its own: a server that refuses a body which
    /// is too large closes it, and the next request must not find that out.
    pub async fn raw(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self
            .request(method, path)
            .header("content-type", "application/json")
            .header("connection", "close")
            .body(body);
        self.send(request).await
    }

    /// A GET of the control API that succeeds.
    pub async fn get(&self, path: &str) -> Value {
        self.send(self.request(Method::GET, &format!("/api/v1{path}"))).await.ok()
    }

    /// A POST to the control API that succeeds.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(self.request(Method::POST, &format!("/api/v1{path}")).json(body)).await.ok()
    }

    /// A PUT to the control API that succeeds.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.send(self.request(Method::PUT, &format!("/api/v1{path}")).json(body)).await.ok()
    }
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body of an answer that succeeded.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {} {}", self.asked, self.status, self.text);
        self.json()
    }

    /// A header's text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The variant that a gateway's answer says it was served.
    pub fn variant(&self) -> &str {
        self.header("x-serinus-variant")
    }

    /// What a chat completion says.
    pub fn content(&self) -> String {
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }
}
