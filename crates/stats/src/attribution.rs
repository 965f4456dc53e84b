//! Which layer of a change did it: main effects from replaying each prompt with a random half of the layers
//! changed and with the complement. Knows layers by number only.
//!
//! The difference of a pair, signed by whether the layer was changed in the first run, has the layer's main
//! effect as its mean; the prompt's own effect and all even-order interactions cancel.

use libm::log1p;

use crate::error::{Invalid, require};
use crate::moments::Moments;
use crate::special::log_mean_exp;

/// The state of an attribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    tolerance: f64,
    stakes: Vec<f64>,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    effect: Moments,
    log_wealth: Vec<f64>,
}

impl Attribution {
    /// Evidence against "changing this layer costs at most `tolerance`", with stakes below 1; scores lie in
    /// [0, 1].
    pub fn new(layers: usize, tolerance: f64, stakes: Vec<f64>) -> Result<Self, Invalid> {
        require((0.0..1.0).contains(&tolerance), "tolerance", tolerance, "a loss from 0 to below 1")?;
        require(!stakes.is_empty(), "number of stakes", 0.0, "at least one")?;
        for &stake in &stakes {
            require(stake > 0.0 && stake < 1.0, "stake", stake, "a part of the wealth above 0 and below 1")?;
        }
        let layer = Layer { effect: Moments::default(), log_wealth: vec![0.0; stakes.len()] };
        Ok(Attribution { tolerance, stakes, layers: vec![layer; layers] })
    }

    /// Takes in a pair: which layers were changed in the first run, its score, and the score of the
    /// complement.
    pub fn push(&mut self, changed: &[bool], score: f64, complement: f64) {
        let difference = (score - complement).clamp(-1.0, 1.0);
        if !difference.is_finite() || changed.len() != self.layers.len() {
            return;
        }
        for (layer, &changed) in self.layers.iter_mut().zip(changed) {
            let effect = if changed { difference } else { -difference };
            layer.effect.push(effect);
            let gain = (-effect - self.tolerance) / (1.0 + self.tolerance);
            for (log_wealth, &stake) in layer.log_wealth.iter_mut().zip(&self.stakes) {
                *log_wealth += log1p(stake * gain);
            }
        }
    }

    /// log of the evidence against each layer; for convictions see [`crate::pool::holm`].
    pub fn log_e(&self) -> Vec<f64> {
        self.layers.iter().map(|layer| log_mean_exp(&layer.log_wealth)).collect()
    }

    /// The main effect of each layer, with its variance.
    pub fn effects(&self) -> impl Iterator<Item = &Moments> + '_ {
        self.layers.iter().map(|layer| &layer.effect)
    }
}
