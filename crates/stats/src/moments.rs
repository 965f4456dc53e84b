//! Running count, mean and squared deviation of a stream, mergeable. Knows neither arms nor tests.

/// Welford's moments. The same values in the same order give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    n: u64,
    mean: f64,
    m2: f64,
}

impl Moments {
    /// Adds one value.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.m2 += before * (value - self.mean);
    }

    /// Adds the moments of another stream, as if its values had followed ours.
    pub fn merge(&mut self, other: &Moments) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let (own, new) = (self.n as f64, other.n as f64);
        let apart = other.mean - self.mean;
        self.mean += apart * new / (own + new);
        self.m2 += other.m2 + apart * apart * own * new / (own + new);
        self.n += other.n;
    }

    /// How many values were added.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// Their variance with n - 1, from two values on.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (self.n - 1) as f64)
    }

    /// The sum of squared deviations from the mean.
    pub fn squared_deviations(&self) -> f64 {
        self.m2
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Moments::default();
        values.into_iter().for_each(|value| moments.push(value));
        moments
    }
}
