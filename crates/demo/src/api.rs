//! The server's control API as any client meets it: JSON over HTTP and a token. Knows nothing of what is asked.

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest wait for an answer; a server that needs longer is lost to this demo.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Api {
    /// `base` is the server's address, e.g. `http://127.0.0.1:7171`.
    pub fn new(base: &str, token: Option<String>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
        Ok(Self {
            http: http.context("http client of the control api: cannot be set up")?,
            base: base.trim_end_matches('/').to_owned(),
            token,
        })
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.call(Method::GET, path, None).await?;
        serde_json::from_value(answer).with_context(|| format!("GET {path}: an answer of another shape"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let what = || format!("{method} {path}");
        let mut request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{}: no answer", what()))?;
        let status = response.status();
        let bytes = response.bytes().await.with_context(|| format!("{}: answer cut", what()))?;
        if !status.is_success() {
            return Err(anyhow!("{}: {status}, {}", what(), problem(&bytes)));
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{}: an answer that is no json", what()))
    }
}

/// The problem document's own words, else the body's beginning.
fn problem(body: &[u8]) -> String {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let word = |name: &str| told.as_ref()?.get(name)?.as_str().map(str::to_owned);
    match (word("detail"), word("code")) {
        (Some(detail), Some(code)) => format!("{detail} [{code}]"),
        (Some(detail), None) => detail,
        (None, _) => String::from_utf8_lossy(body).chars().take(300).collect(),
    }
}
