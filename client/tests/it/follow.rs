//! Following: cuts, distance, damage, disk, restarts, tokens, crowds.

use std::{collections::BTreeMap, time::Duration};

use serinus_client::{Client, Connection, Context, RevisionNumber, Source};
use serinus_domain::units::Timestamp;
use serinus_store::Tokens;

use crate::world::{SOON, World, flag, stands};

fn on(client: &Client) -> bool {
    client.boolean("a", &Context::default(), false).value
}

#[tokio::test]
async fn a_change_arrives_a_cut_is_survived_and_what_was_missed_comes_as_revisions() {
    let world = World::open().await;
    world.flag("a", false).await;
    let client = world.connect();
    assert_eq!(client.wait_ready(SOON).await.unwrap(), RevisionNumber(1));
    assert_eq!(client.status().source, Source::Server);
    let second = world.flag("a", true).await;
    client.wait_for(second, SOON).await.unwrap();
    assert!(on(&client));
    assert_eq!(world.proxy.said("event: snapshot"), 1);
    world.proxy.cut();
    stands(&client, "a cut that is told", |status| matches!(status.connection, Connection::Lost { .. }))
        .await;
    assert!(on(&client), "it evaluates on");
    let third = world.flag("a", false).await;
    world.proxy.mend();
    client.wait_for(third, SOON).await.unwrap();
    assert!(!on(&client));
    let (_, last) = world.proxy.follows().pop().unwrap();
    assert!(last.contains("after=2&digest="), "{last}");
    assert_eq!(world.proxy.said("event: snapshot"), 0);
}

#[tokio::test]
async fn who_is_far_behind_gets_one_snapshot() {
    let world = World::open().await;
    world.flag("a", false).await;
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    world.proxy.cut();
    for _ in 0..1000 {
        world.flag("b", true).await;
    }
    let head = world.flag("a", true).await;
    world.live.wait_for(head, SOON).await.unwrap();
    world.proxy.said("");
    world.proxy.mend();
    client.wait_for(head, SOON).await.unwrap();
    assert!(on(&client));
    let said = world.proxy.said("event: snapshot");
    assert_eq!(said, 1);
}

#[tokio::test]
async fn an_altered_revision_is_refused_said_and_mended_by_a_snapshot() {
    let world = World::open().await;
    world.flag("a", false).await;
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    // Of the same length, well-formed, and a lie.
    world.proxy.alter("\"actor\":\"ann\"", "\"actor\":\"bob\"");
    world.flag("a", true).await;
    let status = stands(&client, "a refusal", |status| status.refusal.is_some()).await;
    assert!(status.refusal.unwrap().contains("digest does not match"));
    assert_eq!(status.revision, RevisionNumber(1));
    assert!(!on(&client), "the last good revision decides on");
    world.proxy.alter_nothing();
    client.wait_for(RevisionNumber(2), SOON).await.unwrap();
    let status = stands(&client, "no refusal any more", |status| status.refusal.is_none()).await;
    assert!(on(&client));
    assert_eq!(status.revision, RevisionNumber(2));
    assert!(world.proxy.follows().last().is_some_and(|(_, line)| !line.contains("after=")));
}

