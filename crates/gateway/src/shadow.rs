//! Copies of served requests to the candidate of a shadow stage, after the user was answered. Which requests are copied, and
//! which of them a budget drops, is settled before their answer is known. Runs no tool and answers nobody.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, stream};
use serinus_domain::{
    bundle::Bundle,
    entity::StageKind,
    id::{InteractionId, ProviderKey, RolloutKey, VariantKey},
    record::Role,
    resolve::{Arm, ArmFacts, CANDIDATE, CONTROL, shadowed},
    units::{MicroUsd, Share, Timestamp},
};
use serinus_llm::Timer;
use serinus_store::{Active, InteractionFilter, Records};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    admit::{Admitted, Input},
    assign::Resolved,
    config::{GatewayLimits, Provider},
    counters::Counters,
    observe::{Seen, Sent, Turn, cost, sampled},
    record::Recorder,
    spend::{Ledger, Rate},
    upstream::{Answered, rendered, send},
};

/// The part of the copies that goes to control again, since control is a distribution too.
const REPEATED: Share = Share::ppm(15_000);
/// Records read at once when a node looks up what a stage has spent, and how often.
const RECALL_PAGE: usize = 500;
const RECALL_PAGES_MAX: usize = 200;

/// A copy to make once the user is answered; holds its place in the queue until then.
pub(crate) struct Ticket {
    place: mpsc::OwnedPermit<Copy>,
    plan: Plan,
}

/// A copy of a served turn.
pub(crate) struct Copy {
    served: Turn,
    plan: Plan,
}

struct Plan {
    rollout: RolloutKey,
    stage: usize,
    candidate: Arc<Bundle>,
    input: Arc<Input>,
}

/// What both ends of the queue hold.
pub(crate) struct Budget {
    rate: Rate,
    ledger: Ledger,
    spend_max: MicroUsd,
    counters: Arc<Counters>,
}

/// The way in.
pub(crate) struct Shadows {
    queue: mpsc::Sender<Copy>,
    budget: Arc<Budget>,
}

/// The way out: makes the calls.
pub(crate) struct ShadowWorkers {
    pub queue: mpsc::Receiver<Copy>,
    pub budget: Arc<Budget>,
    pub concurrency: usize,
    pub providers: Arc<HashMap<ProviderKey, Provider>>,
    pub timer: Arc<dyn Timer>,
    pub random: Arc<dyn Fn() -> u128 + Send + Sync>,
    pub recorder: Recorder,
    pub records: Arc<dyn Records>,
}

pub(crate) fn shadows(
    limits: &GatewayLimits,
    counters: Arc<Counters>,
) -> (Shadows, mpsc::Receiver<Copy>, Arc<Budget>) {
    let (queue, receiver) = mpsc::channel(limits.shadow_queue_max.max(1));
    let rate = Rate::new(limits.shadow_per_second_max);
    let spend_max = limits.shadow_spend_max;
    let budget = Arc::new(Budget { rate, ledger: Ledger::default(), spend_max, counters });
    (Shadows { queue, budget: Arc::clone(&budget) }, receiver, budget)
}

impl Shadows {
    /// Whether this request is copied. Only what control answers has a pair to be compared with.
    pub(crate) fn plan(
        &self,
        head: &Active,
        admitted: &Admitted,
        served: &Resolved,
        now: Timestamp,
    ) -> Option<Ticket> {
        if served.bundle.id != served.feature.control.id || served.off.is_some() {
            return None;
        }
        let rollout = shadowed(&served.feature, &admitted.asker.context)?;
        let budget = &self.budget;
        let of_stage = head.snapshot.rollout(&rollout.key).and_then(|doc| doc.stage()?.spend_max);
        if !budget.ledger.allows(&rollout.key, of_stage.unwrap_or(budget.spend_max)) {
            budget.counters.shadow_dropped_spend.one();
            return None;
        }
        if !budget.rate.take(now) {
            budget.counters.shadow_dropped_rate.one();
            return None;
        }
        let Ok(place) = self.queue.clone().try_reserve_owned() else {
            budget.counters.shadow_dropped_queue.one();
            return None;
        };
        let plan = Plan {
            rollout: rollout.key.clone(),
            stage: rollout.stage_index,
            candidate: Arc::clone(&rollout.candidate),
            input: Arc::clone(&admitted.input),
        };
        Some(Ticket { place, plan })
    }
}

