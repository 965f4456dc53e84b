//! The client that an application holds: connects, says how it stands, and lends views of one snapshot. Evaluates nothing itself.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use serinus_domain::{
    compile::{CompiledFeature, CompiledFlag},
    context::Context,
    resolve::{FlagDecision, Resolution, resolve},
    revision::RevisionNumber,
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    active::Active,
    config::{Config, InvalidConfig},
    follow::Follower,
    status::{Connection, Source, Status},
};

/// What the application's handles and the task in the background share.
#[derive(Default)]
pub(crate) struct Shared {
    pub active: ArcSwap<Active>,
    pub status: watch::Sender<Status>,
    /// The wait that the server gave this client, in milliseconds: another one for each.
    pub turn_ms: AtomicU64,
}

impl Shared {
    /// INVARIANT(one-snapshot): everything of a revision becomes visible in one pointer store.
    pub fn activate(&self, next: Active, source: Source) {
        let revision = next.snapshot.revision;
        self.active.store(Arc::new(next));
        self.status.send_modify(|status| {
            status.revision = revision;
            status.source = source;
            status.refusal = None;
        });
    }

    pub fn refuse(&self, reason: String) {
        tracing::warn!("serinus: staying on revision {}: {reason}", self.status.borrow().revision);
        self.status.send_modify(|status| status.refusal = Some(reason));
    }

    pub fn connection(&self, connection: Connection) {
        self.status.send_if_modified(|status| {
            let changed = status.connection != connection;
            status.connection = connection;
            changed
        });
    }
}

/// Evaluates flags and features in this process. Cheap to clone; following ends when the last clone is dropped.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    _following: Arc<DropGuard>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("status", &*self.shared.status.borrow()).finish_non_exhaustive()
    }
}

/// There is nothing to evaluate by yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {wanted} is not here, {have} is: {reason}")]
pub struct NotReady {
    /// What was waited for.
    pub wanted: RevisionNumber,
    /// What there is.
    pub have: RevisionNumber,
    /// Why.
    pub reason: String,
}

impl Client {
    /// Starts from the file on disk, where there is one, and follows the server from a task in the background. Waits for nothing; must
    /// be called within a tokio runtime.
    pub fn connect(config: Config) -> Result<Self, InvalidConfig> {
        let shared = Arc::new(Shared::default());
        let follower = Follower::new(Arc::clone(&shared), config)?;
        let ended = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the drop guard of the last handle ends it")]
        tokio::spawn(follower.run(ended.clone()));
        Ok(Self { shared, _following: Arc::new(ended.drop_guard()) })
    }

    /// How the client stands.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// The same, as it changes: a receiver for readiness, staleness and configuration changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Waits until there is something to evaluate by: from disk at once, or from the server.
    pub async fn wait_ready(&self, timeout: Duration) -> Result<RevisionNumber, NotReady> {
        self.wait(RevisionNumber(0), timeout, |status| status.source != Source::Nothing).await
    }

    /// Waits until `revision` or a later one decides here.
    pub async fn wait_for(
        &self,
        revision: RevisionNumber,
        timeout: Duration,
    ) -> Result<RevisionNumber, NotReady> {
        let reached = |status: &Status| status.source != Source::Nothing && status.revision >= revision;
        self.wait(revision, timeout, reached).await
    }

    async fn wait(
        &self,
        wanted: RevisionNumber,
        timeout: Duration,
        reached: impl Fn(&Status) -> bool,
    ) -> Result<RevisionNumber, NotReady> {
        let mut status = self.watch();
        if let Ok(Ok(status)) = tokio::time::timeout(timeout, status.wait_for(|status| reached(status))).await
        {
            return Ok(status.revision);
        }
        let Status { revision: have, connection, refusal, .. } = self.status();
        let reason = refusal.unwrap_or(match connection {
            Connection::Lost { reason } => reason,
            Connection::Connecting => "the server has not answered yet".into(),
            Connection::Connected => "the server has nothing later".into(),
        });
        Err(NotReady { wanted, have, reason })
    }

    /// One snapshot, for several evaluations that must agree. Hold it for as long as a request, not longer.
    pub fn view(&self) -> View {
        View(self.shared.active.load())
    }

    /// Evaluates a plain flag and hands the decision to `read`: the fast path, which allocates nothing. None where there is no such
    /// flag.
    pub fn evaluate<T>(
        &self,
        key: &str,
        context: &Context,
        read: impl FnOnce(FlagDecision<'_>) -> T,
    ) -> Option<T> {
        self.view().evaluate(key, context).map(read)
    }
}

/// One snapshot.
pub struct View(Guard<Arc<Active>>);

impl View {
    /// Its revision.
    pub fn revision(&self) -> RevisionNumber {
        self.0.compiled.revision
    }

    /// Evaluates a plain flag. Allocates nothing.
    pub fn evaluate(&self, key: &str, context: &Context) -> Option<FlagDecision<'_>> {
        let flag = self.flag(key)?;
        Some(self.decide(flag, context))
    }

    /// Evaluates a feature as for a session that is pinned to nothing. Allocates nothing.
    pub fn resolve(&self, key: &str, context: &Context) -> Option<Resolution<'_>> {
        let feature = self.feature(key)?;
        Some(resolve(feature, self.revision(), None, context))
    }

    pub(crate) fn active(&self) -> &Active {
        &self.0
    }

    pub(crate) fn flag(&self, key: &str) -> Option<&CompiledFlag> {
        self.0.compiled.flags.get(key).map(|flag| &**flag)
    }

    pub(crate) fn feature(&self, key: &str) -> Option<&CompiledFeature> {
        self.0.compiled.features.get(key).map(|feature| &**feature)
    }

    pub(crate) fn decide<'a>(&self, flag: &'a CompiledFlag, context: &Context) -> FlagDecision<'a> {
        serinus_domain::resolve::resolve_flag(flag, context)
    }
}
