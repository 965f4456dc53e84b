//! The tables of one environment's schema and how an older one is brought up to date. Knows nothing of what is in them.
//!
//! A migration only expands: processes of the version before still run on what it leaves. Entries are never edited, only added.
//! Texts are compared byte by byte, whatever the database's locale, so that every store lists in the same order.

use deadpool_postgres::Object;

use super::{Place, trouble::Trouble};

/// The oldest server whose behaviour is tested.
const SERVER_MIN: i32 = 140_000;

const MIGRATIONS: &[&str] = &[r#"
    create table revisions(
        number bigint primary key, digest bytea not null, idempotency_key text collate "C" unique, body bytea not null);
    create table blobs(digest bytea primary key, bytes bytea);
    comment on column blobs.bytes is 'null where the content had to go and must not come back';
    create table cursors(follower text collate "C" primary key, revision bigint not null);
    create table tokens(id text collate "C" primary key, body text not null);
    create table nodes(
        node text collate "C" primary key, revision bigint not null, activated_at bigint not null, refusal text,
        seen_at bigint not null);
    create table papers(
        kind text collate "C" not null, id text collate "C" not null, version bigint not null, at bigint not null,
        body text not null, primary key(kind, id));
    create table usages(subject text collate "C" primary key, count bigint not null, last_at bigint not null);

    create table last_record(single boolean primary key default true check(single), seq bigint not null);
    insert into last_record(seq) values(0);
    create table records(
        seq bigint primary key, id text collate "C" not null unique, kind text not null, feature text, rollout text, arm text,
        category text, role text, at bigint not null, response_id text collate "C", interaction text collate "C",
        rating double precision, flawed boolean not null, verdict boolean not null, body text not null);
    create index interactions_by_feature on records(feature, seq) where kind = 'interaction';
    create index interactions_by_rollout on records(rollout, seq) where kind = 'interaction' and rollout is not null;
    create index interactions_by_response on records(response_id) where response_id is not null;
    create index scores_by_interaction on records(interaction) where interaction is not null;
    create table bodies(seq bigint primary key, body text not null);
    create table judge_queue(
        seq bigint primary key, attempts integer not null, due_at bigint not null, holder text, held_until bigint not null);
    create table pins(
        session bytea not null, feature text collate "C" not null, rollout text, arm text, opened bigint not null,
        last_seen bigint not null, body text not null, primary key(session, feature));
    create index pins_by_rollout on pins(rollout, arm) where rollout is not null;
"#];

/// Brings the schema up to date, one process at a time, or refuses one from a later version.
pub(super) async fn migrate(client: &mut Object, place: &Place) -> Result<(), Trouble> {
    let version =
        client.query_one("select current_setting('server_version_num')::integer, version()", &[]).await?;
    if version.try_get::<_, i32>(0)? < SERVER_MIN {
        let text: String = version.try_get(1)?;
        return Err(Trouble::damaged(format!(
            "PostgreSQL 14 or later is needed and this is {text}: upgrade the server"
        )));
    }
    let schema = &place.schema;
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", &[schema]).await?;
    // Asked first, because a user who may not create schemas may well use one that was made for it.
    let there = transaction.query_opt("select 1 from pg_namespace where nspname = $1", &[schema]).await?;
    if there.is_none() {
        transaction.batch_execute(&format!("create schema {}", place.quoted())).await?;
    }
    transaction
        .batch_execute(
            "create table if not exists meta(key text collate \"C\" primary key, value bigint not null)",
        )
        .await?;
    let have = transaction.query_opt("select value from meta where key = 'schema'", &[]).await?;
    let have = have.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let (have, know) = (usize::try_from(have).unwrap_or(usize::MAX), MIGRATIONS.len());
    if have > know {
        return Err(Trouble::damaged(format!(
            "schema {schema} is version {have} and this binary knows {know}: run the newer binary that wrote it, or restore a \
             backup from before"
        )));
    }
    for migration in MIGRATIONS.iter().skip(have) {
        transaction.batch_execute(migration).await?;
    }
    let upsert = "insert into meta(key, value) values('schema', $1) on conflict(key) do update set value = excluded.value";
    transaction.execute(upsert, &[&crate::sql::int(know as u64)]).await?;
    transaction.commit().await?;
    Ok(())
}
