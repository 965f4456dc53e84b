//! What tests of the whole system are written with: real HTTP peers that do as they are told, and the real binary as a process.
//! Knows nothing of the inside of Serinus: what it cannot see over HTTP, the command line or the disk, no user can see either.
//! What fails in here fails the test that asked for it, so it panics.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "dev only: a peer that cannot do its part ends the test"
)]

mod api;
mod postgres;
mod provider;
mod reply;
mod serinus;
mod setup;
mod traffic;
mod webhooks;

pub use api::{Answer, Api};
pub use postgres::Postgres;
pub use provider::{Call, ScriptedProvider};
pub use reply::Reply;
pub use serinus::{Launch, Printed, Serinus};
pub use setup::Persona;
pub use traffic::{Turn, crowd, eventually};
pub use webhooks::{Delivery, Webhooks};

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, task::JoinSet};

/// Serves `router` on a free port of this machine until the set is dropped; answers the address.
async fn listen(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the port that was opened");
    let listener = listener.tap_io(|socket| {
        // Without it a short stream waits 40 ms for a delayed acknowledgement, and pacing is not what was asked for.
        socket.set_nodelay(true).expect("TCP_NODELAY");
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        axum::serve(listener, router).await.expect("a server without end");
    });
    (format!("http://{address}"), tasks)
}

/// What a lock guards is replaced whole, so a test that panicked while it held it left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
