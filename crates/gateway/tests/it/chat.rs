//! Chat completions: what is forwarded, what is recorded, how streams flow and end.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use futures::StreamExt;
use serde_json::{Value, json};
use serinus_domain::{
    digest::Digest,
    record::{Outcome, Role},
    units::MicroUsd,
};
use tokio::sync::Notify;

use crate::{
    upstream::{Script, frames, whole},
    world::{SECRET, World, chat_body},
};

#[tokio::test]
async fn answers_pass_through_and_are_recorded() {
    let (world, node) = {
        let world = World::new().await;
        let node = world.node().await;
        (world, node)
    };
    let mut body = chat_body("support", json!({"session": "s1", "user": "u1", "category": "billing"}));
    body["temperature"] = json!(0.5);
    body["x_mine"] = json!({"kept": true});
    let reply = world.ask(&node, body).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, whole("model-a").as_str()));
    assert_eq!(
        (reply.variant(), reply.reason(), reply.header("x-serinus-revision")),
        ("control", "default", "4")
    );
    assert_eq!(reply.header("x-serinus-warning"), "");

    let sent = world.upstream.last();
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be kind."}));
    assert_eq!((&sent["temperature"], &sent["x_mine"]), (&json!(0.5), &json!({"kept": true})));
    assert!(sent.get("serinus").is_none());
    assert_eq!(reply.header("x-serinus-served-digest"), Digest::of(sent.to_string().as_bytes()).to_string());
    let headers = world.upstream.seen.requests.lock().unwrap()[0].0.clone();
    assert_eq!(headers["authorization"], format!("Bearer {SECRET}"));

    let record = &world.interactions(1).await[0];
    assert_eq!(record.id.as_str(), reply.header("x-serinus-interaction"));
    assert_eq!(record.bundle.to_string(), reply.header("x-serinus-bundle"));
    assert_eq!((record.role, &record.outcome, record.status), (Role::Served, &Outcome::Ok, 200));
    assert_eq!((record.input_tokens, record.cached_tokens, record.output_tokens), (100, 40, 10));
    assert_eq!((record.cost, record.tokens_estimated), (MicroUsd(60 * 2 + 20 + 80), false));
    assert_eq!(record.category.as_ref().unwrap().as_str(), "billing");
    assert_eq!(record.response_id.as_deref(), Some("chatcmpl-model-a"));
    assert_eq!((record.facts.valid, record.facts.finish_reason.as_deref()), (Some(true), Some("stop")));
    assert_ne!(record.session, record.unit);
    assert!(record.latency_us > 0 && record.ttft_us.is_none());
    let view = world.store.interaction("chatcmpl-model-a").await.unwrap().unwrap();
    let kept = view.body.unwrap();
    assert_eq!((kept.question.as_str(), kept.answer.as_str()), ("Where is my order?", "from model-a"));
    assert_eq!(kept.messages.len(), 2);
    assert!(!format!("{record:?}").contains("s1\"") && !format!("{record:?}").contains("u1\""));
}

#[tokio::test]
async fn streams_pass_through_byte_for_byte() {
    let world = World::new().await;
    let node = world.node().await;
    for (asked, usage_frames) in [(false, 0), (true, 1)] {
        let mut body = chat_body("support", json!({"session": "s1"}));
        body["stream"] = json!(true);
        if asked {
            body["stream_options"] = json!({"include_usage": true});
        }
        let reply = world.ask(&node, body).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
        assert_eq!(reply.header("x-accel-buffering"), "no");
        assert_eq!(reply.text.matches("\"usage\"").count(), usage_frames, "{}", reply.text);
        if !asked {
            assert_eq!(reply.text, frames("model-a").concat());
        }
    }
    for record in world.interactions(2).await {
        assert_eq!((record.stream, record.output_tokens, &record.outcome), (true, 10, &Outcome::Ok));
        assert!(record.ttft_us.unwrap() <= record.latency_us);
    }
}

