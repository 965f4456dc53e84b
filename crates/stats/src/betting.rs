//! Bets on the mean of a bounded outcome: evidence that it lies beyond a limit, and an interval for it. Knows
//! nothing of arms: one stream, in order, one value per independent unit (Waudby-Smith and Ramdas 2024).

use libm::{exp, log, log1p, sqrt};

use crate::Harm;
use crate::error::{Invalid, require, require_alpha};
use crate::special::log_mean_exp;

const STAKES: usize = 16;
const STAKE_CUT: f64 = 0.9;
/// The smallest stake as a part of the largest.
const STAKE_RATIO: f64 = 0.01;
/// Cells of the interval's grid over [0, 1]; the interval is widened by one, so it never errs inwards.
const CELLS: usize = 400;

/// Evidence against "the mean is within the limit", for values in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct MeanBeyond {
    harm: Harm,
    limit: f64,
    stakes: Vec<f64>,
    log_wealth: Vec<f64>,
    n: u64,
    sum: f64,
}

impl MeanBeyond {
    /// A bet that the mean is above (higher is worse) or below (lower is worse) `limit`.
    pub fn new(harm: Harm, limit: f64) -> Result<Self, Invalid> {
        require(limit > 0.0 && limit < 1.0, "limit", limit, "a mean above 0 and below 1")?;
        let worst = if harm == Harm::Higher { limit } else { 1.0 - limit };
        let largest = STAKE_CUT / worst;
        let step = -log(STAKE_RATIO) / (STAKES - 1) as f64;
        let stakes = (0..STAKES).map(|k| largest * STAKE_RATIO * exp(step * k as f64)).collect();
        Ok(MeanBeyond { harm, limit, stakes, log_wealth: vec![0.0; STAKES], n: 0, sum: 0.0 })
    }

    /// Takes in the next value; one outside [0, 1] is cut to it, one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let value = value.clamp(0.0, 1.0);
        self.n += 1;
        self.sum += value;
        let gain = self.harm.sign() * (value - self.limit);
        for (log_wealth, &stake) in self.log_wealth.iter_mut().zip(&self.stakes) {
            *log_wealth += log1p(stake * gain);
        }
    }

    /// log of the evidence against "within the limit".
    pub fn log_e(&self) -> f64 {
        log_mean_exp(&self.log_wealth)
    }

    /// How many values were taken in.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// The stake for the next value from the spread of earlier ones: the predictable plug-in that makes the
/// interval as narrow as an empirical Bernstein one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PluginStake {
    log_inverse_alpha: f64,
    n: u64,
    sum: f64,
    squares: f64,
}

impl PluginStake {
    /// Tuned for one side at `alpha`.
    pub fn new(alpha: f64) -> Self {
        // One imagined value of 1/2 with variance 1/4 stands for what is known beforehand.
        PluginStake { log_inverse_alpha: log(1.0 / alpha), n: 0, sum: 0.5, squares: 0.25 }
    }

    /// The stake for the next value.
    pub fn next(&self) -> f64 {
        let t = (self.n + 1) as f64;
        let variance = self.squares / t;
        sqrt(2.0 * self.log_inverse_alpha / (variance * t * log(1.0 + t)))
    }

    /// Takes in the value that the stake was put on.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        let mean = self.sum / (self.n + 1) as f64;
        self.squares += (value - mean) * (value - mean);
    }
}

/// The wealth of betting that the mean is above (`.0`) and below (`.1`) a candidate mean, in logs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capital(pub f64, pub f64);

impl Capital {
    /// Bets `stake`, cut so that no single value may cost more than half of the wealth.
    pub fn bet(&mut self, stake: f64, value: f64, mean: f64) {
        let up = if mean > 0.0 { stake.min(0.5 / mean) } else { stake };
        let down = if mean < 1.0 { stake.min(0.5 / (1.0 - mean)) } else { stake };
        self.0 += log1p(up * (value - mean));
        self.1 += log1p(-down * (value - mean));
    }

