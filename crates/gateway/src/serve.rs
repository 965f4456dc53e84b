//! A chat completion from top to bottom: admit, resolve, render, call, observe, respond. Each stage takes the value of the one
//! before. Knows nothing of how any of them is done.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use futures::future::{BoxFuture, try_join};
use serinus_domain::{
    entity::OffAnswer,
    id::InteractionId,
    record::{Outcome, Role},
    resolve::Reason,
    units::{Share, Timestamp},
};
use serinus_llm::ProviderError;
use serinus_store::{Active, PinWrite};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    admit::{Admitted, admit},
    assign::{Resolved, View, assign, own_revision, unit},
    body::read_body,
    error::Refused,
    gateway::Gateway,
    observe::{Seen, Sent, Turn, question, sampled},
    off,
    pin_cache::Known,
    respond::{self, Relayed},
    session::{Lost, Saved},
    shadow::Ticket,
    upstream::{Answered, rendered, send},
};

/// Assignments of one request that may be lost to other nodes; each loss means that another write was in between.
const RACES_MAX: usize = 4;

pub(crate) async fn chat(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    gateway.counters.requests.one();
    match serve(&gateway, request).await {
        Ok(response) => response,
        Err(refused) => {
            gateway.counters.refused.one();
            refused.into_response()
        }
    }
}

async fn serve(gateway: &Arc<Gateway>, request: Request) -> Result<Response, Refused> {
    let arrived_us = gateway.timer.now_us();
    let permit = gateway.enter().ok_or_else(Refused::overloaded)?;
    let (Parts { headers, .. }, body) = request.into_parts();
    let bytes_max = gateway.limits.request_bytes_max;
    let body = read_body(body, bytes_max).await.map_err(|unread| Refused::unread(unread, bytes_max))?;
    // INVARIANT(one-snapshot): the head is loaded here, and nothing below loads it again.
    let head = gateway.live.load();
    let admitted = admit(&head.compiled, &gateway.pseudonyms, &headers, &body)?;
    let at = gateway.now();
    let mut request = Asked { gateway, head: &head, admitted: &admitted, arrived_us, at, permit };
    let mut known = gateway.sessions.known(admitted.asker.session, at).await;
    for race in 0..=RACES_MAX {
        let (resolved, write) = resolve_session(&request, &known)?;
        // What the store did not take at an earlier turn is offered to it again; the last round serves whatever stands.
        let write = write.or_else(|| known.unsaved.clone()).filter(|_| race < RACES_MAX);
        match request.turn(resolved, &known, write).await? {
            Turned::Answered(response) => return Ok(response),
            Turned::Lost(stands, asked) => (known, request) = (stands, asked),
        }
    }
    Err(Refused::internal("an assignment never came to rest"))
}

/// A request under way.
struct Asked<'a> {
    gateway: &'a Arc<Gateway>,
    head: &'a Active,
    admitted: &'a Admitted,
    arrived_us: u64,
    at: Timestamp,
    permit: OwnedSemaphorePermit,
}

enum Turned<'a> {
    Answered(Response),
    /// Another node pinned the session first; nothing was sent yet.
    Lost(Arc<Known>, Asked<'a>),
}

fn resolve_session(asked: &Asked<'_>, known: &Known) -> Result<(Resolved, Option<PinWrite>), Refused> {
    let Asked { gateway, head, admitted, at, .. } = asked;
    let own = own_revision(&known.pins, &admitted.feature, head.compiled.revision);
    assign(&View {
        head,
        feature: &admitted.feature,
        asker: &admitted.asker,
        pins: &known.pins,
        own: own.and_then(|own| gateway.live.at(own)),
        pseudonyms: &gateway.pseudonyms,
        now: *at,
    })
}

