//! The randomisation score process: anytime-valid evidence that a candidate harms the mean of a bounded
//! outcome by more than a margin, from units whose probability of treatment is known. Knows nothing of how
//! outcomes are measured or matured, and needs no stable baseline, constant share or good centre to be valid.
//!
//! Unit i adds `g = h (T - pi) (Y - m - margin of T)`, whose mean is at most zero whenever the harm is within
//! the margin, whatever the trend, the ramp or the centre m. Two roads lead from g to evidence, and half of
//! the wealth goes along each:
//!
//! - *exact*: bets on g at a grid of stakes, non-asymptotic from the first unit. A stake is cut, unit by
//!   unit, to what the worst possible g of that unit allows; the cut uses pi, m and the margin only, so it is known
//!   before the outcome. On a small canary the worst g is small, so stakes far above 1 are safe there, and a
//!   rare failure in treatment weighs as much as it should.
//! - *fast*: a normal mixture at intrinsic time `V = max(sum g^2, sum pi (1 - pi) d^2)`, from twenty units in
//!   each arm. Neither variance alone is safe on a canary; their maximum is.

use libm::{exp, log, log1p};

use crate::error::{Invalid, require, require_alpha};
use crate::moments::Moments;
use crate::normal_mixture as mixture;
use crate::reading::{Range, Reading};
use crate::special::log_mean_exp;
use crate::{Harm, Margin};

/// Stakes of the exact path.
const STAKES: usize = 16;
/// No single unit may cost a bet more than this part of its wealth.
const STAKE_CUT: f64 = 0.9;
/// The largest stake of the grid in units of 1/bound.
const STAKE_REACH: f64 = 20.0;
/// Matured units in each arm before means are believed: the fast path, intervals, the control mean.
pub const UNITS_PER_ARM_MIN: u64 = 20;

/// What is fixed when the rollout starts. Changing any of it starts a new process.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreConfig {
    pub harm: Harm,
    pub margin: Margin,
    /// The outcome's range; values outside are cut to it.
    pub low: f64,
    pub high: f64,
    /// The harm that must be found, in the outcome's scale; twice the margin by default.
    pub mde: f64,
    /// The planned variance of a unit's outcome. A wrong guess costs time, never validity.
    pub sigma2: f64,
    /// The level for which the boundaries are tuned.
    pub alpha: f64,
    /// The largest exposure of a unit (1 unless the margin is per exposure, see [`crate::ratio`]).
    pub exposure_max: f64,
}

impl ScoreConfig {
    /// An outcome in [0, 1] at level 5 %.
    pub fn unit_interval(harm: Harm, margin: Margin, mde: f64, sigma2: f64) -> Self {
        ScoreConfig { harm, margin, low: 0.0, high: 1.0, mde, sigma2, alpha: 0.05, exposure_max: 1.0 }
    }
}

/// One matured unit, in enrolment order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    pub treated: bool,
    /// The probability with which it was to be treated, as recorded at enrolment.
    pub pi: f64,
    pub y: f64,
    /// A guess of `y` from earlier units only; see [`crate::centre::RunningCentre`].
    pub centre: f64,
    /// What the absolute margin multiplies: 1, or the denominator of a ratio metric.
    pub exposure: f64,
}

impl Unit {
    /// A unit of a plain mean.
    pub fn of_mean(treated: bool, pi: f64, y: f64, centre: f64) -> Self {
        Unit { treated, pi, y, centre, exposure: 1.0 }
    }
}

/// The difference between candidate and control, with an interval that holds at every look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Candidate minus control, each unit weighted by pi (1 - pi).
    pub delta_hat: f64,
    pub lower: f64,
    pub upper: f64,
    pub n_treated: u64,
    pub n_control: u64,
    /// Plain means of the arms; under a ramp their difference is not `delta_hat`.
    pub mean_treated: Option<f64>,
    pub mean_control: Option<f64>,
}

/// A sum of scores and its intrinsic time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The sum of g.
    pub s: f64,
    /// The sum of g squared.
    pub empirical: f64,
    /// The variance of that sum by the design, the sum of pi (1 - pi) d squared.
    pub design: f64,
}

impl Sums {
    fn push(&mut self, sign: f64, weight: f64, bracket: f64) {
        let g = sign * bracket;
        self.s += g;
        self.empirical += g * g;
        self.design += weight * bracket * bracket;
    }

    /// Intrinsic time: the larger variance, because on a canary neither alone is safe.
    pub fn v(&self) -> f64 {
        self.empirical.max(self.design)
    }
}

/// The state of one metric: a few dozen numbers however many units there were.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreProcess {
    config: ScoreConfig,
    rho_one: f64,
    rho_two: f64,
    stakes: Vec<f64>,
    log_wealth: Vec<f64>,
    /// Scores with the margin taken off: the test.
    tested: Sums,
    /// Scores as they are: the effect and its interval.
    plain: Sums,
    information: f64,
    treated: Moments,
    control: Moments,
    exposure_treated: Moments,
    ignored: u64,
}

