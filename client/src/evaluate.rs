//! Typed evaluation with the caller's default: what was asked for, or the default and why. Knows nothing of how snapshots get here.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use serinus_domain::{
    bundle::Bundle,
    context::Context,
    entity::OffAnswer,
    resolve::{self, Asking, Reason, Step, Trace},
    revision::RevisionNumber,
    units::Timestamp,
};

use crate::{
    client::{Client, View},
    status::Source,
};

/// What a flag came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation<T> {
    /// The flag's value, or the caller's default.
    pub value: T,
    /// The variant's name; none where the default stands.
    pub variant: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The revision that decided.
    pub revision: RevisionNumber,
    /// Why the default stands although the caller expected a value.
    pub error: Option<EvaluationError>,
}

/// Why the caller's default stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Nothing has come from the server or from disk yet.
    #[error("there is no snapshot yet: wait with `wait_ready`, or start with a cache on disk")]
    NotReady,
    /// There is no such flag or feature.
    #[error("\"{0}\" does not exist: create it first, or correct the key")]
    NotFound(String),
    /// The value is of another type.
    #[error("\"{key}\" is not a {wanted}: ask for the type that it was declared with")]
    TypeMismatch {
        /// Which.
        key: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The flag or feature does not compile.
    #[error("\"{key}\": {reason}")]
    Broken {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
}

/// What a feature came to.
#[derive(Debug, Clone)]
pub struct BundleEvaluation {
    /// What is to be called, and how.
    pub bundle: Arc<Bundle>,
    /// The variant's name.
    pub variant: String,
    /// Why.
    pub reason: Reason,
    /// The revision that decided.
    pub revision: RevisionNumber,
    /// The rollout that the unit takes part in.
    pub rollout: Option<String>,
    /// What to answer in place of a call, where the feature is killed.
    pub off: Option<OffAnswer>,
}

/// How an evaluation came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The revision that decided.
    pub revision: RevisionNumber,
    /// What was looked at, in order; the last is the answer.
    pub steps: Vec<Step>,
}

impl Client {
    /// A boolean flag.
    pub fn boolean(&self, key: &str, context: &Context, default: bool) -> Evaluation<bool> {
        self.typed(key, context, default, "boolean", Value::as_bool)
    }

    /// A string flag.
    pub fn string(&self, key: &str, context: &Context, default: &str) -> Evaluation<String> {
        self.typed(key, context, default.to_owned(), "string", |value| value.as_str().map(str::to_owned))
    }

    /// A number flag.
    pub fn number(&self, key: &str, context: &Context, default: f64) -> Evaluation<f64> {
        self.typed(key, context, default, "number", Value::as_f64)
    }

    /// A number flag whose values are whole.
    pub fn integer(&self, key: &str, context: &Context, default: i64) -> Evaluation<i64> {
        self.typed(key, context, default, "whole number", |value| {
            // Numbers are one type here; 3.0 is 3.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole, and checked to be within what a float holds exactly"
            )]
            let whole = |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64);
            value.as_i64().or_else(|| value.as_f64().and_then(whole))
        })
    }

    /// An object flag.
    pub fn object(
        &self,
        key: &str,
        context: &Context,
        default: Map<String, Value>,
    ) -> Evaluation<Map<String, Value>> {
        self.typed(key, context, default, "object", |value| value.as_object().cloned())
    }

    /// The bundle of a feature, for an application that calls its model itself. Assigned by the head's rules and buckets; a session
    /// that the server has pinned to something older is not known here.
    pub fn bundle(&self, key: &str, context: &Context) -> Result<BundleEvaluation, EvaluationError> {
        let view = self.view();
        let Some(resolved) = view.resolve(key, context) else {
            return Err(self.missing(&view, key, "feature"));
        };
        Ok(BundleEvaluation {
            bundle: Arc::clone(resolved.bundle),
            variant: resolved.variant.to_owned(),
            reason: resolved.reason,
            revision: view.revision(),
            rollout: resolved.enrolled.map(|enrolled| enrolled.rollout.to_string()),
            off: resolved.off.cloned(),
        })
    }

    /// Why a flag or a feature comes out as it does, step by step, from the code that evaluates. None where there is no such key.
    pub fn explain(&self, key: &str, context: &Context) -> Option<Explanation> {
        let view = self.view();
        let (revision, asking, mut trace) = (view.revision(), Asking::new(context), Trace::default());
        if let Some(flag) = view.flag(key) {
            resolve::evaluate(flag, &asking, &mut trace);
        } else {
            resolve::resolve_traced(view.feature(key)?, revision, None, &asking, &mut trace);
        }
        Some(Explanation { revision, steps: trace.0 })
    }

    fn typed<T>(
        &self,
        key: &str,
        context: &Context,
        default: T,
        wanted: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Evaluation<T> {
        let view = self.view();
        let revision = view.revision();
        let fallen =
            |default, reason, error| Evaluation { value: default, variant: None, reason, revision, error };
        let Some(flag) = view.flag(key) else {
            return fallen(default, Reason::Default, Some(self.missing(&view, key, "flag")));
        };
        // Only expressions look at the time, and only then is a copy made.
        let timed =
            (flag.doc.targeting.is_some() && context.now.is_none()).then(|| context.clone().at(now()));
        let decision = view.decide(flag, timed.as_ref().unwrap_or(context));
        let Some(value) = decision.value else {
            let broken = decision.reason == Reason::Broken;
            let reason =
                flag.broken.clone().unwrap_or_else(|| "its targeting comes to no variant of it".into());
            let error = broken.then(|| EvaluationError::Broken { key: key.to_owned(), reason });
            return fallen(default, decision.reason, error);
        };
        match read(value) {
            Some(value) => Evaluation {
                value,
                variant: decision.variant.map(str::to_owned),
                reason: decision.reason,
                revision,
                error: None,
            },
            None => {
                let error = EvaluationError::TypeMismatch { key: key.to_owned(), wanted };
                fallen(default, Reason::Default, Some(error))
            }
        }
    }

    fn missing(&self, view: &View, key: &str, kind: &str) -> EvaluationError {
        if self.status().source == Source::Nothing {
            return EvaluationError::NotReady;
        }
        let subject = format!("{kind}/{key}");
        let diagnostic = view.active().compiled.diagnostics.iter().find(|known| known.subject == subject);
        match diagnostic {
            Some(known) => EvaluationError::Broken { key: key.to_owned(), reason: known.reason.clone() },
            None => EvaluationError::NotFound(key.to_owned()),
        }
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
