//! Scores of a judge that stay honest whatever the judge is worth: corrected, on a random part of the units,
//! by people. Knows no judge and no people.
//!
//! psi = f + (xi / q) (y - f) has the mean of y given the arm, because the label is drawn with the known
//! probability q that may depend on anything but the label. So psi goes into a score process as the outcome,
//! on the wider range [`range`]; nothing about the judge has to be true.

/// One unit's corrected outcome: the calibrated judge's score, the probability of a label, and the label if
/// drawn.
pub fn pseudo_outcome(judge: f64, label_probability: f64, label: Option<f64>) -> f64 {
    label.map_or(judge, |y| judge + (y - judge) / label_probability)
}

/// The range of corrected outcomes whose scores and labels lie in [0, 1] and whose label probability is at
/// least `q_min`.
pub fn range(q_min: f64) -> (f64, f64) {
    (1.0 - 1.0 / q_min, 1.0 / q_min)
}

/// A running straight line from judge to label, learnt from earlier labels only and so known before each
/// unit. A judge that is off in level or scale costs few labels after it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calibration {
    n: f64,
    judge: f64,
    label: f64,
    judge_square: f64,
    product: f64,
}

impl Calibration {
    /// Imagined labels that agree with the judge, so that the first real ones do not throw the line about.
    const RIDGE: f64 = 5.0;

    /// The calibrated score, within [0, 1].
    pub fn apply(&self, judge: f64) -> f64 {
        if self.n == 0.0 {
            return judge;
        }
        // The imagined scores are spread evenly over [0, 1]: variance 1/12.
        let prior = Self::RIDGE / 12.0;
        let slope = (self.product + prior) / (self.judge_square + prior);
        let shift = (self.label - self.judge) * self.n / (self.n + Self::RIDGE);
        (self.judge + shift + slope * (judge - self.judge)).clamp(0.0, 1.0)
    }

    /// Takes in a labelled unit, after it was scored.
    pub fn observe(&mut self, judge: f64, label: f64) {
        if !judge.is_finite() || !label.is_finite() {
            return;
        }
        self.n += 1.0;
        let before = judge - self.judge;
        self.judge += before / self.n;
        self.label += (label - self.label) / self.n;
        self.judge_square += before * (judge - self.judge);
        self.product += before * (label - self.label);
    }
}
