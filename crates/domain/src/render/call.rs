//! The call that a bundle makes of a caller's request, as a complete chat completion body. Knows nothing of transport.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    error::RenderError,
    messages::{system, wrap_last_user},
    params::{offer_tools, params},
};
use crate::{bundle::Bundle, entity::FeatureDoc, id::ProviderKey};

/// What the caller sent.
#[derive(Debug, Clone, Copy)]
pub struct CallInput<'a> {
    /// Chat messages in OpenAI's shape.
    pub messages: &'a [Value],
    /// Values for the templates' variables.
    pub variables: &'a BTreeMap<String, Value>,
    /// All other members of the caller's body; unknown ones are kept.
    pub caller_params: &'a Map<String, Value>,
    /// Whether the answer is streamed.
    pub stream: bool,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// To which provider.
    pub provider: ProviderKey,
    /// The complete body in OpenAI's shape.
    pub body: Value,
    /// Tools of the application that the bundle does not offer.
    pub dropped_tools: Vec<String>,
    /// Tools of the bundle that the application did not send, so that nobody could run them.
    pub unoffered_tools: Vec<String>,
}

/// Renders the call.
pub fn render(bundle: &Bundle, feature: &FeatureDoc, input: &CallInput) -> Result<Call, RenderError> {
    let mut messages = system(bundle, feature, input)?;
    if let Some(template) = &bundle.prompt_template {
        wrap_last_user(&mut messages, template, input.variables)?;
    }
    let mut body = params(&bundle.sampling, input.caller_params, input.stream);
    let tools = offer_tools(bundle.tools.as_ref(), input.caller_params, &mut body);
    body.insert("model".into(), Value::from(bundle.model.model.as_str()));
    body.insert("messages".into(), Value::Array(messages));
    Ok(Call {
        provider: bundle.model.provider.clone(),
        body: Value::Object(body),
        dropped_tools: tools.dropped,
        unoffered_tools: tools.unoffered,
    })
}
