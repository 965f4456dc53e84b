//! Looks after versions that were copied from other platforms: does the cited version still say the same? Pages once for each drift.
//! Changes no version: what was copied is served as it was copied.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serinus_domain::{
    digest::Digest,
    entity::{ArtifactDoc, Document, Source},
    source::{CitedPrompt, SourceError},
    units::Timestamp,
};
use serinus_llm::Timer;
use serinus_store::{Desk, Failure, Live};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::PromptSources;
use crate::notify::{Notifier, Page, PageData};

/// The kind of the papers that say what was found.
const PAPER: &str = "source";
/// How long a look at one version waits for its page to be taken.
const PAGING_MAX: Duration = Duration::from_secs(60);

/// Looks after copied versions.
pub struct SourceWatch {
    /// Whom to ask.
    pub sources: PromptSources,
    /// Where versions are read.
    pub live: Arc<Live>,
    /// Where findings are written.
    pub desk: Arc<dyn Desk>,
    /// Who pages.
    pub notifier: Notifier,
    /// The clock that findings carry.
    pub timer: Arc<dyn Timer>,
    /// How long from one look to the next.
    pub every: Duration,
}

/// What was found of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Finding {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Of a drift that was paged: what the platform said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paged: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Same,
    Drifted,
    Gone,
    Unreachable,
}

impl SourceWatch {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.round() => {}
            }
        }
    }

    /// Looks at every copied version once.
    pub async fn round(&self) {
        let active = self.live.load();
        let copied: Vec<_> = active
            .snapshot
            .under("artifact/")
            .filter_map(|document| match document {
                Document::Artifact(doc) if !doc.archived && !doc.redacted => {
                    Some((doc.clone(), doc.source.clone()?))
                }
                _ => None,
            })
            .collect();
        for (doc, source) in copied {
            if let Err(failure) = self.look(&doc, &source).await {
                warn!("sources: {failure}");
            }
        }
    }

    async fn look(&self, doc: &ArtifactDoc, source: &Source) -> Result<(), Failure> {
        let cited = CitedPrompt {
            platform: source.platform.clone(),
            name: source.name.clone(),
            version: Some(source.version),
            label: None,
        };
        let id = doc.reference().to_string();
        let paper = self.desk.paper(PAPER, &id).await?;
        let before = paper.as_ref().and_then(|paper| Finding::deserialize(&paper.body).ok());
        let paged = before.and_then(|before| before.paged);
        let (mut finding, said) = match self.sources.read(&cited).await {
            Ok(copied) if copied.digest == source.digest => {
                (Finding { state: State::Same, detail: None, paged }, None)
            }
            Ok(copied) => {
                let detail = format!(
                    "{}:{}@{} says something else than what was copied: import it again, or leave the copy",
                    source.platform, source.name, source.version
                );
                (Finding { state: State::Drifted, detail: Some(detail), paged }, Some(copied.digest))
            }
            Err(refused) => {
                let state = match refused {
                    SourceError::Gone(_) => State::Gone,
                    // What cannot be read any more was readable when it was copied.
                    SourceError::Unreadable(_) => State::Drifted,
                    SourceError::Unreachable(_) | SourceError::Unconfigured(_) => State::Unreachable,
                };
                let said = (state == State::Drifted || state == State::Gone)
                    .then(|| Digest::of(refused.to_string().as_bytes()));
                (Finding { state, detail: Some(refused.to_string()), paged }, said)
            }
        };
        let now = Timestamp(i64::try_from(self.timer.now_us()).unwrap_or(i64::MAX));
        // Paged before it is written: a crash in between pages again under the same id, which receivers know.
        if let Some(said) = said.filter(|said| finding.paged != Some(*said)) {
            let page = page(doc, &finding, said, now, &self.notifier.config.dashboard);
            // A channel that takes nothing is tried again with the next look; the other versions do not wait for it.
            if tokio::time::timeout(PAGING_MAX, self.notifier.alert(&page)).await.is_ok() {
                finding.paged = Some(said);
            }
        }
        let body = serde_json::to_value(&finding).unwrap_or_default();
        let version = paper.map_or(0, |paper| paper.version);
        // Another node that looked at the same moment has written the same.
        self.desk.write(PAPER, &id, version, &body, now).await.map(drop)
    }
}

fn page(doc: &ArtifactDoc, finding: &Finding, said: Digest, now: Timestamp, dashboard: &str) -> Page {
    let reference = doc.reference();
    let detail = finding.detail.clone().unwrap_or_default();
    Page {
        id: format!("msg_source_{}_{}", doc.content.short(), said.short()),
        kind: "artifact.source_drifted",
        timestamp: now.0,
        data: PageData {
            severity: "info",
            title: format!("{reference}: {detail}"),
            rollout: String::new(),
            features: Vec::new(),
            // No revision made this page.
            revision: 0,
            dedup_key: format!("serinus/source/{reference}"),
            url: format!("{dashboard}/artifacts/{}/{}", reference.kind, reference.name),
            command: None,
        },
    }
}
