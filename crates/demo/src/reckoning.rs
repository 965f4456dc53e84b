//! Holds Serinus' counts against the traffic's own ledger, request by request and session by session. Knows nothing
//! of how either came about.

use std::collections::BTreeSet;

use futures::StreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::api::Api;
use crate::corpus::Corpus;
use crate::ledger::Entry;

/// Requests of the ledger that are looked up one by one.
const SAMPLE: usize = 400;
const LOOKUPS_AT_ONCE: usize = 8;
/// The variant that a rollout delivers, as replies name it.
const CANDIDATE: &str = "candidate";

/// A delivery as the ledger saw it: everything answered by the candidate between two moments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tally {
    pub rollout: String,
    pub ledger_sessions: u64,
    pub serinus_sessions: u64,
    pub ledger_turns: u64,
    pub serinus_turns: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reckoning {
    /// Requests looked up by their interaction's id.
    pub sampled: u64,
    /// Of those, with the category, variant and outcome that the ledger has.
    pub found_alike: u64,
    /// Of those with a verdict on both sides.
    pub judged: u64,
    /// Of those, with the recorded truth as their verdict.
    pub judged_alike: u64,
    pub deliveries: Vec<Tally>,
    /// Whether nothing of the above differs.
    pub agrees: bool,
}

impl Tally {
    /// Counts candidate turns that were answered in `from_us..to_us`.
    #[must_use]
    pub fn of(entries: &[Entry], rollout: &str, from_us: u64, to_us: u64, serinus: (u64, u64)) -> Self {
        let met = entries
            .iter()
            .filter(|entry| (from_us..to_us).contains(&entry.at_us))
            .filter(|entry| entry.variant.as_deref() == Some(CANDIDATE));
        let sessions: BTreeSet<&str> = met.clone().map(|entry| &*entry.session).collect();
        Self {
            rollout: rollout.to_owned(),
            ledger_sessions: sessions.len() as u64,
            serinus_sessions: serinus.0,
            ledger_turns: met.count() as u64,
            serinus_turns: serinus.1,
        }
    }

    #[must_use]
    pub fn agrees(&self) -> bool {
        self.ledger_sessions == self.serinus_sessions && self.ledger_turns == self.serinus_turns
    }
}

impl Reckoning {
    /// Looks a spread of the ledger's requests up.
    pub async fn of(api: &Api, corpus: &Corpus, entries: &[Entry], deliveries: Vec<Tally>) -> Self {
        let step = (entries.len() / SAMPLE).max(1);
        let chosen =
            entries.iter().step_by(step).filter_map(|entry| Some((entry, entry.interaction.clone()?)));
        let mut found = futures::stream::iter(chosen)
            .map(|(entry, id)| async move {
                let stored: anyhow::Result<Value> = api.get(&format!("/interactions/{id}")).await;
                (entry, stored)
            })
            .buffer_unordered(LOOKUPS_AT_ONCE);
        let mut sum = Self { deliveries, ..Self::default() };
        while let Some((entry, stored)) = found.next().await {
            sum.sampled += 1;
            let Ok(stored) = stored else { continue };
            sum.found_alike += u64::from(is_alike(&stored, entry, &corpus.prompt(entry.prompt).category));
            if let (Some(score), Some(truth)) = (quality(&stored), entry.passed) {
                sum.judged += 1;
                sum.judged_alike += u64::from((score >= 0.5) == truth);
            }
        }
        sum.agrees = sum.found_alike == sum.sampled
            && sum.judged_alike == sum.judged
            && sum.deliveries.iter().all(Tally::agrees);
        sum
    }

    /// What there is to say, in a line or two.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Self { sampled, found_alike, judged, judged_alike, .. } = self;
        let mut lines = vec![format!(
            "ledger: {found_alike} of {sampled} sampled requests stored as they were met; {judged_alike} of {judged} verdicts are the recorded truth"
        )];
        for tally in self.deliveries.iter().filter(|tally| !tally.agrees()) {
            let Tally { rollout, ledger_sessions, serinus_sessions, ledger_turns, serinus_turns } = tally;
            lines.push(format!(
                "ledger differs on {rollout}: {ledger_sessions} candidate sessions and {ledger_turns} turns, serinus counts {serinus_sessions} and {serinus_turns}"
            ));
        }
        lines
    }
}

fn is_alike(stored: &Value, entry: &Entry, category: &str) -> bool {
    let record = &stored["record"];
    record["category"].as_str() == Some(category)
        && record["variant"].as_str() == entry.variant.as_deref()
        && record["stream"].as_bool() == Some(entry.streamed)
        && (record["outcome"]["type"].as_str() == Some("ok")) == entry.error.is_none()
}

fn quality(stored: &Value) -> Option<f64> {
    let scores = stored["scores"].as_array()?;
    scores.iter().find(|score| score["name"] == "quality")?["value"].as_f64()
}
