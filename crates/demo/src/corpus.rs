//! The recorded prompts, answers and verdicts, read from a gzipped file of JSON lines. Knows nothing of HTTP,
//! nor of how a request finds its prompt.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::speech::Speech;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptIndex(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelIndex(pub u32);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: String,
    pub content: String,
}

#[derive(Debug)]
pub struct Prompt {
    pub id: String,
    pub category: String,
    pub text: String,
    /// Ids of the instructions an answer is checked against, e.g. `keywords:existence`.
    pub instructions: Vec<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub speech: Arc<Speech>,
    pub checks: Checks,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Checks {
    /// Whether every instruction was met: the recorded truth about the answer.
    pub strict: bool,
    /// One verdict an instruction, in the prompt's order.
    #[serde(default)]
    pub each: Vec<bool>,
}

#[derive(Debug)]
pub struct Corpus {
    prompts: Vec<Prompt>,
    models: Vec<String>,
    /// Prompt by prompt, each with one place a model.
    answers: Vec<Option<Answer>>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    category: String,
    messages: Vec<Message>,
    #[serde(default)]
    instructions: Vec<Instruction>,
    outputs: BTreeMap<String, Output>,
}

#[derive(Deserialize)]
struct Instruction {
    id: String,
}

#[derive(Deserialize)]
struct Output {
    text: String,
    checks: Checks,
}

impl Corpus {
    /// Reads gzipped JSON lines: `id`, `category`, `messages`, `instructions`, `outputs.MODEL.{text,
    /// checks}`.
    pub fn read_gz(gz: impl Read) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        for (line_number, line) in BufReader::new(GzDecoder::new(gz)).lines().enumerate() {
            let line =
                line.with_context(|| format!("corpus line {}: cannot be unpacked", line_number + 1))?;
            let row: Row = serde_json::from_str(&line)
                .with_context(|| format!("corpus line {}: not a replay row", line_number + 1))?;
            rows.push(row);
        }
        Self::of_rows(rows)
    }

    fn of_rows(rows: Vec<Row>) -> anyhow::Result<Self> {
        ensure!(!rows.is_empty(), "corpus: holds no rows, name a replay-*.jsonl.gz file");
        let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.outputs.keys()).collect();
        let models: Vec<String> = names.into_iter().cloned().collect();
        let mut corpus = Self { prompts: Vec::with_capacity(rows.len()), models, answers: Vec::new() };
        for mut row in rows {
            for model in &corpus.models {
                corpus.answers.push(row.outputs.remove(model).map(Answer::of_output).transpose()?);
            }
            let last_user = row.messages.into_iter().rev().find(|message| message.role == "user");
            corpus.prompts.push(Prompt {
                text: last_user.with_context(|| format!("corpus row {}: no user message", row.id))?.content,
                id: row.id,
                category: row.category,
                instructions: row.instructions.into_iter().map(|instruction| instruction.id).collect(),
            });
        }
        Ok(corpus)
    }

    pub fn prompts(&self) -> impl ExactSizeIterator<Item = (PromptIndex, &Prompt)> {
        self.prompts.iter().enumerate().map(|(index, prompt)| (PromptIndex(index as u32), prompt))
    }

    pub fn models(&self) -> impl ExactSizeIterator<Item = (ModelIndex, &str)> {
        self.models.iter().enumerate().map(|(index, name)| (ModelIndex(index as u32), name.as_str()))
    }

    /// Indices come from this corpus only, so they are always within it.
    #[must_use]
    pub fn prompt(&self, prompt: PromptIndex) -> &Prompt {
        &self.prompts[prompt.0 as usize]
    }

    #[must_use]
    pub fn model_name(&self, model: ModelIndex) -> &str {
        &self.models[model.0 as usize]
    }

    #[must_use]
    pub fn model(&self, name: &str) -> Option<ModelIndex> {
        self.models.iter().position(|model| model == name).map(|index| ModelIndex(index as u32))
    }

    #[must_use]
    pub fn answer(&self, prompt: PromptIndex, model: ModelIndex) -> Option<&Answer> {
        self.answers.get(self.place(prompt, model))?.as_ref()
    }

    /// A dense number for the pair, below `places()`.
    #[must_use]
    pub fn place(&self, prompt: PromptIndex, model: ModelIndex) -> usize {
        prompt.0 as usize * self.models.len() + model.0 as usize
    }

    #[must_use]
    pub fn places(&self) -> usize {
        self.answers.len()
    }

    #[must_use]
    pub fn categories(&self) -> BTreeSet<&str> {
        self.prompts.iter().map(|prompt| prompt.category.as_str()).collect()
    }
}

impl Answer {
    fn of_output(output: Output) -> anyhow::Result<Self> {
        Ok(Self { speech: Arc::new(Speech::new(&output.text)?), text: output.text, checks: output.checks })
    }
}
