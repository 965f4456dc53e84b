//! What only a store that several processes share must do: one log for all, word of each other's appends, and getting up again when
//! the connection or the server is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use serinus_domain::{
    id::EnvironmentKey,
    resolve::Arm,
    revision::{Revision, RevisionNumber},
    snapshot::Snapshot,
};
use serinus_store::{
    AppendError, Blobs, Desk, Failure, Log, LogReader, Pins, PostgresOptions, PostgresStore, Records,
};
use serinus_testkit::Postgres;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::fixtures::{START, call, draft, first_turn, judged_call, minute, pin, score, unit};

/// Long enough for any machine; nothing here is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

fn environment() -> EnvironmentKey {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    EnvironmentKey::new(&format!("test-{}", NEXT.fetch_add(1, Relaxed))).unwrap()
}

async fn connect(server: &Postgres, environment: &EnvironmentKey) -> Result<PostgresStore, Failure> {
    let options = PostgresOptions { connections_max: 4, ..PostgresOptions::default() };
    PostgresStore::connect(&server.url(), environment, options).await
}

/// A store in a schema of its own.
pub async fn fresh() -> PostgresStore {
    connect(Postgres::shared(), &environment()).await.unwrap()
}

/// Two processes' stores on one schema.
async fn pair() -> (Arc<PostgresStore>, Arc<PostgresStore>, EnvironmentKey) {
    let environment = environment();
    let (a, b) =
        tokio::join!(connect(Postgres::shared(), &environment), connect(Postgres::shared(), &environment));
    (Arc::new(a.unwrap()), Arc::new(b.unwrap()), environment)
}

/// A connection beside the stores'.
async fn beside(server: &Postgres, tasks: &mut JoinSet<()>) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    client
}

