//! Hears of what other processes append. A notification only wakes: what counts is read, and it is read now and then without one.
//! Knows nothing of what is in the log.

use std::{future::poll_fn, time::Duration};

use serinus_domain::revision::RevisionNumber;
use tokio::{sync::watch, time::sleep};
use tokio_postgres::{AsyncMessage, Client, Row};

use super::{Place, trouble::Trouble};
use crate::sql::{raise, uint};

/// The ends of both logs.
pub(super) const LAST: &str =
    "select (select coalesce(max(number), 0) from revisions), (select seq from last_record)";

/// How often both ends are read when nothing is heard; records are not announced at all.
const POLL: Duration = Duration::from_millis(500);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

pub(super) fn last(rows: &[Row]) -> Result<(RevisionNumber, u64), Trouble> {
    let row = rows.first().ok_or_else(|| Trouble::damaged("the end of the log cannot be read"))?;
    Ok((RevisionNumber(uint(row.try_get(0)?)), uint(row.try_get(1)?)))
}

/// Listens until it is dropped; a connection that is lost is made again.
pub(super) async fn run(place: Place, head: watch::Sender<RevisionNumber>, last_record: watch::Sender<u64>) {
    let mut wait = BACKOFF_MIN;
    loop {
        let mut heard = false;
        let lost = listen(&place, &head, &last_record, &mut heard).await;
        if heard {
            wait = BACKOFF_MIN;
        }
        let failure = lost.failure("listen for revisions");
        tracing::warn!(store.schema = %place.schema, "{failure}; connecting again");
        // Jitter: all processes lose the same server at the same moment.
        sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
        wait = (wait * 2).min(BACKOFF_MAX);
    }
}

/// Follows on one connection until that is lost.
async fn listen(
    place: &Place,
    head: &watch::Sender<RevisionNumber>,
    last_record: &watch::Sender<u64>,
    heard: &mut bool,
) -> Trouble {
    let (client, mut connection) = match place.config.connect(place.tls.clone()).await {
        Ok(made) => made,
        Err(refused) => return refused.into(),
    };
    let hear = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(said))) => {
                    if let Ok(number) = said.payload().parse() {
                        raise(head, RevisionNumber(number));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(refused)) => return refused.into(),
                None => return Trouble::lost(),
            }
        }
    };
    let look = async {
        match look(&client, place, head, last_record, heard).await {
            Err(trouble) => trouble,
            Ok(never) => match never {},
        }
    };
    // Both are driven here: what is asked is answered only while somebody hears.
    tokio::select! { trouble = hear => trouble, trouble = look => trouble }
}

async fn look(
    client: &Client,
    place: &Place,
    head: &watch::Sender<RevisionNumber>,
    last_record: &watch::Sender<u64>,
    heard: &mut bool,
) -> Result<std::convert::Infallible, Trouble> {
    client.batch_execute(&format!("{}; listen {}", place.set_up(), place.quoted())).await?;
    let statement = client.prepare(LAST).await?;
    loop {
        let (revision, record) = last(&client.query(&statement, &[]).await?)?;
        *heard = true;
        raise(head, revision);
        raise(last_record, record);
        sleep(POLL).await;
    }
}
