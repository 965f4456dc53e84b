//! A predictable guess of the next unit's outcome, by stratum. Any guess keeps a score process valid, a good
//! one makes it fast. Knows nothing of arms: both are pooled, which is the best centre at an even split and
//! as good as control alone on a small canary.

/// Weight of the pooled mean in a stratum's mean, in units.
const SHRINKAGE: f64 = 20.0;
/// Strata that are kept apart; those beyond share the pooled mean.
const STRATA_MAX: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    weight: f64,
    mean: f64,
}

impl Cell {
    fn observe(&mut self, value: f64, keep: f64) {
        self.weight = self.weight * keep + 1.0;
        self.mean += (value - self.mean) / self.weight;
    }

    fn shrunk_to(&self, prior: f64, prior_weight: f64) -> f64 {
        (prior * prior_weight + self.mean * self.weight) / (prior_weight + self.weight)
    }
}

/// Running means with forgetting: the memory is the last 1/(1 - keep) units.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningCentre {
    prior: f64,
    keep: f64,
    pooled: Cell,
    strata: Vec<Cell>,
}

impl RunningCentre {
    /// Starts at `prior`, the planned mean, which weighs one unit; the default forgetting of .999 follows a
    /// drifting baseline within about a thousand units.
    pub fn new(prior: f64) -> Self {
        RunningCentre { prior, keep: 0.999, pooled: Cell::default(), strata: Vec::new() }
    }

    /// The guess for the next unit of a stratum. Ask before [`RunningCentre::observe`] is told its outcome.
    pub fn predict(&self, stratum: usize) -> f64 {
        let pooled = self.pooled.shrunk_to(self.prior, 1.0);
        self.strata.get(stratum).map_or(pooled, |cell| cell.shrunk_to(pooled, SHRINKAGE))
    }

    /// Takes in a matured unit, after it was scored.
    pub fn observe(&mut self, stratum: usize, outcome: f64) {
        if !outcome.is_finite() {
            return;
        }
        self.pooled.observe(outcome, self.keep);
        if stratum >= STRATA_MAX {
            return;
        }
        if stratum >= self.strata.len() {
            self.strata.resize(stratum + 1, Cell::default());
        }
        self.strata[stratum].observe(outcome, self.keep);
    }
}
