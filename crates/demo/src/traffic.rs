//! Runs planned sessions against whatever answers turns, open loop, and books what each turn met. Knows
//! nothing of how a turn is sent.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::corpus::Message;
use crate::ledger::Ledger;
use crate::recordings::Recordings;
use crate::session::{Load, Mix, SessionPlan, Shape, TurnPlan};
use crate::stream::rest_until;

/// One turn as it is sent: the whole conversation so far.
#[derive(Clone, Debug)]
pub struct TurnRequest {
    pub session: Arc<str>,
    pub user: Option<String>,
    pub category: String,
    pub messages: Vec<Message>,
    pub stream: bool,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct TurnReply {
    /// 0 = no response at all.
    pub status: u16,
    /// Why there is no whole answer; none for an answer, empty or not.
    pub error: Option<String>,
    pub text: String,
    pub latency: Duration,
    pub first_byte: Option<Duration>,
    pub interaction: Option<String>,
    pub variant: Option<String>,
    pub replay_id: Option<String>,
}

/// Whatever answers a turn: the gateway over HTTP, or a closure in a test.
pub trait SendTurn: Send + Sync + 'static {
    fn send(&self, request: &TurnRequest) -> impl Future<Output = TurnReply> + Send;
}

impl<S: SendTurn> SendTurn for Arc<S> {
    fn send(&self, request: &TurnRequest) -> impl Future<Output = TurnReply> + Send {
        self.as_ref().send(request)
    }
}

/// How much may be open at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Sessions under way, thinking ones included; an arrival beyond is turned away and counted.
    pub sessions_max: usize,
    /// Turns in flight; one beyond waits, which the latency does not include, and is counted.
    pub turns_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { sessions_max: 20_000, turns_max: 2_000 }
    }
}

/// What the driver itself did; what the turns met is in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub sessions: u64,
    pub sessions_turned_away: u64,
    pub turns_delayed: u64,
}

pub struct Driver<S> {
    recordings: Arc<Recordings>,
    shape: Shape,
    sender: S,
    ledger: Ledger,
    mix: ArcSwap<Mix>,
    bounds: Bounds,
    in_flight: Semaphore,
    sessions: AtomicU64,
    sessions_turned_away: AtomicU64,
    turns_delayed: AtomicU64,
}

impl<S: SendTurn> Driver<S> {
    pub fn new(
        recordings: Arc<Recordings>,
        shape: Shape,
        load: &Load,
        bounds: Bounds,
        sender: S,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            mix: ArcSwap::from_pointee(Mix::new(&recordings.corpus, load)?),
            ledger: Ledger::new(recordings.clone()),
            in_flight: Semaphore::new(bounds.turns_max),
            recordings,
            shape,
            sender,
            bounds,
            sessions: AtomicU64::new(0),
            sessions_turned_away: AtomicU64::new(0),
            turns_delayed: AtomicU64::new(0),
        })
    }

    /// Changes rate and topics; sessions under way go on as planned.
    pub fn tune(&self, load: &Load) -> anyhow::Result<()> {
        self.mix.store(Arc::new(Mix::new(&self.recordings.corpus, load)?));
        Ok(())
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.load(Ordering::Relaxed),
            sessions_turned_away: self.sessions_turned_away.load(Ordering::Relaxed),
            turns_delayed: self.turns_delayed.load(Ordering::Relaxed),
        }
    }

    /// Lets sessions arrive for `span`, then waits for those under way. On `stop` nobody arrives and nobody
    /// goes on after the turn in flight. A later run goes on with new sessions.
    pub async fn run(self: Arc<Self>, span: Duration, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        let mut arrivals = self.shape.arrivals();
        let mut due = Instant::now();
        let end = due + span;
        loop {
            due += arrivals.gap(self.mix.load().sessions_per_s);
            if due >= end {
                break;
            }
            rest_until(due, &stop).await;
            if stop.is_cancelled() {
                break;
            }
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= self.bounds.sessions_max {
                self.sessions_turned_away.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let number = self.sessions.fetch_add(1, Ordering::Relaxed);
            let plan = self.shape.session(number, &self.mix.load());
            under_way.spawn(self.clone().session(plan, stop.clone()));
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn session(self: Arc<Self>, plan: SessionPlan, stop: CancellationToken) {
        let mut request = TurnRequest {
            session: plan.id,
            user: plan.user,
            category: String::new(),
            messages: Vec::new(),
            stream: false,
        };
        for (number, turn) in plan.turns.iter().enumerate() {
            rest_until(Instant::now() + turn.think, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            self.turn(&mut request, number as u8, turn).await;
        }
    }

    async fn turn(&self, request: &mut TurnRequest, number: u8, turn: &TurnPlan) {
        let prompt = self.recordings.corpus.prompt(turn.prompt);
        request.category.clone_from(&prompt.category);
        request.stream = turn.stream;
        request.messages.push(Message { role: "user".to_owned(), content: prompt.text.clone() });
        if self.in_flight.available_permits() == 0 {
            self.turns_delayed.fetch_add(1, Ordering::Relaxed);
        }
        let permit = self.in_flight.acquire().await;
        let reply = self.sender.send(request).await;
        drop(permit);
        self.ledger.write(&request.session, number, turn.prompt, turn.stream, &reply);
        if reply.error.is_some() {
            // People see an error and ask something else: the failed question is not part of the
            // conversation.
            request.messages.pop();
        } else {
            request.messages.push(Message { role: "assistant".to_owned(), content: reply.text });
        }
    }
}
