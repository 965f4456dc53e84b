//! The client against a scripted provider: every way to end, cut, stall or fail. Knows nothing of gateways.

#![expect(clippy::unwrap_used, reason = "the lint's exemption covers test functions, not their fixtures")]

mod fake;
mod streams;
mod timer;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serinus_llm::{
    ApiKey, OpenAiCompatible, ProviderCall, ProviderConfig, ProviderKey, ScaledTimer, Timeouts,
};

/// One virtual second lasts 20 ms.
const FACTOR: f64 = 50.0;

pub fn client(base_url: &str) -> OpenAiCompatible {
    let config = ProviderConfig {
        key: ProviderKey::new("fake"),
        base_url: base_url.to_owned(),
        api_key: Some(ApiKey::new("sk-secret")),
        connect_timeout: Duration::from_secs(60),
    };
    let timer = ScaledTimer::new(FACTOR, 0).unwrap();
    OpenAiCompatible::new(config, Arc::new(timer), Arc::new(|| 0.5)).unwrap()
}

pub fn call() -> ProviderCall {
    ProviderCall {
        body: Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"PROMPT"}]}"#),
        headers: HeaderMap::new(),
        timeouts: Timeouts {
            first_token: Duration::from_secs(300),
            idle: Duration::from_secs(300),
            total: Duration::from_secs(600),
        },
        attempts_max: 1,
        client_wants_usage: false,
    }
}