    /// log of the hedged wealth: the better half of an even split.
    pub fn hedged(&self) -> f64 {
        self.0.max(self.1) - std::f64::consts::LN_2
    }
}

/// A confidence sequence for the mean of values in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct MeanInterval {
    alpha: f64,
    stake: PluginStake,
    capital: Vec<Capital>,
    n: u64,
    sum: f64,
}

impl MeanInterval {
    /// An interval that holds at every look with probability 1 - alpha.
    pub fn new(alpha: f64) -> Result<Self, Invalid> {
        require_alpha(alpha)?;
        let capital = vec![Capital::default(); CELLS + 1];
        Ok(MeanInterval { alpha, stake: PluginStake::new(alpha / 2.0), capital, n: 0, sum: 0.0 })
    }

    /// Takes in the next value; one outside [0, 1] is cut to it, one that is not finite is left out.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let value = value.clamp(0.0, 1.0);
        let stake = self.stake.next();
        for (cell, capital) in self.capital.iter_mut().enumerate() {
            capital.bet(stake, value, cell as f64 / CELLS as f64);
        }
        self.stake.push(value);
        self.n += 1;
        self.sum += value;
    }

    /// The interval of now. It may be wider than an earlier one, which holds as well.
    pub fn bounds(&self) -> (f64, f64) {
        let limit = log(1.0 / self.alpha);
        let kept = |capital: &Capital| capital.hedged() < limit;
        // Where every cell is rejected the mean lies between two of them, next to the observed one.
        let nearest = libm::round(self.mean().unwrap_or(0.5) * CELLS as f64) as usize;
        let first = self.capital.iter().position(kept).unwrap_or(nearest);
        let last = self.capital.iter().rposition(kept).unwrap_or(nearest);
        (first.saturating_sub(1) as f64 / CELLS as f64, (last + 1).min(CELLS) as f64 / CELLS as f64)
    }

    /// How many values were taken in.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// The predictable-mixture empirical Bernstein interval: wider than betting, but closed form and of constant
/// size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmpiricalBernstein {
    alpha: f64,
    stake: PluginStake,
    n: u64,
    sum: f64,
    stakes: f64,
    staked: f64,
    spread_below: f64,
    spread_above: f64,
}

impl EmpiricalBernstein {
    /// An interval that holds at every look with probability 1 - alpha.
    pub fn new(alpha: f64) -> Result<Self, Invalid> {
        require_alpha(alpha)?;
        let stake = PluginStake::new(alpha / 2.0);
        Ok(EmpiricalBernstein {
            alpha,
            stake,
            n: 0,
            sum: 0.0,
            stakes: 0.0,
            staked: 0.0,
            spread_below: 0.0,
            spread_above: 0.0,
        })
    }

    /// Takes in the next value in [0, 1].
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let value = value.clamp(0.0, 1.0);
        let stake = self.stake.next().min(0.5);
        let psi = -log1p(-stake) - stake;
        // Before any value each side takes the mean to be at its own end of the range.
        let mean = self.mean();
        let apart = |guess: f64| value - mean.unwrap_or(guess);
        self.spread_below += apart(0.0) * apart(0.0) * psi;
        self.spread_above += apart(1.0) * apart(1.0) * psi;
        self.stakes += stake;
        self.staked += stake * value;
        self.stake.push(value);
        self.n += 1;
        self.sum += value;
    }

    /// The interval of now, within [0, 1].
    pub fn bounds(&self) -> (f64, f64) {
        if self.n == 0 {
            return (0.0, 1.0);
        }
        let middle = self.staked / self.stakes;
        let radius = |spread: f64| (log(2.0 / self.alpha) + spread) / self.stakes;
        ((middle - radius(self.spread_below)).max(0.0), (middle + radius(self.spread_above)).min(1.0))
    }

    /// The mean of the values, if there are any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}
