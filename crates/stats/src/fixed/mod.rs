//! Fixed-n tests and tables for reports, labelled "not for peeking" wherever they are shown. Knows nothing of
//! the gate: no decision is taken on anything in here.

pub mod asymptotic;
pub mod clusters;
pub mod cuped;
pub mod labels;
pub mod multiple;
pub mod ols;
pub mod power;
pub mod proportions;
pub mod repeats;
pub mod welch;
