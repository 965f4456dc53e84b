//! No secret comes out: every path is asked, much goes wrong, and every answer, line and file is searched.

use std::path::Path;

use reqwest::Method;
use serde_json::json;
use serinus_testkit::{Reply, Turn, Webhooks, eventually};

use crate::world::{CONTROL, binary, endless_ab, provider, sessions, turns};

const PROVIDER_KEY: &str = "sk-scripted-4f9d8a1b2c3e5f607182";

#[tokio::test]
async fn no_secret() {
    let provider = provider().await;
    let webhooks = Webhooks::start().await;
    // Providers quote the key that they refuse.
    provider.on("refusing", |call| {
        let key = call.authorization.clone().unwrap_or_default();
        Reply::status(401).saying(&format!("Incorrect API key provided: {key}"))
    });
    let launch =
        binary().provider(&provider.url()).env("SCRIPTED_API_KEY", PROVIDER_KEY).env("SERINUS_LOG", "trace");
    let mut serinus = launch.env("SERINUS_SECRET_ONCALL", webhooks.secret()).start().await;
    let api = serinus.api.clone();
    let mut said = Vec::new();

    api.put("/channels/oncall", &json!({"url": webhooks.url(), "secret_name": "oncall"})).await;
    api.feature("support", CONTROL, json!({"capture_ppm": 1_000_000})).await;
    let more = json!({"stages": endless_ab(), "channels": ["oncall"]});
    let rollout = api.rollout(&["support"], "refusing", more).await;
    for answer in turns(&api, "support", &sessions("caller", 16)).await {
        said.push(format!("{:?}{}", answer.headers, answer.text));
    }
    let key = format!("Bearer {PROVIDER_KEY}");
    assert!(
        provider.calls("refusing").iter().all(|call| call.authorization.as_deref() == Some(&key)),
        "the key is used"
    );
    let made = api.post("/tokens", &json!({"name": "app", "scopes": ["invoke"]})).await;
    let token = made["secret"].as_str().unwrap().to_owned();
    let app = api.with_token(Some(&token));
    let turn = Turn::new("support", "Hello?").session("caller-0").ask(&app).await;
    said.push(format!("{:?}{}", turn.headers, turn.text));
    said.push(app.raw(Method::GET, "/api/v1/tokens", "").await.text);
    api.post("/rollback", &json!({"subject": rollout})).await;
    eventually("a page", std::time::Duration::from_secs(5), async || {
        (!webhooks.of("rollout.rolled_back").is_empty()).then_some(())
    })
    .await;
    said.extend(webhooks.of("rollout.rolled_back").iter().map(|page| page.body.to_string()));

    let described = api.send(api.request(Method::GET, "/api/openapi.json")).await.ok();
    // Two answers have no end.
    let ends = |path: &&String| !path.ends_with("/stream") && !path.ends_with("/follow");
    for path in described["paths"].as_object().unwrap().keys().filter(ends) {
        let path = path.replace("{key}", if path.contains("rollouts") { &rollout } else { "support" });
        let path = path
            .replace("{id}", "none")
            .replace("{number}", "3")
            .replace("{kind}/{name}/{version}", "model/refusing/1");
        let answer = api.raw(Method::GET, &path.replace("{kind}/{name}", "model/refusing"), "").await;
        said.push(format!("{path} {:?}{}", answer.headers, answer.text));
    }
    for path in ["/metrics", "/healthz", "/v1/models", "/", "/api/v1/interactions?limit=200"] {
        said.push(api.raw(Method::GET, path, "").await.text);
    }
    let wrong = api.with_token(Some(&format!("{token}x")));
    said.push(wrong.raw(Method::GET, "/api/v1/rollouts", "").await.text);
    let refused = serinus.cli(&["rollout", "list", "--token", &format!("{token}x")]).await;
    said.push(format!("{}{}", refused.out, refused.err));

    let admin = std::fs::read_to_string(serinus.data().join("admin.token")).unwrap();
    let pseudonym = std::fs::read_to_string(serinus.data().join("pseudonym.key")).unwrap();
    assert!(serinus.stop().await.success());
    said.push(serinus.log());
    let token_secret = token.rsplit('_').next().unwrap();
    let webhook_secret = webhooks.secret().trim_start_matches("whsec_");
    let secrets = [PROVIDER_KEY, token_secret, webhook_secret, admin.trim(), pseudonym.trim()];
    for secret in secrets {
        for text in &said {
            assert!(!text.contains(secret), "{secret} in {}", around(text, secret));
        }
        for (file, bytes) in files(&serinus.data()) {
            let own = file.ends_with("admin.token") && secret == admin.trim()
                || file.ends_with("pseudonym.key") && secret == pseudonym.trim();
            let held = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(own || !held, "{secret} in {file}");
        }
    }
}

fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
