//! Quantiles of observed values and the cap that is frozen from them. Knows nothing of streams: sorted slices
//! in, numbers out.

/// The quantile `q` of ascending values by linear interpolation (Hyndman and Fan type 7); none of no values.
pub fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = libm::floor(position);
    let index = below as usize;
    let next = ascending[(index + 1).min(last)];
    Some(ascending[index] + (next - ascending[index]) * (position - below))
}

/// Ascending copy of the values.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    ascending
}

/// A cap that was frozen before the stage, the same for both arms. Always paired with an exceedance metric on
/// the cap, because capping hides what happens above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap(f64);

impl Cap {
    /// The cap at quantile `q` of reference values.
    pub fn frozen(reference: &[f64], q: f64) -> Option<Cap> {
        quantile(&sorted(reference), q).map(Cap)
    }

    /// The value, cut to the cap.
    pub fn apply(self, value: f64) -> f64 {
        value.min(self.0)
    }

    /// The value of a nonnegative metric, cut to the cap and scaled to [0, 1].
    pub fn scaled(self, value: f64) -> f64 {
        if self.0 > 0.0 { (value / self.0).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The cap itself.
    pub fn value(self) -> f64 {
        self.0
    }
}
