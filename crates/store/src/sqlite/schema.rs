//! The tables of both files and how an older file is brought up to date. Knows nothing of what is in them.
//!
//! A migration only expands: the version before must still run on what it leaves. Contracting waits until no node of that
//! version is left, and is a migration of its own. Entries are never edited, only added.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::trouble::{Trouble, int};

/// All that a rollback touches.
pub(super) const CONTROL: &[&str] = &["
    create table revisions(number integer primary key, digest blob not null, idempotency_key text unique, body blob not null);
    create table blobs(digest blob primary key, bytes blob not null) without rowid;
    create table cursors(follower text primary key, revision integer not null) without rowid;
    create table tokens(id text primary key, body text not null) without rowid;
    create table nodes(node text primary key, revision integer not null, activated_at integer not null, refusal text)
        without rowid;
", "
    create table erased(digest blob primary key) without rowid;
    create table papers(
        kind text not null, id text not null, version integer not null, at integer not null, body text not null,
        primary key(kind, id)) without rowid;
    create table usages(subject text primary key, count integer not null, last_at integer not null) without rowid;
    alter table nodes add column seen_at integer not null default 0;
"];

/// What was observed and pinned. Every index is paid for by each record: one per question that is asked of a live system.
pub(super) const TELEMETRY: &[&str] = &["
    create table records(
        seq integer primary key autoincrement, id text not null unique, kind text not null, feature text, rollout text,
        arm text, category text, role text, at integer not null, response_id text, interaction text, rating real,
        flawed integer not null default 0, body text not null);
    create index interactions_by_feature on records(feature) where kind = 'interaction';
    create index interactions_by_rollout on records(rollout) where kind = 'interaction' and rollout is not null;
    create index interactions_by_response on records(response_id) where response_id is not null;
    create index scores_by_interaction on records(interaction) where interaction is not null;
    create table bodies(seq integer primary key, body text not null);
    create table judge_queue(seq integer primary key, attempts integer not null, due_at integer not null);
    create table pins(
        session blob not null, feature text not null, revision integer not null, rollout text, arm text, at integer not null,
        opened integer not null, last_seen integer not null, body text not null,
        primary key(session, feature)) without rowid;
    create index pins_by_rollout on pins(rollout, arm) where rollout is not null;
"];

/// Brings a file up to date, or refuses one from a later version.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "create table if not exists meta(key text primary key, value integer not null) without rowid",
    )?;
    let version: Option<i64> = transaction
        .query_row("select value from meta where key = 'schema'", [], |row| row.get(0))
        .optional()?;
    let have = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    let know = migrations.len();
    if have > know {
        return Err(Trouble::damaged(format!(
            "its schema is version {have} and this binary knows {know}: run the newer binary that wrote it, or restore a \
             backup from before"
        )));
    }
    for migration in migrations.iter().skip(have) {
        transaction.execute_batch(migration)?;
    }
    transaction
        .execute("insert or replace into meta(key, value) values('schema', ?1)", [int(know as u64)])?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.query_row("select value from meta where key = 'schema'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_file_moves_forward_and_never_back() {
        let first = "create table a(x); insert into a values(1);";
        let second = "alter table a add column y default 2;";
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[first]).unwrap();
        migrate(&mut connection, &[first, second]).unwrap();
        migrate(&mut connection, &[first, second]).unwrap();
        let row: (i64, i64) =
            connection.query_row("select x, y from a", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!((row, version(&connection)), ((1, 2), 2));
        let refused = migrate(&mut connection, &[first]).unwrap_err().failure("open", "control.db");
        assert!(refused.reason.contains("schema is version 2 and this binary knows 1"), "{refused}");
        assert!(!refused.retryable);
        assert_eq!(version(&connection), 2);
    }
}
