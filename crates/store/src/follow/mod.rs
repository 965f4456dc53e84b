//! Follows the revision log into memory: prepares what comes (may fail), activates it (one pointer store, cannot fail), and says
//! so. A node that cannot go on stays where it is, serves, and reports why. Knows nothing of requests and appends nothing.

mod cache;
mod step;

use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    limits::SNAPSHOTS_KEPT,
    resolve::ListKey,
    revision::RevisionNumber,
    snapshot::{Refused, Snapshot},
    units::Timestamp,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Blobs, Failure, LogReader, NodeReport, Nodes};

/// How often the head is read when nothing says that it moved; bounds how long a rollback from another node goes unseen.
const POLL: Duration = Duration::from_millis(250);
/// How often a node reports without news; who waits for it takes it for gone after three.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The longest wait after failures in a row; a new revision ends it at once.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// One revision, ready to serve.
#[derive(Debug)]
pub struct Active {
    /// The documents.
    pub snapshot: Snapshot,
    /// What evaluation walks.
    pub compiled: Compiled,
    /// The contents of all artifacts.
    pub contents: Arc<Contents>,
    /// Whether contents may be missing, so that the next revision looks for all of them.
    lacks: bool,
}

/// Why a node does not go on, or does not start from its cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// What came does not follow what is here.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log ends before what is here.
    #[error(
        "the log ends at revision {head}, but this node serves {have}: the log was replaced by an older one; restore it, or remove the node's snapshot cache to follow this one"
    )]
    LogBehind {
        /// Where the log ends.
        head: RevisionNumber,
        /// What this node has.
        have: RevisionNumber,
    },
    /// The store failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Compiling broke down.
    #[error(
        "revision {revision} cannot be compiled: the compiler broke down on one of its documents; revert it"
    )]
    Poisoned {
        /// Which.
        revision: RevisionNumber,
    },
    /// No generation of the cache can be used.
    #[error("snapshot cache {}: {reason}", .file.display())]
    Cache {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A revision did not become active in time.
    #[error("revision {wanted} is not active here yet, {have} is{}", .refusal.as_ref().map_or_else(String::new, |why| format!(": {why}")))]
    TimedOut {
        /// What was waited for.
        wanted: RevisionNumber,
        /// What is active.
        have: RevisionNumber,
        /// Why nothing later is.
        refusal: Option<String>,
    },
}

/// How snapshots are compiled; a parameter so that a test can break it.
type Compile = fn(&Snapshot, &Contents, Option<&Compiled>) -> Compiled;

/// What is told to whoever asks which revision this node serves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    revision: RevisionNumber,
    activated_at: Timestamp,
    refusal: Option<String>,
}

/// Who follows the log.
#[derive(Debug, Clone)]
pub struct Node {
    /// The node's name in reports.
    pub name: String,
    /// The key of lists of people; without it nobody stands in one.
    pub list_key: Option<ListKey>,
}

impl<T: Into<String>> From<T> for Node {
    fn from(name: T) -> Self {
        Self { name: name.into(), list_key: None }
    }
}

/// What a live snapshot is connected to.
struct Ends {
    log: Arc<dyn LogReader>,
    blobs: Arc<dyn Blobs>,
    nodes: Arc<dyn Nodes>,
    node: String,
    list_key: Option<ListKey>,
    cache: Option<PathBuf>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    compile: Compile,
    /// How often a node that nothing happens to says that it is still there.
    heartbeat: Duration,
}

