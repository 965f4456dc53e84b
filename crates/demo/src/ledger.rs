//! What each request of the traffic met, by its own eyes: the truth that a product's counts are checked
//! against. Knows nothing of what the product reports.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use crate::corpus::{ModelIndex, PromptIndex};
use crate::recordings::Recordings;
use crate::traffic::TurnReply;

/// Entries kept; about 250 bytes each. Beyond it totals still count, single entries do not, and the loss is
/// counted.
pub const ENTRIES_MAX: usize = 2_000_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When the reply was complete, in microseconds of real time after the ledger was opened.
    pub at_us: u64,
    pub session: Arc<str>,
    pub turn: u8,
    pub prompt: PromptIndex,
    /// The record that answered; none for a failure, for a text that several models gave alike, or one not
    /// recorded.
    pub model: Option<ModelIndex>,
    /// The recorded verdict on the text received.
    pub passed: Option<bool>,
    /// 0 = no response at all.
    pub status: u16,
    pub error: Option<String>,
    pub streamed: bool,
    pub latency_us: u64,
    pub first_byte_us: Option<u64>,
    pub variant: Option<String>,
    pub interaction: Option<String>,
}

/// Counts of one category and variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub requests: u64,
    pub failed: u64,
    /// Answers whose truth is recorded, and how many of them passed.
    pub known: u64,
    pub passed: u64,
    pub latency_us: u64,
}

/// Category, then variant (empty where the reply named none).
pub type Totals = BTreeMap<(String, String), Total>;

pub struct Ledger {
    recordings: Arc<Recordings>,
    opened: Instant,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    entries: Vec<Entry>,
    entries_dropped: u64,
    totals: Totals,
}

impl Ledger {
    #[must_use]
    pub fn new(recordings: Arc<Recordings>) -> Self {
        Self { recordings, opened: Instant::now(), books: Mutex::default() }
    }

    /// Writes down one reply, with the truth that its text has.
    pub fn write(
        &self,
        session: &Arc<str>,
        turn: u8,
        prompt: PromptIndex,
        streamed: bool,
        reply: &TurnReply,
    ) {
        let (model, passed) = self.truth(prompt, reply);
        let entry = Entry {
            at_us: self.now_us(),
            session: session.clone(),
            turn,
            prompt,
            model,
            passed,
            status: reply.status,
            error: reply.error.clone(),
            streamed,
            latency_us: micros(reply.latency),
            first_byte_us: reply.first_byte.map(micros),
            variant: reply.variant.clone(),
            interaction: reply.interaction.clone(),
        };
        let category = self.recordings.corpus.prompt(prompt).category.clone();
        self.books().write(category, entry);
    }

    /// Model and verdict: from the replay's own header where it is let through, else from the text.
    fn truth(&self, prompt: PromptIndex, reply: &TurnReply) -> (Option<ModelIndex>, Option<bool>) {
        if reply.error.is_some() {
            return (None, None);
        }
        if reply.text.trim().is_empty() {
            return (None, Some(false));
        }
        let corpus = &self.recordings.corpus;
        let authors = self.recordings.verdicts.authors(Some(prompt), &reply.text);
        let Some((_, first)) = authors.first() else { return (None, None) };
        let named = reply
            .replay_id
            .as_deref()
            .and_then(|id| id.split_once('/'))
            .and_then(|(_, name)| corpus.model(name));
        let model = named.or((authors.len() == 1).then_some(*first));
        (model, corpus.answer(prompt, *first).map(|answer| answer.checks.strict))
    }

    /// Real time since the ledger was opened.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        micros(self.opened.elapsed())
    }

    /// Requests written down so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let books = self.books();
        books.entries.len() as u64 + books.entries_dropped
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        self.books().totals.clone()
    }

    /// Failed requests by the reason that the traffic saw.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, u64> {
        let mut failures = BTreeMap::new();
        for error in self.books().entries.iter().filter_map(|entry| entry.error.clone()) {
            *failures.entry(error).or_default() += 1;
        }
        failures
    }

    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.books().entries.clone()
    }

    #[must_use]
    pub fn entries_dropped(&self) -> u64 {
        self.books().entries_dropped
    }

    pub fn save_jsonl(&self, path: &Path) -> anyhow::Result<()> {
        let file = std::fs::File::create(path)
            .with_context(|| format!("ledger {}: cannot be created", path.display()))?;
        let mut out = std::io::BufWriter::new(file);
        for entry in &self.books().entries {
            serde_json::to_writer(&mut out, &self.row(entry))?;
            out.write_all(b"\n")?;
        }
        out.flush().with_context(|| format!("ledger {}: cannot be written", path.display()))
    }

    /// The entry with names for numbers, readable without the corpus.
    fn row(&self, entry: &Entry) -> serde_json::Value {
        let prompt = self.recordings.corpus.prompt(entry.prompt);
        json!({
            "at_us": entry.at_us,
            "session": &*entry.session,
            "turn": entry.turn,
            "prompt": prompt.id,
            "category": prompt.category,
            "model": entry.model.map(|model| self.recordings.corpus.model_name(model)),
            "passed": entry.passed,
            "status": entry.status,
            "error": entry.error,
            "streamed": entry.streamed,
            "latency_us": entry.latency_us,
            "first_byte_us": entry.first_byte_us,
            "variant": entry.variant,
            "interaction": entry.interaction,
        })
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        // A panic elsewhere leaves whole entries behind: the books stay readable.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn write(&mut self, category: String, entry: Entry) {
        let total = self.totals.entry((category, entry.variant.clone().unwrap_or_default())).or_default();
        total.requests += 1;
        total.failed += u64::from(entry.error.is_some());
        total.known += u64::from(entry.passed.is_some());
        total.passed += u64::from(entry.passed == Some(true));
        total.latency_us += entry.latency_us;
        if self.entries.len() < ENTRIES_MAX {
            self.entries.push(entry);
        } else {
            self.entries_dropped += 1;
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
