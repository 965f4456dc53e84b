//! Bad input on the three surfaces: each is refused in the surface's own shape, with a stable code, and breaks nothing.

use reqwest::Method;
use serde_json::{Value, json};
use serinus_testkit::{Answer, Api, Persona, Turn};

use crate::world::{CANDIDATE, CONTROL, endless_ab, provider, serinus};

#[tokio::test]
async fn bad_input_table() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    let api = &serinus.api;
    set_up(api).await;
    let mut wrong = Vec::new();
    for (body, status, code) in chats() {
        let answer = api.raw(Method::POST, "/v1/chat/completions", body.clone()).await;
        wrong.extend(openai(&answer, status, code).map(|what| format!("chat {}: {what}", short(&body))));
    }
    for (path, body, status, code) in evaluations() {
        let answer = api.raw(Method::POST, path, body.clone()).await;
        wrong.extend(
            ofrep(&answer, path, status, code).map(|what| format!("{path} {}: {what}", short(&body))),
        );
    }
    for (method, path, body, status, code) in commands() {
        let answer = api.raw(method.clone(), &format!("/api/v1{path}"), body.clone()).await;
        wrong.extend(
            problem(&answer, status, code).map(|what| format!("{method} {path} {}: {what}", short(&body))),
        );
    }
    assert!(wrong.is_empty(), "{} of the table:\n{}", wrong.len(), wrong.join("\n"));
    strangers(api).await;
    // After all of it the server serves.
    let fine =
        Turn::new("support", "Hello?").with("serinus", json!({"variables": {"name": "Ana"}})).ask(api).await;
    assert_eq!((fine.status, fine.content().as_str()), (200, "steady speaking"), "{fine:?}");
    assert!(!serinus.log().contains("panicked"), "{}", serinus.log());
}

async fn set_up(api: &Api) {
    let prompt = json!({"text": "You help {{ name }}.", "variables": {"name": {"type": "string"}}});
    let prompt = api.artifact("system_prompt", "support", prompt).await;
    let control = json!({"model": api.model(CONTROL).await, "system_prompt": prompt});
    api.feature("support", CONTROL, json!({ "control": control })).await;
    api.model(CANDIDATE).await;
    api.feature("busy", CONTROL, json!({})).await;
    api.rollout(&["busy"], CANDIDATE, json!({"stages": endless_ab()})).await;
    let needy = json!({"kind": "system_prompt", "name": "needy", "content": {"text": "Answer in JSON."},
        "requires": [{"kind": "output_parser", "version_min": 3}]});
    api.post("/artifacts", &needy).await;
    let split = json!({"kind": "string", "variants": {"a": "a", "b": "b"}, "default": "a",
        "rules": [{"serve": {"split": [{"variant": "a", "share_ppm": 500_000}, {"variant": "b", "share_ppm": 500_000}]}}]});
    api.put("/flags/split", &split).await;
}

