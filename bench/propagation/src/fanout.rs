//! The last of many followers to have a change, beside the least that it takes: one thread that writes the same bytes to as many
//! sockets.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::{mpsc, Arc},
    time::{Duration, Instant},
};

use serde_json::{json, Value};
use serinus_store::{SqliteOptions, SqliteStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{quantile, server};

pub fn last_of(followers: usize, changes: usize) -> Value {
    let mut limit = bare(followers, changes);
    let mut ours = served(followers, changes);
    limit.sort_by(f64::total_cmp);
    ours.sort_by(f64::total_cmp);
    json!({
        "row": format!("change accepted to the last of {followers} followers (p50)"), "unit": "ms",
        "ours": quantile(&ours, 0.5), "limit": quantile(&limit, 0.5), "goal": 15.0,
        "more": {"p99, ms": quantile(&ours, 0.99), "limit p99, ms": quantile(&limit, 0.99)},
    })
}

/// Followers in a thread of their own: each says when it has seen the end of an event.
fn followers(address: SocketAddr, count: usize, request: String) -> mpsc::Receiver<Instant> {
    let (seen, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let mut tasks = Vec::new();
            for _ in 0..count {
                let mut socket = tokio::net::TcpStream::connect(address).await.expect("a server");
                socket.write_all(request.as_bytes()).await.expect("a server");
                let seen = seen.clone();
                tasks.push(tokio::spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    while let Ok(count @ 1..) = socket.read(&mut bytes).await {
                        if bytes[..count].windows(15).any(|window| window == b"event: revision") && seen.send(Instant::now()).is_err() {
                            return;
                        }
                    }
                }));
            }
            for task in tasks {
                let _ended = task.await;
            }
        });
    });
    told
}

fn latest(told: &mpsc::Receiver<Instant>, count: usize) -> Instant {
    let times = (0..count).map(|_| told.recv_timeout(Duration::from_secs(30)).expect("every follower"));
    times.max().expect("a follower")
}

fn bare(count: usize, changes: usize) -> Vec<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let told = followers(listener.local_addr().expect("an address"), count, "go\n".into());
    let mut sockets: Vec<_> = (0..count)
        .map(|_| {
            let (mut socket, _) = listener.accept().expect("a follower");
            socket.set_nodelay(true).expect("a socket");
            socket.read_exact(&mut [0; 3]).expect("a request");
            socket
        })
        .collect();
    let event = format!("id: 1\nevent: revision\ndata: {}\n\n", "x".repeat(900));
    let mut last = Vec::new();
    for _ in 0..changes {
        let started = Instant::now();
        for socket in &mut sockets {
            socket.write_all(event.as_bytes()).expect("a follower");
        }
        last.push(latest(&told, count).duration_since(started).as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(20));
    }
    last
}

fn served(count: usize, changes: usize) -> Vec<f64> {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let store = runtime.block_on(async {
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).expect("a store");
        server::start(Arc::new(store), 0).await
    });
    runtime.block_on(store.fill(1000));
    let request = format!("GET /api/v1/follow?after=2 HTTP/1.1\r\nhost: {}\r\n\r\n", store.address);
    let told = followers(store.address, count, request);
    std::thread::sleep(Duration::from_secs(2));
    let mut last = Vec::new();
    for turn in 1..=changes {
        runtime.block_on(store.append(vec![server::flag(turn, turn)]));
        let accepted = Instant::now();
        last.push(latest(&told, count).saturating_duration_since(accepted).as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(20));
    }
    last
}
