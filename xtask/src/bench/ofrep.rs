//! Remote evaluation over HTTP beside bare hyper: processor time a request, and rate, of the real binary with 1000 flags. The harness is
//! `bench/limits`. Knows nothing of how flags are evaluated.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::Row;
use crate::run;

const ONE: &str = "/ofrep/v1/evaluate/flags/rule-0001";
const BULK: &str = "/ofrep/v1/evaluate/flags";
const CONNECTIONS: &str = "32";
const SECONDS: &str = "3";
const ROUNDS: usize = 3;
/// Clock ticks a second in `/proc/PID/stat`; the kernel's ABI on all of Linux.
const TICKS: f64 = 100.0;

/// A process that ends with its value, on a core of its own where there are two.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    cpu_us: f64,
    rate: f64,
    p99_us: f64,
}

/// Something to put load on.
struct Target<'a> {
    server: &'a Server,
    port: u16,
    path: &'a str,
    headers: Vec<String>,
}

/// Builds both, loads 1000 flags and runs all interleaved.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let binary = run::build()?;
    let tools = tools()?;
    let data = run::root().join("target/bench/ofrep-data");
    let _ = std::fs::remove_dir_all(&data);
    let serve = ["serve", "--port", "0", "--data", &data.to_string_lossy()];
    let ours = started(&binary, &serve.map(str::to_owned))?;
    let (port, token) = set_up(&data)?;
    let bearer = format!("authorization: Bearer {token}");
    let (size, tag) = bulk(port, &bearer)?;
    eprintln!("  1000 flags in bulk are {size} bytes");
    let limit = started(&tools.join("limit-http"), &["9271".into(), "160".into()])?;
    let large = started(&tools.join("limit-http"), &["9272".into(), size.to_string()])?;
    pause(Duration::from_millis(300));
    let target = |server, port, path, headers| Target { server, port, path, headers };
    let targets = [
        target(&ours, port, ONE, vec![bearer.clone()]),
        target(&limit, 9271, ONE, Vec::new()),
        target(&ours, port, BULK, vec![bearer.clone()]),
        target(&large, 9272, BULK, Vec::new()),
        // By a star: each of the 512 users has a tag of its own.
        target(&ours, port, BULK, vec![bearer, format!("if-none-match: {tag}, *")]),
    ];
    let mut runs = targets.each_ref().map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (target, runs) in targets.iter().zip(&mut runs) {
            runs.push(measured(&tools, target)?);
        }
    }
    let [one, limit, many, large, unchanged] = runs.map(|runs| best(&runs));
    let row = |name: &str, ours: f64, limit: f64, goal: f64, run: Run| Row {
        name: name.to_owned(),
        unit: "us",
        ours,
        limit: Some(limit),
        goal: Some(goal),
        peers: BTreeMap::new(),
        more: BTreeMap::from([
            ("requests a second".to_owned(), run.rate),
            ("99th percentile, us".to_owned(), run.p99_us),
        ]),
    };
    let apart = |rate: f64| 1e6 / rate;
    Ok(vec![
        row("one flag: processor time a request", one.cpu_us, limit.cpu_us, 13.0, one),
        row(
            "one flag: time between answers at full load",
            apart(one.rate),
            apart(limit.rate),
            apart(limit.rate) / 0.7,
            one,
        ),
        row("1000 flags in bulk: processor time a request", many.cpu_us, large.cpu_us, 200.0, many),
        row(
            "1000 flags, nothing new (304): processor time",
            unchanged.cpu_us,
            limit.cpu_us,
            200.0,
            unchanged,
        ),
    ])
}

/// The least of each: what disturbs a run only ever adds.
fn best(runs: &[Run]) -> Run {
    let least = |figure: fn(&Run) -> f64| runs.iter().map(figure).fold(f64::INFINITY, f64::min);
    Run {
        cpu_us: least(|run| run.cpu_us),
        rate: runs.iter().map(|run| run.rate).fold(0.0, f64::max),
        p99_us: least(|run| run.p99_us),
    }
}

fn tools() -> anyhow::Result<PathBuf> {
    let target = run::root().join("target/bench");
    let target_text = target.display().to_string();
    let build = ["build", "--release", "--quiet", "--manifest-path", "bench/Cargo.toml"];
    run::command(
        "cargo",
        &[&build[..], &["--target-dir", &target_text, "--package", "bench-limits"]].concat(),
    )?;
    Ok(target.join("release"))
}

