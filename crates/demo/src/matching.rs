//! Finds the recorded prompt that a message asks: by hash, else as the longest recorded prompt inside the
//! message. Knows nothing of models and answers.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use anyhow::Context;
use sha2::{Digest as _, Sha256};

use crate::corpus::{Corpus, PromptIndex};

pub type Digest = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKind {
    Exact,
    /// A template put text around the prompt.
    Contained,
}

#[derive(Debug)]
pub struct Matcher {
    by_digest: HashMap<Digest, PromptIndex>,
    /// Pattern number = prompt index.
    inside: AhoCorasick,
}

impl Matcher {
    pub fn new(corpus: &Corpus) -> anyhow::Result<Self> {
        let texts: Vec<String> = corpus.prompts().map(|(_, prompt)| normalised(&prompt.text)).collect();
        let by_digest =
            corpus.prompts().zip(&texts).map(|((index, _), text)| (sha256(text), index)).collect();
        let inside = AhoCorasick::new(&texts).context("corpus: its prompts are too large to search for")?;
        Ok(Self { by_digest, inside })
    }

    #[must_use]
    pub fn find(&self, message: &str) -> Option<(PromptIndex, MatchKind)> {
        let message = normalised(message);
        if let Some(prompt) = self.by_digest.get(&sha256(&message)) {
            return Some((*prompt, MatchKind::Exact));
        }
        let longest =
            self.inside.find_overlapping_iter(&message).max_by_key(|found| found.end() - found.start())?;
        Some((PromptIndex(longest.pattern().as_u32()), MatchKind::Contained))
    }
}

/// Trimmed, every run of white space one space: what templates and clients change without meaning to.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[must_use]
pub fn sha256(normalised: &str) -> Digest {
    Sha256::digest(normalised.as_bytes()).into()
}
