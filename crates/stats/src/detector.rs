//! Detectors of a decline below a frozen level: evidence restarted at every time. Knows nothing of days or
//! categories. An alarm at A comes on average no sooner than after A observations without decline (Shin,
//! Ramdas and Rinaldo 2024).

use libm::{exp, log, log1p};

use crate::error::{Invalid, require};
use crate::special::log_mean_exp;

/// How evidence from all starting times is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The sum over starting times (Shiryaev and Roberts).
    Sum,
    /// The best starting time (CUSUM).
    Best,
}

/// The state of one monitored series with values in [0, 1], lower being worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    level: f64,
    restart: Restart,
    bets: Vec<f64>,
    log_evidence: Vec<f64>,
}

impl Detector {
    /// Bets against "the mean is at least `level`"; each bet must leave some wealth at the highest value, 1.
    pub fn new(level: f64, restart: Restart, bets: Vec<f64>) -> Result<Self, Invalid> {
        require(level > 0.0 && level <= 1.0, "level", level, "a mean above 0, at most 1")?;
        require(!bets.is_empty(), "number of bets", 0.0, "at least one")?;
        for &bet in &bets {
            require(
                bet > 0.0 && bet * (1.0 - level) < 1.0,
                "bet",
                bet,
                "a bet above 0 and below 1 / (1 - level)",
            )?;
        }
        let log_evidence = vec![f64::NEG_INFINITY; bets.len()];
        Ok(Detector { level, restart, bets, log_evidence })
    }

    /// Takes in the next value; one outside [0, 1] is cut to it, one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let gain = self.level - value.clamp(0.0, 1.0);
        for (log_evidence, &bet) in self.log_evidence.iter_mut().zip(&self.bets) {
            let carried = match self.restart {
                Restart::Sum => log_add_one(*log_evidence),
                Restart::Best => log_evidence.max(0.0),
            };
            *log_evidence = carried + log1p(bet * gain);
        }
    }

    /// log of the evidence for a decline that began at some time.
    pub fn log_evidence(&self) -> f64 {
        log_mean_exp(&self.log_evidence)
    }
}

/// log(exp(x) + 1) without overflow.
fn log_add_one(x: f64) -> f64 {
    if x > 0.0 { x + log1p(exp(-x)) } else { log(1.0 + exp(x)) }
}
