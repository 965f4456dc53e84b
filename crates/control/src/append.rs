//! How a command becomes a revision: decide against the head, store blobs, append, and wait until this node serves it; or, in a
//! protected environment, a proposal. Knows nothing of any particular command.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serinus_domain::{
    bundle::Contents,
    compile::blobs_of,
    decide::Rejection,
    entity::Document,
    revision::{Cause, Change, Draft, RevisionNumber},
    snapshot::Snapshot,
    units::{Millis, Timestamp},
};
use serinus_store::{AppendError, Blobs, Failure, Log, LogReader, NodeReport, Nodes};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    auth::{Identity, Subject},
    error::ApiError,
    proposal,
    state::App,
};

/// How often a command that may not lose is decided again; more than a hundred writers in a row mean something else is wrong.
const RETRIES_MAX: usize = 100;
/// How long an answer waits for this node to serve what was appended.
const ACTIVATION_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long it then waits for the others' word.
const NODES_WAIT_MAX: Duration = Duration::from_millis(250);
/// How long it waits for clients, which may be many and take their time to say so.
const CLIENTS_WAIT_MAX: Duration = Duration::from_millis(50);
/// A node says every 10 s that it is there; one that missed three times is gone, and nobody waits for it.
const NODE_SILENT_MAX: Millis = Millis::seconds(30);
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

/// Whether a command waits for a second person where the environment is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Never: it takes something back, moves what was approved already, or changes nothing that is served.
    Free,
    /// Always: it becomes a proposal.
    Review,
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
    /// Applications that evaluate by themselves.
    pub clients: ClientCount,
}

/// Applications that follow the log, as far as they gave a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientCount {
    /// Those that are connected to this node.
    pub connected: usize,
    /// Of those, how many evaluate by the revision or a later one, as they have said by now.
    pub active: usize,
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

/// Reads the contents that changes which are not in the log yet bring along.
pub(crate) async fn fetch_contents(
    app: &App,
    changes: &[Change],
    contents: &mut Arc<Contents>,
) -> Result<(), Failure> {
    for change in changes {
        fetch(app, change, Arc::make_mut(contents)).await?;
    }
    Ok(())
}

/// Reads the content and the lists that a change names, where they are not held yet.
async fn fetch(app: &App, change: &Change, contents: &mut Contents) -> Result<(), Failure> {
    let Change::Put { body, .. } = change else { return Ok(()) };
    let Some(document) = Document::from_value(body) else { return Ok(()) };
    for digest in blobs_of(&document) {
        if contents.held.contains_key(&digest) {
            continue;
        }
        // A content that cannot be read leaves a gap, which a decision that needs it will name.
        if let Some(bytes) = Blobs::get(app.store(), &digest).await?
            && let Ok(value) = serde_json::from_slice(&bytes)
        {
            contents.held.insert(digest, Arc::new(value));
        }
    }
    Ok(())
}

/// Decides, appends and waits for the effect. `decide` is asked again after a lost race where `on_conflict` says so. What has
/// to wait for a second person is kept as a proposal, and that is what the caller then hears.
pub(crate) async fn commit<T>(
    app: &App,
    who: &Identity,
    (gate, on_conflict): (Gate, OnConflict),
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
        let draft = signed(draft, who);
        if gate == Gate::Review && proposal::waits(&base.snapshot, &draft, who) {
            let proposal = proposal::record(app, draft, &base.snapshot, |_| ()).await?;
            return Err(ApiError::Proposed(Box::new(proposal)));
        }
        let started = Instant::now();
        let appended = match Log::append(app.store(), &draft, now).await {
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

/// The draft with how it came here.
pub(crate) fn signed(mut draft: Draft, who: &Identity) -> Draft {
    if matches!(who.subject, Subject::Token(_)) && who.person.is_none() {
        draft.cause = Cause::Token;
    }
    if draft.provenance.via.is_none() {
        draft.provenance.via.clone_from(&who.via);
    }
    draft
}

/// Waits for this node to serve a revision, and a moment for the others' word. Never an error: the revision is in, whatever is
/// known of its effect.
async fn activation(app: &App, number: RevisionNumber, started: Instant) -> Activation {
    let here = app.control.live.wait_for(number, ACTIVATION_WAIT_MAX).await.is_ok();
    let (own, deadline) = (app.control.live.standing().node, Instant::now() + NODES_WAIT_MAX);
    loop {
        let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reports: Vec<_> = match Nodes::nodes(app.store()).await {
            Ok(reports) => {
                let now = app.now();
                // This node is here whatever a clock that runs faster than the wall makes of its last word.
                let there =
                    |report: &NodeReport| report.node == own || now.since(report.seen_at) < NODE_SILENT_MAX;
                reports.into_iter().filter(there).collect()
            }
            Err(failure) => {
                tracing::warn!(
                    revision.number = number.0,
                    "cannot tell which nodes serve revision {number}: {failure}"
                );
                let clients = clients(app, number);
                return Activation {
                    nodes: 1,
                    active: usize::from(here),
                    after_ms,
                    laggards: Vec::new(),
                    clients,
                };
            }
        };
        let lagging = reports.iter().filter(|report| report.revision < number);
        let laggards: Vec<_> = lagging.map(|report| report.node.clone()).collect();
        let clients = clients(app, number);
        let waited = NODES_WAIT_MAX.saturating_sub(deadline - Instant::now());
        let all = !reports.is_empty() && laggards.is_empty();
        let heard = clients.active == clients.connected || waited >= CLIENTS_WAIT_MAX;
        if (all && heard) || Instant::now() >= deadline {
            let active = reports.len() - laggards.len();
            return Activation { nodes: reports.len(), active, after_ms, laggards, clients };
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn clients(app: &App, number: RevisionNumber) -> ClientCount {
    let (connected, active) = app.follow.clients.active(number);
    ClientCount { connected, active }
}
