//! One run from an empty store to the last delivery's end: upstream, server and traffic, then the deliveries one
//! after the other. Knows nothing of options' meaning for a shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::FEATURE;
use crate::child::{Launch, Server};
use crate::deliveries::{self, Delivery};
use crate::follow::{Follow, Followed, Step};
use crate::gateway_sender::GatewaySender;
use crate::options::DemoOptions;
use crate::outcome::{Outcome, RunOutcome, TrafficOutcome};
use crate::reckoning::{Reckoning, Tally};
use crate::recordings::Recordings;
use crate::replay::ReplayConfig;
use crate::screen::{Pulse, Scene, event_line};
use crate::session::{Load, Shape};
use crate::terminal::Terminal;
use crate::traffic::{Bounds, Driver};
use crate::{server, setup};

/// People read an answer and write the next question for about this long, on the clock.
const THINK_MS_P50: f64 = 45_000.0;
const STREAM_SHARE: f64 = 0.05;
/// Real time that a turn may take; the gateway gives up long before.
const TURN_MAX: Duration = Duration::from_secs(10);
/// Traffic ends with its run, not after a span.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// Everything that runs. What is dropped without `end` is killed.
pub struct Play {
    server: Server,
    driver: Arc<Driver<GatewaySender>>,
    tasks: JoinSet<()>,
    stop_traffic: CancellationToken,
    stop_upstream: CancellationToken,
    recordings: Arc<Recordings>,
    deliveries: Vec<Delivery>,
    options: DemoOptions,
    seed: u64,
    since: Instant,
    /// Removed last, when nobody writes there any more.
    _folder: Option<TempDir>,
}

impl Play {
    /// Starts upstream and server, sets the feature up and lets traffic begin.
    pub async fn begin(options: &DemoOptions, seed: u64, serinus: &Path) -> anyhow::Result<Self> {
        let since = Instant::now();
        let recordings = match &options.corpus {
            Some(path) => Recordings::from_file(path)?,
            None => Recordings::embedded()?,
        };
        let deliveries = chosen(options, &recordings);
        setup::check_models(&recordings.corpus, &deliveries)?;
        let (data, folder) = data_folder(options)?;
        let (mut tasks, stop_upstream) = (JoinSet::new(), CancellationToken::new());
        let upstream = start_upstream(options, seed, &recordings, &mut tasks, &stop_upstream).await?;
        let launch = Launch {
            serinus: serinus.to_owned(),
            data,
            port: options.port,
            upstream,
            clock_factor: options.clock_factor,
        };
        let server = launch.start().await?;
        setup::prepare(&server.api, &deliveries, &recordings.corpus.categories()).await?;
        let driver = Arc::new(driver(options, seed, &recordings, &server)?);
        let stop_traffic = CancellationToken::new();
        let traffic = driver.clone().run(FOR_EVER, stop_traffic.clone());
        tasks.spawn(traffic);
        Ok(Self {
            server,
            driver,
            tasks,
            stop_traffic,
            stop_upstream,
            recordings,
            deliveries,
            options: options.clone(),
            seed,
            since,
            _folder: folder,
        })
    }

    #[must_use]
    pub fn url(&self) -> &str {
        self.server.api.base()
    }

    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.server.api.token()
    }

    /// Every delivery in order, then the traffic's end and the reckoning.
    pub async fn deliver(&mut self, terminal: &mut Terminal) -> anyhow::Result<RunOutcome> {
        let traffic_since = Instant::now();
        let mut outcomes = Vec::new();
        let mut began_us = Vec::new();
        for delivery in self.deliveries.clone() {
            began_us.push(self.driver.ledger().now_us());
            let followed = self.one(&delivery, terminal).await;
            let followed = followed.with_context(|| self.server_state())?;
            let took_ms = followed.took.as_secs_f64() * 1_000.0;
            outcomes.push(Outcome::of(
                &delivery,
                &followed.look,
                followed.exposed_since_at,
                took_ms,
                self.options.clock_factor,
            ));
        }
        let traffic = self.traffic(traffic_since.elapsed());
        self.stop_traffic.cancel();
        let reckoning = self.reckon(&outcomes, &began_us).await;
        Ok(RunOutcome {
            seed: self.seed,
            clock_factor: self.options.clock_factor,
            requests_per_s: self.options.rate,
            url: self.url().to_owned(),
            as_it_must: outcomes.iter().all(|outcome| outcome.as_it_must),
            took_ms: self.since.elapsed().as_secs_f64() * 1_000.0,
            deliveries: outcomes,
            traffic,
            reckoning,
        })
    }

    async fn one(&mut self, delivery: &Delivery, terminal: &mut Terminal) -> anyhow::Result<Followed> {
        let api = self.server.api.clone();
        let key = setup::start(&api, delivery, &self.recordings.corpus.categories()).await?;
        let mut meter = Meter::new(&self.driver);
        let followed = Follow::new(&api, &key, self.options.clock_factor).to_end(|step| {
            let events: Vec<String> = step.new_events.iter().map(event_line).collect();
            if !events.is_empty() {
                terminal.say(&events);
            }
            let scene = Scene {
                delivery,
                look: step.look,
                pulse: meter.pulse(step),
                clock_factor: self.options.clock_factor,
                url: api.base(),
            };
            terminal.draw(&scene.block(), &scene.line());
        });
        let followed = followed.await;
        terminal.keep();
        followed
    }

    fn traffic(&self, span: Duration) -> TrafficOutcome {
        let (counts, ledger) = (self.driver.counts(), self.driver.ledger());
        let turns = ledger.requests();
        TrafficOutcome {
            sessions: counts.sessions,
            sessions_turned_away: counts.sessions_turned_away,
            turns,
            turns_failed: ledger.totals().values().map(|total| total.failed).sum(),
            failures: ledger.failures(),
            turns_delayed: counts.turns_delayed,
            turns_per_s: turns as f64 / span.as_secs_f64().max(1e-3),
        }
    }

    async fn reckon(&self, outcomes: &[Outcome], began_us: &[u64]) -> Reckoning {
        let entries = self.driver.ledger().entries();
        let ends = began_us.iter().skip(1).copied().chain([u64::MAX]);
        let tallies = outcomes.iter().zip(began_us.iter().copied().zip(ends)).map(|(outcome, (from, to))| {
            let exposed = outcome.exposed;
            Tally::of(&entries, &outcome.rollout, from, to, (exposed.sessions, exposed.interactions))
        });
        Reckoning::of(&self.server.api, &self.recordings.corpus, &entries, tallies.collect()).await
    }

    /// Whether the server still runs, for an error that came out of it.
    fn server_state(&mut self) -> String {
        match self.server.ended() {
            Some(status) => format!("the server ended by itself ({status})"),
            None => "the server still runs".to_owned(),
        }
    }

    /// Ends traffic, server and upstream in this order.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.stop_traffic.cancel();
        let ended = self.server.end().await;
        self.stop_upstream.cancel();
        while self.tasks.join_next().await.is_some() {}
        ended
    }
}

