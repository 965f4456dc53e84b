//! What goes wrong, when and how often: rules in, the effects on one request out. Knows nothing of HTTP, and
//! draws no chance of its own.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Beyond it an answer takes hours, which is a hang.
const SLOWDOWN_MAX: f64 = 1000.0;

/// One kind of trouble for a share of the requests of a model, during a span of real time after the rules
/// were set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Name as requested or as recorded; absent = every answering model (the judge has to be named).
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub from_s: f64,
    #[serde(default)]
    pub to_s: Option<f64>,
    /// Share of the requests, 0..=1.
    pub rate: f64,
    #[serde(flatten)]
    pub kind: FaultKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 with `retry-after`.
    RateLimited {
        #[serde(default = "one_second")]
        retry_after_s: u64,
    },
    /// 500.
    ServerError,
    /// 503, as a model server answers while it loads.
    Loading,
    /// No byte for so long (real time).
    Hang {
        #[serde(default = "ten_minutes_ms")]
        hang_ms: u64,
    },
    /// The connection ends in the middle of the answer.
    Cut,
    /// A stream with a line that is no JSON; a body that is none.
    Malformed,
    /// An answer without text, HTTP 200.
    Empty,
    /// No token counts.
    MissingUsage,
    /// All times multiplied.
    Slow {
        #[serde(default = "tenfold")]
        factor: f64,
    },
    /// Silent degradation: another model's record under the asked model's name.
    Drift { to: String },
}

/// The answer refused outright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    RateLimited { retry_after_s: u64 },
    ServerError,
    Loading,
}

/// The answer spoilt on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Cut,
    Malformed,
    Empty,
}

/// What the rules that struck do to one request, together.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    pub refusal: Option<Refusal>,
    pub hang: Option<Duration>,
    pub damage: Option<Damage>,
    pub usage_missing: bool,
    pub slowdown: f64,
    pub answers_as: Option<String>,
}

#[derive(Debug)]
pub struct FaultPlan {
    pub since: Instant,
    pub rules: Vec<FaultRule>,
}

/// The request as far as faults care.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub names: [&'a str; 2],
    pub category: Option<&'a str>,
    pub is_judge: bool,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            refusal: None,
            hang: None,
            damage: None,
            usage_missing: false,
            slowdown: 1.0,
            answers_as: None,
        }
    }
}

impl FaultPlan {
    /// Effects on a request `elapsed` after the rules were set; `chance` gives one number in 0..1 a rule.
    pub fn effects(&self, target: Target<'_>, elapsed: Duration, mut chance: impl FnMut() -> f64) -> Effects {
        let mut effects = Effects::default();
        for rule in &self.rules {
            // Drawn for every rule, so that one rule's span does not move another's draws.
            let strikes = chance() < rule.rate;
            if strikes && rule.covers(target, elapsed) {
                effects.add(&rule.kind);
            }
        }
        effects
    }
}

impl FaultRule {
    fn covers(&self, target: Target<'_>, elapsed: Duration) -> bool {
        let elapsed_s = elapsed.as_secs_f64();
        let is_time = elapsed_s >= self.from_s && self.to_s.is_none_or(|to_s| elapsed_s < to_s);
        let is_model = self.model.as_deref().map_or(!target.is_judge, |model| target.names.contains(&model));
        is_time && is_model && (self.category.is_none() || self.category.as_deref() == target.category)
    }

    /// The reason why a rule cannot be, if there is one. `known_model` tells names that requests may use.
    #[must_use]
    pub fn objection(
        &self,
        known_model: impl Fn(&str) -> bool,
        recorded: impl Fn(&str) -> bool,
    ) -> Option<String> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Some(format!("fault rate {}: must lie between 0 and 1", self.rate));
        }
        if let Some(model) = self.model.as_deref().filter(|model| !known_model(model)) {
            return Some(format!("fault model {model:?}: not served here, see /v1/models"));
        }
        match &self.kind {
            FaultKind::Drift { to } if !recorded(to) => {
                Some(format!("drift to {to:?}: not a recorded model, see /v1/models"))
            }
            FaultKind::Slow { factor } if !(*factor > 0.0 && *factor <= SLOWDOWN_MAX) => {
                Some(format!("slow factor {factor}: must be above 0 and at most {SLOWDOWN_MAX}"))
            }
            _ => None,
        }
    }
}

impl Effects {
    fn add(&mut self, kind: &FaultKind) {
        match kind {
            FaultKind::RateLimited { retry_after_s } => {
                self.refusal = Some(Refusal::RateLimited { retry_after_s: *retry_after_s });
            }
            FaultKind::ServerError => self.refusal = Some(Refusal::ServerError),
            FaultKind::Loading => self.refusal = Some(Refusal::Loading),
            FaultKind::Hang { hang_ms } => self.hang = Some(Duration::from_millis(*hang_ms)),
            FaultKind::Cut => self.damage = Some(Damage::Cut),
            FaultKind::Malformed => self.damage = Some(Damage::Malformed),
            FaultKind::Empty => self.damage = Some(Damage::Empty),
            FaultKind::MissingUsage => self.usage_missing = true,
            FaultKind::Slow { factor } => self.slowdown *= factor,
            FaultKind::Drift { to } => self.answers_as = Some(to.clone()),
        }
    }
}

fn one_second() -> u64 {
    1
}

fn ten_minutes_ms() -> u64 {
    600_000
}

fn tenfold() -> f64 {
    10.0
}