impl ScoreProcess {
    /// A process at the start of a rollout, with wealth 1.
    pub fn new(config: ScoreConfig) -> Result<Self, Invalid> {
        require_alpha(config.alpha)?;
        config.margin.check(config.harm)?;
        let width = config.high - config.low;
        require(
            width > 0.0 && width.is_finite(),
            "width of the outcome",
            width,
            "high above low, both finite",
        )?;
        require(config.mde > 0.0 && config.mde.is_finite(), "mde", config.mde, "a finite effect above 0")?;
        require(
            config.sigma2 > 0.0 && config.sigma2.is_finite(),
            "sigma2",
            config.sigma2,
            "a finite variance above 0",
        )?;
        require(
            config.exposure_max > 0.0 && config.exposure_max.is_finite(),
            "exposure_max",
            config.exposure_max,
            "a finite number above 0",
        )?;
        let stakes = stakes(&config);
        let v_opt = mixture::v_opt(config.sigma2, config.mde);
        Ok(Self::with(config, v_opt, stakes))
    }

    /// A process with its tuning given: the time at which the boundary is narrowest, and the stakes.
    pub fn tuned(config: ScoreConfig, v_opt: f64, stakes: Vec<f64>) -> Result<Self, Invalid> {
        require_alpha(config.alpha)?;
        config.margin.check(config.harm)?;
        require(v_opt > 0.0 && v_opt.is_finite(), "v_opt", v_opt, "a finite time above 0")?;
        require(!stakes.is_empty(), "number of stakes", 0.0, "at least one")?;
        Ok(Self::with(config, v_opt, stakes))
    }

    fn with(config: ScoreConfig, v_opt: f64, stakes: Vec<f64>) -> Self {
        ScoreProcess {
            rho_one: mixture::rho_one_sided(v_opt, config.alpha),
            rho_two: mixture::rho_two_sided(v_opt, config.alpha),
            log_wealth: vec![0.0; stakes.len()],
            stakes,
            config,
            tested: Sums::default(),
            plain: Sums::default(),
            information: 0.0,
            treated: Moments::default(),
            control: Moments::default(),
            exposure_treated: Moments::default(),
            ignored: 0,
        }
    }

    /// Takes in the next matured unit. One whose arm was certain weighs nothing, one without a finite outcome
    /// or a probability is counted as ignored.
    pub fn push(&mut self, unit: Unit) {
        if !unit.y.is_finite() || !unit.centre.is_finite() || !(0.0..=1.0).contains(&unit.pi) {
            self.ignored += 1;
            return;
        }
        if unit.pi == 0.0 || unit.pi == 1.0 {
            return;
        }
        let (harm, range) = (self.config.harm, self.range());
        let y = unit.y.clamp(range.low, range.high);
        let centre = unit.centre.clamp(range.low, range.high);
        let exposure = unit.exposure.clamp(0.0, range.exposure_max);
        let reading = Reading::of(self.config.margin, self.control_mean());
        let bracket = reading.bracket(harm, unit.treated, y, centre, exposure);
        let sign = harm.sign() * (f64::from(u8::from(unit.treated)) - unit.pi);
        self.bet(sign * bracket, reading.worst(harm, unit.pi, centre, range));
        let weight = unit.pi * (1.0 - unit.pi);
        self.tested.push(sign, weight, bracket);
        self.plain.push(sign, weight, y - centre);
        self.information += weight;
        if unit.treated {
            self.treated.push(y);
            self.exposure_treated.push(exposure);
        } else {
            self.control.push(y);
        }
    }

    /// The wealth of all stakes, multiplied by what they make of a score that could have been `worst`.
    fn bet(&mut self, g: f64, worst: f64) {
        let cut = if worst < 0.0 { STAKE_CUT / -worst } else { f64::INFINITY };
        for (log_wealth, &stake) in self.log_wealth.iter_mut().zip(&self.stakes) {
            *log_wealth += log1p(stake.min(cut) * g);
        }
    }

    fn range(&self) -> Range {
        Range { low: self.config.low, high: self.config.high, exposure_max: self.config.exposure_max }
    }

    /// The mean of earlier control units, once it can be believed.
    fn control_mean(&self) -> Option<f64> {
        self.control.mean().filter(|_| self.control.n() >= UNITS_PER_ARM_MIN)
    }

    /// log of the evidence against "harm within the margin": half exact, half fast.
    pub fn log_e(&self) -> f64 {
        log_mean_exp(&[self.log_e_exact(), self.log_e_fast()])
    }

    /// The exact half.
    pub fn log_e_exact(&self) -> f64 {
        log_mean_exp(&self.log_wealth)
    }

