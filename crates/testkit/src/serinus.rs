//! The real binary as a process: started on a data directory of its own, killed, started again, asked over its command line.
//! Knows nothing of what is set up in it.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Api, eventually};

/// A start on a machine that is busy building.
const READY_MAX: Duration = Duration::from_secs(30);
/// Longer than the server itself allows for its drain.
const STOP_MAX: Duration = Duration::from_secs(25);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Launch {
    /// The binary at this path, listening on a free port.
    pub fn of(binary: &str) -> Self {
        let args = ["serve", "--port", "0"].map(str::to_owned).to_vec();
        Self { binary: binary.into(), args, env: Vec::new() }
    }

    /// With a provider by the name `scripted`.
    #[must_use]
    pub fn provider(self, url: &str) -> Self {
        self.arg("--provider").arg(&format!("scripted={url}"))
    }

    /// With a clock so many times as fast as the wall.
    #[must_use]
    pub fn clock_factor(self, factor: u32) -> Self {
        self.arg("--clock-factor").arg(&factor.to_string())
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it on a fresh data directory.
    pub async fn start(self) -> Serinus {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("data")).expect("a data folder");
        let (child, api) = self.spawn(folder.path()).await;
        Serinus { launch: self, folder, child, api }
    }

    /// A command that sees nothing of the environment that the tests run in.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().kill_on_drop(true).stdin(Stdio::null());
        command
    }

    async fn spawn(&self, folder: &Path) -> (Child, Api) {
        let data = folder.join("data");
        // A server that was killed leaves its address behind.
        let _absent = std::fs::remove_file(data.join("address"));
        let log = open_log(folder);
        let mut command = self.command();
        command.args(&self.args).arg("--data").arg(&data).envs(self.env.iter().cloned());
        command.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let mut child = command.spawn().expect("the binary starts");
        let api = eventually("a server that is ready", READY_MAX, async || {
            if let Some(ended) = child.try_wait().expect("a child's state") {
                panic!("server ended before it was ready ({ended}): {}", read(&folder.join("server.log")));
            }
            let (base, token) = (read(&data.join("address")), read(&data.join("admin.token")));
            let api = Api::new(&base, Some(token));
            let healthy = api.try_send(api.request(Method::GET, "/healthz")).await;
            healthy.is_ok_and(|answer| answer.status == 200).then_some(api)
        })
        .await;
        (child, api)
    }
}

/// A running server. Killed when it is dropped.
#[derive(Debug)]
pub struct Serinus {
    launch: Launch,
    folder: TempDir,
    child: Child,
    /// The administrator's way in.
    pub api: Api,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Serinus {
    /// Ends the process at once, as a crash does. It is gone when this answers.
    pub async fn kill9(&mut self) {
        self.child.kill().await.expect("a process that can be killed");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .expect("a running server");
        kill_process(id, Signal::TERM).expect("a signal that can be sent");
        let ended =
            tokio::time::timeout(STOP_MAX, self.child.wait()).await.expect("a server that stops when asked");
        ended.expect("an exit status")
    }

    /// Starts it again on the same data. What ran before must have ended.
    pub async fn restart(&mut self) {
        let (child, api) = self.launch.spawn(self.folder.path()).await;
        self.child = child;
        self.api = api;
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything it printed since its first start.
    pub fn log(&self) -> String {
        read(&self.folder.path().join("server.log"))
    }

    /// Writes a file beside the data directory; answers its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file that can be written");
        path.display().to_string()
    }

    /// Runs a command of its command line, which finds it by its data directory.
    pub async fn cli(&self, args: &[&str]) -> Printed {
        self.run(self.launch.command(), args).await
    }

    /// Runs a command as whoever's token this is.
    pub async fn cli_as(&self, token: &str, args: &[&str]) -> Printed {
        let mut command = self.launch.command();
        command.env("SERINUS_TOKEN", token);
        self.run(command, args).await
    }

    async fn run(&self, mut command: Command, args: &[&str]) -> Printed {
        let out =
            command.args(args).env("SERINUS_DATA", self.data()).output().await.expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Printed { code: out.status.code(), out: text(out.stdout), err: text(out.stderr) }
    }
}

fn open_log(folder: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(folder.join("server.log")).expect("a log file")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