/// The live snapshot of this node.
pub struct Live {
    ends: Ends,
    active: ArcSwap<Active>,
    ring: Mutex<VecDeque<Arc<Active>>>,
    standing: watch::Sender<Standing>,
    activated: watch::Sender<RevisionNumber>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.standing.borrow();
        f.debug_struct("Live")
            .field("node", &self.ends.node)
            .field("standing", &*standing)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// A live snapshot that has caught up as far as it can: from the cache, then from the log. Never fails, because a node
    /// that cannot reach its log must serve what it has; `standing` and the node's report say what is missing.
    pub async fn start(
        log: Arc<dyn LogReader>,
        blobs: Arc<dyn Blobs>,
        nodes: Arc<dyn Nodes>,
        node: impl Into<Node>,
        cache: Option<PathBuf>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Arc<Self> {
        let Node { name: node, list_key } = node.into();
        Self::start_with(Ends {
            log,
            blobs,
            nodes,
            node,
            list_key,
            cache,
            now: Box::new(now),
            compile,
            heartbeat: HEARTBEAT,
        })
        .await
    }

    async fn start_with(ends: Ends) -> Arc<Self> {
        let first = Arc::new(Self::first(&ends));
        let revision = first.snapshot.revision;
        let standing = Standing { revision, activated_at: (ends.now)(), refusal: None };
        let mut folded = first.snapshot.clone();
        let live = Arc::new(Self {
            ends,
            active: ArcSwap::new(Arc::clone(&first)),
            ring: Mutex::new(VecDeque::from([first])),
            standing: watch::Sender::new(standing),
            activated: watch::Sender::new(revision),
        });
        if let Err(refused) = live.catch_up(&mut folded).await {
            live.refuse(&refused);
        }
        live
    }

    /// The last revision that this node wrote to its cache, ready to serve with no log and no database.
    pub fn from_cache(file: &Path) -> Result<Active, FollowError> {
        Self::cached(file, None)
    }

    fn cached(file: &Path, list_key: Option<ListKey>) -> Result<Active, FollowError> {
        let (snapshot, contents) = cache::load(file)?;
        let contents = Contents { list_key, ..contents };
        let revision = snapshot.revision;
        let contents = Arc::new(contents);
        let compiled =
            step::guarded(compile, &snapshot, &contents, None).ok_or(FollowError::Poisoned { revision })?;
        Ok(Active { snapshot, compiled, contents, lacks: true })
    }

    fn first(ends: &Ends) -> Active {
        let cached = ends.cache.as_deref().filter(|file| cache::exists(file));
        let cached = cached.map(|file| Self::cached(file, ends.list_key.clone()));
        match cached {
            Some(Ok(active)) => return active,
            Some(Err(refused)) => {
                tracing::warn!(node = %ends.node, "starting without a cached snapshot: {refused}")
            }
            None => {}
        }
        let contents = Contents { list_key: ends.list_key.clone(), ..Contents::default() };
        let (snapshot, contents) = (Snapshot::default(), Arc::new(contents));
        let compiled = compile(&snapshot, &contents, None);
        Active { snapshot, compiled, contents, lacks: false }
    }

    /// What is served now. A request loads it once and uses it to its end.
    pub fn load(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// A revision that is still held, for sessions that were assigned at it.
    pub fn at(&self, revision: RevisionNumber) -> Option<Arc<Active>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let found = ring.binary_search_by_key(&revision, |active| active.snapshot.revision).ok()?;
        ring.get(found).cloned()
    }

    /// Revisions as they become active.
    pub fn subscribe(&self) -> watch::Receiver<RevisionNumber> {
        self.activated.subscribe()
    }

    /// What this node serves, since when, and why nothing later.
    pub fn standing(&self) -> NodeReport {
        let Standing { revision, activated_at, refusal } = self.standing.borrow().clone();
        let seen_at = (self.ends.now)();
        NodeReport { node: self.ends.node.clone(), revision, activated_at, refusal, seen_at }
    }

    /// Waits until `revision`, or a later one, is active here.
    pub async fn wait_for(
        &self,
        revision: RevisionNumber,
        timeout: Duration,
    ) -> Result<Arc<Active>, FollowError> {
        let mut activated = self.activated.subscribe();
        let reached = tokio::time::timeout(timeout, activated.wait_for(|active| *active >= revision)).await;
        if matches!(reached, Ok(Ok(_))) {
            return Ok(self.load());
        }
        let Standing { revision: have, refusal, .. } = self.standing.borrow().clone();
        Err(FollowError::TimedOut { wanted: revision, have, refusal })
    }

    /// Follows the log until `shutdown`; reports and the cache lag behind rather than hold an activation up.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        tokio::join!(self.follow(&shutdown), self.report(&shutdown), self.keep_cache(&shutdown));
    }