/// Rates between two looks.
struct Meter<'a> {
    driver: &'a Driver<GatewaySender>,
    at: Instant,
    turns: u64,
    units: u64,
    pulse: Pulse,
}

impl<'a> Meter<'a> {
    /// Looks closer together than this tell more of chance than of a rate.
    const SPAN: Duration = Duration::from_millis(900);

    fn new(driver: &'a Driver<GatewaySender>) -> Self {
        Self {
            driver,
            at: Instant::now(),
            turns: driver.ledger().requests(),
            units: 0,
            pulse: Pulse::default(),
        }
    }

    fn pulse(&mut self, step: &Step<'_>) -> Pulse {
        let enrolled = step.look.view.evidence.as_ref().map(|evidence| evidence.enrolled).unwrap_or_default();
        let span = self.at.elapsed();
        if span >= Self::SPAN {
            let (turns, units) = (self.driver.ledger().requests(), enrolled.candidate + enrolled.control);
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / span.as_secs_f64();
            self.pulse.turns_per_s = rate(turns, self.turns);
            self.pulse.units_per_s = rate(units, self.units);
            (self.at, self.turns, self.units) = (Instant::now(), turns, units);
        }
        self.pulse.elapsed = step.elapsed;
        self.pulse
    }
}

fn chosen(options: &DemoOptions, recordings: &Recordings) -> Vec<Delivery> {
    if let (Some(baseline), Some(candidate)) = (&options.baseline, &options.candidate) {
        return vec![deliveries::custom(baseline, candidate)];
    }
    let categories: Vec<&str> = recordings.corpus.categories().into_iter().collect();
    let mut all = deliveries::three(&categories);
    all.retain(|delivery| options.only.is_none_or(|only| only == delivery.number));
    all
}

fn data_folder(options: &DemoOptions) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    let Some(data) = &options.data else {
        let folder = tempfile::Builder::new().prefix("serinus-demo-").tempdir();
        let folder = folder.context("temporary directory: cannot be made, name one with --data")?;
        return Ok((folder.path().to_owned(), Some(folder)));
    };
    std::fs::create_dir_all(data)
        .with_context(|| format!("data directory {}: cannot be made", data.display()))?;
    let is_empty = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none());
    ensure!(is_empty, "data directory {}: is not empty, name a new one", data.display());
    Ok((data.clone(), None))
}

async fn start_upstream(
    options: &DemoOptions,
    seed: u64,
    recordings: &Recordings,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("replay upstream: no free port")?;
    let address = listener.local_addr().context("replay upstream: no address")?;
    let config = ReplayConfig {
        seed,
        speed: options.clock_factor,
        corpus: options.corpus.clone(),
        profiles: setup::profiles(&recordings.corpus)?,
        ..ReplayConfig::default()
    };
    let serving = server::serve(listener, config, stop.clone().cancelled_owned());
    let (failed, mut failure) = tokio::sync::oneshot::channel();
    tasks.spawn(async move {
        if let Err(error) = serving.await {
            // Nobody listens once the start is over: requests then fail and the ledger says so.
            let _unheard = failed.send(error);
        }
    });
    tokio::task::yield_now().await;
    if let Ok(error) = failure.try_recv() {
        bail!("replay upstream: {error:#}");
    }
    Ok(format!("http://{address}/v1"))
}

fn driver(
    options: &DemoOptions,
    seed: u64,
    recordings: &Arc<Recordings>,
    server: &Server,
) -> anyhow::Result<Driver<GatewaySender>> {
    let shape = Shape {
        seed,
        run: format!("demo-{seed}"),
        users: 0,
        think_ms_p50: THINK_MS_P50 / options.clock_factor,
        stream_share: STREAM_SHARE,
        ..Shape::default()
    };
    let load = Load { requests_per_s: options.rate, mix: std::collections::BTreeMap::new() };
    let token = server.api.token().map(str::to_owned);
    let sender = GatewaySender::new(&format!("{}/v1", server.api.base()), FEATURE, token, TURN_MAX)?;
    Driver::new(recordings.clone(), shape, &load, Bounds::default(), sender)
}
