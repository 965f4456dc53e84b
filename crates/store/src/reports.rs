//! The board on which analysis leaves its latest report of each rollout for whoever shows it. A read model: kept on disk for
//! convenience, rebuilt from records when it is gone. Knows nothing of what a report says.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, sync::RwLock};

use serinus_domain::{id::RolloutKey, report::Report};
use tokio::sync::watch;

use crate::Failure;

/// Reports by rollout.
#[derive(Debug)]
pub struct ReportBoard {
    directory: Option<PathBuf>,
    latest: RwLock<BTreeMap<RolloutKey, Arc<Report>>>,
    changed: watch::Sender<u64>,
}

impl ReportBoard {
    /// A board that keeps its reports in `directory`, or only in memory.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, latest: RwLock::default(), changed: watch::Sender::new(0) }
    }

    /// Puts up a report in place of the rollout's last one.
    pub fn put(&self, rollout: &RolloutKey, report: Arc<Report>) {
        let mut latest = self.latest.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        latest.insert(rollout.clone(), report);
        drop(latest);
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// The rollout's last report; one from an earlier run of this node is read from disk.
    pub fn get(&self, rollout: &RolloutKey) -> Option<Arc<Report>> {
        let latest = self.latest.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(report) = latest.get(rollout) {
            return Some(Arc::clone(report));
        }
        drop(latest);
        let bytes = std::fs::read(self.file(rollout)?).ok()?;
        serde_json::from_slice(&bytes).ok().map(Arc::new)
    }

    /// Keeps the rollout's last report on disk: when it ends, and now and then before.
    pub fn keep(&self, rollout: &RolloutKey) -> Result<(), Failure> {
        let (Some(file), Some(report)) = (self.file(rollout), self.get(rollout)) else { return Ok(()) };
        let failed = |reason: String| Failure { what: "keep a report", reason, retryable: true };
        let bytes = serde_json::to_vec(report.as_ref()).map_err(|refused| failed(refused.to_string()))?;
        let write = || {
            std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
            let part = file.with_extension("part");
            std::fs::write(&part, &bytes)?;
            std::fs::rename(&part, &file)
        };
        write().map_err(|refused: std::io::Error| failed(format!("{}: {refused}", file.display())))
    }

    /// Changes whenever a report does.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn file(&self, rollout: &RolloutKey) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(format!("{rollout}.json")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_reports_outlive_the_board() {
        let directory = tempfile::tempdir().unwrap();
        let key = RolloutKey::new("support-1").unwrap();
        let board = ReportBoard::new(Some(directory.path().into()));
        let report = Report {
            exposure: serinus_domain::report::Exposure { candidate_units: 7, ..Default::default() },
            ..Default::default()
        };
        board.put(&key, Arc::new(report.clone()));
        board.keep(&key).unwrap();
        let again = ReportBoard::new(Some(directory.path().into()));
        assert_eq!(*again.get(&key).unwrap(), report);
        assert!(again.get(&RolloutKey::new("other").unwrap()).is_none());
    }
}
