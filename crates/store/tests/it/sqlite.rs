//! What only files must do: outlive their store, show damage, refuse a later schema, and never acknowledge what is not on them.

use rusqlite::Connection;
use serde_json::json;
use serinus_domain::{digest::Digest, resolve::Arm, revision::RevisionNumber};
use serinus_store::{
    Appended, Blobs, Failure, Log, LogReader, NodeReport, Nodes, Outbox, Pins, Records, SqliteOptions,
    SqliteStore, Token, Tokens,
};
use tempfile::TempDir;

use crate::fixtures::{START, body, call, draft, first_turn, judged_call, minute, pin, unit};

fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap()
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let directory = tempfile::tempdir().unwrap();
    let first = pin(1, "support", Arm::Candidate, 1, START);
    let token = Token {
        id: "t".into(),
        hash: Digest::of(b"secret"),
        name: "ci".into(),
        scopes: vec!["write".into()],
        created_at: START,
        revoked_at: None,
        person: None,
        environment: None,
        expires_at: None,
    };
    let node = NodeReport {
        node: "a".into(),
        revision: RevisionNumber(1),
        activated_at: START,
        refusal: Some("fork".into()),
        seen_at: START,
    };
    let (revision, blob) = {
        let store = open(&directory);
        store.pin(first_turn(first.clone())).await.unwrap();
        Records::append(&store, vec![judged_call("a")]).await.unwrap();
        store.move_cursor("notify", RevisionNumber(4)).await.unwrap();
        Tokens::put(&store, &token).await.unwrap();
        store.report(node.clone()).await.unwrap();
        (
            Log::append(&store, &draft(0, "ann"), START).await.unwrap(),
            Blobs::put(&store, b"{}").await.unwrap(),
        )
    };
    let store = open(&directory);
    assert_eq!(store.read(RevisionNumber(0), 10).await.unwrap(), [revision]);
    assert_eq!(store.get(&blob).await.unwrap().unwrap(), b"{}");
    assert_eq!(store.session(unit(1), minute(1)).await.unwrap(), [first]);
    assert_eq!(store.after(0, 10).await.unwrap().len(), 2);
    assert_eq!(store.interaction("a").await.unwrap().unwrap().body, Some(body("a")));
    assert_eq!(store.judge_backlog().await.unwrap(), 1);
    assert_eq!(store.cursor("notify").await.unwrap(), RevisionNumber(4));
    assert_eq!(store.all().await.unwrap(), [token]);
    assert_eq!(store.nodes().await.unwrap(), [node]);
    // Watchers of a store that was opened again start where the log is, not at nothing.
    assert_eq!((*store.watch_head().borrow(), *store.watch_records().borrow()), (RevisionNumber(1), 2));
}

#[tokio::test]
async fn an_altered_revision_is_named_and_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    for (expected, name) in [(0, "ann"), (1, "bob"), (2, "eve")] {
        Log::append(&store, &draft(expected, name), START).await.unwrap();
    }
    let blob = Blobs::put(&store, b"{\"text\":\"good\"}").await.unwrap();
    let file = Connection::open(directory.path().join("control.db")).unwrap();
    file.execute(
        "update revisions set body = cast(replace(body, 'bob', 'mob') as blob) where number = 2",
        [],
    )
    .unwrap();
    file.execute("update blobs set bytes = x'7b7d'", []).unwrap();
    assert_eq!(store.read(RevisionNumber(0), 1).await.unwrap().len(), 1);
    let refused = store.read(RevisionNumber(1), 1).await.unwrap_err();
    assert!(refused.reason.contains("revision 2 was altered"), "{refused}");
    let refused = store.get(&blob).await.unwrap_err();
    assert!(refused.reason.contains(&blob.short()) && !refused.retryable, "{refused}");
}

#[tokio::test]
async fn a_later_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory));
    let file = Connection::open(directory.path().join("telemetry.db")).unwrap();
    file.execute("update meta set value = 99 where key = 'schema'", []).unwrap();
    let refused = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap_err();
    for part in ["telemetry.db", "version 99", "run the newer binary"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

/// A full disk takes telemetry first and loudly; what was acknowledged stays, and a rollback still has its room.
#[tokio::test]
async fn what_does_not_fit_is_never_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { telemetry_bytes_max: Some(512 * 1024), ..SqliteOptions::default() };
    let store = SqliteStore::open(directory.path(), options).unwrap();
    let (mut acknowledged, mut refused) = (0, None::<Failure>);
    for at in 0..100 {
        let batch = (0..50).map(|one| call(&format!("{at}-{one}"), &json!({}))).collect();
        match Records::append(&store, batch).await {
            Ok(Appended { accepted, .. }) => acknowledged += accepted,
            Err(failure) => {
                refused = Some(failure);
                break;
            }
        }
    }
    let refused = refused.unwrap();
    assert!(refused.reason.contains("full") && refused.retryable, "{refused}");
    assert_eq!(store.after(0, usize::MAX).await.unwrap().len(), acknowledged);
    Log::append(&store, &draft(0, "rollback"), START).await.unwrap();
    drop(store);
    // With room again the same store goes on, and what was refused may be sent again.
    let store = open(&directory);
    let batch = (0..50).map(|one| call(&format!("again-{one}"), &json!({}))).collect();
    assert_eq!(Records::append(&store, batch).await.unwrap().accepted, 50);
    assert_eq!(store.after(0, usize::MAX).await.unwrap().len(), acknowledged + 50);
}

/// Reads go on while another connection holds the file for writing.
#[tokio::test]
async fn reads_never_wait_for_writes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    Records::append(&store, vec![call("a", &json!({}))]).await.unwrap();
    let file = Connection::open(directory.path().join("telemetry.db")).unwrap();
    file.execute_batch("begin immediate; insert into judge_queue values(9, 0, 0);").unwrap();
    let blocked = Records::append(&store, vec![call("b", &json!({}))]);
    let read = async {
        let view = store.interaction("a").await.unwrap();
        assert_eq!(store.judge_backlog().await.unwrap(), 0);
        file.execute_batch("rollback").unwrap();
        view
    };
    let (appended, view) = tokio::join!(blocked, read);
    assert!(view.is_some());
    assert_eq!(appended.unwrap().accepted, 1);
}
