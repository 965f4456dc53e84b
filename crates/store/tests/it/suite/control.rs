//! What every keeper of cursors, tokens and node reports promises.

use std::sync::Arc;

use serinus_domain::{digest::Digest, revision::RevisionNumber};
use serinus_store::{NodeReport, Nodes, Outbox, Token, Tokens};

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
    };
    for one in
        [report("b", 1, None), report("a", 1, None), report("a", 2, None), report("a", 2, Some("fork"))]
    {
        store.report(one).await.unwrap();
    }
    assert_eq!(store.nodes().await.unwrap(), [report("a", 2, Some("fork")), report("b", 1, None)]);
}
