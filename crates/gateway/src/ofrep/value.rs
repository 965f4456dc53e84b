//! Values as clients need them: numbers, and a bundle as the value of an object flag, for applications that call their model
//! themselves. Calls and renders nothing for anybody in particular.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serinus_domain::{
    bundle::Bundle,
    entity::{Content, LayerKind},
    render::Template,
};
use serinus_store::Active;

/// The value of a feature.
pub(crate) fn of_bundle(head: &Active, bundle: &Bundle) -> Value {
    let mut value = Map::new();
    let mut put = |name: &str, layer: Value| value.insert(name.to_owned(), layer);
    put("provider", json!(bundle.model.provider.as_str()));
    put("model", json!(bundle.model.model));
    put("sampling", json!(bundle.sampling));
    put("refs", json!(bundle.layers));
    if let Some(template) = &bundle.system_prompt {
        put("system_prompt", prompt(head, template));
    }
    if let Some(template) = &bundle.prompt_template {
        put("prompt_template", prompt(head, template));
    }
    if let Some(tools) = &bundle.tools {
        put("tools", json!(tools.tools));
    }
    if let Some(retrieval) = &bundle.retrieval {
        put("retrieval", json!(retrieval));
    }
    if let Some(Content::OutputParser(parser)) = content(head, bundle, LayerKind::OutputParser) {
        put("output_parser", json!(parser));
    }
    Value::Object(value)
}

/// A number with a decimal point, since the Python client refuses a whole one where a float is asked for. A flag's numbers are floats if
/// one of them is.
pub(crate) fn with_point(value: &Value) -> String {
    let text = value.to_string();
    if text.contains(['.', 'e', 'E']) { text } else { format!("{text}.0") }
}

/// The text where nothing is asked of the request, else the template for the application to fill in.
fn prompt(head: &Active, template: &Template) -> Value {
    if let Ok(text) = template.render(&BTreeMap::new()) {
        return Value::from(text);
    }
    let artifact = head.snapshot.artifact(template.reference());
    match artifact.map(|doc| head.contents.read(doc.artifact_kind, &doc.content)) {
        Some(Ok(Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt))) => Value::from(prompt.text),
        _ => Value::Null,
    }
}

fn content(head: &Active, bundle: &Bundle, layer: LayerKind) -> Option<Content> {
    let artifact = head.snapshot.artifact(bundle.layers.get(layer)?)?;
    head.contents.read(artifact.artifact_kind, &artifact.content).ok()
}
