//! Makes scheduled changes when they are due: reads the live snapshot, decides, appends. Level-triggered: a restart makes what came due
//! meanwhile. Serves nobody.

use std::{sync::Arc, time::Duration};

use serinus_domain::{
    decide::{due, next_due},
    units::Timestamp,
};
use serinus_llm::Timer;
use serinus_store::{AppendError, Failure, Live, Log};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often the calendar is looked at while nothing changes.
const LOOK: Duration = Duration::from_millis(250);
/// How long an appended change may take to be served here before the loop looks again.
const ACTIVATION_WAIT_MAX: Duration = Duration::from_secs(2);

/// The calendar.
pub struct Calendar {
    /// Where changes go.
    pub log: Arc<dyn Log>,
    /// The documents.
    pub live: Arc<Live>,
    /// The clock.
    pub timer: Arc<dyn Timer>,
}

impl Calendar {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut revisions = self.live.subscribe();
        loop {
            match self.make().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => warn!("scheduled changes: {failure}"),
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = revisions.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Makes the change that was due first; whether there was one.
    async fn make(&self) -> Result<bool, Failure> {
        let active = self.live.load();
        let now = Timestamp(i64::try_from(self.timer.now_us()).unwrap_or(i64::MAX));
        let Some(doc) = next_due(&active.snapshot, now) else { return Ok(false) };
        let draft = due(&active.snapshot, &active.contents, doc, now);
        match self.log.append(&draft, now).await {
            Ok(revision) => {
                let number = revision.body.number;
                info!(schedule.key = %doc.key, revision.number = %number, "{}", draft.message);
                // Until it is served here the same change would look due again; the key of the draft makes that harmless.
                let served = self.live.wait_for(number, ACTIVATION_WAIT_MAX).await;
                Ok(served.is_ok())
            }
            // Somebody else was first: the next look decides again, on what stands then.
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(AppendError::Failure(failure)) => Err(failure),
        }
    }
}
