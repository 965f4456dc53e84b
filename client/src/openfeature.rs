//! The provider for the OpenFeature SDK: its context to ours, our answers to its. Knows nothing of how snapshots get here.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationError as Refusal, EvaluationErrorCode,
    EvaluationReason, EvaluationResult, FlagMetadata, StructValue, Value as Given,
    provider::{FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails},
};
use serde_json::{Map, Value};
use serinus_domain::{
    context::{AttributeValue, Attributes, Context},
    resolve::Reason,
};

use crate::{
    client::Client,
    evaluate::{Evaluation, EvaluationError},
    status::{Connection, Source},
};

/// How long `initialize` waits for the first snapshot; the provider goes on waiting afterwards by itself.
const INITIALIZE_MAX: Duration = Duration::from_secs(10);

/// Serinus as a provider of the OpenFeature SDK.
#[derive(Debug)]
pub struct Provider {
    client: Client,
    metadata: ProviderMetadata,
}

impl Provider {
    /// Over a client, which may be used beside it.
    pub fn new(client: Client) -> Self {
        Self { client, metadata: ProviderMetadata::new("serinus") }
    }

    /// The shape that the SDK asks for.
    fn details<T, U>(
        &self,
        key: &str,
        evaluation: Evaluation<T>,
        turn: impl FnOnce(T) -> U,
    ) -> EvaluationResult<ResolutionDetails<U>> {
        if let Some(error) = evaluation.error {
            return Err(refusal(&error));
        }
        // No value and no error: the flag leaves the answer to the caller, whose default only the SDK knows.
        let Some(variant) = evaluation.variant else {
            let code = EvaluationErrorCode::General(evaluation.reason.as_str().to_uppercase());
            return Err(said(code, "the flag leaves the answer to the caller's default".into()));
        };
        let is_static = self
            .client
            .view()
            .flag(key)
            .is_some_and(|flag| flag.doc.rules.is_empty() && flag.doc.targeting.is_none());
        let metadata = FlagMetadata::default().with_value("serinusReason", evaluation.reason.as_str());
        let revision = i64::try_from(evaluation.revision.0).unwrap_or(i64::MAX);
        Ok(ResolutionDetails {
            value: turn(evaluation.value),
            variant: Some(variant),
            reason: Some(match evaluation.reason {
                Reason::TargetingMatch => EvaluationReason::TargetingMatch,
                Reason::Split => EvaluationReason::Split,
                Reason::Default if is_static => EvaluationReason::Static,
                _ => EvaluationReason::Default,
            }),
            flag_metadata: Some(metadata.with_value("revision", revision)),
        })
    }
}

fn refusal(error: &EvaluationError) -> Refusal {
    let code = match error {
        EvaluationError::NotReady => EvaluationErrorCode::ProviderNotReady,
        EvaluationError::NotFound(_) => EvaluationErrorCode::FlagNotFound,
        EvaluationError::TypeMismatch { .. } => EvaluationErrorCode::TypeMismatch,
        EvaluationError::Broken { .. } => EvaluationErrorCode::ParseError,
    };
    said(code, error.to_string())
}

fn said(code: EvaluationErrorCode, message: String) -> Refusal {
    Refusal { code, message: Some(message) }
}

/// As at the server's own surface: the targeting key is the session, and the user stands in an attribute of that name.
fn context(given: &EvaluationContext) -> EvaluationResult<Context> {
    let refused = |refused: serinus_domain::context::InvalidContext| {
        said(EvaluationErrorCode::InvalidContext, refused.to_string())
    };
    let attributes = given.custom_fields.iter().filter_map(|(name, value)| {
        let value = match value {
            EvaluationContextFieldValue::Bool(value) => Value::from(*value),
            EvaluationContextFieldValue::Int(value) => Value::from(*value),
            EvaluationContextFieldValue::Float(value) => Value::from(*value),
            EvaluationContextFieldValue::String(value) => Value::from(value.as_str()),
            EvaluationContextFieldValue::DateTime(at) => Value::from(at.unix_timestamp()),
            EvaluationContextFieldValue::Struct(value) => value.downcast_ref::<Value>()?.clone(),
        };
        Some((name.clone(), value))
    });
    let attributes = Attributes::new(attributes).map_err(refused)?;
    let session = given.targeting_key.as_deref().filter(|key| !key.is_empty());
    let user = attributes
        .get("user")
        .and_then(AttributeValue::as_str)
        .filter(|user| !user.is_empty())
        .map(str::to_owned);
    Context::new(session, user.as_deref(), attributes).map_err(refused)
}

/// The SDK's own shape of a JSON object. It has no null, so members that are null are left out.
fn structure(object: Map<String, Value>) -> StructValue {
    let fields: HashMap<_, _> =
        object.into_iter().filter_map(|(name, value)| Some((name, given(value)?))).collect();
    StructValue { fields }
}

fn given(value: Value) -> Option<Given> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Given::Bool(value),
        Value::Number(value) => match value.as_i64() {
            Some(whole) => Given::Int(whole),
            None => Given::Float(value.as_f64()?),
        },
        Value::String(value) => Given::String(value),
        Value::Array(values) => Given::Array(values.into_iter().filter_map(given).collect()),
        Value::Object(object) => Given::Struct(structure(object)),
    })
}

#[async_trait]
impl FeatureProvider for Provider {
    async fn initialize(&mut self, _: &EvaluationContext) {
        // A provider that is not ready says so in its status; the SDK asks nothing more of this.
        if let Err(late) = self.client.wait_ready(INITIALIZE_MAX).await {
            tracing::warn!("serinus: {late}");
        }
    }

    fn status(&self) -> ProviderStatus {
        let status = self.client.status();
        match (status.source, status.connection) {
            (Source::Nothing, Connection::Lost { .. }) => ProviderStatus::Error,
            (Source::Nothing, _) => ProviderStatus::NotReady,
            (_, Connection::Lost { .. }) => ProviderStatus::STALE,
            _ => ProviderStatus::Ready,
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        key: &str,
        given: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.details(key, self.client.boolean(key, &context(given)?, false), |value| value)
    }

    async fn resolve_int_value(
        &self,
        key: &str,
        given: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        self.details(key, self.client.integer(key, &context(given)?, 0), |value| value)
    }

    async fn resolve_float_value(
        &self,
        key: &str,
        given: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        self.details(key, self.client.number(key, &context(given)?, 0.0), |value| value)
    }

    async fn resolve_string_value(
        &self,
        key: &str,
        given: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        self.details(key, self.client.string(key, &context(given)?, ""), |value| value)
    }

    async fn resolve_struct_value(
        &self,
        key: &str,
        given: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        self.details(key, self.client.object(key, &context(given)?, Map::new()), structure)
    }
}