#[tokio::test]
async fn it_starts_from_disk_without_a_server_and_from_the_generation_before_a_torn_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serinus.snapshot");
    let world = World::open().await;
    world.flag("a", true).await;
    let client = world.connect_with(&file);
    client.wait_ready(SOON).await.unwrap();
    let exists = |name: &str| {
        let path = folder.path().join(name);
        async move {
            let deadline = tokio::time::Instant::now() + SOON;
            while !path.exists() {
                assert!(tokio::time::Instant::now() < deadline, "no {}", path.display());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    exists("serinus.snapshot").await;
    world.flag("b", true).await;
    exists("serinus.snapshot.previous").await;
    exists("serinus.snapshot").await;
    drop(client);
    world.proxy.cut();
    let client = world.connect_with(&file);
    let status = client.status();
    assert_eq!((status.source, status.revision), (Source::Disk, RevisionNumber(2)));
    assert!(on(&client));
    drop(client);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let client = world.connect_with(&file);
    assert_eq!(client.wait_ready(SOON).await.unwrap(), RevisionNumber(1));
    assert!(on(&client));
    world.proxy.mend();
    client.wait_for(RevisionNumber(2), SOON).await.unwrap();
    let (_, last) = world.proxy.follows().pop().unwrap();
    assert!(last.contains("after=1&digest="), "it goes on from there: {last}");
}

#[tokio::test]
async fn a_log_that_was_replaced_is_another_history_and_comes_as_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache");
    let world = World::open().await;
    world.flag("a", true).await;
    let client = world.connect_with(&file);
    client.wait_ready(SOON).await.unwrap();
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    let other = World::open().await;
    other.flag("a", false).await;
    let client = other.connect_with(&file);
    assert!(on(&client), "what was on disk decides until the server is heard");
    stands(&client, "the server's word", |status| status.source == Source::Server).await;
    assert!(!on(&client));
    assert_eq!(other.proxy.said("event: snapshot"), 1);
}

#[tokio::test]
async fn a_revoked_token_is_said_and_evaluation_goes_on() {
    let world = World::open().await;
    world.flag("a", true).await;
    let client = world.connect();
    client.wait_ready(SOON).await.unwrap();
    assert!(Tokens::revoke(&*world.store, "app", Timestamp(1)).await.unwrap());
    // The server looks at a token again when it has something to say and the last look is 2 s old, as is what it knows of tokens.
    tokio::time::sleep(Duration::from_millis(4100)).await;
    let later = world.flag("a", false).await;
    let let_in = |status: &serinus_client::Status| matches!(&status.connection, Connection::Lost { reason } if reason.starts_with("not let in"));
    let status = stands(&client, "a refusal", let_in).await;
    let Connection::Lost { reason } = status.connection else { panic!("connected") };
    assert!(reason.contains("revoked"), "{reason}");
    assert!(on(&client));
    assert!(client.status().revision < later, "nothing is sent to who may not have it");
}

#[tokio::test]
async fn clients_are_listed_with_what_they_evaluate_by() {
    let world = World::open().await;
    let head = world.flag("a", true).await;
    let client = world.connect();
    client.wait_for(head, SOON).await.unwrap();
    let admin = serinus_control::mint("ops", [9, 9]);
    let token = serinus_store::Token {
        id: "ops".into(),
        hash: admin.hash,
        name: "ops".into(),
        scopes: vec!["read".into()],
        created_at: Timestamp(0),
        revoked_at: None,
        person: None,
        environment: None,
        expires_at: None,
    };
    Tokens::put(&*world.store, &token).await.unwrap();
    let http = reqwest::Client::new();
    let url = format!("http://{}/api/v1/clients", world.proxy.address);
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let answer = http.get(&url).bearer_auth(&admin.text).send().await.unwrap();
        let list: serde_json::Value = answer.json().await.unwrap_or_default();
        let first = &list["clients"][0];
        if first["client"] == "app-1" && first["revision"] == 1 && first["connected"] == true {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_whole_is_answered_once_and_not_to_strangers() {
    let world = World::open().await;
    let head = world.flag("a", true).await;
    let (http, url) = (reqwest::Client::new(), format!("http://{}/api/v1/snapshot", world.proxy.address));
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    let answer = http.get(&url).bearer_auth(&world.token).send().await.unwrap();
    let etag = answer.headers()["etag"].clone();
    let (snapshot, _) = serinus_domain::transfer::read_snapshot(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(snapshot.revision, head);
    assert_eq!(etag.to_str().unwrap(), format!("\"{}\"", snapshot.digest));
    let again = http.get(&url).bearer_auth(&world.token).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), 304);
}

/// Five hundred clients lose their server at once; the one that takes its place sees them come one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_come_back_without_a_storm() {
    const CLIENTS: usize = 500;
    let world = World::open().await;
    world.flag("a", false).await;
    let clients: Vec<_> =
        (0..CLIENTS).map(|at| Client::connect(world.config().name(format!("app-{at}"))).unwrap()).collect();
    for client in &clients {
        client.wait_ready(SOON).await.unwrap();
    }
    let before = world.proxy.follows().len();
    let cut_at = std::time::Instant::now();
    world.proxy.cut();
    world.proxy.mend();
    let world = world.restart().await;
    let last = world.append(vec![flag("a", true)]).await;
    for client in &clients {
        client.wait_for(last, SOON).await.unwrap();
        assert!(on(client));
    }
    let mut slots: BTreeMap<u128, usize> = BTreeMap::new();
    for (at, line) in world.proxy.follows().split_off(before) {
        assert!(line.contains("after=1&digest="), "{line}");
        *slots.entry(at.duration_since(cut_at).as_millis() / 100).or_default() += 1;
    }
    assert!(slots.values().all(|count| *count < CLIENTS / 2), "{slots:?}");
    assert!(slots.len() >= 4, "{slots:?}");
    assert_eq!(world.proxy.said("event: snapshot"), CLIENTS, "of the first connections alone");
}
