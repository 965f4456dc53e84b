//! The server as a process of its own: started, waited for until it answers, ended. Knows nothing of what it serves.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};

use crate::api::Api;

/// How long a start may take on a machine that is busy building.
const READY_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// How long it may drain before it is killed.
const DRAIN_MAX: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 12;

/// How the server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    pub serinus: PathBuf,
    pub data: PathBuf,
    pub port: u16,
    /// Base URL of the replay upstream, `/v1` included.
    pub upstream: String,
    pub clock_factor: f64,
}

/// A running server; killed when dropped without `end`.
pub struct Server {
    child: Child,
    pub api: Api,
}

impl Launch {
    pub fn args(&self) -> Vec<String> {
        vec![
            "serve".to_owned(),
            "--data".to_owned(),
            self.data.display().to_string(),
            "--port".to_owned(),
            self.port.to_string(),
            "--provider".to_owned(),
            format!("replay={}", self.upstream),
            "--clock-factor".to_owned(),
            self.clock_factor.to_string(),
        ]
    }

    fn log_path(&self) -> PathBuf {
        self.data.join("server.log")
    }

    pub async fn start(&self) -> anyhow::Result<Server> {
        let log_path = self.log_path();
        let log = File::create(&log_path)
            .with_context(|| format!("server log {}: cannot be created", log_path.display()))?;
        let command = Command::new(&self.serinus)
            .args(self.args())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("server log: cannot be shared")?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        let mut child = command.with_context(|| {
            format!(
                "server {}: cannot be started, build it with `cargo build --release -p serinus-server`",
                self.serinus.display()
            )
        })?;
        let api = self.ready(&mut child).await?;
        Ok(Server { child, api })
    }

    /// Waits until the server has written where it is and answers there.
    async fn ready(&self, child: &mut Child) -> anyhow::Result<Api> {
        let since = Instant::now();
        loop {
            if let Some(status) = child.try_wait().context("server: its state cannot be read")? {
                bail!("server ended before it was ready ({status}); its last words:\n{}", self.last_words());
            }
            if let Some(api) = self.reached().await? {
                return Ok(api);
            }
            ensure!(
                since.elapsed() < READY_MAX,
                "server is not ready after {} s; its last words:\n{}",
                READY_MAX.as_secs(),
                self.last_words()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn reached(&self) -> anyhow::Result<Option<Api>> {
        let Some(address) = read_line(&self.data.join("address")) else { return Ok(None) };
        let health = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
        let health = health.context("http client: cannot be set up")?;
        let answered = health.get(format!("{address}/healthz")).send().await;
        if !answered.is_ok_and(|response| response.status().is_success()) {
            return Ok(None);
        }
        Api::new(&address, read_line(&self.data.join("admin.token"))).map(Some)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Server {
    /// Asks it to drain and end; kills it if it does not.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.ask_to_end();
        if let Ok(ended) = tokio::time::timeout(DRAIN_MAX, self.child.wait()).await {
            ended.context("server: cannot be waited for")?;
            return Ok(());
        }
        self.child.kill().await.context("server: cannot be killed")
    }

    /// How it ended, if it has: while a demo runs, nothing else ends it.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    #[cfg(unix)]
    fn ask_to_end(&self) {
        let id =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // A process that is gone already has ended as asked.
            let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }

    #[cfg(not(unix))]
    fn ask_to_end(&self) {}
}

fn read_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.trim().trim_end_matches('/').to_owned();
    (!line.is_empty()).then_some(line)
}
