//! A wire that can be cut, held, and altered, and that remembers what went over it. Knows nothing of HTTP but its first lines.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::watch,
};

/// The wire.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    /// Grows with every cut; connections of an earlier one end.
    cuts: watch::Sender<u64>,
    is_open: Mutex<bool>,
    altered: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
    asked: Mutex<Vec<(Instant, String)>>,
    answered: Mutex<Vec<u8>>,
}

impl Proxy {
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            upstream,
            cuts: watch::Sender::new(0),
            is_open: Mutex::new(true),
            altered: Mutex::default(),
            asked: Mutex::default(),
            answered: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                if *accepting.is_open.lock().unwrap() {
                    tokio::spawn(carry(Arc::clone(&accepting), socket));
                }
            }
        });
        Self { address, state }
    }

    /// Cuts all connections, and lets no new one through until `mend`.
    pub fn cut(&self) {
        *self.state.is_open.lock().unwrap() = false;
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub fn mend(&self) {
        *self.state.is_open.lock().unwrap() = true;
    }

    /// Replaces a text in what the server says by one of the same length.
    pub fn alter(&self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        *self.state.altered.lock().unwrap() = Some((from.into(), to.into()));
    }

    pub fn alter_nothing(&self) {
        *self.state.altered.lock().unwrap() = None;
    }

    /// The first lines of the requests to follow, with when they came.
    pub fn follows(&self) -> Vec<(Instant, String)> {
        let asked = self.state.asked.lock().unwrap();
        asked.iter().filter(|(_, line)| line.contains("/follow?")).cloned().collect()
    }

    /// How often a text stood in what the server said since the last call.
    pub fn said(&self, text: &str) -> usize {
        let answered = std::mem::take(&mut *self.state.answered.lock().unwrap());
        String::from_utf8_lossy(&answered).matches(text).count()
    }
}

async fn carry(state: Arc<State>, socket: TcpStream) {
    let mut cuts = state.cuts.subscribe();
    let carried = async {
        let upstream = TcpStream::connect(state.upstream).await.ok()?;
        socket.set_nodelay(true).ok()?;
        upstream.set_nodelay(true).ok()?;
        let (from_client, mut to_client) = socket.into_split();
        let (from_server, mut to_server) = upstream.into_split();
        let up = pass(
            from_client,
            |bytes| {
                let text = String::from_utf8_lossy(bytes);
                let first = text.lines().next().unwrap_or_default().to_owned();
                state.asked.lock().unwrap().push((Instant::now(), first));
            },
            &mut to_server,
        );
        let down = pass(
            from_server,
            |bytes| {
                if let Some((from, to)) = &*state.altered.lock().unwrap() {
                    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
                        bytes[at..at + from.len()].copy_from_slice(to);
                    }
                }
                state.answered.lock().unwrap().extend_from_slice(bytes);
            },
            &mut to_client,
        );
        tokio::select! { () = up => {}, () = down => {} }
        Some(())
    };
    tokio::select! { _ = carried => {}, _ = cuts.changed() => {} }
}

async fn pass(mut from: OwnedReadHalf, look: impl Fn(&mut [u8]), to: &mut (impl AsyncWriteExt + Unpin)) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if count == 0 {
            return;
        }
        look(&mut bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
