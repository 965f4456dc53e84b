//! Least squares with few columns, and standard errors that survive unequal variances. Knows nothing of what
//! the columns mean.

use libm::sqrt;

/// Coefficients with their HC2 standard errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub coefficients: Vec<f64>,
    pub se_hc2: Vec<f64>,
}

/// Fits `y` on rows of columns; none where a column follows from the others or there are too few rows.
pub fn fit(rows: &[Vec<f64>], y: &[f64]) -> Option<Fit> {
    let width = rows.first()?.len();
    if rows.len() != y.len() || rows.len() < width || rows.iter().any(|row| row.len() != width) {
        return None;
    }
    let inverse = inverse(gram(rows, |_| 1.0))?;
    let moment: Vec<f64> = (0..width).map(|j| rows.iter().zip(y).map(|(row, y)| row[j] * y).sum()).collect();
    let coefficients = times(&inverse, &moment);
    let weights: Vec<f64> = rows
        .iter()
        .zip(y)
        .map(|(row, y)| {
            let residual = y - dot(row, &coefficients);
            residual * residual / (1.0 - dot(row, &times(&inverse, row)))
        })
        .collect();
    let meat = gram(rows, |i| weights[i]);
    let se_hc2 = inverse.iter().map(|row| sqrt(dot(row, &times(&meat, row)))).collect();
    Some(Fit { coefficients, se_hc2 })
}

/// Sum over rows of weight times the row's outer product.
fn gram(rows: &[Vec<f64>], weight: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    let cell = |j: usize, k: usize| rows.iter().enumerate().map(|(i, row)| weight(i) * row[j] * row[k]).sum();
    (0..width).map(|j| (0..width).map(|k| cell(j, k)).collect()).collect()
}

/// Gauss and Jordan with row exchange.
fn inverse(mut left: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = left.len();
    let mut right: Vec<Vec<f64>> =
        (0..n).map(|j| (0..n).map(|k| f64::from(u8::from(j == k))).collect()).collect();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| left[a][column].abs().total_cmp(&left[b][column].abs()))?;
        if left[pivot][column].abs() < 1e-12 {
            return None;
        }
        left.swap(column, pivot);
        right.swap(column, pivot);
        let scale = left[column][column];
        for matrix in [&mut left, &mut right] {
            matrix[column].iter_mut().for_each(|value| *value /= scale);
        }
        for row in (0..n).filter(|&row| row != column) {
            let factor = left[row][column];
            for matrix in [&mut left, &mut right] {
                let reduced: Vec<f64> = matrix[row]
                    .iter()
                    .zip(&matrix[column])
                    .map(|(value, pivot)| value - factor * pivot)
                    .collect();
                matrix[row] = reduced;
            }
        }
    }
    Some(right)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}
