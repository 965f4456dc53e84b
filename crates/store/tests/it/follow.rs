//! A live snapshot against a log that moves, forks, shrinks, fails and carries poison.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use serinus_domain::{
    digest::{Digest, canonical_json},
    entity::Document,
    id::FeatureKey,
    revision::{Change, Draft, Revision, RevisionNumber},
};
use serinus_store::{Blobs, Failure, FollowError, Head, Live, Log, LogReader, MemoryStore, Nodes};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fixtures::{START, draft};

const PATIENCE: Duration = Duration::from_secs(10);

/// Its own log in front of a real one: what it answers can be broken.
#[derive(Default)]
struct Flaky {
    store: MemoryStore,
    broken: Mutex<Broken>,
}

#[derive(Clone, Default)]
enum Broken {
    #[default]
    No,
    Down,
    BlobsDown,
    Altered(u64),
}

impl Flaky {
    fn set(&self, broken: Broken) {
        *self.broken.lock().unwrap() = broken;
    }

    fn broken(&self) -> Broken {
        self.broken.lock().unwrap().clone()
    }
}

fn down() -> Failure {
    Failure { what: "test", reason: "down".into(), retryable: true }
}

fn altered(mut revision: Revision) -> Revision {
    revision.body.message = "forged".into();
    revision.digest = Digest::of(&canonical_json(&revision.body));
    revision
}

#[async_trait]
impl LogReader for Flaky {
    async fn head(&self) -> Result<Head, Failure> {
        if matches!(self.broken(), Broken::Down) { Err(down()) } else { self.store.head().await }
    }

    async fn read(&self, after: RevisionNumber, limit: usize) -> Result<Vec<Revision>, Failure> {
        let read = self.store.read(after, limit).await?;
        let Broken::Altered(at) = self.broken() else { return Ok(read) };
        Ok(read.into_iter().map(|one| if one.body.number.0 == at { altered(one) } else { one }).collect())
    }

    fn watch_head(&self) -> watch::Receiver<RevisionNumber> {
        self.store.watch_head()
    }
}

#[async_trait]
impl Blobs for Flaky {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        self.store.put(bytes).await
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
        if matches!(self.broken(), Broken::BlobsDown) { Err(down()) } else { self.store.get(digest).await }
    }

    async fn erase(&self, digest: &Digest) -> Result<bool, Failure> {
        self.store.erase(digest).await
    }
}

