//! What every keeper of cursors, tokens and node reports promises.

use std::sync::Arc;

use serde_json::json;
use serinus_domain::{digest::Digest, revision::RevisionNumber, units::Timestamp};
use serinus_store::{Desk, NodeReport, Nodes, Outbox, Token, Tokens, Usage, Usages};

use crate::fixtures::{START, minute};

pub async fn cursors_only_move_on(store: Arc<impl Outbox + 'static>) {
    assert_eq!(store.cursor("notify").await.unwrap(), RevisionNumber(0));
    for (to, stands) in [(3, 3), (7, 7), (5, 7)] {
        store.move_cursor("notify", RevisionNumber(to)).await.unwrap();
        assert_eq!(store.cursor("notify").await.unwrap(), RevisionNumber(stands), "to {to}");
    }
    assert_eq!(store.cursor("other").await.unwrap(), RevisionNumber(0));
}

pub async fn tokens_are_kept_and_revoked(store: Arc<impl Tokens + 'static>) {
    let token = |id: &str| Token {
        id: id.into(),
        hash: Digest::of(id.as_bytes()),
        name: format!("token {id}"),
        scopes: vec!["invoke".into(), "record".into()],
        created_at: START,
        revoked_at: None,
        person: None,
        environment: None,
        expires_at: None,
    };
    for id in ["b", "a"] {
        store.put(&token(id)).await.unwrap();
    }
    assert_eq!(store.all().await.unwrap(), [token("a"), token("b")]);
    assert!(!store.revoke("c", START).await.unwrap());
    assert!(store.revoke("a", minute(1)).await.unwrap());
    // Revoking again does not move when it was revoked.
    assert!(store.revoke("a", minute(2)).await.unwrap());
    assert_eq!(store.all().await.unwrap(), [Token { revoked_at: Some(minute(1)), ..token("a") }, token("b")]);
}

pub async fn nodes_last_word_counts(store: Arc<impl Nodes + 'static>) {
    let report = |node: &str, revision, refusal: Option<&str>| NodeReport {
        node: node.into(),
        revision: RevisionNumber(revision),
        activated_at: START,
        refusal: refusal.map(Into::into),
        seen_at: START,
    };
    for one in
        [report("b", 1, None), report("a", 1, None), report("a", 2, None), report("a", 2, Some("fork"))]
    {
        store.report(one).await.unwrap();
    }
    assert_eq!(store.nodes().await.unwrap(), [report("a", 2, Some("fork")), report("b", 1, None)]);
}

pub async fn papers_change_by_compare_and_swap(store: Arc<impl Desk + 'static>) {
    let write = async |id: &str, expected, title: &str| {
        store.write("proposal", id, expected, &json!({"title": title}), START).await.unwrap()
    };
    assert!(write("9", 0, "first").await);
    assert!(!write("9", 0, "again").await);
    assert!(!write("9", 2, "ahead").await);
    assert!(!write("8", 1, "of nothing").await);
    assert!(write("9", 1, "second").await);
    assert!(write("10", 0, "other").await);
    store.write("person", "9", 0, &json!({}), minute(1)).await.unwrap();
    let paper = store.paper("proposal", "9").await.unwrap().unwrap();
    assert_eq!((paper.version, paper.at, &paper.body["title"]), (2, START, &json!("second")));
    let ids: Vec<_> = store.papers("proposal").await.unwrap().into_iter().map(|paper| paper.id).collect();
    assert_eq!(ids, ["10", "9"]);
    assert!(store.discard("proposal", "9").await.unwrap());
    assert!(!store.discard("proposal", "9").await.unwrap());
    assert_eq!(store.paper("proposal", "9").await.unwrap(), None);
    assert!(store.paper("person", "9").await.unwrap().is_some());
    assert!(write("9", 0, "anew").await);
}

pub async fn of_two_writers_of_a_paper_one_wins(store: Arc<impl Desk + 'static>) {
    for expected in 0..20 {
        let (title, other) = (json!("a"), json!("b"));
        let (first, second) = tokio::join!(
            store.write("proposal", "1", expected, &title, START),
            store.write("proposal", "1", expected, &other, START),
        );
        assert!(first.unwrap() != second.unwrap(), "version {expected}");
    }
}

pub async fn usage_adds_up(store: Arc<impl Usages + 'static>) {
    let usage = |subject: &str, count, last_at: Timestamp| Usage { subject: subject.into(), count, last_at };
    let (early, late) = (START, minute(1));
    store
        .used(&[usage("flag/b", 2, late), usage("flag/a", 1, early), usage("flag/b", 3, early)])
        .await
        .unwrap();
    store
        .used(&[usage("flag/b", 1, early), usage("flag_", 1, early), usage("variant/a", 1, late)])
        .await
        .unwrap();
    store.used(&[]).await.unwrap();
    assert_eq!(store.usages("flag/").await.unwrap(), [usage("flag/a", 1, early), usage("flag/b", 6, late)]);
    assert_eq!(store.usages("").await.unwrap().len(), 4);
    assert_eq!(store.usages("w").await.unwrap(), []);
}
