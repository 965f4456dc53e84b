//! Follows one delivery to its end by looking at its page again and again. Knows nothing of what a look is shown
//! on, nor of what the end is worth.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::api::Api;
use crate::deliveries::{JUDGE_DEADLINE_MS, PATIENCE_MS, SESSION_WINDOW_MS};
use crate::look::{Event, Look};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks in a row that may fail before the server is given up.
const FAILED_LOOKS_MAX: u32 = 5;

/// A delivery that is under way.
pub struct Follow<'a> {
    api: &'a Api,
    key: String,
    clock_factor: f64,
    since: Instant,
    exposed_since_at: Option<i64>,
    events_seen: usize,
}

/// What a look brought.
pub struct Step<'a> {
    pub look: &'a Look,
    pub new_events: &'a [Event],
    pub elapsed: Duration,
}

/// A delivery that has ended, or was left as it stood when patience was over.
pub struct Followed {
    pub look: Look,
    /// When the first stage that shows the candidate was entered.
    pub exposed_since_at: Option<i64>,
    pub took: Duration,
}

impl<'a> Follow<'a> {
    #[must_use]
    pub fn new(api: &'a Api, key: &str, clock_factor: f64) -> Self {
        Self {
            api,
            key: key.to_owned(),
            clock_factor,
            since: Instant::now(),
            exposed_since_at: None,
            events_seen: 0,
        }
    }

    /// Looks until it has ended, then once more when the last session that began under it is over.
    pub async fn to_end(mut self, mut shown: impl FnMut(&Step<'_>)) -> anyhow::Result<Followed> {
        let patience = self.real(PATIENCE_MS);
        let mut failed = 0;
        loop {
            let look = match self.look().await {
                Ok(look) => look,
                Err(error) if failed >= FAILED_LOOKS_MAX => return Err(error),
                Err(_) => {
                    failed += 1;
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
            };
            failed = 0;
            let took = self.since.elapsed();
            self.note(&look, took, &mut shown);
            if look.has_ended() || took >= patience {
                tokio::time::sleep(self.real(SESSION_WINDOW_MS + JUDGE_DEADLINE_MS)).await;
                let look = self.look().await?;
                self.note(&look, took, &mut shown);
                return Ok(Followed { look, exposed_since_at: self.exposed_since_at, took });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn note(&mut self, look: &Look, elapsed: Duration, shown: &mut impl FnMut(&Step<'_>)) {
        let stage = look.view.stage.as_ref().filter(|stage| stage.kind != "shadow");
        self.exposed_since_at = self.exposed_since_at.or(stage.and_then(|stage| stage.entered_at));
        let new_events = look.report.events.get(self.events_seen..).unwrap_or_default();
        self.events_seen += new_events.len();
        shown(&Step { look, new_events, elapsed });
    }

    async fn look(&self) -> anyhow::Result<Look> {
        let page = format!("/rollouts/{}", self.key);
        let view = self.api.get(&page).await.context("rollout cannot be followed")?;
        let report = self.api.get(&format!("{page}/report")).await.context("rollout cannot be followed")?;
        Ok(Look { view, report })
    }

    /// A span of the clock in real time.
    fn real(&self, clock_ms: u64) -> Duration {
        Duration::from_secs_f64(clock_ms as f64 / 1_000.0 / self.clock_factor)
    }
}
