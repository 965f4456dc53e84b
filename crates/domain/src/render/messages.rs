//! The messages of a call: whose system message is sent, and the template around the last user message.
//! Knows nothing of parameters and tools.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CallInput, Template, error::RenderError};
use crate::{
    bundle::Bundle,
    entity::{CallerSystem, FeatureDoc},
};

fn has_role(message: &Value, roles: &[&str]) -> bool {
    message.get("role").and_then(Value::as_str).is_some_and(|role| roles.contains(&role))
}

fn is_system(message: &Value) -> bool {
    has_role(message, &["system", "developer"])
}

/// The caller's messages under the bundle's system message, as the feature says.
pub(super) fn system(
    bundle: &Bundle,
    feature: &FeatureDoc,
    input: &CallInput,
) -> Result<Vec<Value>, RenderError> {
    if feature.caller_system == CallerSystem::Refuse && input.messages.iter().any(is_system) {
        return Err(RenderError::SystemRefused { feature: feature.key.to_string() });
    }
    // Without one of its own the bundle has nothing that the caller's could give way to.
    let Some(template) = &bundle.system_prompt else { return Ok(input.messages.to_vec()) };
    let mut prompt = template.render(input.variables)?;
    let mut messages = Vec::with_capacity(input.messages.len() + 1);
    // Its place; the prompt itself is moved there once it is complete.
    messages.push(Value::Null);
    let rest = match feature.caller_system {
        CallerSystem::Append => {
            // The leading ones become part of one message, because many models take no second system message.
            let leading = input.messages.iter().take_while(|message| is_system(message)).count();
            for message in &input.messages[..leading] {
                let text = text_of(message.get("content"));
                if !text.is_empty() {
                    prompt.push_str("\n\n");
                    prompt.push_str(&text);
                }
            }
            &input.messages[leading..]
        }
        CallerSystem::Replace | CallerSystem::Refuse => input.messages,
    };
    let keeps = feature.caller_system == CallerSystem::Append;
    messages.extend(rest.iter().filter(|message| keeps || !is_system(message)).cloned());
    messages[0] = json!({"role": "system", "content": prompt});
    Ok(messages)
}

/// Renders the template around the text of the last user message; parts that are no text stay as they are.
pub(super) fn wrap_last_user(
    messages: &mut [Value],
    template: &Template,
    variables: &BTreeMap<String, Value>,
) -> Result<(), RenderError> {
    let last = messages.iter_mut().rev().find(|message| has_role(message, &["user"]));
    let Some(Value::Object(message)) = last else {
        return Err(RenderError::NoUserMessage { template: template.reference().clone() });
    };
    let content = message.get_mut("content");
    let rendered = template.render_around(variables, Some(&text_of(content.as_deref())))?;
    match content {
        Some(Value::Array(parts)) => {
            let at = parts.iter().position(is_text).unwrap_or(0);
            parts.retain(|part| !is_text(part));
            // Only parts that are no text stand before the first text, so its place is still there.
            parts.insert(at, json!({"type": "text", "text": rendered}));
        }
        _ => {
            message.insert("content".into(), Value::String(rendered));
        }
    }
    Ok(())
}

fn is_text(part: &Value) -> bool {
    part.get("type").and_then(Value::as_str) == Some("text")
}

/// The text of a content: itself, or its text parts one after the other.
fn text_of(content: Option<&Value>) -> std::borrow::Cow<'_, str> {
    match content {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter(|part| is_text(part));
            texts.filter_map(|part| part.get("text").and_then(Value::as_str)).collect::<String>().into()
        }
        _ => "".into(),
    }
}
