//! Every fault does what its name says, to the requests it names, and shows in no other. Knows nothing of
//! retries.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serinus_demo::ReplayConfig;

use crate::upstream::{
    GPT_4O, GPT_4O_MINI, Upstream, chat, content, header, prompt_text, quiet, recorded, recordings,
};

async fn with_fault(mut fault: Value) -> Upstream {
    fault["rate"] = json!(1.0);
    let upstream = Upstream::start(quiet()).await;
    upstream.set_faults(json!([fault])).await;
    upstream
}

async fn stream_text(upstream: &Upstream, usage: bool) -> Result<String, reqwest::Error> {
    let mut body = chat(GPT_4O, &prompt_text(0));
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": usage });
    let mut reply = upstream.post("/v1/chat/completions", &body).await;
    let mut text = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn refusals_have_their_status_and_shape() {
    for (fault, status, kind) in [
        (json!({ "kind": "rate_limited", "retry_after_s": 7 }), 429, "requests"),
        (json!({ "kind": "server_error" }), 500, "server_error"),
        (json!({ "kind": "loading" }), 503, "unavailable_error"),
    ] {
        let upstream = with_fault(fault).await;
        let reply = upstream.ask(GPT_4O, &prompt_text(0)).await;
        assert_eq!(reply.status(), status);
        if status == 429 {
            assert_eq!(header(&reply, "retry-after"), "7");
        }
        let body: Value = reply.json().await.unwrap();
        assert_eq!(body["error"]["type"], kind);
        assert_eq!(body["error"].as_object().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_cut_breaks_the_connection() {
    let upstream = with_fault(json!({ "kind": "cut" })).await;
    let whole = upstream.ask(GPT_4O, &prompt_text(0)).await;
    assert_eq!(whole.status(), 200);
    assert!(whole.text().await.is_err());
    assert!(stream_text(&upstream, false).await.is_err());
}

#[tokio::test]
async fn a_cut_stream_sends_the_first_half() {
    let upstream = with_fault(json!({ "kind": "cut" })).await;
    let mut body = chat(GPT_4O, &prompt_text(0));
    body["stream"] = json!(true);
    let mut reply = upstream.post("/v1/chat/completions", &body).await;
    let first = reply.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: {") && !first.ends_with(b"[DONE]\n\n"));
}

#[tokio::test]
async fn a_malformed_answer_is_no_json() {
    let upstream = with_fault(json!({ "kind": "malformed" })).await;
    let body = upstream.ask(GPT_4O, &prompt_text(0)).await.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&body).is_err());
    let text = stream_text(&upstream, false).await.unwrap();
    let frames = text.split_terminator("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    let broken = frames.filter(|frame| *frame != "[DONE]" && serde_json::from_str::<Value>(frame).is_err());
    assert_eq!(broken.count(), 1);
}

#[tokio::test]
async fn an_empty_answer_and_a_missing_usage_are_http_200() {
    let upstream = with_fault(json!({ "kind": "empty" })).await;
    assert_eq!(content(upstream.ask(GPT_4O, &prompt_text(0)).await).await, "");
    let upstream = with_fault(json!({ "kind": "missing_usage" })).await;
    let body: Value = upstream.ask(GPT_4O, &prompt_text(0)).await.json().await.unwrap();
    assert_eq!(body.get("usage"), None);
    let text = stream_text(&upstream, true).await.unwrap();
    assert!(!text.contains("prompt_tokens") && text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_hang_lasts_and_ends_when_the_server_stops() {
    let mut upstream = with_fault(json!({ "kind": "hang", "hang_ms": 120 })).await;
    let since = Instant::now();
    assert_eq!(upstream.ask(GPT_4O, &prompt_text(0)).await.status(), 200);
    assert!(since.elapsed() >= Duration::from_millis(120));
    upstream.set_faults(json!([{ "kind": "hang", "rate": 1.0 }])).await;
    let asked = prompt_text(0);
    let pending = upstream.ask(GPT_4O, &asked);
    let waited = tokio::time::timeout(Duration::from_millis(100), pending).await;
    assert!(waited.is_err());
    drop(upstream.stop.take());
    drop(upstream.client);
    tokio::time::timeout(Duration::from_secs(5), upstream.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_model_is_ten_times_slower() {
    let times = |header: String| header.parse::<f64>().unwrap();
    let paced = |faults: &str| {
        let faults = serde_json::from_str(faults).unwrap();
        Upstream::start(ReplayConfig { speed: 1_000.0, faults, ..quiet() })
    };
    let healthy = paced("[]").await.ask(GPT_4O, &prompt_text(0)).await;
    let slow = paced(r#"[{ "kind": "slow", "rate": 1.0 }]"#).await.ask(GPT_4O, &prompt_text(0)).await;
    let ratio = times(header(&slow, "x-replay-total-us")) / times(header(&healthy, "x-replay-total-us"));
    assert!((9.9..10.1).contains(&ratio), "{ratio}");
}

#[tokio::test]
async fn a_rule_strikes_its_model_category_share_and_span_only() {
    let upstream = Upstream::start(quiet()).await;
    let category = recordings().corpus.prompt(serinus_demo::corpus::PromptIndex(0)).category.clone();
    let rule = json!({ "kind": "server_error", "model": GPT_4O, "category": category, "rate": 1.0 });
    upstream.set_faults(json!([rule])).await;
    let (elsewhere, _) = {
        let recordings = recordings();
        let other = recordings.corpus.prompts().find(|(_, prompt)| prompt.category != category).unwrap();
        (other.1.text.clone(), other.0)
    };
    assert_eq!(upstream.ask(GPT_4O, &prompt_text(0)).await.status(), 500);
    assert_eq!(upstream.ask(GPT_4O, &elsewhere).await.status(), 200);
    assert_eq!(upstream.ask(GPT_4O_MINI, &prompt_text(0)).await.status(), 200);
    upstream.set_faults(json!([{ "kind": "server_error", "rate": 1.0, "from_s": 3600.0 }])).await;
    assert_eq!(upstream.ask(GPT_4O, &prompt_text(0)).await.status(), 200);
    upstream.set_faults(json!([{ "kind": "server_error", "rate": 1.0, "to_s": 0.0 }])).await;
    assert_eq!(upstream.ask(GPT_4O, &prompt_text(0)).await.status(), 200);
    upstream.set_faults(json!([{ "kind": "server_error", "rate": 0.3 }])).await;
    let mut failed = 0;
    for _ in 0..300 {
        failed += u32::from(upstream.ask(GPT_4O, &prompt_text(0)).await.status() == 500);
    }
    assert!((60..125).contains(&failed), "{failed} of 300");
}

#[tokio::test]
async fn drift_answers_with_a_weaker_record_under_the_same_name() {
    let weak = "qwen2.5-0.5b-instruct-int4";
    let upstream = with_fault(json!({ "kind": "drift", "to": weak })).await;
    let reply = upstream.ask(GPT_4O, &prompt_text(0)).await;
    assert!(header(&reply, "x-replay-id").ends_with(weak));
    let body: Value = reply.json().await.unwrap();
    assert_eq!(body["model"], GPT_4O);
    assert_eq!(body["choices"][0]["message"]["content"], recorded(0, weak));
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused_and_changes_nothing() {
    let upstream = with_fault(json!({ "kind": "empty" })).await;
    for rule in [
        json!({ "kind": "empty", "rate": 1.5 }),
        json!({ "kind": "drift", "to": "gpt-17", "rate": 0.1 }),
        json!({ "kind": "empty", "model": "gpt-17", "rate": 0.1 }),
        json!({ "kind": "slow", "factor": -1.0, "rate": 0.1 }),
        json!({ "kind": "flood", "rate": 0.1 }),
    ] {
        let reply = upstream.post("/replay/faults", &json!({ "faults": [rule] })).await;
        assert_eq!(reply.status(), 400, "{rule}");
    }
    let standing: Value = upstream.get("/replay/faults").await.json().await.unwrap();
    assert_eq!(standing["faults"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn quiet_times_have_their_background_errors() {
    let upstream = Upstream::start(ReplayConfig { background_error_share: 0.1, ..quiet() }).await;
    let mut failed = 0;
    for _ in 0..400 {
        failed += u32::from(upstream.ask(GPT_4O, &prompt_text(0)).await.status() == 500);
    }
    assert!((20..65).contains(&failed), "{failed} of 400");
}
