//! The loops of a live snapshot: from log to memory, from memory to the node's report and to its cache file.
//! Knows nothing of the file's form.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, blobs_of},
    digest::Digest,
    entity::Document,
    limits::SNAPSHOTS_KEPT,
    snapshot::{Refused, Snapshot},
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Active, BACKOFF_MAX, Compile, FollowError, Live, POLL, cache};

/// Revisions read at a time.
const BATCH: usize = 256;
/// The least time between two generations of the cache: each writes every document, and must not compete with activations.
const CACHE_EVERY: Duration = Duration::from_secs(1);

/// Compiles; nothing where the compiler broke down. A poison document must not take the last good revision with it.
pub(super) fn guarded(
    compile: Compile,
    snapshot: &Snapshot,
    contents: &Contents,
    previous: Option<&Compiled>,
) -> Option<Compiled> {
    catch_unwind(AssertUnwindSafe(|| compile(snapshot, contents, previous))).ok()
}

impl Live {
    pub(super) async fn follow(&self, shutdown: &CancellationToken) {
        let mut head = self.ends.log.watch_head();
        let mut folded = self.load().snapshot.clone();
        let mut wait = POLL;
        while !shutdown.is_cancelled() {
            match self.catch_up(&mut folded).await {
                Ok(()) => {
                    self.relieve();
                    wait = POLL;
                }
                Err(refused) => {
                    self.refuse(&refused);
                    wait = (wait * 2).min(BACKOFF_MAX);
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = moved(&mut head) => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Folds all that the log has and activates its end. `folded` may be ahead of what is active, by revisions that could not
    /// be prepared: the next one may mend what is wrong with them.
    pub(super) async fn catch_up(&self, folded: &mut Snapshot) -> Result<(), FollowError> {
        let head = self.ends.log.head().await?;
        if head.number < folded.revision {
            return Err(FollowError::LogBehind { head: head.number, have: folded.revision });
        }
        if head.number == folded.revision && head.digest != folded.digest {
            return Err(Refused::Fork { number: head.number }.into());
        }
        while folded.revision < head.number {
            let batch = self.ends.log.read(folded.revision, BATCH).await?;
            if batch.is_empty() {
                return Err(Refused::Gap { have: folded.revision, got: head.number }.into());
            }
            for revision in &batch {
                let next = folded.apply(revision)?;
                if next.revision == head.number && next.digest != head.digest {
                    return Err(Refused::Fork { number: head.number }.into());
                }
                *folded = next;
                let behind = head.number.0.saturating_sub(folded.revision.0);
                // Those in between are kept for sessions that were assigned at them; what they lack holds nobody up.
                if behind > 0 && behind < SNAPSHOTS_KEPT as u64 {
                    let _ = self.prepare(folded).await.map(|next| self.activate(next));
                }
            }
        }
        if folded.revision > self.load().snapshot.revision {
            self.activate(self.prepare(folded).await?);
        }
        Ok(())
    }

    async fn prepare(&self, snapshot: &Snapshot) -> Result<Active, FollowError> {
        let previous = self.load();
        let (contents, lacks) = self.fetch(snapshot, &previous).await?;
        let snapshot = snapshot.clone();
        let (compile, revision) = (self.ends.compile, snapshot.revision);
        let compiled = spawn_blocking(move || {
            let compiled = guarded(compile, &snapshot, &contents, Some(&previous.compiled))?;
            Some(Active { snapshot, compiled, contents, lacks })
        });
        compiled.await.ok().flatten().ok_or(FollowError::Poisoned { revision })
    }

    /// The contents of all artifacts and lists, and whether any is not there. One that is gone or damaged breaks what names it, as the
    /// compiler then says; only a failure that may pass holds the revision up.
    async fn fetch(
        &self,
        snapshot: &Snapshot,
        previous: &Active,
    ) -> Result<(Arc<Contents>, bool), FollowError> {
        let held = &previous.contents;
        let Wanted { missing, gone } = wanted(snapshot, previous);
        if missing.is_empty() && !gone.iter().any(|digest| held.held.contains_key(digest)) {
            return Ok((Arc::clone(held), false));
        }
        let mut contents = Contents::clone(held);
        contents.held.retain(|digest, _| !gone.contains(digest));
        let mut lacks = false;
        for digest in missing {
            match self.ends.blobs.get(&digest).await {
                Ok(Some(bytes)) if Digest::of(&bytes) == digest => match serde_json::from_slice(&bytes) {
                    Ok(value) => {
                        contents.held.insert(digest, Arc::new(value));
                        continue;
                    }
                    Err(refused) => tracing::error!("content {} is no JSON: {refused}", digest.short()),
                },
                Ok(Some(_)) => tracing::error!("content {} is not what its digest says", digest.short()),
                Ok(None) => tracing::error!("content {} is not in the store", digest.short()),
                Err(failure) if failure.retryable => return Err(failure.into()),
                Err(failure) => tracing::error!("content {} cannot be read: {failure}", digest.short()),
            }
            lacks = true;
        }
        Ok((Arc::new(contents), lacks))
    }

    pub(super) async fn report(&self, shutdown: &CancellationToken) {
        let mut standing = self.standing.subscribe();
        standing.mark_changed();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = moved(&mut standing) => {}
                () = sleep(self.ends.heartbeat) => {}
            }
            if let Err(failure) = self.ends.nodes.report(self.standing()).await {
                tracing::warn!(node = %self.ends.node, "not reported, trying again: {failure}");
                standing.mark_changed();
                let () = tokio::select! { () = shutdown.cancelled() => {}, () = sleep(BACKOFF_MAX) => {} };
            }
        }
    }

    pub(super) async fn keep_cache(&self, shutdown: &CancellationToken) {
        let Some(file) = self.ends.cache.clone() else { return };
        let mut activated = self.activated.subscribe();
        activated.mark_changed();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = moved(&mut activated) => {}
            }
            self.save(&file).await;
            tokio::select! { () = shutdown.cancelled() => {}, () = sleep(CACHE_EVERY) => {} }
        }
        if activated.has_changed().unwrap_or(false) {
            self.save(&file).await;
        }
    }

