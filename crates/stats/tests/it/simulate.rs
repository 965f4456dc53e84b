//! Simulated rollouts: units with a baseline, a probability of treatment and a true effect. Knows nothing of
//! what is computed from them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One unit as a process is told about it.
#[derive(Clone, Copy, Debug)]
pub struct Enrolled {
    pub treated: bool,
    pub pi: f64,
    pub y: f64,
}

/// The units of one rollout, drawn as they are asked for.
pub type Units<'a> = Box<dyn Iterator<Item = Enrolled> + 'a>;

/// The state of the world when a unit arrives, by its place in the rollout from 0 to 1.
pub struct World {
    pub pi: fn(f64) -> f64,
    /// Control's mean.
    pub baseline: fn(f64) -> f64,
    /// Treatment's mean, given control's.
    pub treatment: fn(f64) -> f64,
    /// Interactions of a unit; 1 for an event a unit. The unit's outcome is their mean.
    pub interactions: usize,
    /// How much a unit's own rate strays around the mean: 0 for none, towards 1 for all or nothing.
    pub clustering: f64,
}

impl World {
    pub const STILL: World = World {
        pi: |_| 0.5,
        baseline: |_| 0.1,
        treatment: |control| control,
        interactions: 1,
        clustering: 0.0,
    };
}

/// Runs `runs` rollouts of `length` units; `rollout` sees each as an iterator and says what it concluded.
pub fn many<T>(
    world: &World,
    seed: u64,
    runs: u64,
    length: usize,
    mut rollout: impl FnMut(Units<'_>) -> T,
) -> Vec<T> {
    (0..runs)
        .map(|run| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed * 1_000_003 + run);
            rollout(Box::new((0..length).map(|i| enrol(world, i as f64 / length as f64, &mut rng))))
        })
        .collect()
}

fn enrol(world: &World, at: f64, rng: &mut ChaCha8Rng) -> Enrolled {
    let pi = (world.pi)(at);
    let treated = rng.random::<f64>() < pi;
    let control = (world.baseline)(at);
    let mean = if treated { (world.treatment)(control) } else { control };
    // With probability `clustering` all interactions of a unit share one draw, else each has its own.
    let shared = rng.random::<f64>() < world.clustering;
    let together = rng.random::<f64>() < mean;
    let hits = (0..world.interactions)
        .filter(|_| if shared { together } else { rng.random::<f64>() < mean })
        .count();
    Enrolled { treated, pi, y: hits as f64 / world.interactions as f64 }
}

/// The upper 99 % confidence limit of a rate seen `hits` times in `runs` (Clopper and Pearson).
pub fn upper_limit(hits: usize, runs: usize) -> f64 {
    if hits >= runs {
        return 1.0;
    }
    let tail = |p: f64| serinus_stats::special::beta_inc(hits as f64 + 1.0, (runs - hits) as f64, p);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) < 0.99 { low = middle } else { high = middle }
    }
    high
}