fn on_core(core: &str, program: &Path) -> Command {
    let two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    if !two || !Path::new("/usr/bin/taskset").exists() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program);
    command
}

fn started(program: &Path, args: &[String]) -> anyhow::Result<Server> {
    let child = on_core("1", program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Ok(Server(child.with_context(|| format!("starting {}", program.display()))?))
}

fn measured(tools: &Path, target: &Target<'_>) -> anyhow::Result<Run> {
    let before = ticks(&target.server.0)?;
    let out = on_core("0", &tools.join("load-http"))
        .args([&target.port.to_string(), target.path, CONNECTIONS, SECONDS])
        .args(&target.headers)
        .output()
        .context("running load-http")?;
    let seen: Value = serde_json::from_slice(&out.stdout).context("reading what load-http saw")?;
    ensure!(seen["errors"] == 0, "{}: {seen}", target.path);
    let number = |name: &str| seen[name].as_f64().unwrap_or(0.0);
    Ok(Run {
        cpu_us: (ticks(&target.server.0)? - before) / TICKS * 1e6 / number("n").max(1.0),
        rate: number("n") / number("seconds").max(0.001),
        p99_us: number("p99_us"),
    })
}

fn ticks(child: &Child) -> anyhow::Result<f64> {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", child.id())).context("reading processor time")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(field(11) + field(12))
}

/// Waits for the server, loads the flags, and makes a token that may evaluate.
fn set_up(data: &Path) -> anyhow::Result<(u16, String)> {
    let until = Instant::now() + Duration::from_secs(30);
    let address = loop {
        if let Ok(address) = std::fs::read_to_string(data.join("address")) {
            break address;
        }
        ensure!(Instant::now() < until, "the server is not ready after 30 s");
        pause(Duration::from_millis(50));
    };
    let port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok()).context("its port")?;
    let admin =
        std::fs::read_to_string(data.join("admin.token")).context("reading the administrator's token")?;
    let headers = format!("authorization: Bearer {}\r\n", admin.trim());
    for (key, rules) in flags() {
        let body = json!({"kind": "boolean", "variants": {"on": true, "off": false}, "default": "off", "rules": rules});
        ask(port, "PUT", &format!("/api/v1/flags/{key}"), &headers, &body)?;
    }
    let token =
        ask(port, "POST", "/api/v1/tokens", &headers, &json!({"name": "bench", "scopes": ["evaluate"]}))?;
    let token: Value = serde_json::from_str(&token.1).context("reading a token")?;
    Ok((port, token["secret"].as_str().context("a token's secret")?.to_owned()))
}

/// 334 static ones, 333 fifty-fifty splits, and 333 with three conditions before a split of 5 to 95.
fn flags() -> impl Iterator<Item = (String, Value)> {
    let split = |on: u32| json!({"split": [{"variant": "on", "share_ppm": on}, {"variant": "off", "share_ppm": 1_000_000 - on}]});
    let plans = ["starter", "pro", "team", "business", "enterprise"];
    let when = json!({"and": [
        {"equals": {"attribute": "country", "value": "US"}},
        {"in": {"attribute": "plan", "values": plans}},
        {"semver": {"attribute": "version", "op": "at_least", "version": "2.3.0"}},
    ]});
    let statics = (0..334).map(|n| (format!("static-{n:04}"), json!([])));
    let splits = (0..333).map(move |n| (format!("split-{n:04}"), json!([{"serve": split(500_000)}])));
    let rules =
        (0..333).map(move |n| (format!("rule-{n:04}"), json!([{"when": when, "serve": split(50_000)}])));
    statics.chain(splits).chain(rules)
}

/// The size of a bulk answer, and its tag.
fn bulk(port: u16, bearer: &str) -> anyhow::Result<(usize, String)> {
    let context =
        json!({"context": {"targetingKey": "user-1", "country": "US", "plan": "pro", "version": "3.4.5"}});
    let (head, body) = ask(port, "POST", BULK, &format!("{bearer}\r\n"), &context)?;
    let tag =
        head.lines().find_map(|line| line.strip_prefix("etag: ")).context("a bulk answer has no tag")?;
    Ok((body.len(), tag.to_owned()))
}

fn ask(port: u16, method: &str, path: &str, headers: &str, body: &Value) -> anyhow::Result<(String, String)> {
    let body = body.to_string();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).context("connecting")?;
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).context("reading an answer")?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok((head.to_owned(), body.to_owned())),
        _ => bail!("{method} {path}: {answer}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "this program has no executor whose threads could be blocked")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
