//! Opens the port and runs until a signal says stop: environments, clock and sockets put together, then drained.
//! Holds no rule of the product.

use std::{
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::make::Shared;

use crate::{
    config::Config,
    environments::{Front, Host},
};

/// How long a drain waits for answers that are being streamed.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs until a signal says stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    let listener = TcpListener::bind(config.address)
        .await
        .with_context(|| format!("listening on {}", config.address))?;
    let address = listener.local_addr().context("reading the port that was opened")?;
    let base = format!("http://{address}");
    let host = Host::open(config, &base).await?;
    let shared = host.shared();
    let front = host.front();
    announce(&shared.config, &base, started);
    publish_address(&shared.config.data, &base)?;
    let signalled = shared.shutdown.clone();
    shared.tasks.spawn(async move {
        stop_signal().await;
        signalled.cancel();
    });
    let served = serve(listener, front, shared.shutdown.clone()).await;
    shared.answered.cancel();
    shared.shutdown.cancel();
    shared.tasks.close();
    if tokio::time::timeout(DRAIN, shared.tasks.wait()).await.is_err() {
        tracing::warn!("stopped with work in hand after {} s", DRAIN.as_secs());
    }
    served
}

async fn serve(listener: TcpListener, front: Front, shutdown: CancellationToken) -> anyhow::Result<()> {
    use axum::serve::ListenerExt;
    // Without it a short stream waits 40 ms for the client's delayed acknowledgement.
    let listener = listener.tap_io(|socket| {
        if let Err(refused) = socket.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {refused}");
        }
    });
    let drained = shutdown.clone();
    let serving = axum::serve(listener, Shared::new(front))
        .with_graceful_shutdown(async move { drained.cancelled().await });
    tokio::select! {
        served = serving => served.context("serving"),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// What a person sees first: where it is, what it may call.
fn announce(config: &Config, base: &str, started: Instant) {
    let ready = started.elapsed().as_millis();
    // Only for a person's eyes: what is not a terminal is a log that is kept and read by others.
    let key =
        if std::io::stderr().is_terminal() { format!("#k={}", config.admin_token) } else { String::new() };
    eprintln!(
        "serinus {} ready in {ready} ms   base URL {base}/v1   dashboard {base}/{key}",
        env!("CARGO_PKG_VERSION")
    );
    let names: Vec<_> = config
        .providers
        .iter()
        .map(|setting| match &setting.key_source {
            Some(source) => format!("{} ({source})", setting.name),
            None => format!("{} ({}, no key)", setting.name, setting.base_url),
        })
        .collect();
    match names.as_slice() {
        [] => eprintln!("  providers  none: set OPENAI_API_KEY, or say --provider NAME=URL"),
        names => eprintln!("  providers  {}", names.join("  ")),
    }
    if config.clock_factor > 1.0 {
        eprintln!(
            "  clock      runs {} times as fast as the wall: for rehearsals, not for production",
            config.clock_factor
        );
    }
    let shared = if config.database_url.is_some() { "   PostgreSQL, shared with other nodes" } else { "" };
    eprintln!("  data       {}{shared}", config.data.display());
}

/// Leaves the address where the command line finds it.
fn publish_address(data: &Path, base: &str) -> anyhow::Result<()> {
    let file = data.join("address");
    let part = data.join("address.part");
    std::fs::write(&part, base)
        .and_then(|()| std::fs::rename(&part, &file))
        .with_context(|| format!("writing {}", file.display()))
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