impl Ticket {
    /// Sends the copy on its way: the user has been answered.
    pub(crate) fn copy(self, served: Turn) {
        self.place.send(Copy { served, plan: self.plan });
    }
}

impl ShadowWorkers {
    /// Makes copies until `stop`; those that wait or are under way then are given up, since nobody waits for them.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (_, closed) = mpsc::channel(1);
        let mut queue = std::mem::replace(&mut self.queue, closed);
        let copies = stream::poll_fn(|cx| queue.poll_recv(cx));
        let work = copies.for_each_concurrent(self.concurrency.max(1), |copy| self.copy(copy));
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn copy(&self, copy: Copy) {
        if self.budget.ledger.begins(&copy.plan.rollout) {
            self.recall(&copy.plan.rollout).await;
        }
        let (candidate, control) =
            (Arc::clone(&copy.plan.candidate), Arc::clone(&copy.served.resolved.bundle));
        self.call(&copy, Role::Shadow, Arm::Candidate, candidate).await;
        if sampled(&copy.served.id, "shadow_repeat", REPEATED) {
            self.call(&copy, Role::ShadowRepeat, Arm::Control, control).await;
        }
    }

    /// Adds what earlier runs have spent, so that a restart is no new budget.
    async fn recall(&self, rollout: &RolloutKey) {
        let mut filter = InteractionFilter {
            rollout: Some(rollout.clone()),
            limit: RECALL_PAGE,
            ..InteractionFilter::default()
        };
        for role in [Role::Shadow, Role::ShadowRepeat] {
            filter.role = Some(role);
            filter.before = None;
            for _ in 0..RECALL_PAGES_MAX {
                let Ok(page) = self.records.list(&filter).await else { return };
                let Some(last) = page.last() else { break };
                filter.before = Some(last.seq);
                self.budget.ledger.spend(rollout, MicroUsd(page.iter().map(|view| view.record.cost.0).sum()));
            }
        }
    }

    async fn call(&self, copy: &Copy, role: Role, arm: Arm, bundle: Arc<Bundle>) {
        let Some(mut turn) = self.turn(copy, role, arm, bundle) else { return };
        let started_us = self.timer.now_us();
        let waited_us = |timer: &dyn Timer| timer.now_us().saturating_sub(started_us);
        let keep = turn.question.is_some();
        let resolved = &turn.resolved;
        let seen = match rendered(&resolved.bundle, &resolved.feature.doc, &copy.plan.input, false, keep) {
            Err(refused) => Seen::failed(refused.code(), 0),
            Ok(mut rendered) => {
                self.budget.counters.shadow_calls.one();
                turn.sent = Some(Sent::of(&mut rendered));
                match send(&self.providers, &rendered, false, false) {
                    None => Seen::failed("provider.not_configured", 0),
                    Some(call) => match call.await {
                        Ok(Answered::Whole(mut answer)) => Seen::whole(&mut answer, waited_us(&*self.timer)),
                        Ok(Answered::Stream(_)) => {
                            Seen::failed("provider.malformed", waited_us(&*self.timer))
                        }
                        Err(failed) => Seen::provider_failed(&failed, waited_us(&*self.timer)),
                    },
                }
            }
        };
        if let Some(usage) = &seen.completion.usage {
            self.budget.ledger.spend(&copy.plan.rollout, cost(&turn.resolved.bundle.model, usage));
        }
        self.recorder.push(turn, seen);
    }

    fn turn(&self, copy: &Copy, role: Role, arm: Arm, bundle: Arc<Bundle>) -> Option<Turn> {
        let served = &copy.served;
        let variant = if arm == Arm::Candidate { CANDIDATE } else { CONTROL };
        // Neither name can be refused.
        let id = InteractionId::new(&format!("{:032x}", (self.random)())).ok()?;
        let variant = VariantKey::new(variant).ok()?;
        // Weighs nothing in any arm: nobody was exposed.
        let arm =
            ArmFacts { rollout: copy.plan.rollout.clone(), arm, pi: Share::NONE, stage: copy.plan.stage };
        let resolved = Resolved {
            variant,
            bundle,
            arm: Some(arm),
            stage: Some(StageKind::Shadow),
            ..served.resolved.clone()
        };
        Some(Turn {
            id,
            role,
            pair_of: Some(served.id.clone()),
            resolved,
            reason: "shadow",
            at: Timestamp(i64::try_from(self.timer.now_us()).unwrap_or(i64::MAX)),
            stream: false,
            sent: None,
            ..served.clone()
        })
    }
}