/// Appends, deciding again after each lost race or passing failure; answers what was acknowledged.
async fn append_many(store: Arc<PostgresStore>, name: String, times: usize) -> Vec<Revision> {
    let (mut acknowledged, mut expected) = (Vec::new(), 0);
    while acknowledged.len() < times {
        match Log::append(&*store, &draft(expected, &name), START).await {
            Ok(revision) => {
                expected = revision.body.number.0;
                acknowledged.push(revision);
            }
            Err(AppendError::Conflict { since, .. }) => expected = since.last().unwrap().body.number.0,
            Err(AppendError::Failure(failure)) => panic!("{failure}"),
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_race_share_one_log() {
    let (a, b, _) = pair().await;
    let mut racers = JoinSet::new();
    for racer in 0..8 {
        let store = Arc::clone(if racer % 2 == 0 { &a } else { &b });
        racers.spawn(append_many(store, format!("r{racer}"), 10));
    }
    let mut acknowledged = racers.join_all().await.concat();
    acknowledged.sort_by_key(|revision| revision.body.number);
    let read = a.read(RevisionNumber(0), 1000).await.unwrap();
    assert_eq!(acknowledged, read);
    assert_eq!(read, b.read(RevisionNumber(0), 1000).await.unwrap());
    let folded = read.iter().fold(Snapshot::default(), |at, next| at.apply(next).unwrap());
    assert_eq!((folded.revision, folded.digest), (RevisionNumber(80), b.head().await.unwrap().digest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_is_woken() {
    let (a, b, _) = pair().await;
    let (mut head, mut records) = (b.watch_head(), b.watch_records());
    // The first revision may come before the listener listens; then the poll finds it.
    Log::append(&*a, &draft(0, "ann"), START).await.unwrap();
    tokio::time::timeout(PATIENCE, head.wait_for(|head| head.0 == 1)).await.unwrap().unwrap();
    let mut waits = Vec::new();
    for number in 1..6 {
        let appended = Log::append(&*a, &draft(number, "ann"), START).await.unwrap();
        let since = Instant::now();
        let heard = head.wait_for(|head| *head == appended.body.number);
        tokio::time::timeout(PATIENCE, heard).await.unwrap().unwrap();
        waits.push(since.elapsed());
    }
    // The median: a loaded machine may be late once, the poll alone always would be.
    waits.sort();
    assert!(waits[2] < Duration::from_millis(100), "{waits:?}");
    Records::append(&*a, vec![call("a", &json!({}))]).await.unwrap();
    tokio::time::timeout(PATIENCE, records.wait_for(|seq| *seq == 1)).await.unwrap().unwrap();
}

/// A reader that goes from number to number, while several processes write, has every record: none becomes visible behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_late_commit_is_skipped() {
    let (a, b, _) = pair().await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(if writer % 2 == 0 { &a } else { &b });
        writers.spawn(async move {
            for turn in 0..25 {
                let batch =
                    (0..=turn % 3).map(|one| call(&format!("{writer}-{turn}-{one}"), &json!({}))).collect();
                Records::append(&*store, batch).await.unwrap();
            }
        });
    }
    let (mut seq, mut seen) = (0, 0);
    let mut done = false;
    loop {
        let page = b.after(seq, 10).await.unwrap();
        let Some((last, _)) = page.last() else {
            if done {
                break;
            }
            done = writers.is_empty();
            let _ = tokio::time::timeout(Duration::from_millis(1), writers.join_next()).await;
            continue;
        };
        seq = *last;
        seen += page.len();
    }
    assert_eq!((seen, a.after(0, usize::MAX).await.unwrap().len()), (8 * (9 + 16 + 24), seen));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_agree_on_a_pin_and_share_the_judges_work() {
    let (a, b, _) = pair().await;
    for session in 0..20 {
        let write = |arm| first_turn(pin(session, "support", arm, 1, START));
        let (first, second) = tokio::join!(a.pin(write(Arm::Control)), b.pin(write(Arm::Candidate)));
        assert_eq!(first.unwrap(), second.unwrap());
    }
    assert_eq!(a.after(0, 100).await.unwrap().len(), 20, "each unit is enrolled once");
    Records::append(&*a, (0..20).map(|call| judged_call(&format!("c{call}"))).collect()).await.unwrap();
    let (mine, other) = tokio::join!(a.judge_due(minute(1), 10), b.judge_due(minute(1), 10));
    let (mine, other) = (mine.unwrap(), other.unwrap());
    assert!(mine.iter().all(|job| other.iter().all(|theirs| theirs.record.id != job.record.id)));
    let rest = b.judge_due(minute(2), 100).await.unwrap();
    assert_eq!(mine.len() + rest.len(), 20, "whoever asks again has its own and what nobody holds");
    // A process that died holds its jobs for a while, not for ever.
    assert_eq!(b.judge_due(minute(7), 100).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_connections_are_killed_goes_on() {
    let environment = environment();
    let url = format!("{}?application_name=to-be-killed", Postgres::shared().url());
    let open = || PostgresStore::connect(&url, &environment, PostgresOptions::default());
    let (a, b) = (open().await.unwrap(), open().await.unwrap());
    let mut tasks = JoinSet::new();
    let client = beside(Postgres::shared(), &mut tasks).await;
    let (mut head, mut records) = (b.watch_head(), b.watch_records());
    for round in 0..3 {
        Log::append(&a, &draft(round, "ann"), START).await.unwrap();
        let kill =
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to-be-killed'";
        assert!(!client.query(kill, &[]).await.unwrap().is_empty());
        // What may be done twice goes through at once, and what another process writes is heard again.
        assert_eq!(a.head().await.unwrap().number.0, round + 1);
        Records::append(&a, vec![call(&format!("c{round}"), &json!({}))]).await.unwrap();
        a.pin(first_turn(pin(u128::from(round), "support", Arm::Control, 1, START))).await.unwrap();
        assert_eq!(b.session(unit(u128::from(round)), START).await.unwrap().len(), 1);
        tokio::time::timeout(PATIENCE, head.wait_for(|head| head.0 == round + 1)).await.unwrap().unwrap();
        tokio::time::timeout(PATIENCE, records.wait_for(|seq| *seq == 2 * (round + 1)))
            .await
            .unwrap()
            .unwrap();
    }
}

/// INVARIANT(acknowledged-is-durable), of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_keeps_what_was_acknowledged() {
    let mut server = Postgres::start();
    let environment = environment();
    let store = Arc::new(connect(&server, &environment).await.unwrap());
    let blob = store.put(b"{}").await.unwrap();
    assert!(store.write("person", "ann", 0, &json!({}), START).await.unwrap());
    for round in 0..3_u64 {
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let store = Arc::clone(&store);
            writers.spawn(async move { until_failure(&store, &format!("{round}-{writer}")).await });
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        let acknowledged = writers.join_all().await;
        tokio::task::block_in_place(|| server.restart());
        let revisions = patiently(|| store.read(RevisionNumber(0), usize::MAX)).await;
        let folded = revisions.iter().fold(Snapshot::default(), |at, next| at.apply(next).unwrap());
        assert_eq!(folded.digest, store.head().await.unwrap().digest);
        let records = store.after(0, usize::MAX).await.unwrap();
        assert!(!acknowledged.is_empty());
        for (appended, recorded) in acknowledged {
            assert!(
                !appended.is_empty() || !recorded.is_empty(),
                "nothing was acknowledged: nothing was tested"
            );
            assert!(appended.iter().all(|one| revisions.contains(one)), "a revision is lost");
            assert!(
                recorded.iter().all(|id| records.iter().any(|(_, record)| record.id() == *id)),
                "a record is lost"
            );
        }
    }
    assert_eq!(store.get(&blob).await.unwrap().unwrap(), b"{}");
    assert!(store.paper("person", "ann").await.unwrap().is_some());
}

/// Writes until the server is gone; what was acknowledged by then.
async fn until_failure(store: &PostgresStore, name: &str) -> (Vec<Revision>, Vec<String>) {
    let (mut revisions, mut records) = (Vec::new(), Vec::new());
    let mut expected = store.head().await.map_or(0, |head| head.number.0);
    for turn in 0.. {
        let new = call(&format!("{name}-{turn}"), &json!({}));
        let id = new.record.id();
        match Records::append(store, vec![new]).await {
            Ok(_) => records.push(id),
            Err(failure) => {
                assert!(failure.retryable, "{failure}");
                break;
            }
        }
        match Log::append(store, &draft(expected, "ann"), START).await {
            Ok(revision) => {
                expected = revision.body.number.0;
                revisions.push(revision);
            }
            Err(AppendError::Conflict { since, .. }) => expected = since.last().unwrap().body.number.0,
            Err(AppendError::Failure(failure)) => {
                assert!(failure.retryable, "{failure}");
                break;
            }
        }
    }
    (revisions, records)
}

/// Asks again while the failure is a passing one.
async fn patiently<T, F: Future<Output = Result<T, Failure>>>(ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(failure) if failure.retryable && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
}

/// What one writer hands in that the database cannot hold fails that writer alone, though all are written together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_fails_its_own_writer() {
    let store = Arc::new(fresh().await);
    let mut tasks = JoinSet::new();
    for writer in 0..30 {
        let store = Arc::clone(&store);
        let new = match writer {
            7 => score("no\0text", "c1", "thumbs", 1.0, "feedback"),
            8 => call("c8", &json!({"response_id": "a\0b"})),
            _ => call(&format!("c{writer}"), &json!({})),
        };
        tasks.spawn(async move { (writer, Records::append(&*store, vec![new]).await) });
    }
    for (writer, answer) in tasks.join_all().await {
        match answer {
            Ok(appended) => assert!(writer != 7 && appended.accepted == 1, "writer {writer}"),
            Err(failure) => assert!(writer == 7 && !failure.retryable, "writer {writer}: {failure}"),
        }
    }
    assert_eq!(store.after(0, 100).await.unwrap().len(), 29);
    assert!(store.interaction("a\0b").await.unwrap().is_none());
    assert!(store.interaction("ab").await.unwrap().is_some());
}

/// INVARIANT(no-secret): no failure repeats the address or the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret() {
    let shared = Postgres::shared().url();
    let cases = [
        ("postgres://ann:hunter2@127.0.0.1:1/db", true, "connect"),
        ("postgres://ann:hunter2@127.0.0.1:port/db", false, "looks like"),
        ("nonsense hunter2", false, "looks like"),
        (
            &shared.replace("/postgres", "/hunter").replace("not-a-secret", "hunter2"),
            false,
            "create the database",
        ),
        (&format!("{}?sslmode=require", shared.replace("not-a-secret", "hunter2")), false, "TLS"),
    ];
    for (url, retryable, says) in cases {
        let refused =
            PostgresStore::connect(url, &environment(), PostgresOptions::default()).await.unwrap_err();
        let said = format!("{refused} {refused:?}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains(says) && refused.retryable == retryable, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_schema_is_refused() {
    let environment = environment();
    drop(connect(Postgres::shared(), &environment).await.unwrap());
    let mut tasks = JoinSet::new();
    let client = beside(Postgres::shared(), &mut tasks).await;
    client.batch_execute(&format!("update \"serinus_{environment}\".meta set value = 99")).await.unwrap();
    let refused = connect(Postgres::shared(), &environment).await.unwrap_err();
    for part in [&format!("serinus_{environment}"), "version 99", "run the newer binary"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}
