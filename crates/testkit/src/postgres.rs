//! A PostgreSQL server of this test's own, from the binaries that are installed: real durability, a socket nobody else knows, gone
//! with the process that asked for it. Knows nothing of schemas.

use std::{
    fs::{self, File},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to answer, also after a crash.
const START_WAIT: Duration = Duration::from_secs(60);
/// Starts the server and ends it, with what it wrote, when the pipe to it is closed: at the latest when the test's process ends,
/// however that comes about. What a crash left stays.
const KEEPER: &str = r#"
exec 3<&0
"$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=on -c max_connections=200 -c shared_buffers=32MB 3<&- &
server=$!
(cat <&3 >/dev/null; kill -INT $server) &
watcher=$!
wait $server && rm -rf "$1"
kill $watcher 2>/dev/null
"#;

/// A server.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    keeper: Child,
}

impl Postgres {
    /// The one that all tests of this binary share; each takes a schema or a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One for a test that breaks it.
    pub fn start() -> Self {
        let directory =
            tempfile::Builder::new().prefix("serinus-pg-").tempdir().expect("a temporary directory");
        if let Some((user, group)) = other_user() {
            chown(directory.path(), Some(user), Some(group))
                .expect("giving a directory to the database's user");
        }
        let data = directory.path().join("data");
        let mut initdb = as_server(&binary("initdb"));
        initdb
            .args(["-U", "serinus", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let keeper = keep(directory.path());
        let mut server = Self { directory, keeper };
        server.wait();
        server
    }

    /// Where it is, as `--database-url` takes it.
    pub fn url(&self) -> String {
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://serinus:not-a-secret@{socket}/postgres")
    }

    /// Ends it as a power cut would, in the middle of whatever it does.
    pub fn kill(&mut self) {
        let pid =
            fs::read_to_string(self.directory.path().join("data/postmaster.pid")).expect("a running server");
        let pid =
            pid.lines().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("its number");
        kill_process(pid, Signal::KILL).expect("killing the server");
        let _ = self.keeper.wait();
    }

    /// Starts it again on what it left.
    pub fn restart(&mut self) {
        self.keeper = keep(self.directory.path());
        self.wait();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + START_WAIT;
        loop {
            let log = self.log();
            if log.contains("ready to accept connections") {
                return;
            }
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {log}");
            if self.keeper.try_wait().expect("a shell's state").is_some() {
                // Backends of a server that was killed take a moment to notice; until then the next one does not start.
                assert!(log.contains("still in use"), "PostgreSQL does not start: {log}");
                self.keeper = keep(self.directory.path());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a test waits for another process, on a thread of its own"
            )]
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn keep(directory: &Path) -> Child {
    let log = File::create(directory.join("log")).expect("a log file");
    let errors = log.try_clone().expect("a second way to it");
    as_server(Path::new("/bin/sh"))
        .args(["-c", KEEPER])
        .arg(binary("postgres"))
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .expect("a shell")
}

/// A command as the user that the server runs as: it refuses to be root.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_remove("LD_LIBRARY_PATH");
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// For root, the user that the package made.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    let number = |field: Option<&str>| field.and_then(|field| field.parse().ok());
    let ids = |line: &str| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((number(fields.next())?, number(fields.next())?))
    };
    Some(
        users
            .lines()
            .find_map(ids)
            .expect("the user \"postgres\", which the Debian package postgresql makes"),
    )
}

/// A program of the newest server that is installed.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let major = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin").join(name).exists())
        .max_by_key(|path| major(path));
    let found = newest.map(|path| path.join("bin").join(name));
    found.unwrap_or_else(|| {
        panic!("no PostgreSQL server is installed: these tests start their own; install the Debian package \"postgresql\"")
    })
}