#[tokio::test]
async fn frames_are_not_held_back() {
    let world = World::new().await;
    let node = world.node().await;
    let go = Arc::new(Notify::new());
    world.upstream.script("model-a", Script::Stepped(Arc::clone(&go)));
    let mut body = chat_body("support", json!({"session": "s1"}));
    body["stream"] = json!(true);
    let sent =
        world.http.post(format!("{}/v1/chat/completions", node.base)).json(&body).send().await.unwrap();
    let mut pieces = sent.bytes_stream();
    // The upstream goes on only after this has been read here.
    assert_eq!(pieces.next().await.unwrap().unwrap(), frames("stepped")[0]);
    go.notify_one();
    let mut rest = Vec::new();
    while let Some(piece) = pieces.next().await {
        rest.extend(piece.unwrap());
    }
    assert_eq!(String::from_utf8(rest).unwrap(), frames("model-a")[1..].concat());
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_error_and_no_end_marker() {
    let world = World::new().await;
    let node = world.node().await;
    world.upstream.script("model-a", Script::Cut);
    let mut body = chat_body("support", json!({"session": "s1"}));
    body["stream"] = json!(true);
    let reply = world.ask(&node, body).await;
    let (shown, error) = reply.text.split_at(frames("model-a")[..2].concat().len());
    assert_eq!(shown, frames("model-a")[..2].concat());
    let error: Value = serde_json::from_str(error.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "cut_short");
    assert!(!reply.text.contains("[DONE]"));
    let record = &world.interactions(1).await[0];
    assert_eq!(record.outcome, Outcome::Error { code: "provider.cut_short".into() });
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_call() {
    for stream in [true, false] {
        let world = World::new().await;
        let node = world.node().await;
        world.upstream.script("model-a", Script::Hang);
        let mut body = chat_body("support", json!({"session": "s1"}));
        body["stream"] = json!(stream);
        let post = world.http.post(format!("{}/v1/chat/completions", node.base)).json(&body).send();
        if stream {
            let mut pieces = post.await.unwrap().bytes_stream();
            pieces.next().await.unwrap().unwrap();
            drop(pieces);
        } else {
            assert!(tokio::time::timeout(Duration::from_millis(200), post).await.is_err());
        }
        let record = &world.interactions(1).await[0];
        assert_eq!(record.outcome, Outcome::Cancelled, "stream={stream}");
        assert_eq!(record.facts.chars, if stream { 5 } else { 0 });
        for _ in 0..500 {
            if world.upstream.seen.dropped.load(Ordering::SeqCst) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(world.upstream.seen.dropped.load(Ordering::SeqCst), 1, "stream={stream}");
        assert_eq!(node.gateway.counters().cancelled.get(), 1);
    }
}

#[tokio::test]
async fn without_a_session_control_is_served_and_said_so() {
    let world = World::new().await;
    world
        .start(&["support"], &["model/b@1"], crate::world::stage(serinus_domain::entity::StageKind::Ab, 100))
        .await;
    let node = world.node().await;
    let reply = world.ask(&node, chat_body("support", json!({}))).await;
    assert_eq!((reply.status, reply.variant(), reply.reason()), (200, "control", "no_session"));
    assert_eq!(reply.header("x-serinus-warning"), "no-session");
    assert_eq!(node.gateway.counters().no_session.get(), 1);
    assert!(node.gateway.counters().prometheus_text().contains("serinus_gateway_no_session_total 1\n"));
    assert_eq!(world.interactions(1).await[0].session, None);
}

#[tokio::test]
async fn a_session_is_found_in_all_its_places() {
    let world = World::new().await;
    let node = world.node().await;
    let with = |members: Value| {
        let mut body = chat_body("support", json!({}));
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let url = format!("{}/v1/chat/completions", node.base);
    for (header, body) in [
        ("", with(json!({"serinus": {"session": "s9"}}))),
        ("", with(json!({"serinus": {"task": "s9"}}))),
        ("s9", with(json!({"conversation": "other"}))),
        ("", with(json!({"conversation": {"id": "s9"}}))),
        ("", with(json!({"metadata": {"session_id": "s9"}}))),
        ("", with(json!({"user": "s9"}))),
        ("other", with(json!({"serinus": {"session": "s9"}}))),
    ] {
        let mut post = world.http.post(&url).json(&body);
        if !header.is_empty() {
            post = post.header("x-serinus-session", header);
        }
        assert_eq!(post.send().await.unwrap().status(), 200);
        assert!(world.upstream.last().get("conversation").is_none());
    }
    let expected = Some(node.gateway.pseudonyms().of("s9"));
    for record in world.interactions(7).await {
        assert_eq!(record.session, expected);
    }
}

#[tokio::test]
async fn a_killed_feature_answers_as_declared() {
    let world = World::new().await;
    world.feature("support", json!({"off": {"type": "text", "text": "Back \"soon\""}})).await;
    world.feature("plain", json!({})).await;
    world.kill("support").await;
    world.kill("plain").await;
    let node = world.node().await;
    let reply = world.turn(&node, "support", "s1").await;
    assert_eq!((reply.status, reply.reason()), (200, "killed"));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Back \"soon\"");
    let mut body = chat_body("support", json!({"session": "s1"}));
    body["stream"] = json!(true);
    let streamed = world.ask(&node, body).await;
    assert!(
        streamed.text.ends_with("data: [DONE]\n\n") && streamed.text.contains("Back \\\"soon\\\""),
        "{streamed:?}"
    );
    let refused = world.turn(&node, "plain", "s1").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("feature_killed")));
    assert_eq!(world.upstream.models(), Vec::<String>::new());
}

#[tokio::test]
async fn features_are_listed_as_models() {
    let world = World::new().await;
    world.feature("writer", json!({})).await;
    let node = world.node().await;
    let get = |path: &str| world.http.get(format!("{}{path}", node.base)).send();
    let list: Value = get("/v1/models").await.unwrap().json().await.unwrap();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!((list["object"].as_str(), ids), (Some("list"), vec!["support", "writer"]));
    let one: Value = get("/v1/models/writer").await.unwrap().json().await.unwrap();
    assert_eq!((one["id"].as_str(), one["object"].as_str()), (Some("writer"), Some("model")));
    let missing = get("/v1/models/none").await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.json::<Value>().await.unwrap()["error"]["code"], "feature_not_found");
}
