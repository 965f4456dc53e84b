//! A difference and its interval as a small bar of characters, with zero and the limit marked. Knows nothing of
//! metrics.

/// Columns of a bar, its frame not counted; odd, so that zero has a column of its own.
pub const COLUMNS: usize = 29;

/// What is drawn. `limit` is signed: below zero where less is harm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    pub difference: f64,
    pub lower: f64,
    pub upper: f64,
    pub limit: f64,
}

impl Bar {
    /// The reach of the axis to either side: wide enough for the limit, never so wide that it vanishes beside zero.
    fn reach(&self) -> f64 {
        let limit = self.limit.abs().max(1e-9);
        self.lower.abs().max(self.upper.abs()).clamp(2.0 * limit, 8.0 * limit)
    }

    fn column(&self, value: f64) -> usize {
        let at = (value / self.reach()).clamp(-1.0, 1.0);
        ((at + 1.0) / 2.0 * (COLUMNS - 1) as f64).round() as usize
    }

    /// `[    ━━●━━  ┆  │   ]`; an arrow where the interval goes on beyond the axis.
    #[must_use]
    pub fn draw(&self) -> String {
        let mut cells = [' '; COLUMNS];
        let (from, to) = (self.column(self.lower), self.column(self.upper));
        cells[from..=to].fill('━');
        cells[self.column(0.0)] = '│';
        cells[self.column(self.limit)] = '┆';
        if self.lower < -self.reach() {
            cells[0] = '‹';
        }
        if self.upper > self.reach() {
            cells[COLUMNS - 1] = '›';
        }
        cells[self.column(self.difference)] = '●';
        format!("[{}]", cells.iter().collect::<String>())
    }
}
