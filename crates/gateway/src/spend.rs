//! What the copies of shadow stages may be: so many a second, and no more money than the stage has. Knows nothing of calls.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serinus_domain::{
    id::RolloutKey,
    units::{MicroUsd, Timestamp},
};

/// Permits that fill up with time; a second's worth at most.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    state: Mutex<(f64, Timestamp)>,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, state: Mutex::new((per_second, Timestamp::default())) }
    }

    pub(crate) fn take(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.since(state.1).0 as f64 / 1000.0 * self.per_second;
        if now > state.1 {
            *state = ((state.0 + gained).min(self.per_second), now);
        }
        let granted = state.0 >= 1.0;
        state.0 -= f64::from(u8::from(granted));
        granted
    }
}

/// Money spent by rollout. What was spent before this node started is added when its first copy is made.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<HashMap<RolloutKey, Spent>>);

#[derive(Debug, Default)]
struct Spent {
    micro_usd: i64,
    is_recalled: bool,
}

impl Ledger {
    /// Whether there is money left. The calls under way are not known yet, so the limit may be passed by their cost.
    pub(crate) fn allows(&self, rollout: &RolloutKey, limit: MicroUsd) -> bool {
        self.with(rollout, |spent| spent.micro_usd < limit.0)
    }

    pub(crate) fn spend(&self, rollout: &RolloutKey, cost: MicroUsd) {
        self.with(rollout, |spent| spent.micro_usd = spent.micro_usd.saturating_add(cost.0));
    }

    /// True once for each rollout: whoever asks is to look up what was spent before.
    pub(crate) fn begins(&self, rollout: &RolloutKey) -> bool {
        self.with(rollout, |spent| !std::mem::replace(&mut spent.is_recalled, true))
    }

    fn with<T>(&self, rollout: &RolloutKey, look: impl FnOnce(&mut Spent) -> T) -> T {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(ledger.entry(rollout.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_fill_up_with_time() {
        let rate = Rate::new(2);
        let at = |ms: i64| Timestamp(1_000_000_000 + ms * 1000);
        for (ms, granted) in [
            (0, true),
            (0, true),
            (0, false),
            (400, false),
            (500, true),
            (500, false),
            (9000, true),
            (9000, true),
            (9000, false),
        ] {
            assert_eq!(rate.take(at(ms)), granted, "{ms}");
        }
    }

    #[test]
    fn money_is_spent_once() {
        let (ledger, one, two) =
            (Ledger::default(), RolloutKey::new("a-1").unwrap(), RolloutKey::new("b-1").unwrap());
        assert!(ledger.begins(&one) && !ledger.begins(&one));
        ledger.spend(&one, MicroUsd(60));
        assert!(ledger.allows(&one, MicroUsd(61)) && !ledger.allows(&one, MicroUsd(60)));
        assert!(ledger.allows(&two, MicroUsd(1)));
    }
}