    /// The fast half; 0 until both arms have [`UNITS_PER_ARM_MIN`] units.
    pub fn log_e_fast(&self) -> f64 {
        if self.started() {
            mixture::log_e_one_sided(self.tested.s, self.tested.v(), self.rho_one)
        } else {
            0.0
        }
    }

    /// Candidate minus control with a two-sided interval at `alpha` that holds at every look.
    pub fn effect(&self, alpha: f64) -> Effect {
        let delta_hat = self.delta_hat();
        let radius = self.radius(|| mixture::boundary_two_sided(self.plain.v(), self.rho_two, alpha));
        let (lower, upper) = self.within_range(delta_hat, radius);
        Effect {
            delta_hat,
            lower,
            upper,
            n_treated: self.treated.n(),
            n_control: self.control.n(),
            mean_treated: self.treated.mean(),
            mean_control: self.control.mean(),
        }
    }

    /// The largest harm that is not excluded at `alpha`, one-sided, at every look; promotion asks that it lie
    /// below the margin.
    pub fn harm_upper(&self, alpha: f64) -> f64 {
        let harm = self.config.harm.sign() * self.delta_hat();
        let radius = self.radius(|| mixture::boundary_one_sided(self.plain.v(), self.rho_one, alpha));
        self.within_range(harm, radius).1
    }

    /// The smallest harm that is not excluded at `alpha`, one-sided, at every look; above 0 the candidate is
    /// worse than control, whatever the margin.
    pub fn harm_lower(&self, alpha: f64) -> f64 {
        let harm = self.config.harm.sign() * self.delta_hat();
        let radius = self.radius(|| mixture::boundary_one_sided(self.plain.v(), self.rho_one, alpha));
        self.within_range(harm, radius).0
    }

    /// log of the evidence against "harm at or beyond the margin": promotion asks for 1/alpha. Unlike a
    /// comparison of [`ScoreProcess::harm_upper`] with a number it follows a relative margin unit by unit.
    pub fn log_e_non_inferior(&self) -> f64 {
        if self.started() {
            mixture::log_e_one_sided(-self.tested.s, self.tested.v(), self.rho_one)
        } else {
            0.0
        }
    }

    /// The margin in the outcome's scale at the control mean of now.
    pub fn margin_now(&self) -> f64 {
        self.config.margin.at(self.control.mean().unwrap_or(0.0))
    }

    fn delta_hat(&self) -> f64 {
        let scale = self.scale();
        if scale > 0.0 { self.config.harm.sign() * self.plain.s / scale } else { 0.0 }
    }

    /// Information times the mean exposure of a treated unit: what turns a sum of scores into an effect.
    fn scale(&self) -> f64 {
        self.information * self.exposure_treated.mean().unwrap_or(1.0)
    }

    fn radius(&self, boundary: impl Fn() -> f64) -> f64 {
        let scale = self.scale();
        if self.started() && scale > 0.0 { boundary() / scale } else { f64::INFINITY }
    }

    /// No difference of two means can leave the outcome's range.
    fn within_range(&self, middle: f64, radius: f64) -> (f64, f64) {
        let width = self.config.high - self.config.low;
        ((middle - radius).max(-width), (middle + radius).min(width))
    }

    fn started(&self) -> bool {
        self.treated.n() >= UNITS_PER_ARM_MIN && self.control.n() >= UNITS_PER_ARM_MIN
    }

    /// Scores with the margin taken off.
    pub fn tested(&self) -> &Sums {
        &self.tested
    }

    /// Scores as they are.
    pub fn plain(&self) -> &Sums {
        &self.plain
    }

    /// The sum of pi (1 - pi).
    pub fn information(&self) -> f64 {
        self.information
    }

    /// log wealth of each stake, with the stake.
    pub fn wealths(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.stakes.iter().copied().zip(self.log_wealth.iter().copied())
    }

    /// Outcomes of treated units.
    pub fn treated(&self) -> &Moments {
        &self.treated
    }

    /// Outcomes of control units.
    pub fn control(&self) -> &Moments {
        &self.control
    }

    /// Units that were refused for want of a finite outcome or a probability.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// What was fixed at the start.
    pub fn config(&self) -> &ScoreConfig {
        &self.config
    }
}

/// A geometric grid around the best stake, effect over variance: from a quarter of it at the mde up to it at
/// the largest effect there can be.
fn stakes(config: &ScoreConfig) -> Vec<f64> {
    let width = config.high - config.low;
    let bound = width + config.margin.at(config.low.abs().max(config.high.abs()));
    let highest = (width / config.sigma2).clamp(STAKE_CUT / bound, STAKE_REACH / bound);
    let lowest = (config.mde / (4.0 * config.sigma2)).min(highest / 4.0);
    let step = log(highest / lowest) / (STAKES - 1) as f64;
    (0..STAKES).map(|k| lowest * exp(step * k as f64)).collect()
}
