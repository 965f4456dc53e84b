//! How a command becomes a revision: decide against the head, store blobs, append, and wait until this node serves it.
//! Knows nothing of any particular command.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serinus_domain::{
    bundle::Contents,
    decide::Rejection,
    entity::Document,
    revision::{Cause, Change, Draft, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_store::{AppendError, Blobs, Failure, Log, LogReader, Nodes};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    auth::{Identity, Subject},
    error::ApiError,
    state::App,
};

/// How often a command that may not lose is decided again; more than a hundred writers in a row mean something else is wrong.
const RETRIES_MAX: usize = 100;
/// How long an answer waits for this node to serve what was appended.
const ACTIVATION_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long it then waits for the others' word.
const NODES_WAIT_MAX: Duration = Duration::from_millis(250);
/// Revisions read at once.
const BATCH: usize = 256;

/// What becomes of a command that loses a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// The caller hears who won, looks, and may repeat.
    Tell,
    /// Rollback, kill and hold are decided again until they are in.
    Retry,
}

/// What a command comes to.
pub(crate) struct Plan<T> {
    /// The revision to append; none where nothing is to change.
    pub draft: Option<Draft>,
    /// Blobs that it names.
    pub blobs: Vec<Vec<u8>>,
    /// What the caller is told.
    pub value: T,
}

impl<T> Plan<T> {
    /// A plan that names no new blobs.
    pub fn new(draft: impl Into<Option<Draft>>, value: T) -> Self {
        Self { draft: draft.into(), blobs: Vec::new(), value }
    }
}

/// What was carried out.
pub(crate) struct Committed<T> {
    /// What the caller is told.
    pub value: T,
    /// The revision; none where nothing had to change.
    pub revision: Option<RevisionNumber>,
    /// Everything as of that revision.
    pub snapshot: Snapshot,
    /// Where it is in effect.
    pub activation: Option<Activation>,
}

/// Where a revision is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Activation {
    /// Nodes that report.
    pub nodes: usize,
    /// Of those, how many serve the revision or a later one.
    pub active: usize,
    /// Real time from the append to this word, in milliseconds.
    pub after_ms: u64,
    /// Nodes that do not serve it yet.
    pub laggards: Vec<String>,
}

/// The head's documents and contents.
pub(crate) struct Base {
    pub snapshot: Snapshot,
    pub contents: Arc<Contents>,
}

/// What a decision is made against: the log's head, which may be ahead of what this node can serve.
pub(crate) async fn at_head(app: &App) -> Result<Base, Failure> {
    let active = app.active();
    let (mut snapshot, mut contents) = (active.snapshot.clone(), Arc::clone(&active.contents));
    loop {
        let newer = LogReader::read(app.store(), snapshot.revision, BATCH).await?;
        if newer.is_empty() {
            return Ok(Base { snapshot, contents });
        }
        for revision in newer {
            snapshot = snapshot.apply(&revision).map_err(|refused| Failure {
                what: "follow the log",
                reason: refused.to_string(),
                retryable: false,
            })?;
            for change in &revision.body.changes {
                fetch(app, change, Arc::make_mut(&mut contents)).await?;
            }
        }
    }
}

/// Reads the content that a change publishes, where it is not held yet.
async fn fetch(app: &App, change: &Change, contents: &mut Contents) -> Result<(), Failure> {
    let Change::Put { body, .. } = change else { return Ok(()) };
    let Some(Document::Artifact(doc)) = Document::from_value(body) else { return Ok(()) };
    if contents.0.contains_key(&doc.content) {
        return Ok(());
    }
    // A content that cannot be read leaves a gap, which a decision that needs it will name.
    if let Some(bytes) = Blobs::get(app.store(), &doc.content).await?
        && let Ok(value) = serde_json::from_slice(&bytes)
    {
        contents.0.insert(doc.content, Arc::new(value));
    }
    Ok(())
}

/// Decides, appends and waits for the effect. `decide` is asked again after a lost race where `on_conflict` says so.
pub(crate) async fn commit<T>(
    app: &App,
    who: &Identity,
    on_conflict: OnConflict,
    decide: impl Fn(&Base, Timestamp) -> Result<Plan<T>, Rejection>,
) -> Result<Committed<T>, ApiError> {
    let mut retries = 0;
    loop {
        let base = at_head(app).await?;
        let now = app.now();
        let plan = decide(&base, now)?;
        let Some(draft) = plan.draft else {
            return Ok(Committed {
                value: plan.value,
                revision: None,
                snapshot: base.snapshot,
                activation: None,
            });
        };
        debug_assert_eq!(
            draft.expected_head, base.snapshot.revision,
            "a draft is made against the snapshot it was given"
        );
        for blob in &plan.blobs {
            Blobs::put(app.store(), blob).await?;
        }
        let started = Instant::now();
        let appended = match Log::append(app.store(), &signed(draft, who), now).await {
            Err(AppendError::Conflict { .. })
                if on_conflict == OnConflict::Retry && retries < RETRIES_MAX =>
            {
                retries += 1;
                tokio::task::yield_now().await;
                continue;
            }
            appended => appended?,
        };
        let number = appended.body.number;
        tracing::info!(
            revision.number = number.0,
            retries,
            "appended revision {number}: {} by {}",
            appended.body.changes.iter().map(|change| change.key().as_str()).collect::<Vec<_>>().join(", "),
            who.actor,
        );
        let snapshot = base.snapshot.apply(&appended).map_err(|refused| Failure {
            what: "follow the log",
            reason: refused.to_string(),
            retryable: false,
        })?;
        let activation = Some(activation(app, number, started).await);
        return Ok(Committed { value: plan.value, revision: Some(number), snapshot, activation });
    }
}

fn signed(draft: Draft, who: &Identity) -> Draft {
    match who.subject {
        Subject::Token(_) => Draft { cause: Cause::Token, ..draft },
        Subject::Local | Subject::Administrator => draft,
    }
}

/// Waits for this node to serve a revision, and a moment for the others' word. Never an error: the revision is in, whatever is
/// known of its effect.
async fn activation(app: &App, number: RevisionNumber, started: Instant) -> Activation {
    let here = app.control.live.wait_for(number, ACTIVATION_WAIT_MAX).await.is_ok();
    let deadline = Instant::now() + NODES_WAIT_MAX;
    loop {
        let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reports = match Nodes::nodes(app.store()).await {
            Ok(reports) => reports,
            Err(failure) => {
                tracing::warn!(
                    revision.number = number.0,
                    "cannot tell which nodes serve revision {number}: {failure}"
                );
                return Activation { nodes: 1, active: usize::from(here), after_ms, laggards: Vec::new() };
            }
        };
        let lagging = reports.iter().filter(|report| report.revision < number);
        let laggards: Vec<_> = lagging.map(|report| report.node.clone()).collect();
        let all = !reports.is_empty() && laggards.is_empty();
        if all || Instant::now() >= deadline {
            return Activation {
                nodes: reports.len(),
                active: reports.len() - laggards.len(),
                after_ms,
                laggards,
            };
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
