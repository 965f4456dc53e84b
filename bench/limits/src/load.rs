//! Load on a flag server: keep-alive connections, one request at a time on each, contexts of 512 users in rotation. Raw sockets, so that
//! the client is not what is measured. Loopback only. `load-http PORT PATH CONNECTIONS SECONDS [HEADER: VALUE]...` prints one JSON object.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const USERS: u64 = 512;

#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    errors: u64,
    last: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, path, connections, seconds, headers @ ..] = args.as_slice() else {
        panic!("load-http PORT PATH CONNECTIONS SECONDS [HEADER]...");
    };
    let (port, connections): (u16, u64) = (port.parse().unwrap(), connections.parse().unwrap());
    let span = Duration::from_secs_f64(seconds.parse::<f64>().unwrap().min(60.0));
    let requests: std::rc::Rc<Vec<Vec<u8>>> =
        std::rc::Rc::new((0..USERS).map(|user| request(path, user, headers)).collect());
    let (began, local) = (Instant::now(), tokio::task::LocalSet::new());
    let all = local
        .run_until(async {
            let each = (0..connections).map(|n| {
                let requests = std::rc::Rc::clone(&requests);
                tokio::task::spawn_local(connection(port, requests, n * 17, began + span))
            });
            let mut all = Seen::default();
            for task in each.collect::<Vec<_>>() {
                let seen = task.await.unwrap();
                all.micros.extend(seen.micros);
                all.errors += seen.errors;
                if !seen.last.is_empty() {
                    all.last = seen.last;
                }
            }
            all
        })
        .await;
    let mut micros = all.micros;
    micros.sort_unstable();
    let at = |share: f64| micros.get((micros.len().saturating_sub(1) as f64 * share) as usize).copied();
    println!(
        "{}",
        serde_json::json!({
            "n": micros.len(), "errors": all.errors, "last_error": all.last,
            "seconds": began.elapsed().as_secs_f64(), "p50_us": at(0.5), "p99_us": at(0.99),
        })
    );
}

fn request(path: &str, user: u64, headers: &[String]) -> Vec<u8> {
    let user = (user + 1).wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
    let context =
        format!(r#"{{"context":{{"targetingKey":"user-{user:08x}","country":"US","plan":"pro","version":"3.4.5"}}}}"#);
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n{context}",
        context.len()
    )
    .into_bytes()
}

async fn connection(port: u16, requests: std::rc::Rc<Vec<Vec<u8>>>, first: u64, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    for n in first.. {
        let began = Instant::now();
        if began >= until {
            break;
        }
        let asked = &requests[(n % USERS) as usize];
        match exchange(&mut socket, asked, &mut buffer).await {
            Ok(()) => seen.micros.push(began.elapsed().as_micros() as u32),
            Err(reason) => {
                (seen.errors, seen.last) = (seen.errors + 1, reason);
                socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            }
        }
    }
    seen
}

/// One request and the whole of its answer.
async fn exchange(socket: &mut TcpStream, asked: &[u8], buffer: &mut [u8]) -> Result<(), String> {
    let failed = |reason: std::io::Error| reason.to_string();
    socket.write_all(asked).await.map_err(failed)?;
    let (mut have, mut whole) = (0, None);
    loop {
        let read = socket.read(&mut buffer[have..]).await.map_err(failed)?;
        if read == 0 {
            return Err("connection closed".into());
        }
        have += read;
        if whole.is_none()
            && let Some(end) = memchr::memmem::find(&buffer[..have], b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let status = head.get(9..12).unwrap_or_default();
            if !matches!(status, "200" | "304") {
                return Err(String::from_utf8_lossy(&buffer[..have]).chars().take(300).collect());
            }
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length = length.and_then(|text| text.trim().parse::<usize>().ok()).filter(|_| status != "304");
            whole = Some(end + 4 + length.unwrap_or(0));
        }
        if whole.is_some_and(|whole| have >= whole) {
            return Ok(());
        }
    }
}