    /// INVARIANT(one-snapshot): everything of a revision becomes visible in one pointer store; there is no second place that
    /// a reader could find half of it in.
    fn activate(&self, next: Active) {
        let (revision, next) = (next.snapshot.revision, Arc::new(next));
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push_back(Arc::clone(&next));
        if ring.len() > SNAPSHOTS_KEPT {
            ring.pop_front();
        }
        drop(ring);
        self.active.store(next);
        self.standing.send_replace(Standing { revision, activated_at: (self.ends.now)(), refusal: None });
        self.activated.send_replace(revision);
    }

    fn refuse(&self, refused: &FollowError) {
        let refusal = Some(refused.to_string());
        let news = self.standing.send_if_modified(|standing| {
            let news = standing.refusal != refusal;
            standing.refusal = refusal;
            news
        });
        if news {
            tracing::error!(node = %self.ends.node, "staying on revision {}: {refused}", self.standing.borrow().revision);
        }
    }

    fn relieve(&self) {
        self.standing.send_if_modified(|standing| standing.refusal.take().is_some());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serinus_domain::{
        entity::DocKey,
        revision::{Cause, Change, Draft, Provenance},
    };

    use super::*;
    use crate::{Log, MemoryStore};

    fn ends(store: &Arc<MemoryStore>) -> Ends {
        Ends {
            log: store.clone(),
            blobs: store.clone(),
            nodes: store.clone(),
            node: "n1".into(),
            list_key: None,
            cache: None,
            now: Box::new(|| Timestamp(7)),
            compile,
            heartbeat: HEARTBEAT,
        }
    }

    fn broken_by_poison(snapshot: &Snapshot, contents: &Contents, previous: Option<&Compiled>) -> Compiled {
        assert!(snapshot.iter().all(|(key, _)| key.as_str() != "poison"), "on purpose");
        compile(snapshot, contents, previous)
    }

    async fn append(store: &MemoryStore, expected: u64, change: Change) {
        let draft = Draft {
            expected_head: RevisionNumber(expected),
            actor: "ann".into(),
            message: String::new(),
            cause: Cause::Person,
            changes: vec![change],
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        store.append(&draft, Timestamp(0)).await.unwrap();
    }

    #[tokio::test]
    async fn poison_leaves_the_last_good_revision_and_the_next_one_mends_it() {
        let store = Arc::new(MemoryStore::default());
        let put = |key: &str| Change::Put { key: DocKey::stored(key), body: json!({"kind": "unknown"}) };
        append(&store, 0, put("good")).await;
        let ends = Ends { compile: broken_by_poison, ..ends(&store) };
        let live = Live::start_with(ends).await;
        let mut folded = live.load().snapshot.clone();
        append(&store, 1, put("poison")).await;
        for _ in 0..2 {
            let refused = live.catch_up(&mut folded).await.unwrap_err();
            assert_eq!(refused, FollowError::Poisoned { revision: RevisionNumber(2) });
            assert_eq!(live.load().snapshot.revision, RevisionNumber(1));
        }
        append(&store, 2, Change::Retire { key: DocKey::stored("poison") }).await;
        live.catch_up(&mut folded).await.unwrap();
        assert_eq!(live.load().snapshot.revision, RevisionNumber(3));
        assert!(live.at(RevisionNumber(2)).is_none());
    }

    /// Nothing is appended, and yet the others hear again and again that this node is there.
    #[tokio::test]
    async fn a_node_that_nothing_happens_to_still_reports() {
        let store = Arc::new(MemoryStore::default());
        let clock = std::sync::atomic::AtomicI64::new(0);
        let ends = Ends {
            now: Box::new(move || Timestamp(clock.fetch_add(1, std::sync::atomic::Ordering::SeqCst))),
            heartbeat: Duration::from_millis(5),
            ..ends(&store)
        };
        let (live, shutdown) = (Live::start_with(ends).await, CancellationToken::new());
        let heard = async {
            let mut last = Timestamp(0);
            for _ in 0..3 {
                while store.nodes().await.unwrap().first().is_none_or(|node| node.seen_at <= last) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                last = store.nodes().await.unwrap()[0].seen_at;
            }
            shutdown.cancel();
        };
        tokio::join!(live.run(shutdown.clone()), tokio::time::timeout(Duration::from_secs(10), heard))
            .1
            .unwrap();
    }
}
