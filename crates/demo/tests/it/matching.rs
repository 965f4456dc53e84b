//! How a request finds its record, and what one without a record is told. Knows nothing of faults and times.

use serde_json::{Value, json};
use serinus_demo::ReplayConfig;

use crate::upstream::{GPT_4O, Upstream, chat, content, header, prompt_text, quiet, recorded, recordings};

/// Sends each message and compares how it was matched and what was answered.
async fn check(config: ReplayConfig, model: &str, cases: &[(Value, &str, u32)]) {
    let upstream = Upstream::start(config).await;
    for (message, match_kind, prompt) in cases {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": message }] });
        let reply = upstream.post("/v1/chat/completions", &body).await;
        assert_eq!(header(&reply, "x-replay-match"), *match_kind, "{message}");
        let id = &recordings().corpus.prompt(serinus_demo::corpus::PromptIndex(*prompt)).id.clone();
        assert_eq!(header(&reply, "x-replay-id"), format!("{id}/{GPT_4O}"));
        assert_eq!(content(reply).await, recorded(*prompt, GPT_4O));
    }
}

#[tokio::test]
async fn a_prompt_is_found_exactly_and_inside_a_template() {
    let spaced = prompt_text(1).replace(' ', "  \n");
    check(
        quiet(),
        GPT_4O,
        &[
            (json!(prompt_text(0)), "exact", 0),
            (json!(format!("\n {spaced}\t")), "exact", 1),
            (json!(format!("Be kind.\n\n{}\n\nAnswer now:", prompt_text(2))), "contained", 2),
            (json!([{ "type": "text", "text": prompt_text(3) }]), "exact", 3),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_prompt_is_found_bare_and_wrapped() {
    let recordings = recordings();
    for (index, prompt) in recordings.corpus.prompts() {
        let bare = recordings.matcher.find(&prompt.text).unwrap();
        let wrapped = recordings.matcher.find(&format!("x {} y", prompt.text)).unwrap();
        assert_eq!((bare.0, wrapped.0), (index, index), "{}", prompt.id);
    }
}

#[tokio::test]
async fn an_alias_answers_as_its_model() {
    let aliases = [("candidate".to_owned(), GPT_4O.to_owned())].into();
    check(ReplayConfig { aliases, ..quiet() }, "candidate", &[(json!(prompt_text(7)), "exact", 7)]).await;
}

#[tokio::test]
async fn the_last_user_message_counts() {
    let upstream = Upstream::start(quiet()).await;
    let messages = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": prompt_text(0) },
        { "role": "assistant", "content": recorded(0, GPT_4O) },
        { "role": "user", "content": prompt_text(9) },
    ]);
    let reply =
        upstream.post("/v1/chat/completions", &json!({ "model": GPT_4O, "messages": messages })).await;
    assert_eq!(content(reply).await, recorded(9, GPT_4O));
}

#[tokio::test]
async fn what_is_not_recorded_is_refused_when_strict() {
    let upstream = Upstream::start(quiet()).await;
    for (body, code, status) in [
        (chat(GPT_4O, "what is the weather"), json!("replay_miss"), 404),
        (chat("gpt-17", &prompt_text(0)), json!("model_not_found"), 404),
        (json!({ "model": GPT_4O, "messages": [] }), Value::Null, 400),
        (json!({ "model": GPT_4O }), Value::Null, 400),
    ] {
        let reply = upstream.post("/v1/chat/completions", &body).await;
        assert_eq!(reply.status(), status, "{body}");
        let error: Value = reply.json().await.unwrap();
        let members: Vec<_> = error["error"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["code", "message", "param", "type"]);
        assert_eq!(error["error"]["code"], code);
    }
}

#[tokio::test]
async fn what_is_not_recorded_is_answered_when_lenient() {
    let upstream = Upstream::start(ReplayConfig { strict: false, ..quiet() }).await;
    let reply = upstream.ask(GPT_4O, "what is the weather").await;
    assert_eq!(header(&reply, "x-replay-match"), "generic");
    assert!(!content(reply).await.is_empty());
}
