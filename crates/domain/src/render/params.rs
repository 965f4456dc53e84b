//! The parameters and tools of a call: the bundle's stand before the caller's, and only what the application can run is offered.
//! Knows nothing of messages.

use serde_json::{Map, Value, json};

use crate::entity::{SamplingContent, ToolsContent};

/// Members of the caller's body that are set here, or are ours and no provider's.
const OWNED: [&str; 6] = ["model", "messages", "stream", "stream_options", "tools", "serinus"];
/// Two names of one bound: providers refuse a request with both.
const TOKENS_MAX: [&str; 2] = ["max_completion_tokens", "max_tokens"];

/// The caller's parameters under the bundle's.
pub(super) fn params(
    sampling: &SamplingContent,
    caller: &Map<String, Value>,
    stream: bool,
) -> Map<String, Value> {
    let mut body: Map<String, Value> = caller
        .iter()
        .filter(|(name, _)| !OWNED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let bounds_tokens =
        sampling.max_tokens.is_some() || TOKENS_MAX.iter().any(|name| sampling.extra.contains_key(*name));
    if bounds_tokens {
        TOKENS_MAX.iter().for_each(|name| drop(body.remove(*name)));
    }
    let named = [
        ("temperature", sampling.temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("max_tokens", sampling.max_tokens.map(Value::from)),
        ("seed", sampling.seed.map(Value::from)),
        ("stop", (!sampling.stop.is_empty()).then(|| Value::from(sampling.stop.as_slice()))),
        ("presence_penalty", sampling.presence_penalty.map(Value::from)),
        ("frequency_penalty", sampling.frequency_penalty.map(Value::from)),
    ];
    body.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    body.extend(sampling.extra.iter().map(|(name, value)| (name.clone(), value.clone())));
    if body.contains_key(TOKENS_MAX[0]) {
        // The newer name is the only one that reasoning models take.
        body.remove(TOKENS_MAX[1]);
    }
    if stream {
        let mut options =
            caller.get("stream_options").and_then(Value::as_object).cloned().unwrap_or_default();
        options.insert("include_usage".into(), Value::Bool(true));
        body.insert("stream".into(), Value::Bool(true));
        body.insert("stream_options".into(), Value::Object(options));
    }
    body
}

/// What became of tools.
#[derive(Default)]
pub(super) struct Offer {
    /// Of the application's, those that are not offered.
    pub dropped: Vec<String>,
    /// Of the bundle's, those that the application did not send.
    pub unoffered: Vec<String>,
}

/// Puts into `body` those of the application's tools that the bundle has too, in the bundle's wording.
/// A bundle without a tools layer leaves them as they are.
pub(super) fn offer_tools(
    bundle: Option<&ToolsContent>,
    caller: &Map<String, Value>,
    body: &mut Map<String, Value>,
) -> Offer {
    let sent = caller.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut offer = Offer::default();
    let tools: Vec<Value> = match bundle {
        None => sent.to_vec(),
        Some(bundle) => {
            let has = |tools: &[Value], name: &str| tools.iter().any(|tool| tool_name(tool) == Some(name));
            let ours = bundle.tools.iter().filter_map(tool_name);
            offer.unoffered = ours.filter(|name| !has(sent, name)).map(str::to_owned).collect();
            sent.iter()
                .filter_map(|tool| {
                    // A tool without a name is the provider's own (web search): the layer rules over names.
                    let Some(name) = tool_name(tool) else { return Some(tool.clone()) };
                    let ours = bundle.tools.iter().find(|ours| tool_name(ours) == Some(name));
                    if ours.is_none() {
                        offer.dropped.push(name.to_owned());
                    }
                    ours.cloned()
                })
                .collect()
        }
    };
    let chosen = caller.get("tool_choice").and_then(tool_name);
    if tools.is_empty() {
        // Without tools providers refuse the members that speak of them.
        for name in ["tool_choice", "parallel_tool_calls"] {
            body.remove(name);
        }
    } else {
        if chosen.is_some_and(|name| offer.dropped.iter().any(|dropped| dropped == name)) {
            body.insert("tool_choice".into(), json!("auto"));
        }
        body.insert("tools".into(), Value::Array(tools));
    }
    offer
}

fn tool_name(tool: &Value) -> Option<&str> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or("function");
    tool.get(kind)?.get("name")?.as_str()
}
