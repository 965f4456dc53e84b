//! Ten thousand followers lose their server at once and come back as the SDK does: how many attempts a second the next server sees.
//! The server is a process of its own, killed without a word.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex,
    },
    time::{Duration, Instant},
};

use serde_json::{json, Value};
use serinus_store::MemoryStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server;

/// Longer than the server's keep-alive, with which it tells everybody how many there are.
const SETTLED: Duration = Duration::from_secs(17);
const WATCHED: Duration = Duration::from_secs(25);

pub fn serve(port: u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = server::start(Arc::new(MemoryStore::default()), port).await;
        server.fill(10).await;
        println!("{}", server.address);
        std::future::pending::<()>().await;
    });
}

fn spawn(port: u16) -> (Child, SocketAddr) {
    let binary = std::env::current_exe().expect("this binary");
    let mut child = Command::new(binary)
        .args(["--serve", &port.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
    (child, line.trim().parse().expect("an address"))
}

struct Crowd {
    connected: AtomicUsize,
    attempts: Mutex<Vec<Instant>>,
}

async fn follower(address: SocketAddr, crowd: Arc<Crowd>) {
    let request = format!("GET /api/v1/follow?after=1 HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let (mut attempt, mut hint) = (0, Duration::ZERO);
    loop {
        crowd.attempts.lock().expect("a lock").push(Instant::now());
        if let Ok(mut socket) = tokio::net::TcpStream::connect(address).await {
            let _asked = socket.write_all(request.as_bytes()).await;
            let (mut bytes, mut is_in) = (vec![0; 1024], false);
            while let Ok(count @ 1..) = socket.read(&mut bytes).await {
                let text = String::from_utf8_lossy(&bytes[..count]);
                if let Some(wait) = text.lines().find_map(|line| line.strip_prefix("retry: ")?.parse().ok()) {
                    (hint, attempt) = (Duration::from_millis(wait), 0);
                    if !std::mem::replace(&mut is_in, true) {
                        crowd.connected.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            if is_in {
                crowd.connected.fetch_sub(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(serinus_client::reconnect_wait(attempt, hint, rand::random())).await;
        attempt += 1;
    }
}

pub fn dropped_at_once(count: usize) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut child, address) = spawn(0);
    let crowd = Arc::new(Crowd { connected: AtomicUsize::new(0), attempts: Mutex::default() });
    let row = runtime.block_on(async {
        for at in 0..count {
            tokio::spawn(follower(address, Arc::clone(&crowd)));
            // The first arrival is not what is measured.
            if at % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while crowd.connected.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(SETTLED).await;
        crowd.attempts.lock().expect("a lock").clear();
        let cut = Instant::now();
        child.kill().expect("a server");
        let _ended = child.wait();
        // Beside the followers, which find out and ask again in the meantime.
        let port = address.port();
        let restarted = tokio::task::spawn_blocking(move || spawn(port)).await.expect("a server");
        child = restarted.0;
        let back_ms = cut.elapsed().as_secs_f64() * 1e3;
        while crowd.connected.load(Ordering::Relaxed) < count && cut.elapsed() < WATCHED {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (all_s, connected) = (cut.elapsed().as_secs_f64(), crowd.connected.load(Ordering::Relaxed));
        let attempts = crowd.attempts.lock().expect("a lock").clone();
        let mut seconds = vec![0_u32; 64];
        for at in &attempts {
            let second = at.duration_since(cut).as_secs() as usize;
            seconds[second.min(63)] += 1;
        }
        json!({
            "row": format!("{count} followers dropped at once: most attempts in a second"), "unit": "1/s",
            "ours": seconds.iter().max(), "limit": count as f64 / 30.0, "goal": null,
            "more": {
                "attempts in all": attempts.len(), "back after, s": all_s, "back": connected,
                "server away, ms": back_ms,
            },
        })
    });
    let _killed = child.kill();
    row
}
