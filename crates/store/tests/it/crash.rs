//! Kills a writing process again and again and looks for everything that it had acknowledged.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use serde_json::json;
use serinus_domain::{resolve::Arm, revision::RevisionNumber, snapshot::Snapshot};
use serinus_store::{AppendError, Log, LogReader, Pins, Records, SqliteOptions, SqliteStore};

use crate::fixtures::{START, call, draft, first_turn, pin, unit};

const DIRECTORY: &str = "SERINUS_CRASH_TEST_DIRECTORY";
const ROUND: &str = "SERINUS_CRASH_TEST_ROUND";
const ROUNDS: u64 = 15;

/// INVARIANT(acknowledged-is-durable).
#[test]
fn acknowledged_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let delay = Duration::from_millis(RandomState::new().hash_one(round) % 120);
        acknowledged.extend(killed_after(directory.path(), round, delay));
        all_there(directory.path(), &acknowledged);
    }
    for kind in ["record", "pin", "revision"] {
        let some = acknowledged.iter().filter(|line| line.starts_with(kind)).count();
        assert!(some >= 15, "only {some} of kind {kind} were acknowledged: nothing was tested");
    }
}

/// Runs the writer below in a process of its own and kills it `delay` after its first word.
fn killed_after(directory: &std::path::Path, round: u64, delay: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (heard, lines) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let listener = std::thread::spawn(move || {
        // What a kill cuts short is no acknowledgement.
        for line in output.lines().map_while(Result::ok) {
            if let Some(said) = line.strip_prefix("ack ").and_then(|said| said.strip_suffix(" .")) {
                let _ = heard.send(said.to_owned());
            }
        }
    });
    let first = lines.recv_timeout(Duration::from_secs(30)).expect("the writer acknowledges something");
    let until = std::time::Instant::now() + delay;
    let mut acknowledged = vec![first];
    while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
        acknowledged.extend(lines.recv_timeout(left));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    listener.join().unwrap();
    acknowledged.extend(lines.try_iter());
    acknowledged
}

#[tokio::main]
async fn all_there(directory: &std::path::Path, acknowledged: &BTreeSet<String>) {
    let store = SqliteStore::open(directory, SqliteOptions::default()).unwrap();
    let mut there = BTreeSet::new();
    for (_, record) in store.after(0, usize::MAX).await.unwrap() {
        there.insert(format!("record {}", record.id()));
        if let serinus_domain::record::Record::Enrolment(record) = record {
            assert_eq!(
                store.session(record.session, START).await.unwrap().len(),
                1,
                "an enrolment without its pin"
            );
        }
    }
    let revisions = store.read(RevisionNumber(0), usize::MAX).await.unwrap();
    there.extend(revisions.iter().map(|revision| format!("revision {}", revision.digest)));
    let folded = revisions.iter().fold(Snapshot::default(), |at, next| at.apply(next).unwrap());
    assert_eq!(folded.digest, store.head().await.unwrap().digest);
    for line in acknowledged {
        match line.strip_prefix("pin ") {
            Some(session) => {
                let pins = store.session(unit(session.parse().unwrap()), START).await.unwrap();
                assert_eq!(pins.len(), 1, "{line} is lost");
            }
            None => assert!(there.contains(line), "{line} is lost"),
        }
    }
}

/// The process that is killed: writes with many tasks and says what was acknowledged. Does nothing in an ordinary run.
#[test]
fn writer() {
    if let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) {
        write_for_ever(&directory, round.parse().unwrap());
    }
}

fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {what} .").unwrap();
    out.flush().unwrap();
}

#[tokio::main]
async fn write_for_ever(directory: &str, round: u64) {
    let store = Arc::new(SqliteStore::open(directory.as_ref(), SqliteOptions::default()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8_u64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for turn in 0_u64.. {
                let new = call(&format!("{round}-{task}-{turn}"), &json!({}));
                let id = new.record.id();
                Records::append(&*store, vec![new]).await.unwrap();
                acknowledge(&format!("record {id}"));
                let session = u128::from(round * 1_000_000_000 + task * 1_000_000 + turn);
                store.pin(first_turn(pin(session, "support", Arm::Candidate, 1, START))).await.unwrap();
                acknowledge(&format!("pin {session}"));
            }
        });
    }
    tasks.spawn(async move {
        let mut expected = store.head().await.unwrap().number.0;
        loop {
            match Log::append(&*store, &draft(expected, "ann"), START).await {
                Ok(revision) => {
                    acknowledge(&format!("revision {}", revision.digest));
                    expected = revision.body.number.0;
                }
                Err(AppendError::Conflict { since, .. }) => expected = since.last().unwrap().body.number.0,
                Err(AppendError::Failure(failure)) => panic!("{failure}"),
            }
        }
    });
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}