impl<'a> Asked<'a> {
    async fn turn(
        self,
        resolved: Resolved,
        known: &Known,
        write: Option<PinWrite>,
    ) -> Result<Turned<'a>, Refused> {
        let mut turn = self.named(resolved)?;
        if turn.resolved.reason == Reason::Killed && turn.resolved.off != Some(OffAnswer::Control) {
            return self.declared(&turn).map(Turned::Answered);
        }
        let (feature, bundle) = (&turn.resolved.feature.doc, &turn.resolved.bundle);
        let keep = turn.question.is_some();
        let mut rendered = match rendered(bundle, feature, &self.admitted.input, self.admitted.stream, keep) {
            Ok(rendered) => rendered,
            Err(refused) => {
                return self.unsent(turn, known, write, refused.code(), Refused::render(&refused)).await;
            }
        };
        turn.sent = Some(Sent::of(&mut rendered));
        let (stream, wants_usage) = (self.admitted.stream, self.admitted.wants_usage);
        let Some(call) = send(&self.gateway.providers, &rendered, stream, wants_usage) else {
            let refused = Refused::provider_unknown(rendered.provider.as_str());
            return self.unsent(turn, known, write, "provider.not_configured", refused).await;
        };
        let ticket = self.gateway.shadows.plan(self.head, self.admitted, &turn.resolved, self.at);
        let watch = Watch::new(self.gateway, turn, self.arrived_us, ticket);
        self.called(watch, known, write, call).await
    }

    /// Gives the turn its name and what is sampled by it.
    fn named(&self, resolved: Resolved) -> Result<Turn, Refused> {
        let Admitted { asker, input, stream, .. } = self.admitted;
        let id = InteractionId::new(&format!("{:032x}", (self.gateway.random)()))
            .map_err(|_| Refused::internal("an interaction has no valid id"))?;
        let doc = &resolved.feature.doc;
        let judge = sampled(&id, "judge", doc.judge.as_ref().map_or(Share::NONE, |policy| policy.rate));
        let keep = judge || sampled(&id, "capture", doc.capture);
        if asker.session.is_none() {
            self.gateway.counters.no_session.one();
        }
        Ok(Turn {
            role: Role::Served,
            pair_of: None,
            reason: resolved.reason.as_str(),
            session: asker.session,
            unit: unit(&asker.context, resolved.bucket_by(), &self.gateway.pseudonyms),
            category: asker.category.clone(),
            at: self.at,
            stream: *stream,
            judge,
            question: keep.then(|| question(&input.messages)),
            sent: None,
            id,
            resolved,
        })
    }

    /// What a killed feature declared, without a call.
    fn declared(&self, turn: &Turn) -> Result<Response, Refused> {
        self.gateway.counters.killed.one();
        let headers = respond::decision_headers(turn, Saved::Durable);
        let key = turn.resolved.feature.doc.key.as_str();
        let Some(OffAnswer::Text { text }) = &turn.resolved.off else {
            return Err(Refused::feature_killed(key).with_headers(headers));
        };
        let body = off::answer(&turn.id, key, text, self.at, self.admitted.stream, self.admitted.wants_usage);
        Ok(respond::declared(body, headers, self.admitted.stream))
    }

    /// A request that its variant cannot be sent for. In a rollout it counts against the arm, so it is enrolled all the same.
    async fn unsent(
        self,
        turn: Turn,
        known: &Known,
        write: Option<PinWrite>,
        code: &str,
        refused: Refused,
    ) -> Result<Turned<'a>, Refused> {
        let saved = match (turn.session, write) {
            (Some(session), Some(write)) if turn.resolved.arm.is_some() => {
                match self.gateway.sessions.save(session, known, write, self.at).await {
                    Ok(saved) => saved,
                    Err(Lost(stands)) => return Ok(Turned::Lost(stands, self)),
                }
            }
            _ => Saved::Durable,
        };
        let headers = respond::decision_headers(&turn, saved);
        Watch::new(self.gateway, turn, self.arrived_us, None)
            .conclude(Seen::failed(code, self.gateway.timer.now_us().saturating_sub(self.arrived_us)));
        Err(refused.with_headers(headers))
    }

    /// The call, and beside it the pin: the first byte waits for both.
    async fn called(
        self,
        mut watch: Watch,
        known: &Known,
        write: Option<PinWrite>,
        call: BoxFuture<'_, Result<Answered, ProviderError>>,
    ) -> Result<Turned<'a>, Refused> {
        let gateway = self.gateway;
        let called_us = self.waited_us();
        let pinned = async {
            match (self.admitted.asker.session, write) {
                (Some(session), Some(write)) => gateway.sessions.save(session, known, write, self.at).await,
                _ if known.unsaved.is_some() => Ok(Saved::InMemory),
                _ => Ok(Saved::Durable),
            }
        };
        let (saved, answered) = match try_join(pinned, async { Ok(call.await) }).await {
            Ok(both) => both,
            Err(Lost(stands)) => {
                watch.withdraw();
                return Ok(Turned::Lost(stands, self));
            }
        };
        let Some(turn) = watch.turn() else {
            return Err(Refused::internal("a turn ended before its answer"));
        };
        let headers = respond::decision_headers(turn, saved);
        match answered {
            Err(failed) => {
                watch.conclude(Seen::provider_failed(&failed, self.waited_us()));
                Err(Refused::provider(&failed).with_headers(headers))
            }
            Ok(Answered::Whole(mut answer)) => {
                watch.conclude(Seen::whole(&mut answer, self.waited_us()));
                Ok(Turned::Answered(respond::whole(*answer, headers)))
            }
            Ok(Answered::Stream(stream)) => {
                let ttft_us = self.waited_us();
                let relayed = Relayed { stream, watch, called_us, ttft_us, _permit: self.permit };
                Ok(Turned::Answered(respond::streamed(relayed, headers)))
            }
        }
    }

    fn waited_us(&self) -> u64 {
        self.gateway.timer.now_us().saturating_sub(self.arrived_us)
    }
}

/// Sees to it that a turn is recorded once, however it ends: a client that goes away drops whatever holds this.
pub(crate) struct Watch {
    gateway: Arc<Gateway>,
    open: Option<(Turn, Option<Ticket>)>,
    arrived_us: u64,
}

impl Watch {
    fn new(gateway: &Arc<Gateway>, turn: Turn, arrived_us: u64, ticket: Option<Ticket>) -> Self {
        Self { gateway: Arc::clone(gateway), open: Some((turn, ticket)), arrived_us }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn turn(&self) -> Option<&Turn> {
        self.open.as_ref().map(|(turn, _)| turn)
    }

    /// The turn was not to be: it is done again with another assignment.
    fn withdraw(&mut self) {
        self.open = None;
    }

    /// Records the turn, and lets its copy go.
    pub(crate) fn conclude(&mut self, seen: Seen) {
        let Some((turn, ticket)) = self.open.take() else { return };
        let counters = &self.gateway.counters;
        match &seen.outcome {
            Outcome::Ok => {}
            Outcome::Cancelled => counters.cancelled.one(),
            Outcome::Error { .. } => counters.upstream_failed.one(),
        }
        self.gateway.used(&turn.resolved);
        let copied = (seen.outcome != Outcome::Cancelled)
            .then_some(ticket)
            .flatten()
            .map(|ticket| (ticket, turn.clone()));
        self.gateway.recorder.push(turn, seen);
        // INVARIANT(shadow-is-silent): only now, and nothing waits for it.
        if let Some((ticket, served)) = copied {
            ticket.copy(served);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_open() {
            let waited_us = self.gateway.timer.now_us().saturating_sub(self.arrived_us);
            self.conclude(Seen::cancelled(waited_us));
        }
    }
}
