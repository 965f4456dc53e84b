//! Many p-values or e-values at once, for reports. Knows nothing of time: none of these survives peeking, and
//! e-BH wants current values, not running maxima.

/// Ways to adjust p-values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    Bonferroni,
    Holm,
    Hommel,
    BenjaminiHochberg,
    BenjaminiYekutieli,
}

/// Adjusted p-values in the given order; one at most alpha is a discovery.
pub fn adjust(p: &[f64], adjustment: Adjustment) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let ascending: Vec<f64> = order.iter().map(|&index| p[index]).collect();
    let adjusted = match adjustment {
        Adjustment::Bonferroni => ascending.iter().map(|p| p * ascending.len() as f64).collect(),
        Adjustment::Holm => step_down(&ascending),
        Adjustment::Hommel => hommel(&ascending),
        Adjustment::BenjaminiHochberg => step_up(&ascending, 1.0),
        Adjustment::BenjaminiYekutieli => {
            let harmonic: f64 = (1..=p.len()).map(|k| 1.0 / k as f64).sum();
            step_up(&ascending, harmonic)
        }
    };
    let mut given = vec![0.0; p.len()];
    for (&index, value) in order.iter().zip(adjusted) {
        given[index] = value.min(1.0);
    }
    given
}

fn step_down(ascending: &[f64]) -> Vec<f64> {
    let n = ascending.len();
    let scaled = ascending.iter().enumerate().map(|(rank, p)| p * (n - rank) as f64);
    let mut largest = 0.0_f64;
    scaled
        .map(|value| {
            largest = largest.max(value);
            largest
        })
        .collect()
}

fn step_up(ascending: &[f64], factor: f64) -> Vec<f64> {
    let n = ascending.len() as f64;
    let mut smallest = f64::INFINITY;
    let mut adjusted: Vec<f64> = ascending
        .iter()
        .enumerate()
        .rev()
        .map(|(rank, p)| {
            smallest = smallest.min(p * n * factor / (rank + 1) as f64);
            smallest
        })
        .collect();
    adjusted.reverse();
    adjusted
}

/// Closed testing with Simes' test on every subset.
fn hommel(ascending: &[f64]) -> Vec<f64> {
    let n = ascending.len();
    let simes = |values: &[f64], size: usize, first_rank: usize| {
        values
            .iter()
            .enumerate()
            .map(|(k, p)| size as f64 * p / (first_rank + k) as f64)
            .fold(f64::INFINITY, f64::min)
    };
    let mut adjusted = vec![simes(ascending, n, 1); n];
    for size in (2..n).rev() {
        let split = n - size + 1;
        let above = simes(&ascending[split..], size, 2);
        let mut last = above;
        for (value, p) in adjusted.iter_mut().zip(&ascending[..split]) {
            last = above.min(size as f64 * p);
            *value = value.max(last);
        }
        for value in &mut adjusted[split..] {
            *value = value.max(last);
        }
    }
    adjusted.iter().zip(ascending).map(|(value, p)| value.max(*p)).collect()
}

/// e-BH: the places of the k largest e-values, for the largest k whose k-th largest is at least K / (k
/// alpha).
pub fn e_bh(e: &[f64], alpha: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..e.len()).collect();
    order.sort_by(|&a, &b| e[b].total_cmp(&e[a]).then(a.cmp(&b)));
    let reached = |k: usize| k as f64 * e[order[k - 1]] >= e.len() as f64 / alpha;
    let kept = (1..=e.len()).rev().find(|&k| reached(k)).unwrap_or(0);
    let mut convicted = order[..kept].to_vec();
    convicted.sort_unstable();
    convicted
}
