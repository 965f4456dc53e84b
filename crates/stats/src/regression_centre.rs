//! A predictable guess of the next unit's outcome from several covariates: category dummies, prompt length,
//! the shadow judge's score of control's answer. Knows nothing of arms. The better it predicts, the fewer
//! units a score process needs; validity does not depend on it.

/// Forgetting per unit: the memory is about a thousand units.
const KEEP: f64 = 0.999;
/// Imagined units that hold each coefficient at its start.
const RIDGE: f64 = 1.0;

/// Recursive least squares with an intercept, forgetting and ridge.
#[derive(Clone, Debug, PartialEq)]
pub struct RegressionCentre {
    coefficients: Vec<f64>,
    /// Uncertainty of the coefficients, row by row.
    spread: Vec<Vec<f64>>,
}

impl RegressionCentre {
    /// Starts at `prior` for every unit. Covariates should be of the order of 1.
    pub fn new(prior: f64, covariates: usize) -> Self {
        let width = covariates + 1;
        let mut coefficients = vec![0.0; width];
        coefficients[0] = prior;
        let row = |j: usize| (0..width).map(|k| if j == k { 1.0 / RIDGE } else { 0.0 }).collect();
        RegressionCentre { coefficients, spread: (0..width).map(row).collect() }
    }

    /// The guess for the next unit. Ask before [`RegressionCentre::observe`] is told its outcome. Missing
    /// covariates count as 0, surplus ones are left out.
    pub fn predict(&self, covariates: &[f64]) -> f64 {
        dot(&self.coefficients, &self.with_intercept(covariates))
    }

    /// Takes in a matured unit, after it was scored.
    pub fn observe(&mut self, covariates: &[f64], outcome: f64) {
        let x = self.with_intercept(covariates);
        let residual = outcome - dot(&self.coefficients, &x);
        if !residual.is_finite() {
            return;
        }
        let reach: Vec<f64> = self.spread.iter().map(|row| dot(row, &x)).collect();
        let scale = KEEP + dot(&reach, &x);
        for (coefficient, reach) in self.coefficients.iter_mut().zip(&reach) {
            *coefficient += reach / scale * residual;
        }
        for (j, row) in self.spread.iter_mut().enumerate() {
            for (value, other) in row.iter_mut().zip(&reach) {
                *value -= reach[j] * other / scale;
            }
        }
        self.forget();
    }

    /// Widens the spread, but never beyond the start: a covariate that stopped varying would let it grow for
    /// ever.
    fn forget(&mut self) {
        let widest = self.spread.iter().enumerate().map(|(j, row)| row[j]).fold(0.0, f64::max);
        if widest / KEEP <= 1.0 / RIDGE {
            self.spread.iter_mut().flatten().for_each(|value| *value /= KEEP);
        }
    }

    fn with_intercept(&self, covariates: &[f64]) -> Vec<f64> {
        let finite = |j: usize| covariates.get(j).copied().filter(|value| value.is_finite()).unwrap_or(0.0);
        std::iter::once(1.0).chain((0..self.coefficients.len() - 1).map(finite)).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
