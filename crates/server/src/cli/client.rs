//! The command line's way to a server: where it is, with which token, and what its refusals mean.
//! Knows nothing of any one command.

use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::config::{DEFAULT_PORT, default_data};

/// Where the server is.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The server's address; found by its data directory when not given
    #[arg(long, env = "SERINUS_URL", global = true)]
    pub url: Option<String>,
    /// A token; the administrator's in the data directory when not given
    #[arg(long, env = "SERINUS_TOKEN", global = true, hide_env_values = true)]
    pub token: Option<String>,
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

/// A connection to a server.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
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
        let http = reqwest::Client::builder().no_proxy().build().context("setting up an HTTP client")?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token, json: args.json })
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

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
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
        let text = answer.text().await.context("reading the server's answer")?;
        let value: Value = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::Null)
        };
        if status.is_success() {
            return Ok(value);
        }
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        bail!(Refusal {
            status: status.as_u16(),
            code: field("code").unwrap_or_else(|| format!("http.{}", status.as_u16())),
            detail: field("detail").unwrap_or_else(|| format!("the server answered {status}")),
        })
    }
}
