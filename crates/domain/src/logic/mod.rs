//! JSONLogic as flagd evaluates it: compiled once, walked per call, total and bounded. Knows nothing of flags, files or OFREP.
//!
//! The standard operators with the coercions of JavaScript, and flagd's own: `fractional` (generation 3), `sem_ver`, `starts_with`,
//! `ends_with`. What a custom operator cannot read makes it null, so that the flag's default is served.

mod coerce;
mod compile;
mod evaluate;
mod fractional;
mod version;

use std::borrow::Cow;

pub use fractional::hash;
use serde_json::Value;

use crate::context::Attributes;
use compile::Node;

/// What an expression may look at.
#[derive(Debug, Clone, Copy)]
pub struct Vars<'a> {
    /// The attributes of whoever asks.
    pub attributes: &'a Attributes,
    /// `targetingKey`.
    pub targeting_key: Option<&'a str>,
    /// `$flagd.flagKey`.
    pub flag_key: &'a str,
    /// `$flagd.timestamp`, in seconds since the epoch.
    pub timestamp_s: i64,
}

/// Why an evaluation was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expression takes more than {} steps: simplify it", crate::limits::LOGIC_FUEL)]
pub struct Exhausted;

/// An expression ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    root: Node,
}

impl Compiled {
    /// Checks the bounds and that every operator is known.
    pub fn compile(logic: &Value) -> Result<Self, String> {
        Ok(Self { root: compile::compile(logic)? })
    }

    /// The expression's value.
    pub fn evaluate<'a>(&'a self, vars: &'a Vars<'a>) -> Result<Cow<'a, Value>, Exhausted> {
        evaluate::evaluate(&self.root, vars)
    }
}

/// The variant that a result names; none where the default is to be served.
pub fn named(result: &Value) -> Result<Option<Cow<'_, str>>, &'static str> {
    match result {
        Value::Null => Ok(None),
        Value::String(name) => Ok(Some(Cow::Borrowed(name))),
        Value::Bool(_) | Value::Number(_) => Ok(Some(coerce::text(result))),
        Value::Array(_) | Value::Object(_) => Err("the expression's result names no variant"),
    }
}