struct Rig {
    log: Arc<Flaky>,
    nodes: Arc<MemoryStore>,
    cache: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self { log: Arc::default(), nodes: Arc::default(), cache: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> std::path::PathBuf {
        self.cache.path().join("snapshot.json")
    }

    async fn start(&self) -> Arc<Live> {
        let (log, nodes) = (Arc::clone(&self.log), Arc::clone(&self.nodes));
        Live::start(log.clone(), log, nodes, "n1", Some(self.file()), || START).await
    }

    async fn append(&self, expected: u64, changes: Vec<Change>) -> RevisionNumber {
        let draft = Draft { changes, ..draft(expected, "ann") };
        self.log.store.append(&draft, START).await.unwrap().body.number
    }

    /// A feature `support` with model version `version`, whose content is stored.
    async fn feature(&self, expected: u64, version: u32) -> RevisionNumber {
        let content = canonical_json(&json!({"provider": "openai", "model": format!("m{version}")}));
        self.log.store.put(&content).await.unwrap();
        self.append(expected, feature(version, &Digest::of(&content))).await
    }
}

fn put(document: &Value) -> Change {
    Change::put(&Document::from_value(document).unwrap())
}

fn feature(version: u32, content: &Digest) -> Vec<Change> {
    let artifact = json!({
        "kind": "artifact", "artifact_kind": "model", "name": "m", "version": version, "content": content,
        "author": "ann", "created_at": START,
    });
    let control = json!({"model": format!("model/m@{version}")});
    vec![put(&artifact), put(&json!({"kind": "feature", "key": "support", "control": control}))]
}

fn model(live: &Live) -> String {
    let feature = FeatureKey::new("support").unwrap();
    live.load().compiled.features[&feature].control.model.model.clone()
}

async fn run<T>(live: &Arc<Live>, while_it_runs: impl Future<Output = T>) -> T {
    let shutdown = CancellationToken::new();
    let (done, ()) = tokio::join!(
        async {
            let done = while_it_runs.await;
            shutdown.cancel();
            done
        },
        Arc::clone(live).run(shutdown.clone())
    );
    done
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it holds in the end");
}

#[tokio::test]
async fn what_is_appended_becomes_active_and_is_reported() {
    let rig = Rig::new();
    rig.feature(0, 1).await;
    let live = rig.start().await;
    assert_eq!(model(&live), "m1");
    let held = live.load();
    run(&live, async {
        let revision = rig.feature(1, 2).await;
        let active = live.wait_for(revision, PATIENCE).await.unwrap();
        assert_eq!((active.snapshot.revision, active.compiled.revision), (revision, revision));
        assert_eq!(model(&live), "m2");
        let nodes = &rig.nodes;
        eventually(async || {
            nodes.nodes().await.unwrap().first().is_some_and(|node| node.revision == revision)
        })
        .await;
        let report = nodes.nodes().await.unwrap().remove(0);
        assert_eq!((report.node.as_str(), report.activated_at, report.refusal), ("n1", START, None));
    })
    .await;
    // INVARIANT(one-snapshot): who loaded the one before still has all of it, and it can be had again.
    assert_eq!(held.snapshot.revision, RevisionNumber(1));
    assert!(Arc::ptr_eq(&held, &live.at(RevisionNumber(1)).unwrap()));
    assert!(live.at(RevisionNumber(9)).is_none());
    let late = live.wait_for(RevisionNumber(9), Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late.to_string(), "revision 9 is not active here yet, 2 is");
}

#[tokio::test]
async fn one_snapshot() {
    // Each revision puts two documents that must never be seen apart.
    let rig = Rig::new();
    let live = rig.start().await;
    let pair = |value: u64| {
        let flag = |key: &str| {
            let variants = json!({"on": value});
            put(
                &json!({"kind": "flag", "key": key, "value_kind": "number", "variants": variants, "default": "on", "salt": "s"}),
            )
        };
        vec![flag("a"), flag("b")]
    };
    run(&live, async {
        let reader = Arc::clone(&live);
        let reading = tokio::task::spawn_blocking(move || {
            let mut seen = 0;
            while seen < 50 {
                let active = reader.load();
                let value = |key: &str| active.compiled.flags.get(key).map(|flag| flag.variants[0].1.clone());
                assert_eq!(value("a"), value("b"));
                let revision = active.snapshot.revision.0;
                assert!(revision >= seen, "a node went back");
                assert_eq!(value("a"), (revision > 0).then(|| json!(revision)));
                seen = revision;
            }
        });
        for revision in 0..50 {
            rig.append(revision, pair(revision + 1)).await;
            if revision % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        reading.await.unwrap();
    })
    .await;
    assert!((1..=50).all(|revision| live.at(RevisionNumber(revision)).is_some()));
}

#[tokio::test]
async fn a_node_that_cannot_go_on_stays_serves_and_says_so() {
    let cases: [(Broken, &str); 3] = [
        (Broken::Down, "down"),
        (Broken::BlobsDown, "down"),
        (Broken::Altered(2), "follows another history"),
    ];
    for (broken, reason) in cases {
        let rig = Rig::new();
        rig.feature(0, 1).await;
        let live = rig.start().await;
        rig.log.set(broken);
        run(&live, async {
            let revision = rig.feature(1, 2).await;
            eventually(async || live.standing().refusal.is_some_and(|why| why.contains(reason))).await;
            assert_eq!((model(&live), live.standing().revision), ("m1".into(), RevisionNumber(1)));
            let nodes = &rig.nodes;
            let told = async || nodes.nodes().await.unwrap().iter().any(|node| node.refusal.is_some());
            eventually(told).await;
            rig.log.set(Broken::No);
            live.wait_for(revision, PATIENCE).await.unwrap();
            assert_eq!((model(&live), live.standing().refusal), ("m2".into(), None));
        })
        .await;
    }
}

#[tokio::test]
async fn content_that_is_gone_breaks_only_what_names_it() {
    let rig = Rig::new();
    rig.feature(0, 1).await;
    let live = rig.start().await;
    run(&live, async {
        let mut changes = feature(2, &Digest::of(b"redacted"));
        changes.pop();
        changes.push(put(&json!({"kind": "feature", "key": "search", "control": {"model": "model/m@2"}})));
        let revision = rig.append(1, changes).await;
        let active = live.wait_for(revision, PATIENCE).await.unwrap();
        assert_eq!(model(&live), "m1");
        assert_eq!(active.compiled.diagnostics.len(), 1);
        assert!(
            active.compiled.diagnostics[0].reason.contains("not held here"),
            "{:?}",
            active.compiled.diagnostics
        );
    })
    .await;
}

#[tokio::test]
async fn a_node_starts_from_its_cache_with_no_log() {
    let rig = Rig::new();
    for version in 1..=3 {
        rig.feature(u64::from(version) - 1, version).await;
    }
    let live = rig.start().await;
    let file = rig.file();
    run(&live, eventually(async || file.exists())).await;
    rig.feature(3, 4).await;
    let live = rig.start().await;
    run(&live, async {
        eventually(async || Live::from_cache(&file).is_ok_and(|cached| cached.snapshot.revision.0 == 4))
            .await;
    })
    .await;
    assert_eq!(Live::from_cache(&file).unwrap().snapshot, live.load().snapshot);

    rig.log.set(Broken::Down);
    let cold = rig.start().await;
    assert_eq!(model(&cold), "m4");
    assert!(cold.standing().refusal.unwrap().contains("down"));

    // A torn file gives way to the generation before, and two torn files to an empty snapshot.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 9]).unwrap();
    assert_eq!(Live::from_cache(&file).unwrap().snapshot.revision.0, 3);
    std::fs::write(file.with_extension("json.previous"), b"").unwrap();
    let FollowError::Cache { reason, .. } = Live::from_cache(&file).unwrap_err() else {
        panic!("no cache error")
    };
    assert!(reason.contains("checksum does not match") && reason.contains("cut short"), "{reason}");
    assert_eq!(rig.start().await.load().snapshot.revision.0, 0);
}

#[tokio::test]
async fn a_log_that_was_replaced_is_refused() {
    let rig = Rig::new();
    for revision in 0..3 {
        rig.append(revision, vec![]).await;
    }
    let live = rig.start().await;
    let file = rig.file();
    run(&live, eventually(async || file.exists())).await;
    for (revisions, reason) in
        [(2, "the log ends at revision 2"), (3, "another history"), (4, "another history")]
    {
        let other = Rig { log: Arc::default(), nodes: Arc::default(), cache: tempfile::tempdir().unwrap() };
        for revision in 0..revisions {
            let forged = Draft { changes: vec![], message: "other".into(), ..draft(revision, "eve") };
            other.log.store.append(&forged, START).await.unwrap();
        }
        std::fs::copy(&file, other.file()).unwrap();
        let live = other.start().await;
        let standing = live.standing();
        assert_eq!(standing.revision, RevisionNumber(3), "{revisions}");
        assert!(
            standing.refusal.as_ref().is_some_and(|why| why.contains(reason)),
            "{revisions}: {standing:?}"
        );
    }
}
