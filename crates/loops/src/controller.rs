//! Closes the loop: follows the interaction log, keeps one analysis for each live rollout, decides, and appends.
//! Level-triggered: a restart reads the log again and goes on where the documents say it was. Serves nobody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serinus_domain::{
    decide::{Action, draft, steer},
    entity::RolloutDoc,
    evidence::Evidence,
    id::RolloutKey,
    record::Record,
    units::{Millis, Timestamp},
};
use serinus_llm::Timer;
use serinus_store::{Active, AppendError, Failure, Live, Log, Records, ReportBoard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::analysis::{Analysis, History};

/// How the controller runs.
#[derive(Debug, Clone, Copy)]
pub struct ControllerConfig {
    /// How long after a unit's age its last records may still be on their way: real time, whatever the clock's factor.
    pub settle: Duration,
    /// How often evidence is drawn up in full while nothing presses.
    pub look: Duration,
    /// Wake-ups closer than this are taken together.
    pub spacing: Duration,
    /// How many times faster than the wall the clock runs.
    pub clock_factor: f64,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(250),
            look: Duration::from_millis(250),
            spacing: Duration::from_millis(10),
            clock_factor: 1.0,
        }
    }
}

/// Records read at one time.
const BATCH: usize = 2000;
/// Evidence at which a look cannot wait.
const PRESSING: f64 = 4.0;
/// An ended rollout is followed this many session windows longer, so that its report tells its last turns.
const AFTERMATH_WINDOWS: u64 = 4;

struct Tracked {
    analysis: Analysis,
    history: History,
    looked: Option<Instant>,
}

/// The controller.
pub struct Controller {
    /// How it runs.
    pub config: ControllerConfig,
    /// Where decisions go.
    pub log: Arc<dyn Log>,
    /// What it reads.
    pub records: Arc<dyn Records>,
    /// The documents.
    pub live: Arc<Live>,
    /// Where reports go.
    pub reports: Arc<ReportBoard>,
    /// The clock.
    pub timer: Arc<dyn Timer>,
}

impl Controller {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tracked = BTreeMap::new();
        let mut seq = 0;
        let mut records = self.records.watch_records();
        let mut revisions = self.live.subscribe();
        loop {
            if let Err(failure) = self.round(&mut tracked, &mut seq).await {
                warn!("controller: {failure}");
            }
            tokio::time::sleep(self.config.spacing).await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = records.changed() => {}
                _ = revisions.changed() => {}
                () = tokio::time::sleep(self.config.look) => {}
            }
        }
        for key in tracked.keys() {
            self.keep(key);
        }
    }

    /// Reads what is new and decides on every live rollout.
    async fn round(&self, tracked: &mut BTreeMap<RolloutKey, Tracked>, seq: &mut u64) -> Result<(), Failure> {
        loop {
            let batch = self.records.after(*seq, BATCH).await?;
            // After the batch, so that every record in it was made under a snapshot that is not later than this one.
            let active = self.live.load();
            self.follow(tracked, &active);
            ingest(tracked, &batch);
            *seq = batch.last().map_or(*seq, |(last, _)| *last);
            if batch.len() < BATCH {
                break;
            }
        }
        let keys: Vec<_> = tracked.keys().cloned().collect();
        for key in keys {
            let Some(one) = tracked.get_mut(&key) else { continue };
            self.decide(one).await?;
            if self.forgotten(one) {
                self.keep(&key);
                tracked.remove(&key);
            }
        }
        Ok(())
    }

    fn follow(&self, tracked: &mut BTreeMap<RolloutKey, Tracked>, active: &Active) {
        for doc in active.snapshot.rollouts() {
            match tracked.get_mut(&doc.key) {
                Some(one) => one.analysis.follow(doc),
                None if doc.state.phase.is_live() => {
                    let one =
                        Tracked { analysis: Analysis::new(doc), history: History::default(), looked: None };
                    tracked.insert(doc.key.clone(), one);
                }
                None => {}
            }
        }
    }

    async fn decide(&self, one: &mut Tracked) -> Result<(), Failure> {
        let now = self.now();
        one.analysis.advance(self.settled(now));
        let waited = one.looked.is_none_or(|at| at.elapsed() >= self.config.look);
        if !waited && one.analysis.harm() < PRESSING {
            return Ok(());
        }
        one.looked = Some(Instant::now());
        let evidence = one.analysis.evidence(now);
        one.history.look(&evidence);
        let active = self.live.load();
        let decided =
            active.snapshot.rollout(&one.analysis.doc().key).filter(|doc| doc.state.phase.is_live()).cloned();
        if let Some(doc) = decided {
            self.act(&active, &doc, &evidence, now).await?;
        }
        let report = one.history.report(&one.analysis, evidence);
        self.reports.put(&one.analysis.doc().key, Arc::new(report));
        Ok(())
    }

    async fn act(
        &self,
        active: &Active,
        doc: &RolloutDoc,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let decided = steer(doc, evidence, now);
        if decided.action == Action::Stay {
            return Ok(());
        }
        let reason = decided.reason.clone();
        let Some(draft) = draft(&active.snapshot, doc, decided, evidence, now) else { return Ok(()) };
        match self.log.append(&draft, now).await {
            Ok(revision) => {
                info!(rollout.key = %doc.key, revision.number = %revision.body.number, "{}: {reason}", doc.key);
                Ok(())
            }
            // Somebody else was first: the next round decides again, on what stands then.
            Err(AppendError::Conflict { .. }) => Ok(()),
            Err(AppendError::Failure(failure)) => Err(failure),
        }
    }

    /// Keeps a rollout's report for after a restart.
    fn keep(&self, key: &RolloutKey) {
        if let Err(failure) = self.reports.keep(key) {
            warn!(rollout.key = %key, "{failure}");
        }
    }

    fn forgotten(&self, one: &Tracked) -> bool {
        let doc = one.analysis.doc();
        let window = Millis(doc.spec.session_window.0.saturating_mul(AFTERMATH_WINDOWS));
        !doc.state.phase.is_live() && doc.state.ended_at.is_none_or(|ended| self.now() > ended.plus(window))
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.timer.now_us()).unwrap_or(i64::MAX))
    }

    fn settled(&self, now: Timestamp) -> Timestamp {
        let settle = self.config.settle.as_secs_f64() * 1e6 * self.config.clock_factor;
        Timestamp(now.0.saturating_sub(settle as i64))
    }
}

fn ingest(tracked: &mut BTreeMap<RolloutKey, Tracked>, batch: &[(u64, Record)]) {
    for (seq, record) in batch {
        for one in tracked.values_mut() {
            one.analysis.ingest(*seq, record);
        }
    }
}
