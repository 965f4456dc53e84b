//! A provider that plays scripts over a plain socket, byte by byte where it matters. Knows nothing of the client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

#[derive(Clone)]
pub enum Step {
    /// One HTTP chunk.
    Send(String),
    /// Several chunks in one write.
    SendAll(Vec<String>),
    WaitMs(u64),
    /// The end of a chunked body.
    End,
    /// Closes the socket, whatever was promised.
    Cut,
    /// Waits until the client closes.
    AwaitClose,
}

#[derive(Clone)]
pub struct Script {
    pub head: String,
    pub steps: Vec<Step>,
}

impl Script {
    pub fn stream(steps: impl IntoIterator<Item = Step>) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: r1\r\nset-cookie: no\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        Self { head: head.to_owned(), steps: steps.into_iter().collect() }
    }

    pub fn whole(status: u16, headers: &str, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { head, steps: Vec::new() }
    }
}

#[derive(Default)]
pub struct Seen {
    pub requests: Mutex<Vec<String>>,
    pub connections: Mutex<u32>,
    pub closed: Notify,
}

pub struct Fake {
    pub base_url: String,
    pub seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Fake {
    /// Plays the scripts in turn, one per request; the last repeats.
    pub async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let accepted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                *accepted.connections.lock().unwrap() += 1;
                connections.spawn(serve(socket, scripts.clone(), Arc::clone(&accepted)));
            }
        });
        Self { base_url, seen, _tasks: tasks }
    }
}

async fn serve(mut socket: TcpStream, scripts: Vec<Script>, seen: Arc<Seen>) {
    socket.set_nodelay(true).unwrap();
    while let Some(request) = read_request(&mut socket).await {
        let turn = {
            let mut requests = seen.requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        let script = &scripts[turn.min(scripts.len() - 1)];
        if play(&mut socket, script, &seen).await.is_none() {
            return;
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if socket.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
        let request = String::from_utf8_lossy(&text);
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(request.into_owned());
        }
    }
}

/// `None` when the connection is over.
async fn play(socket: &mut TcpStream, script: &Script, seen: &Seen) -> Option<()> {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    socket.write_all(script.head.as_bytes()).await.ok()?;
    for step in &script.steps {
        match step {
            Step::Send(text) => socket.write_all(chunk(text).as_bytes()).await.ok()?,
            Step::SendAll(texts) => {
                let all: String = texts.iter().map(|text| chunk(text)).collect();
                socket.write_all(all.as_bytes()).await.ok()?;
            }
            Step::WaitMs(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::End => socket.write_all(b"0\r\n\r\n").await.ok()?,
            Step::Cut => return None,
            Step::AwaitClose => {
                let mut rest = [0; 64];
                while !matches!(socket.read(&mut rest).await, Ok(0) | Err(_)) {}
                seen.closed.notify_one();
                return None;
            }
        }
    }
    Some(())
}
