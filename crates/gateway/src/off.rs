//! The declared answer of a killed feature as a provider would give it, whole or streamed. Calls nobody.

use axum::body::Body;
use serde_json::{Value, json};
use serinus_domain::{id::InteractionId, units::Timestamp};

/// A complete answer in OpenAI's shape.
pub(crate) fn answer(
    id: &InteractionId,
    model: &str,
    text: &str,
    now: Timestamp,
    stream: bool,
    wants_usage: bool,
) -> Body {
    let usage = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    let envelope = |object: &str, choices: Value| {
        json!({
            "id": format!("chatcmpl-{id}"), "object": object, "created": now.0 / 1_000_000, "model": model,
            "choices": choices,
        })
    };
    if !stream {
        let message = json!({"role": "assistant", "content": text, "refusal": null});
        let choices = json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}]);
        let mut whole = envelope("chat.completion", choices);
        whole["usage"] = usage;
        return Body::from(whole.to_string());
    }
    let chunk = |delta: Value, finish: Value| {
        envelope("chat.completion.chunk", json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
    };
    let mut chunks = vec![
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"content": text}), Value::Null),
        chunk(json!({}), json!("stop")),
    ];
    if wants_usage {
        chunks.iter_mut().for_each(|chunk| chunk["usage"] = Value::Null);
        let mut last = envelope("chat.completion.chunk", json!([]));
        last["usage"] = usage;
        chunks.push(last);
    }
    let frames: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    Body::from(frames + "data: [DONE]\n\n")
}
