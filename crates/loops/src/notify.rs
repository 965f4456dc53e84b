//! Pages people about what the controller did: follows the revision log from a durable cursor, one per channel, and posts
//! signed webhooks (Standard Webhooks). At least once, always with the same id. Never in the way of a rollback.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::header::RETRY_AFTER;
use serde::Serialize;
use serinus_domain::{
    decide::Action,
    entity::{ChannelDoc, Document, HoldReason, Phase, RolloutDoc},
    id::ChannelKey,
    revision::{Cause, Change, Revision, RevisionNumber},
    units::Timestamp,
};
use serinus_llm::Timer;
use serinus_store::{Failure, Live, LogReader, Outbox};
use standardwebhooks::Webhook;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How the notifier runs.
#[derive(Clone)]
pub struct NotifierConfig {
    /// Signing secrets by the name that channels use: `whsec_...`.
    pub secrets: HashMap<String, String>,
    /// Where the dashboard is, for links.
    pub dashboard: String,
    /// Limit of one post.
    pub timeout: Duration,
    /// Waits between tries of one page; after the last one it is given up, loudly.
    pub retries: Vec<Duration>,
}

impl Default for NotifierConfig {
    fn default() -> Self {
        let seconds = [0, 5, 30, 300, 1800, 7200, 18_000, 36_000, 86_400];
        Self {
            secrets: HashMap::new(),
            dashboard: "http://127.0.0.1:7171".into(),
            timeout: Duration::from_secs(20),
            retries: seconds.map(Duration::from_secs).to_vec(),
        }
    }
}

/// What is posted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The same on every try: receivers drop what they have seen.
    #[serde(skip)]
    pub id: String,
    /// `rollout.rolled_back`, `rollout.held`, `rollout.advanced`, `rollout.completed`, `artifact.source_drifted`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened, microseconds since the epoch.
    pub timestamp: i64,
    /// The facts.
    pub data: PageData,
}

/// The facts of a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageData {
    /// `info`, `error` (it was taken care of) or `critical` (a person has to act).
    pub severity: &'static str,
    /// One line that says what broke and what to do.
    pub title: String,
    /// The rollout; none where the page is about something else.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rollout: String,
    /// Its features.
    pub features: Vec<String>,
    /// The revision that did it.
    pub revision: u64,
    /// What groups pages of one incident.
    pub dedup_key: String,
    /// The decision's page.
    pub url: String,
    /// What to type, where a person has to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// The notifier.
#[derive(Clone)]
pub struct Notifier {
    /// How it runs.
    pub config: NotifierConfig,
    /// What is followed.
    pub log: Arc<dyn LogReader>,
    /// Channels are read here.
    pub live: Arc<Live>,
    /// How far each channel has come.
    pub outbox: Arc<dyn Outbox>,
    /// The clock that signatures carry.
    pub timer: Arc<dyn Timer>,
}

enum Posted {
    Done,
    Disabled,
    Again(String, Option<Duration>),
}

