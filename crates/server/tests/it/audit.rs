//! The log as an auditor meets it: damage on the disk is found and named. Knows the database only as somebody who breaks it.

use serde_json::{Value, json};
use serinus_testkit::Serinus;

use crate::world::binary;

/// Changes what is stored, past the server.
fn damage(serinus: &Serinus, statement: &str) {
    let database = rusqlite::Connection::open(serinus.data().join("control.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    assert_eq!(database.execute(statement, []).unwrap(), 1, "{statement}");
}

async fn verified(serinus: &Serinus) -> (Option<i32>, Value) {
    let printed = serinus.cli(&["revisions", "verify", "--json"]).await;
    (printed.code, serde_json::from_str(&printed.out).unwrap_or_else(|_| panic!("{printed:?}")))
}

#[tokio::test]
async fn damage_is_named_by_its_revision() {
    let serinus = binary().start().await;
    for key in ["one", "two", "three", "four"] {
        let put = serinus.cli(&["flag", "put", key, "--value", "true"]).await;
        assert_eq!(put.code, Some(0), "{put:?}");
    }
    let (code, whole) = verified(&serinus).await;
    assert_eq!((code, &whole["intact"], &whole["revisions"]), (Some(0), &json!(true), &json!(4)), "{whole}");

    // Somebody rewrites who did it, and leaves the digest.
    damage(
        &serinus,
        "update revisions set body = cast(replace(cast(body as text), 'create flag three', 'create flag throe') as blob) where number = 3",
    );
    let (code, found) = verified(&serinus).await;
    assert_eq!(
        (code, &found["intact"], &found["broken"]["after"]),
        (Some(3), &json!(false), &json!(2)),
        "{found}"
    );
    assert!(found["broken"]["reason"].to_string().contains("revision 3 was altered"), "{found}");
    let told = serinus.cli(&["revisions", "verify"]).await;
    assert!(told.out.contains("BROKEN after revision 2: revision 3 was altered"), "{told:?}");
}

#[tokio::test]
async fn a_revision_that_is_gone_leaves_a_gap() {
    let serinus = binary().start().await;
    for key in ["one", "two", "three"] {
        assert_eq!(serinus.cli(&["flag", "put", key, "--value", "true"]).await.code, Some(0));
    }
    damage(&serinus, "delete from revisions where number = 2");
    let (code, found) = verified(&serinus).await;
    assert_eq!((code, &found["broken"]["after"]), (Some(3), &json!(1)), "{found}");
    // What needs the whole history says that it has a hole, and does not wait for it to be filled.
    let read = serinus.cli(&["flag", "get", "three"]).await;
    assert!(read.code.is_some(), "{}", read.err);
}
