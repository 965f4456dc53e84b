//! Names, defaults and secrets of providers. Refuses to read the environment: it says which variables count, and the
//! configuration passes their values in.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// The name under which a model artifact refers to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKey(Arc<str>);

impl ProviderKey {
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Arc::from(key))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a provider's settings are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDefaults {
    pub key: ProviderKey,
    /// `None`: must be configured.
    pub base_url: Option<&'static str>,
    pub base_url_env: String,
    pub api_key_env: String,
}

impl ProviderDefaults {
    /// `openai` reads `OPENAI_BASE_URL` and `OPENAI_API_KEY`; any other key, such as `my-vllm`, reads
    /// `MY_VLLM_BASE_URL` and `MY_VLLM_API_KEY` and has no default address.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let prefix: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        Self {
            key: ProviderKey::new(key),
            base_url: (key == "openai").then_some(OPENAI_BASE_URL),
            base_url_env: format!("{prefix}_BASE_URL"),
            api_key_env: format!("{prefix}_API_KEY"),
        }
    }
}

/// A secret that no log, error or debug output shows.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// Surrounding white space goes: keys are read from files that end in a newline.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Arc::from(key.trim()))
    }

    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_the_key() {
        for (key, base_url, base_url_env, api_key_env) in [
            ("openai", Some(OPENAI_BASE_URL), "OPENAI_BASE_URL", "OPENAI_API_KEY"),
            ("my-vllm", None, "MY_VLLM_BASE_URL", "MY_VLLM_API_KEY"),
        ] {
            let defaults = ProviderDefaults::of(key);
            assert_eq!(defaults.base_url, base_url);
            assert_eq!((&*defaults.base_url_env, &*defaults.api_key_env), (base_url_env, api_key_env));
        }
    }

    #[test]
    fn keys_do_not_show() {
        let key = ApiKey::new("sk-secret\n");
        assert_eq!(format!("{key:?} {:?}", key.bearer()), "*** Some(Sensitive)");
        assert!(ApiKey::new("a\u{7}b").bearer().is_none());
    }
}