fn chats() -> Vec<(String, u16, &'static str)> {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let chat =
        |more: Value| crate::world::also(json!({"model": "support", "messages": messages}), more).to_string();
    let large = format!(
        r#"{{"model":"support","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "x".repeat(17 * 1024 * 1024)
    );
    vec![
        (chat(json!({"model": "suport"})), 404, "feature_not_found"),
        (chat(json!({})), 400, "prompt.missing_variable"),
        (chat(json!({"serinus": {"variables": {"name": 7}}})), 400, "prompt.variable_type"),
        (chat(json!({"serinus": {"sesion": "s"}})), 400, "unknown_member"),
        (chat(json!({"serinus": "s"})), 400, "invalid_type"),
        (chat(json!({"serinus": {"session": "s".repeat(300)}})), 400, "invalid_context"),
        (chat(json!({"messages": "hi"})), 400, "invalid_type"),
        (chat(json!({"messages": []})), 400, "invalid_type"),
        (chat(json!({"stream": "yes"})), 400, "invalid_type"),
        (r#"{"model":"support"}"#.into(), 400, "missing_required_parameter"),
        ("{\"model\": ".into(), 400, "invalid_json"),
        ("[]".into(), 400, "invalid_type"),
        (String::new(), 400, "invalid_json"),
        (large, 413, "request_too_large"),
    ]
}

/// What is wrong with a refusal in OpenAI's shape.
fn openai(answer: &Answer, status: u16, code: &str) -> Option<String> {
    let error = &answer.json()["error"];
    let members: Vec<_> = error.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let told = error["message"].as_str().is_some_and(|message| message.len() > 10);
    let fine = answer.status == status
        && error["code"] == code
        && members == ["code", "message", "param", "type"]
        && told
        && answer.header("content-type") == "application/json";
    (!fine).then(|| not(answer, status, code))
}

fn evaluations() -> Vec<(&'static str, String, u16, &'static str)> {
    let one = "/ofrep/v1/evaluate/flags/split";
    let keyed = json!({"context": {"targetingKey": "t"}}).to_string();
    vec![
        ("/ofrep/v1/evaluate/flags/absent", keyed, 404, "FLAG_NOT_FOUND"),
        (one, "{".into(), 400, "PARSE_ERROR"),
        (one, json!({"context": []}).to_string(), 400, "INVALID_CONTEXT"),
        (one, json!({"context": {}}).to_string(), 400, "TARGETING_KEY_MISSING"),
        (one, json!({"context": {"targetingKey": 7}}).to_string(), 400, "INVALID_CONTEXT"),
        (one, format!("{{\"context\": {{\"a\": \"{}\"}}}}", "x".repeat(17 * 1024 * 1024)), 413, "GENERAL"),
        ("/ofrep/v1/evaluate/flags", "nonsense".into(), 400, "PARSE_ERROR"),
    ]
}

/// What is wrong with a refusal in OFREP's shape.
fn ofrep(answer: &Answer, path: &str, status: u16, code: &str) -> Option<String> {
    let body = answer.json();
    let keyed = body["key"].is_string() || path.ends_with("/flags");
    let fine =
        answer.status == status && body["errorCode"] == code && body["errorDetails"].is_string() && keyed;
    (!fine).then(|| not(answer, status, code))
}

type Command = (Method, &'static str, String, u16, &'static str);

fn commands() -> Vec<Command> {
    [artifacts(), features_and_flags(), rollouts(), measurements()].concat()
}

fn artifacts() -> Vec<Command> {
    let content = |kind: &str, content: Value| json!({"kind": kind, "name": "bad", "content": content});
    let text = |text: &str| content("system_prompt", json!({ "text": text }));
    // A version cannot name one that is not there yet, so the one cycle that can be written is a text that includes itself.
    let cycle = "{% include \"system_prompt/bad@1\" %}";
    let mut table = vec![
        (Method::POST, "/artifacts", "{".to_owned(), 400, "request.invalid_json"),
        (Method::POST, "/artifacts", "x".repeat(1_100_000), 413, "request.too_large"),
        (Method::POST, "/artifacts", content("prompt", json!({})).to_string(), 400, "request.invalid"),
    ];
    for bad in [
        content("model", json!({"provider": "scripted"})),
        content("sampling", json!({"temperature": 9})),
        text("{{ unknown }}"),
        text(cycle),
        text("use sk-abcdefghijklmnopqrstuvwx"),
    ] {
        table.push((Method::POST, "/artifacts", bad.to_string(), 422, "artifact.invalid"));
    }
    table
}

fn features_and_flags() -> Vec<Command> {
    let feature = |control: Value| json!({ "control": control }).to_string();
    let model = "model/steady@1";
    let needy = json!({"model": model, "system_prompt": "system_prompt/needy@1"});
    let strange = json!({"control": {"model": model}, "colour": "red"}).to_string();
    let flag = json!({"kind": "boolean", "variants": {"on": "yes"}, "default": "on"}).to_string();
    vec![
        (Method::PUT, "/features/new", feature(json!({"model": "model/none@1"})), 422, "bundle.invalid"),
        (
            Method::PUT,
            "/features/new",
            feature(json!({"model": "system_prompt/needy@1"})),
            422,
            "bundle.invalid",
        ),
        (Method::PUT, "/features/new", feature(needy), 422, "bundle.invalid"),
        (Method::PUT, "/features/new", strange, 400, "request.invalid"),
        (Method::PUT, "/features/a%20b", feature(json!({"model": model})), 400, "request.invalid_key"),
        (Method::GET, "/features/none", String::new(), 404, "feature.unknown"),
        (Method::PUT, "/flags/f", flag, 422, "flag.invalid"),
    ]
}

fn rollouts() -> Vec<Command> {
    let start = |feature: &str, layers: Value| json!({"change": {feature: layers}}).to_string();
    let needy = json!({"system_prompt": "system_prompt/needy@1"});
    let fresh = json!({"model": "model/fresh@1"});
    vec![
        (Method::POST, "/rollouts", start("none", fresh.clone()), 404, "feature.unknown"),
        (Method::POST, "/rollouts", start("support", json!({})), 422, "rollout.empty_change"),
        (Method::POST, "/rollouts", start("support", needy), 422, "bundle.invalid"),
        (Method::POST, "/rollouts", start("busy", fresh), 409, "rollout.overlap"),
        (Method::POST, "/rollouts/none/hold", "{}".into(), 404, "rollout.unknown"),
        (Method::POST, "/rollouts/busy-1/rearm", "{}".into(), 409, "rollout.not_rolled_back"),
        (Method::POST, "/rollback", json!({"subject": "none"}).to_string(), 404, "rollback.unknown_subject"),
        (Method::DELETE, "/rollouts", String::new(), 405, "request.method"),
    ]
}

fn measurements() -> Vec<Command> {
    let thumb = |thumbs: &str| json!({"id": "none", "thumbs": thumbs}).to_string();
    let root = json!({"name": "x", "scopes": ["root"]}).to_string();
    vec![
        (Method::GET, "/interactions?limit=many", String::new(), 400, "request.invalid_query"),
        (Method::POST, "/feedback", thumb("up"), 404, "interaction.unknown"),
        (Method::POST, "/feedback", thumb("sideways"), 400, "request.invalid"),
        (Method::POST, "/tokens", root, 400, "request.invalid"),
        (Method::GET, "/nothing", String::new(), 404, "request.unknown_path"),
    ]
}

/// What is wrong with a refusal of the control API.
fn problem(answer: &Answer, status: u16, code: &str) -> Option<String> {
    let problem = answer.json();
    let told = ["type", "title", "detail"]
        .iter()
        .all(|member| problem[*member].as_str().is_some_and(|text| !text.is_empty()));
    let typed = answer.header("content-type") == "application/problem+json";
    let fine =
        answer.status == status && problem["status"] == status && problem["code"] == code && told && typed;
    (!fine).then(|| not(answer, status, code))
}

fn not(answer: &Answer, status: u16, code: &str) -> String {
    format!("not {status} {code}, but {} {}", answer.status, short(&answer.text))
}

fn short(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Who is let in where, once the first token exists. A provider's key is nobody's token.
async fn strangers(api: &Api) {
    let application = api.persona(Persona::Application).await;
    let (viewer, operator) = (api.persona(Persona::Viewer).await, api.persona(Persona::Operator).await);
    let anonymous = api.persona(Persona::Anonymous).await;
    let wrong = api.with_token(Some("srn_admin_0000"));
    let chat = json!({"model": "busy", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let keyed = json!({"context": {"targetingKey": "t"}}).to_string();
    let (flag, command) = ("/ofrep/v1/evaluate/flags/split", "/api/v1/rollouts/busy-1/hold");
    for (who, status, code) in
        [(&anonymous, 401, "auth.missing"), (&wrong, 401, "auth.invalid"), (&viewer, 403, "auth.scope")]
    {
        let refused =
            openai(&who.raw(Method::POST, "/v1/chat/completions", chat.clone()).await, status, code);
        assert_eq!(refused, None, "chat");
        let evaluated = who.raw(Method::POST, flag, keyed.clone()).await;
        assert_eq!(
            (evaluated.status, evaluated.json()["errorCode"].as_str()),
            (status, Some("GENERAL")),
            "{}",
            evaluated.text
        );
        assert_eq!(problem(&who.raw(Method::POST, command, "{}").await, status, code), None, "hold");
    }
    assert_eq!(application.raw(Method::POST, "/v1/chat/completions", chat).await.status, 200);
    assert_eq!(application.raw(Method::POST, flag, keyed).await.status, 200);
    let reads = application.raw(Method::GET, "/api/v1/rollouts", "").await;
    assert_eq!(problem(&reads, 403, "auth.scope"), None, "an application reads");
    let makes = operator.raw(Method::POST, "/api/v1/tokens", "{}").await;
    assert_eq!(problem(&makes, 403, "auth.scope"), None, "an operator makes tokens");
    assert_eq!(operator.raw(Method::POST, command, "{}").await.status, 200);
    assert_eq!(viewer.raw(Method::GET, "/api/v1/rollouts", "").await.status, 200);
}
