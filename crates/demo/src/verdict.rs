//! The recorded judge: which recorded answer a text is, and what the deterministic checks found about it.
//! Knows nothing of HTTP, nor of the product whose judge it plays.

use std::collections::HashMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::corpus::{Corpus, ModelIndex, PromptIndex};
use crate::matching::{Digest, normalised, sha256};
use crate::recordings::Recordings;

pub const JUDGE_MODEL: &str = "recorded-judge";

const QUESTION_MARK: &str = "Question:\n";
const ANSWER_MARK: &str = "\n\nAnswer:\n";
const REPLY_MARK: &str = "\n\nReply with JSON";

/// A reply a real judge gives now and then: an opinion, and no JSON in it.
const UNPARSABLE_REPLY: &str =
    "I would rate this answer quite highly. It covers the request, though some details could be better.";

/// How far the judge is from the truth. Shares lie in 0..=1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeConfig {
    pub flip_share: f64,
    pub unparsable_share: f64,
    /// Time to think, divided by the replay's speed.
    pub delay_ms: u64,
}

/// Who said the judged text, as far as the recordings tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Recorded {
        prompt: PromptIndex,
        model: ModelIndex,
    },
    /// An empty answer, which meets no instruction.
    Nobody,
}

#[derive(Debug)]
pub struct Verdicts {
    by_answer: HashMap<Digest, Vec<(PromptIndex, ModelIndex)>>,
}

impl Verdicts {
    #[must_use]
    pub fn new(corpus: &Corpus) -> Self {
        let mut by_answer: HashMap<Digest, Vec<_>> = HashMap::new();
        for (prompt, _) in corpus.prompts() {
            for (model, _) in corpus.models() {
                if let Some(answer) = corpus.answer(prompt, model) {
                    by_answer.entry(sha256(&normalised(&answer.text))).or_default().push((prompt, model));
                }
            }
        }
        Self { by_answer }
    }

    /// The records that hold exactly this text, of one prompt when it is known.
    #[must_use]
    pub fn authors(&self, prompt: Option<PromptIndex>, text: &str) -> Vec<(PromptIndex, ModelIndex)> {
        let found = self.by_answer.get(&sha256(&normalised(text))).map_or(&[][..], Vec::as_slice);
        found.iter().copied().filter(|(of, _)| prompt.is_none_or(|prompt| prompt == *of)).collect()
    }
}

impl Recordings {
    /// Reads a judge's request and finds the record it is about; none when no recorded answer fits.
    #[must_use]
    pub fn author_of_judged(&self, message: &str) -> Option<Author> {
        let Some((question, answer)) = split_request(message) else {
            let (prompt, _) = self.matcher.find(message)?;
            return self.author_within(prompt, |recorded| message.contains(recorded.trim()));
        };
        let asked = self.matcher.find(question).map(|(prompt, _)| prompt);
        if let Some((prompt, model)) = self.verdicts.authors(asked, answer).first() {
            return Some(Author::Recorded { prompt: *prompt, model: *model });
        }
        let prompt = asked?;
        let answer = answer.trim();
        if answer.is_empty() {
            return Some(Author::Nobody);
        }
        // A gateway may cut a long answer, or a template may add to it.
        self.author_within(prompt, |recorded| recorded.contains(answer) || answer.contains(recorded.trim()))
    }

    fn author_within(&self, prompt: PromptIndex, fits: impl Fn(&str) -> bool) -> Option<Author> {
        let answers =
            self.corpus.models().filter_map(|(model, _)| Some((model, self.corpus.answer(prompt, model)?)));
        let fitting = answers.filter(|(_, answer)| !answer.text.trim().is_empty() && fits(&answer.text));
        // The longest: a short record may be part of a long one.
        let (model, _) = fitting.max_by_key(|(_, answer)| answer.text.len())?;
        Some(Author::Recorded { prompt, model })
    }

    /// The recorded truth about an author's text.
    #[must_use]
    pub fn passed(&self, author: Author) -> bool {
        match author {
            Author::Nobody => false,
            Author::Recorded { prompt, model } => {
                self.corpus.answer(prompt, model).is_some_and(|answer| answer.checks.strict)
            }
        }
    }

    fn reason(&self, author: Author) -> String {
        let Author::Recorded { prompt, model } = author else { return "the answer is empty".to_owned() };
        let Some(answer) = self.corpus.answer(prompt, model) else { return "nothing is recorded".to_owned() };
        let instructions = &self.corpus.prompt(prompt).instructions;
        let of = |met: bool| {
            let ids = instructions.iter().zip(&answer.checks.each).filter(|(_, each)| **each == met);
            ids.map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ")
        };
        match (of(false), of(true)) {
            (failed, met) if failed.is_empty() => format!("met {met}"),
            (failed, met) if met.is_empty() => format!("failed {failed}"),
            (failed, met) => format!("failed {failed}; met {met}"),
        }
    }

    /// The judge's words: the true verdict as the rubric's JSON, or what `config` makes of it.
    #[must_use]
    pub fn judge_reply(&self, author: Author, config: &JudgeConfig, rng: &mut ChaCha8Rng) -> String {
        if rng.random::<f64>() < config.unparsable_share {
            return UNPARSABLE_REPLY.to_owned();
        }
        let lies = rng.random::<f64>() < config.flip_share;
        let score = u8::from(self.passed(author) != lies);
        json!({ "score": score, "reason": self.reason(author) }).to_string()
    }
}

/// Question and answer of `Question:\n…\n\nAnswer:\n…\n\nReply with JSON …`.
fn split_request(message: &str) -> Option<(&str, &str)> {
    let (_, from_question) = message.split_once(QUESTION_MARK)?;
    let (question, from_answer) = from_question.split_once(ANSWER_MARK)?;
    // An answer may quote the marker, the request ends with it: the last one counts.
    let answer = from_answer.rsplit_once(REPLY_MARK).map_or(from_answer, |(answer, _)| answer);
    Some((question, answer))
}
