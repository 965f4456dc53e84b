//! What every revision log and every blob store promises.

use std::sync::Arc;

use serinus_domain::{digest::Digest, revision::RevisionNumber, snapshot::Snapshot};
use serinus_store::{AppendError, Blobs, Log};

use crate::fixtures::{START, draft};

pub async fn of_two_racers_one_wins_and_the_other_is_told_who(store: Arc<impl Log + 'static>) {
    store.append(&draft(0, "base"), START).await.unwrap();
    let race = |name: &'static str| {
        let store = Arc::clone(&store);
        async move { store.append(&draft(1, name), START).await }
    };
    let (ann, bob) = tokio::join!(race("ann"), race("bob"));
    let (won, lost) = match (ann, bob) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        other => panic!("not one winner: {other:?}"),
    };
    let AppendError::Conflict { expected, since } = lost else { panic!("{lost}") };
    assert_eq!(expected, RevisionNumber(1));
    assert_eq!(since, vec![won]);
    let ahead = store.append(&draft(9, "eve"), START).await.unwrap_err();
    assert_eq!(ahead, AppendError::Conflict { expected: RevisionNumber(9), since: vec![] });
}

pub async fn the_log_has_no_gaps(store: Arc<impl Log + 'static>) {
    assert_eq!(store.head().await.unwrap().digest, Digest::ZERO);
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let store = Arc::clone(&store);
            tokio::task::spawn_blocking(move || {
                tokio::runtime::Handle::current().block_on(async move {
                    let mut expected = 0;
                    for _ in 0..5 {
                        while let Err(refused) =
                            store.append(&draft(expected, &format!("r{racer}")), START).await
                        {
                            let AppendError::Conflict { since, .. } = refused else { panic!("{refused}") };
                            expected = since.last().unwrap().body.number.0;
                        }
                    }
                })
            })
        })
        .collect();
    for racer in racers {
        racer.await.unwrap();
    }
    let first = store.read(RevisionNumber(0), 7).await.unwrap();
    assert_eq!(first.len(), 7);
    let rest = store.read(RevisionNumber(7), 1000).await.unwrap();
    let folded = first.iter().chain(&rest).fold(Snapshot::default(), |at, next| at.apply(next).unwrap());
    let head = store.head().await.unwrap();
    assert_eq!((folded.revision, folded.digest), (head.number, head.digest));
    assert_eq!(head.number, RevisionNumber(40));
    assert!(store.read(head.number, 10).await.unwrap().is_empty());
}

pub async fn an_idempotency_key_answers_the_first_revision(store: Arc<impl Log + 'static>) {
    let mut once = draft(0, "ann");
    once.idempotency_key = Some("k1".into());
    let first = store.append(&once, START).await.unwrap();
    store.append(&draft(1, "bob"), START).await.unwrap();
    assert_eq!(store.append(&once, START).await.unwrap(), first);
    once.idempotency_key = Some("k2".into());
    assert!(matches!(store.append(&once, START).await, Err(AppendError::Conflict { .. })));
    assert_eq!(store.head().await.unwrap().number, RevisionNumber(2));
}

pub async fn the_head_is_watched(store: Arc<impl Log + 'static>) {
    let mut head = store.watch_head();
    store.append(&draft(0, "ann"), START).await.unwrap();
    head.changed().await.unwrap();
    assert_eq!(*head.borrow(), RevisionNumber(1));
}

pub async fn blobs_are_named_by_their_digest(store: Arc<impl Blobs + 'static>) {
    let digest = store.put(b"{\"text\":\"hello\"}").await.unwrap();
    assert_eq!(digest, Digest::of(b"{\"text\":\"hello\"}"));
    assert_eq!(store.put(b"{\"text\":\"hello\"}").await.unwrap(), digest);
    assert_eq!(store.get(&digest).await.unwrap().unwrap(), b"{\"text\":\"hello\"}");
    assert_eq!(store.get(&Digest::of(b"other")).await.unwrap(), None);
}

pub async fn what_is_erased_does_not_come_back(store: Arc<impl Blobs + 'static>) {
    let secret = b"{\"text\":\"sk-1234\"}";
    let digest = store.put(secret).await.unwrap();
    assert!(store.erase(&digest).await.unwrap());
    assert!(!store.erase(&digest).await.unwrap());
    assert_eq!(store.get(&digest).await.unwrap(), None);
    // Also what was never there: who erases it has seen it elsewhere.
    let unseen = Digest::of(b"unseen");
    assert!(!store.erase(&unseen).await.unwrap());
    for bytes in [secret.as_slice(), b"unseen"] {
        let refused = store.put(bytes).await.unwrap_err();
        assert!(!refused.retryable && refused.reason.contains("redacted"), "{refused}");
    }
    assert_eq!(store.get(&digest).await.unwrap(), None);
    store.put(b"other").await.unwrap();
}