    async fn save(&self, file: &Path) {
        let (active, file) = (self.load(), file.to_owned());
        if active.snapshot.revision.0 == 0 {
            return;
        }
        let written = spawn_blocking(move || cache::save(&file, &active.snapshot, &active.contents)).await;
        if let Ok(Err(refused)) = written {
            tracing::warn!(node = %self.ends.node, "the snapshot is not cached: {refused}");
        }
    }
}

/// Contents that are to be read, and those that are to be forgotten.
struct Wanted {
    missing: BTreeSet<Digest>,
    gone: BTreeSet<Digest>,
}

/// What of the contents changes with `snapshot`: by what changed since `previous`, or by all documents where it lacks something already
/// or nobody can tell.
fn wanted(snapshot: &Snapshot, previous: &Active) -> Wanted {
    let since = previous.snapshot.moment().filter(|_| !previous.lacks);
    let changed = since.and_then(|moment| snapshot.changed_since(&moment));
    let changed = changed.map(|keys| keys.into_iter().filter_map(|key| snapshot.get(key)?.document.as_ref()));
    let documents: Box<dyn Iterator<Item = &Document>> = match changed {
        Some(changed) => Box::new(changed),
        None => Box::new(snapshot.documents()),
    };
    let (mut missing, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for document in documents {
        missing.extend(blobs_of(document));
        gone.extend(redacted(document));
    }
    // What was removed for good goes from memory as well, and with the next writing from the cache file.
    missing.retain(|digest| !gone.contains(digest) && !previous.contents.held.contains_key(digest));
    Wanted { missing, gone }
}

/// The content that a version had before it was redacted.
fn redacted(document: &Document) -> Option<Digest> {
    match document {
        Document::Artifact(doc) if doc.redacted => Some(doc.content),
        _ => None,
    }
}

/// Returns when what is watched changes; never, once nobody is left to change it.
async fn moved<T>(watched: &mut watch::Receiver<T>) {
    if watched.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
