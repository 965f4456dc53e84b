//! Adjustment of a comparison for what was known before assignment. Knows units by their place in the lists.

use super::ols::{self, Fit};
use super::welch::{Arm, Comparison};
use crate::moments::Moments;

/// Outcomes with the arm of each unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcomes<'a> {
    pub treated: &'a [bool],
    pub y: &'a [f64],
}

impl Outcomes<'_> {
    /// Treatment against control by Welch, after `shift` is taken off each unit.
    pub fn compare(&self, shift: impl Fn(usize) -> f64) -> Option<Comparison> {
        let arm = |wanted: bool| {
            let units = self.treated.iter().enumerate().filter(|&(_, &treated)| treated == wanted);
            Arm::from_moments(&units.map(|(i, _)| self.y[i] - shift(i)).collect::<Moments>())
        };
        Some(Comparison::absolute(&arm(false)?, &arm(true)?))
    }

    /// The slope of outcome on the pre-period value over both arms together, which is blind to the arm.
    pub fn slope(&self, pre: &[f64]) -> Option<f64> {
        let mean = |values: &[f64]| values.iter().copied().collect::<Moments>().mean();
        let (x, y) = (mean(pre)?, mean(self.y)?);
        let product: f64 = pre.iter().zip(self.y).map(|(a, b)| (a - x) * (b - y)).sum();
        let square: f64 = pre.iter().map(|a| (a - x) * (a - x)).sum();
        (square > 0.0).then(|| product / square)
    }

    /// The effect by least squares on centred covariates; `interacted` lets their slopes differ between arms
    /// (Lin). The second coefficient is the effect.
    pub fn regress(&self, covariates: &[Vec<f64>], interacted: bool) -> Option<Fit> {
        let width = covariates.first()?.len();
        let means: Vec<Option<f64>> =
            (0..width).map(|j| covariates.iter().map(|row| row[j]).collect::<Moments>().mean()).collect();
        let rows = covariates.iter().zip(self.treated).map(|(row, &treated)| {
            let arm = f64::from(u8::from(treated));
            let centred: Vec<f64> = row.iter().zip(&means).map(|(z, mean)| z - mean.unwrap_or(0.0)).collect();
            let products: Vec<f64> = centred.iter().map(|z| arm * z).filter(|_| interacted).collect();
            [vec![1.0, arm], centred, products].concat()
        });
        ols::fit(&rows.collect::<Vec<_>>(), self.y)
    }
}
