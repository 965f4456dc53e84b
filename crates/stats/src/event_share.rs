//! Anytime-valid evidence that a rare bad event has become more frequent, from the order of events alone:
//! given an event, how likely was it to fall on the candidate? Knows nothing of units without an event, so no
//! common trend can move it.
//!
//! A unit has at most one event (several failures in a session count once). If the candidate's rate is at
//! most R times control's, an event of a unit with probability pi falls on the candidate with probability at
//! most `pi R / (pi R + 1 - pi)`, however frequent events are. Sixteen alternatives bet against that.
//!
//! An absolute floor becomes an R that changes with control's rate: "at most p0 + floor" is "at most 1 +
//! floor / p0 times p0". The rate is taken from earlier control units and lowered by one standard error,
//! which raises R: at the floor the evidence errs on the side of silence. The first control event is counted
//! as half seen, so that a control without any event still has a rate.

use libm::{exp, log, sqrt};

use crate::error::{Invalid, require};
use crate::special::{ln_beta, ln_beta_inc, log_mean_exp};

/// Alternatives, as multiples of the R of the null, spaced evenly on the log scale.
const ALTERNATIVES: usize = 16;
const MULTIPLE_MIN: f64 = 1.1;
const MULTIPLE_MAX: f64 = 30.0;

/// The state of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventShare {
    ratio: f64,
    floor: f64,
    multiples: Vec<f64>,
    log_wealth: Vec<f64>,
    treated: EventCount,
    control: EventCount,
}

/// Events and units of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCount {
    pub events: u64,
    pub units: u64,
}

impl EventCount {
    /// Events per unit, if there are units.
    pub fn rate(&self) -> Option<f64> {
        (self.units > 0).then(|| self.events as f64 / self.units as f64)
    }
}

impl EventShare {
    /// The candidate may have `ratio` times control's rate or `floor` more, whichever is more.
    pub fn new(ratio: f64, floor: f64) -> Result<Self, Invalid> {
        require(ratio >= 1.0 && ratio.is_finite(), "ratio", ratio, "a finite ratio of rates of 1 or more")?;
        require((0.0..1.0).contains(&floor), "floor", floor, "a difference of rates from 0 to below 1")?;
        let step = log(MULTIPLE_MAX / MULTIPLE_MIN) / (ALTERNATIVES - 1) as f64;
        let multiples = (0..ALTERNATIVES).map(|k| MULTIPLE_MIN * exp(step * k as f64)).collect();
        Ok(EventShare {
            ratio,
            floor,
            multiples,
            log_wealth: vec![0.0; ALTERNATIVES],
            treated: EventCount::default(),
            control: EventCount::default(),
        })
    }

    /// Takes in the next matured unit. One whose arm was certain weighs nothing.
    pub fn push(&mut self, treated: bool, pi: f64, event: bool) {
        if !(pi > 0.0 && pi < 1.0) {
            return;
        }
        if event {
            self.bet(treated, pi);
        }
        let arm = if treated { &mut self.treated } else { &mut self.control };
        arm.units += 1;
        arm.events += u64::from(event);
    }

    fn bet(&mut self, treated: bool, pi: f64) {
        let ratio = self.ratio_now();
        let null = share(pi, ratio);
        for (log_wealth, &multiple) in self.log_wealth.iter_mut().zip(&self.multiples) {
            let alternative = share(pi, ratio * multiple);
            *log_wealth +=
                if treated { log(alternative / null) } else { log((1.0 - alternative) / (1.0 - null)) };
        }
    }

    /// The R of the null for the next event: max(ratio, 1 + floor / control's rate).
    pub fn ratio_now(&self) -> f64 {
        if self.floor == 0.0 {
            return self.ratio;
        }
        let events = self.control.events as f64 + 0.5;
        let cautious = events / (1.0 + 1.0 / sqrt(events + 0.5));
        let rate = cautious / (self.control.units as f64 + 1.0);
        self.ratio.max(1.0 + self.floor / rate)
    }

    /// log of the evidence against "within the margin".
    pub fn log_e(&self) -> f64 {
        log_mean_exp(&self.log_wealth)
    }

    /// log wealth of each alternative, with its multiple of R.
    pub fn wealths(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.multiples.iter().copied().zip(self.log_wealth.iter().copied())
    }

    /// Events and units of the candidate.
    pub fn treated(&self) -> EventCount {
        self.treated
    }

    /// Events and units of control.
    pub fn control(&self) -> EventCount {
        self.control
    }
}

/// log of the evidence when alternatives are spread as a Beta(`a`, `b`) above the null: `treated` of `events`
/// fell on the candidate, where the null allows a share of at most `share_null`. Closed form, for a constant
/// probability.
pub fn log_e_beta(treated: u64, events: u64, share_null: f64, a: f64, b: f64) -> f64 {
    let (hits, misses) = (treated as f64, events.saturating_sub(treated) as f64);
    let above = |a: f64, b: f64| ln_beta(a, b) + ln_beta_inc(b, a, 1.0 - share_null);
    above(a + hits, b + misses) - above(a, b) - hits * log(share_null) - misses * log(1.0 - share_null)
}

/// The probability that an event falls on the candidate where its rate is `ratio` times control's.
pub fn share(pi: f64, ratio: f64) -> f64 {
    pi * ratio / (pi * ratio + 1.0 - pi)
}
