//! The exact shape of replies, frames and lists. Knows nothing of which text they carry.

use serde_json::{Value, json};

use crate::upstream::{GPT_4O, Upstream, chat, header, prompt_text, quiet, recorded};

async fn stream(upstream: &Upstream, options: Value) -> Vec<Value> {
    let mut body = chat(GPT_4O, &prompt_text(0));
    body["stream"] = json!(true);
    if !options.is_null() {
        body["stream_options"] = options;
    }
    let reply = upstream.post("/v1/chat/completions", &body).await;
    assert_eq!(header(&reply, "content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(header(&reply, "x-replay-match"), "exact");
    let text = reply.text().await.unwrap();
    let frames = text.strip_suffix("data: [DONE]\n\n").expect("an end mark, once, at the end");
    let frames = frames.split_terminator("\n\n");
    frames.map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_whole_reply_has_every_member() {
    let upstream = Upstream::start(quiet()).await;
    let reply = upstream.ask(GPT_4O, &prompt_text(0)).await;
    assert_eq!(header(&reply, "content-type"), "application/json");
    let body: Value = reply.json().await.unwrap();
    let usage = &body["usage"];
    assert_eq!(
        usage["total_tokens"],
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
    let tokens = (recorded(0, GPT_4O).chars().count() as f64 / 4.2).ceil() as u64;
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(body["created"].as_u64().unwrap() > 1_700_000_000);
    let expected = json!({
        "id": body["id"], "object": "chat.completion", "created": body["created"], "model": GPT_4O,
        "service_tier": "default", "system_fingerprint": body["system_fingerprint"],
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": recorded(0, GPT_4O), "refusal": null, "annotations": [] },
            "logprobs": null, "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": usage["prompt_tokens"], "completion_tokens": tokens, "total_tokens": usage["total_tokens"],
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
    });
    assert_eq!(body, expected);
    assert!(body["system_fingerprint"].as_str().unwrap().starts_with("fp_"));
}

fn check_frames(frames: &[Value], usage_member: Option<&Value>) {
    let first = json!({
        "index": 0, "delta": { "role": "assistant", "content": "", "refusal": null }, "logprobs": null, "finish_reason": null,
    });
    assert_eq!(frames[0]["choices"], json!([first]));
    let last = json!([{ "index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop" }]);
    assert_eq!(frames.last().unwrap()["choices"], last);
    let mut text = String::new();
    for frame in frames {
        assert_eq!(frame["object"], "chat.completion.chunk");
        assert_eq!(frame["model"], GPT_4O);
        assert_eq!(frame["id"], frames[0]["id"]);
        assert!(frame["system_fingerprint"].is_string() && frame["created"].is_u64());
        assert_eq!(frame.get("usage"), usage_member);
    }
    for frame in &frames[1..frames.len() - 1] {
        let choice = &frame["choices"][0];
        assert_eq!(choice["delta"].as_object().unwrap().len(), 1);
        assert_eq!(choice["finish_reason"], Value::Null);
        text.push_str(choice["delta"]["content"].as_str().unwrap());
    }
    assert_eq!(text, recorded(0, GPT_4O));
}

#[tokio::test]
async fn a_stream_has_role_text_and_finish() {
    let upstream = Upstream::start(quiet()).await;
    check_frames(&stream(&upstream, Value::Null).await, None);
}

#[tokio::test]
async fn a_stream_ends_with_usage_when_asked() {
    let upstream = Upstream::start(quiet()).await;
    let mut frames = stream(&upstream, json!({ "include_usage": true })).await;
    let usage = frames.pop().unwrap();
    assert_eq!(usage["choices"], json!([]));
    let tokens = (recorded(0, GPT_4O).chars().count() as f64 / 4.2).ceil() as u64;
    assert_eq!(usage["usage"]["completion_tokens"], tokens);
    check_frames(&frames, Some(&Value::Null));
}

#[tokio::test]
async fn ids_are_unique() {
    let upstream = Upstream::start(quiet()).await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let body: Value = upstream.ask(GPT_4O, &prompt_text(0)).await.json().await.unwrap();
        ids.insert(body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn models_and_health_answer() {
    let upstream = Upstream::start(quiet()).await;
    let list: Value = upstream.get("/v1/models").await.json().await.unwrap();
    assert_eq!(list["object"], "list");
    let names: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 7);
    assert!(names.contains(&GPT_4O) && names.contains(&"recorded-judge"));
    assert_eq!(list["data"][0]["object"], "model");
    assert!(upstream.get("/health").await.status().is_success());
    assert_eq!(upstream.get("/v1/nothing").await.status(), 404);
}
