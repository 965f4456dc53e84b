//! The pure statistics of Serinus: evidence against a change that stays valid however often it is looked at.
//! Knows nothing of flags, rollouts, clocks, randomness, storage or any other crate of ours.
//!
//! Reading order: a metric of one unit enters a process ([`score`], [`event_share`], [`rare_event`],
//! [`exceedance`], [`ratio`], [`betting`], [`paired`]); the processes meet in [`pool`], whose evidence is
//! held against thresholds; [`srm`] guards the assignment itself; [`power`] says beforehand what can be
//! reached. After a rollout [`detector`] watches for decline and [`attribution`] names the layer; [`fixed`]
//! is for reports.
//!
//! Every transcendental function comes from `libm` and every sum has one order, so that replaying a log gives
//! the same state to the bit on every machine.

mod error;
mod harm;
mod reading;

pub mod distributions;
pub mod special;

pub mod mixtures;
pub mod moments;
pub mod normal_mixture;
pub mod quantile;

pub mod centre;
pub mod regression_centre;
pub mod score;

pub mod event_share;
pub mod exceedance;
pub mod pseudo_outcome;
pub mod rare_event;
pub mod ratio;

pub mod betting;
pub mod paired;

pub mod pool;
pub mod power;
pub mod srm;

pub mod attribution;
pub mod detector;

pub mod fixed;

pub use error::Invalid;
pub use harm::{Harm, Margin};
