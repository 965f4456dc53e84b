//! A prompt of another platform: how one is cited, what is copied of it, and why it could not be. Knows nothing of how a platform is
//! asked.

use std::str::FromStr;

use crate::{digest::Digest, entity::PromptContent};

/// A prompt on another platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CitedPrompt {
    /// `langfuse` or `promptlayer`.
    pub platform: String,
    /// Its name there.
    pub name: String,
    /// Its version there; the one that the platform gives out where not said.
    pub version: Option<u32>,
    /// Or the label that points to one.
    pub label: Option<String>,
}

impl FromStr for CitedPrompt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "\"{text}\" cites no prompt: write PLATFORM:NAME or PLATFORM:NAME@VERSION, as in langfuse:support@3"
            )
        };
        let (platform, rest) = text.split_once(':').ok_or_else(shape)?;
        // A name may hold an @ of its own; a version is a number.
        let (name, version) = match rest.rsplit_once('@').map(|(name, end)| (name, end.parse().ok())) {
            Some((name, Some(version))) => (name, Some(version)),
            _ => (rest, None),
        };
        if platform.is_empty() || name.is_empty() || version == Some(0) {
            return Err(shape());
        }
        Ok(Self { platform: platform.to_owned(), name: name.to_owned(), version, label: None })
    }
}

/// What was copied of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct CopiedPrompt {
    /// The version that it is there.
    pub version: u32,
    /// Its text in a syntax of ours, with its variables.
    pub content: PromptContent,
    /// The digest of what the platform answered, without what changes while the prompt does not.
    pub digest: Digest,
    /// What it has there and has no place here.
    pub not_carried: Vec<String>,
}

/// Why a prompt could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No such platform, or no credentials for it.
    #[error("{0}")]
    Unconfigured(String),
    /// The platform knows no such prompt.
    #[error("{0}")]
    Gone(String),
    /// The platform does not answer, or not as it should.
    #[error("{0}")]
    Unreachable(String),
    /// It is no text that can be carried over.
    #[error("{0}")]
    Unreadable(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_read() {
        let cited = |text: &str| text.parse::<CitedPrompt>().map(|cited| (cited.name, cited.version));
        assert_eq!(cited("langfuse:support@3"), Ok(("support".into(), Some(3))));
        assert_eq!(cited("langfuse:team/support"), Ok(("team/support".into(), None)));
        assert_eq!(cited("promptlayer:a@b"), Ok(("a@b".into(), None)));
        for bad in ["support@3", ":support", "langfuse:", "langfuse:x@0"] {
            assert!(cited(bad).is_err(), "{bad}");
        }
    }
}
