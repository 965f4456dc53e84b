//! What a client is told by the application. Opens nothing.

use std::{fmt, path::PathBuf};

use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};

/// What a client is told.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The server's address: `https://serinus.example.com`.
    pub url: String,
    /// A token with the scope `evaluate`; empty where the server asks for none.
    pub token: String,
    /// The environment, where the token is bound to none.
    pub environment: Option<String>,
    /// A file from which the client starts when the server is away. Whoever may read it may read the configuration.
    pub cache: Option<PathBuf>,
    /// The name by which the server lists this client; a random one where not given.
    pub name: Option<String>,
}

impl Config {
    /// The server at `url`, with this token.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self { url: url.into(), token: token.into(), environment: None, cache: None, name: None }
    }

    /// With a file to start from when the server is away.
    #[must_use]
    pub fn cache(self, file: impl Into<PathBuf>) -> Self {
        Self { cache: Some(file.into()), ..self }
    }

    /// With a name that the server lists it by.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// In an environment.
    #[must_use]
    pub fn environment(self, key: impl Into<String>) -> Self {
        Self { environment: Some(key.into()), ..self }
    }
}

/// A token is never shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, environment, cache, name, .. } = self;
        let mut shown = f.debug_struct("Config");
        shown.field("url", url).field("environment", environment).field("cache", cache).field("name", name);
        shown.finish_non_exhaustive()
    }
}

/// Why a client cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// The address is none.
    #[error("url \"{url}\": {reason}; say it like https://serinus.example.com")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that no header can carry.
    #[error("{0} has characters that no header can carry: copy it again")]
    Text(&'static str),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(String),
}

/// Where the server is, and what every request brings along.
pub(crate) struct Target {
    pub follow: Url,
    pub ack: Url,
    pub headers: HeaderMap,
    pub name: String,
}

impl Config {
    pub(crate) fn target(&self) -> Result<Target, InvalidConfig> {
        let refused = |reason: String| InvalidConfig::Url { url: self.url.clone(), reason };
        let base = Url::parse(self.url.trim_end_matches('/')).map_err(|why| refused(why.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refused("it is neither http nor https".into()));
        }
        let at = |path: &str| {
            let whole = format!("{}{path}", base.as_str().trim_end_matches('/'));
            Url::parse(&whole).map_err(|why| refused(why.to_string()))
        };
        let mut headers = HeaderMap::new();
        if !self.token.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token))
                .map_err(|_| InvalidConfig::Text("token"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(key) = &self.environment {
            let value = HeaderValue::from_str(key).map_err(|_| InvalidConfig::Text("environment"))?;
            headers.insert(HeaderName::from_static("serinus-environment"), value);
        }
        let name = self.name.clone().unwrap_or_else(|| format!("client-{:016x}", rand::random::<u64>()));
        Ok(Target { follow: at("/api/v1/follow")?, ack: at("/api/v1/follow/ack")?, headers, name })
    }
}
