//! The command line's way to a server: where it is, with which token, and what its refusals mean.
//! Knows nothing of any one command.

use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::print;
use crate::config::{DEFAULT_PORT, default_data};

/// How the command line names itself, so that the log can say what a change was made with.
const AGENT: &str = concat!("serinus-cli/", env!("CARGO_PKG_VERSION"));

/// Where the server is.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The server's address; found by its data directory when not given
    #[arg(long, env = "SERINUS_URL", global = true)]
    pub url: Option<String>,
    /// A token; the administrator's in the data directory when not given
    #[arg(long, env = "SERINUS_TOKEN", global = true, hide_env_values = true)]
    pub token: Option<String>,
    /// The environment to ask; production, or what the token is bound to, when not given
    #[arg(short, long, env = "SERINUS_ENVIRONMENT", global = true, value_name = "KEY")]
    pub environment: Option<String>,
    /// Where a server on this machine keeps everything
    #[arg(long, env = "SERINUS_DATA", global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON for machines
    #[arg(long, global = true)]
    pub json: bool,
}

/// A refusal of the server's, with its stable code.
#[derive(Debug, thiserror::Error)]
#[error("{detail} [{code}]")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// A change that waits for somebody else's approval: neither done nor refused.
#[derive(Debug, thiserror::Error)]
#[error("proposal {}: waits for approval", .answer["proposal"])]
pub struct Waiting {
    /// What the server answered.
    pub answer: Value,
    /// Where it is looked at.
    pub url: String,
    /// Whether to print JSON.
    pub json: bool,
}

impl Waiting {
    /// Says so, as the command that it came of would have said that it is done.
    pub fn print(&self) {
        if self.json {
            print::json(&self.answer);
            return;
        }
        let reviewers: Vec<_> =
            print::list(&self.answer, "reviewers").iter().filter_map(Value::as_str).collect();
        let whom = if reviewers.is_empty() { "an approver".to_owned() } else { reviewers.join(", ") };
        print::line(&format!("proposal {}: {}, waits for {whom}", self.answer["proposal"], self.url));
    }
}

/// A connection to a server.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    environment: Option<String>,
    /// Whether to print JSON.
    pub json: bool,
}

impl Client {
    /// Finds the server.
    pub fn find(args: &ServerArgs, environment: &HashMap<String, String>) -> anyhow::Result<Self> {
        let data = match &args.data {
            Some(data) => Some(data.clone()),
            None => default_data(environment).ok(),
        };
        let file = |name: &str| {
            let path = data.as_ref()?.join(name);
            std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
        };
        let base = args
            .url
            .clone()
            .or_else(|| file("address"))
            .unwrap_or_else(|| format!("http://127.0.0.1:{DEFAULT_PORT}"));
        let token =
            args.token.clone().or_else(|| if args.url.is_none() { file("admin.token") } else { None });
        let http = reqwest::Client::builder()
            .no_proxy()
            .user_agent(AGENT)
            .build()
            .context("setting up an HTTP client")?;
        let (environment, base) = (args.environment.clone(), base.trim_end_matches('/').to_owned());
        Ok(Self { http, base, token, environment, json: args.json })
    }

    /// The same server, asked for another environment.
    #[must_use]
    pub fn within(&self, environment: &str) -> Self {
        let (http, base, token) = (self.http.clone(), self.base.clone(), self.token.clone());
        Self { http, base, token, environment: Some(environment.to_owned()), json: self.json }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A GET of the control API.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// A POST of the control API.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// A PUT of the control API.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// A DELETE of the control API.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::DELETE, path, None).await
    }

    /// A GET whose answer is lines of text.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, text) = self.ask(Method::GET, path, None).await?;
        if status.is_success() {
            return Ok(text);
        }
        bail!(refusal(status, &serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, text) = self.ask(method, path, body).await?;
        let value: Value = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::Null)
        };
        if status == reqwest::StatusCode::ACCEPTED && value.get("proposal").is_some() {
            let url = format!("{}{}", self.base, value["url"].as_str().unwrap_or_default());
            bail!(Waiting { answer: value, url, json: self.json });
        }
        if status.is_success() {
            return Ok(value);
        }
        bail!(refusal(status, &value))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(reqwest::StatusCode, String)> {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(environment) = &self.environment {
            request = request.header(serinus_control::ENVIRONMENT_HEADER, environment);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|failed| {
            anyhow::anyhow!(
                "no server answers at {}: start one with `serinus serve`, or say --url ({})",
                self.base,
                failed.without_url()
            )
        })?;
        let status = answer.status();
        Ok((status, answer.text().await.context("reading the server's answer")?))
    }
}

/// A refusal out of the server's problem document.
fn refusal(status: reqwest::StatusCode, value: &Value) -> Refusal {
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Refusal {
        status: status.as_u16(),
        code: field("code").unwrap_or_else(|| format!("http.{}", status.as_u16())),
        detail: field("detail").unwrap_or_else(|| format!("the server answered {status}")),
    }
}
