//! Other prompt platforms: asks one for a prompt, and turns what it answers into a content of ours. Knows nothing of what becomes of
//! the copy.

mod langfuse;
mod promptlayer;
mod watch;

use std::time::Duration;

use serde_json::Value;
use serinus_domain::source::{CitedPrompt, CopiedPrompt, SourceError};

pub use watch::SourceWatch;

/// How long a platform may take; a person waits for an import.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read; the largest prompts seen in the wild are near 90 kB.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Where Langfuse is, and who asks.
#[derive(Clone)]
pub struct LangfuseAccess {
    /// Its address.
    pub base_url: String,
    /// The public key.
    pub public_key: String,
    /// The secret key.
    pub secret_key: String,
}

/// Where PromptLayer is, and who asks.
#[derive(Clone)]
pub struct PromptLayerAccess {
    /// Its address.
    pub base_url: String,
    /// The key.
    pub api_key: String,
}

// Printed without what must not be printed.
impl std::fmt::Debug for LangfuseAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LangfuseAccess").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PromptLayerAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PromptLayerAccess").finish_non_exhaustive()
    }
}

/// The platforms that may be asked.
#[derive(Clone)]
pub struct PromptSources {
    http: reqwest::Client,
    langfuse: Option<LangfuseAccess>,
    promptlayer: Option<PromptLayerAccess>,
}

impl PromptSources {
    /// Asks the platforms that there is access to.
    pub fn new(
        langfuse: Option<LangfuseAccess>,
        promptlayer: Option<PromptLayerAccess>,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, langfuse, promptlayer })
    }

    /// Asks for a prompt.
    pub async fn read(&self, cited: &CitedPrompt) -> Result<CopiedPrompt, SourceError> {
        let missing = |names: &str| {
            let platform = &cited.platform;
            SourceError::Unconfigured(format!("no access to {platform}: start the server with {names}"))
        };
        match cited.platform.as_str() {
            "langfuse" => {
                let access = self.langfuse.as_ref();
                let access = access.ok_or_else(|| missing("LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"))?;
                langfuse::copied(&self.answer(langfuse::request(&self.http, access, cited)?, cited).await?)
            }
            "promptlayer" => {
                let access = self.promptlayer.as_ref().ok_or_else(|| missing("PROMPTLAYER_API_KEY"))?;
                promptlayer::copied(
                    &self.answer(promptlayer::request(&self.http, access, cited)?, cited).await?,
                )
            }
            other => Err(SourceError::Unconfigured(format!(
                "no platform \"{other}\": use langfuse or promptlayer"
            ))),
        }
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        cited: &CitedPrompt,
    ) -> Result<Value, SourceError> {
        let platform = &cited.platform;
        // Its address may hold credentials: it is never repeated.
        let unreachable = |failed: reqwest::Error| {
            SourceError::Unreachable(format!("{platform} does not answer: {}", failed.without_url()))
        };
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status == reqwest::StatusCode::NOT_FOUND {
            let version = cited.version.map(|version| format!("@{version}")).unwrap_or_default();
            let label = cited.label.as_ref().map(|label| format!(" with label {label}")).unwrap_or_default();
            let text =
                format!("{platform} knows no prompt {}{version}{label}: look at its name there", cited.name);
            return Err(SourceError::Gone(text));
        }
        if !status.is_success() {
            let way_out =
                if matches!(status.as_u16(), 401 | 403) { ": look at the server's keys" } else { "" };
            return Err(SourceError::Unreachable(format!("{platform} answers {status}{way_out}")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                let text = format!("{platform} answers more than {ANSWER_BYTES_MAX} bytes");
                return Err(SourceError::Unreadable(text));
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes)
            .map_err(|refused| SourceError::Unreadable(format!("{platform} answers no JSON: {refused}")))
    }
}

/// `base` with these segments at the end of its path, each encoded.
fn address(base: &str, segments: &[&str]) -> Result<reqwest::Url, SourceError> {
    let invalid =
        || SourceError::Unconfigured("the platform's address is no web address: correct it".to_owned());
    let mut url = reqwest::Url::parse(base).map_err(|_| invalid())?;
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend(segments);
    Ok(url)
}
