//! Papers and usage in memory. Knows nothing of what they say.

use async_trait::async_trait;
use serde_json::Value;
use serinus_domain::units::Timestamp;

use super::MemoryStore;
use crate::{Desk, Failure, Paper, Usage, Usages};

#[async_trait]
impl Desk for MemoryStore {
    async fn paper(&self, kind: &str, id: &str) -> Result<Option<Paper>, Failure> {
        Ok(self.state().papers.get(&(kind.to_owned(), id.to_owned())).cloned())
    }

    async fn papers(&self, kind: &str) -> Result<Vec<Paper>, Failure> {
        Ok(self.state().papers.values().filter(|paper| paper.kind == kind).cloned().collect())
    }

    async fn write(
        &self,
        kind: &str,
        id: &str,
        expected: u64,
        body: &Value,
        at: Timestamp,
    ) -> Result<bool, Failure> {
        let mut state = self.state();
        let key = (kind.to_owned(), id.to_owned());
        if state.papers.get(&key).map_or(0, |paper| paper.version) != expected {
            return Ok(false);
        }
        let paper =
            Paper { kind: key.0.clone(), id: key.1.clone(), version: expected + 1, at, body: body.clone() };
        state.papers.insert(key, paper);
        Ok(true)
    }

    async fn discard(&self, kind: &str, id: &str) -> Result<bool, Failure> {
        Ok(self.state().papers.remove(&(kind.to_owned(), id.to_owned())).is_some())
    }
}

#[async_trait]
impl Usages for MemoryStore {
    async fn used(&self, batch: &[Usage]) -> Result<(), Failure> {
        let mut state = self.state();
        for new in batch {
            let kept =
                state.usages.entry(new.subject.clone()).or_insert_with(|| Usage { count: 0, ..new.clone() });
            kept.count = kept.count.saturating_add(new.count);
            kept.last_at = kept.last_at.max(new.last_at);
        }
        Ok(())
    }

    async fn usages(&self, prefix: &str) -> Result<Vec<Usage>, Failure> {
        let state = self.state();
        let from = state.usages.range(prefix.to_owned()..);
        Ok(from
            .take_while(|(subject, _)| subject.starts_with(prefix))
            .map(|(_, usage)| usage.clone())
            .collect())
    }
}