impl Notifier {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let Some(client) = self.client() else { return };
        let mut head = self.log.watch_head();
        loop {
            let channels = self.channels();
            let rounds = channels.iter().map(|channel| self.round(&client, channel));
            let results = tokio::select! {
                () = shutdown.cancelled() => return,
                results = futures::future::join_all(rounds) => results,
            };
            for failure in results.into_iter().filter_map(Result::err) {
                warn!("notifier: {failure}");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = head.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Posts a page that no revision made on every channel, with the same tries.
    pub async fn alert(&self, page: &Page) {
        let Some(client) = self.client() else { return };
        let channels = self.channels();
        let posts = channels.iter().map(|channel| {
            // Two channels at one receiver are told apart, as with pages of revisions.
            let page = Page { id: format!("{}_{}", page.id, channel.key), ..page.clone() };
            let client = &client;
            async move { self.deliver(client, channel, &page).await }
        });
        futures::future::join_all(posts).await;
    }

    fn client(&self) -> Option<reqwest::Client> {
        let built = reqwest::Client::builder()
            .timeout(self.config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        built.inspect_err(|refused| error!("notifier: no HTTP client: {refused}; nobody will be paged")).ok()
    }

    fn channels(&self) -> Vec<ChannelDoc> {
        let active = self.live.load();
        let channels = active.snapshot.under("channel/").filter_map(|document| match document {
            Document::Channel(doc) => Some(doc.clone()),
            _ => None,
        });
        channels.collect()
    }

    /// Posts what a channel has not seen yet, in order.
    async fn round(&self, client: &reqwest::Client, channel: &ChannelDoc) -> Result<(), Failure> {
        let follower = format!("notify/{}", channel.key);
        let mut at = self.outbox.cursor(&follower).await?;
        loop {
            let revisions = self.log.read(at, 100).await?;
            if revisions.is_empty() {
                return Ok(());
            }
            for revision in &revisions {
                for page in pages(revision, &channel.key, &self.config.dashboard) {
                    self.deliver(client, channel, &page).await;
                }
                at = revision.body.number;
                self.outbox.move_cursor(&follower, at).await?;
            }
        }
    }

    async fn deliver(&self, client: &reqwest::Client, channel: &ChannelDoc, page: &Page) {
        let mut last = String::new();
        for wait in &self.config.retries {
            tokio::time::sleep(*wait).await;
            match self.post(client, channel, page).await {
                Posted::Done => return info!("paged {}: {}", channel.key, page.data.title),
                Posted::Disabled => {
                    return error!("channel \"{}\" answered 410 gone; page {} is lost", channel.key, page.id);
                }
                Posted::Again(reason, longer) => {
                    warn!("channel \"{}\" did not take page {}: {reason}", channel.key, page.id);
                    last = reason;
                    tokio::time::sleep(longer.unwrap_or_default()).await;
                }
            }
        }
        error!("channel \"{}\" never took page {}: {last}; given up", channel.key, page.id);
    }

    async fn post(&self, client: &reqwest::Client, channel: &ChannelDoc, page: &Page) -> Posted {
        let Some(secret) = self.config.secrets.get(&channel.secret_name) else {
            return Posted::Again(format!("secret \"{}\" is not configured", channel.secret_name), None);
        };
        let Ok(body) = serde_json::to_string(page) else { return Posted::Disabled };
        let seconds = i64::try_from(self.timer.now_us() / 1_000_000).unwrap_or(i64::MAX);
        let signed =
            Webhook::new(secret).and_then(|webhook| webhook.sign(&page.id, seconds, body.as_bytes()));
        let signature = match signed {
            Ok(signature) => signature,
            Err(refused) => {
                return Posted::Again(format!("secret \"{}\": {refused}", channel.secret_name), None);
            }
        };
        let sent = client
            .post(&channel.url)
            .header("content-type", "application/json")
            .header("webhook-id", &page.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => Posted::Done,
            Ok(answer) if answer.status().as_u16() == 410 => Posted::Disabled,
            Ok(answer) => {
                let after =
                    answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Posted::Again(format!("status {}", answer.status()), after.map(Duration::from_secs))
            }
            Err(failed) => Posted::Again(failed.without_url().to_string(), None),
        }
    }
}

/// The pages that a revision makes on a channel.
fn pages(revision: &Revision, channel: &ChannelKey, dashboard: &str) -> Vec<Page> {
    let rollouts = revision.body.changes.iter().filter_map(|change| match change {
        Change::Put { body, .. } => match Document::from_value(body)? {
            Document::Rollout(doc) => Some(*doc),
            _ => None,
        },
        Change::Retire { .. } => None,
    });
    rollouts
        .filter(|doc| doc.spec.channels.contains(channel))
        .filter_map(|doc| {
            let (kind, severity) = kind(revision, &doc)?;
            Some(page(revision, &doc, kind, severity, channel, dashboard))
        })
        .collect()
}

fn kind(revision: &Revision, doc: &RolloutDoc) -> Option<(&'static str, &'static str)> {
    let Cause::Controller { decision } = &revision.body.cause else {
        // What a person did, that person knows; a rollback everybody has to.
        let back = doc.state.phase == Phase::RolledBack
            && doc.state.rolled_back.as_ref().is_some_and(|back| !back.rearmed);
        return back.then_some(("rollout.rolled_back", "info"));
    };
    match decision.decided.action {
        Action::RollBack { .. } => Some(("rollout.rolled_back", "error")),
        // Ends by itself: pages nobody.
        Action::Hold { reason: HoldReason::Evidence } | Action::Resume | Action::Stay => None,
        Action::Hold { .. } => Some(("rollout.held", "critical")),
        Action::Advance => Some(("rollout.advanced", "info")),
        Action::Complete => Some(("rollout.completed", "info")),
    }
}

fn page(
    revision: &Revision,
    doc: &RolloutDoc,
    kind: &'static str,
    severity: &'static str,
    channel: &ChannelKey,
    dashboard: &str,
) -> Page {
    let RevisionNumber(number) = revision.body.number;
    let features: Vec<_> = doc.spec.change.keys().map(ToString::to_string).collect();
    let names = features.join(", ");
    let reason = match &revision.body.cause {
        Cause::Controller { decision } => decision.decided.reason.clone(),
        Cause::Person | Cause::Token => revision.body.message.clone(),
    };
    let at = clock_time(revision.body.at);
    let command = (severity == "critical").then(|| format!("serinus rollback {}", doc.key));
    let title = match (kind, &command) {
        ("rollout.rolled_back", _) => format!("{names} taken back {at}: {reason}. Nothing to press."),
        (_, Some(command)) => {
            format!("YOU: {names} is held since {at}: {reason}. To take it back: {command}")
        }
        _ => format!("{names}: {reason}"),
    };
    Page {
        // The revision's digest makes it unique, the channel keeps two channels at one receiver apart.
        id: format!("msg_{}_{channel}", &revision.digest.to_string()[..24]),
        kind,
        timestamp: revision.body.at.0,
        data: PageData {
            severity,
            title,
            rollout: doc.key.to_string(),
            features,
            revision: number,
            dedup_key: format!("serinus/{}", doc.key),
            url: format!("{dashboard}/r/{}#{number}", doc.key),
            command,
        },
    }
}

fn clock_time(at: Timestamp) -> String {
    let seconds = at.0.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
