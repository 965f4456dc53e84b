//! Two environments behind one port, and people in them: over the command line, the data plane and a restart.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use serinus_testkit::{Api, Postgres, Serinus, eventually};

use crate::world::{binary, provider, serinus};

/// What a flag answers to an application; null where it does not exist.
async fn value(api: &Api, key: &str) -> Value {
    let request = api.request(Method::POST, &format!("/ofrep/v1/evaluate/flags/{key}"));
    api.send(request.json(&json!({ "context": { "targetingKey": "u1" } }))).await.json()["value"].clone()
}

/// What a command printed, if it ended well.
async fn says(serinus: &Serinus, args: &[&str]) -> String {
    let printed = serinus.cli(args).await;
    assert_eq!(printed.code, Some(0), "{args:?}: {} {}", printed.out, printed.err);
    printed.out
}

/// The token in a sign-in link.
fn secret(link: &str) -> String {
    let (_, secret) = link.trim().split_once("#k=").unwrap_or_default();
    assert!(!secret.is_empty(), "no link: {link}");
    secret.to_owned()
}

#[tokio::test]
async fn what_is_in_staging_is_not_in_production() {
    let mut serinus = binary().start().await;
    says(&serinus, &["environment", "create", "staging", "--description", "tried here first"]).await;
    says(&serinus, &["-e", "staging", "flag", "put", "dark-mode", "--value", "true"]).await;
    let token = says(&serinus, &["token", "create", "app", "--scope", "evaluate", "--for", "staging"]).await;
    let home = says(&serinus, &["token", "create", "app", "--scope", "evaluate"]).await;
    let (staging, production) =
        (serinus.api.with_token(Some(token.trim())), serinus.api.with_token(Some(home.trim())));
    assert_eq!(
        (value(&staging, "dark-mode").await, value(&production, "dark-mode").await),
        (json!(true), Value::Null)
    );

    let elsewhere = |api: &Api, key: &str| {
        let body = json!({ "context": { "targetingKey": "u1" } });
        api.request(Method::POST, "/ofrep/v1/evaluate/flags/dark-mode")
            .header("serinus-environment", key)
            .json(&body)
    };
    let refused = production.send(elsewhere(&production, "staging")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("auth.environment")));
    let unknown = serinus.api.send(elsewhere(&serinus.api, "mars")).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("environment.unknown")));
    assert!(unknown.text.contains("production, staging"), "{}", unknown.text);

    let copy = ["environment", "copy", "dark-mode", "--from", "staging", "--to", "production"];
    says(&serinus, &copy).await;
    assert_eq!(value(&production, "dark-mode").await, json!(true));

    serinus.kill9().await;
    serinus.restart().await;
    let staging = serinus.api.with_token(Some(token.trim()));
    assert_eq!(value(&staging, "dark-mode").await, json!(true));
    assert!(says(&serinus, &["environment", "list"]).await.contains("tried here first"));
}

#[tokio::test]
async fn a_prompt_engineer_proposes_and_an_approver_approves() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    let prompt = serinus.file("support.md", "Answer the customer kindly, and at length.");
    let model = serinus.file("model.json", "{\"provider\": \"scripted\", \"model\": \"steady\"}");
    says(&serinus, &["artifact", "publish", "model/steady", &model]).await;
    says(&serinus, &["artifact", "publish", "system_prompt/support", &prompt]).await;
    let layers = ["--layer", "model/steady@1", "--layer", "system_prompt/support@1"];
    says(&serinus, &[&["feature", "put", "support"][..], &layers].concat()).await;
    let role = |role: &str| format!("production={role}");
    let ed = secret(&says(&serinus, &["person", "add", "ed", "--role", &role("editor")]).await);
    let ana = secret(&says(&serinus, &["person", "add", "ana", "--role", &role("approver")]).await);
    says(&serinus, &["environment", "protect", "production"]).await;

    let concise = serinus.file("concise.md", "Answer briefly.");
    let change = format!("support.system_prompt=@{concise}");
    let proposed = serinus
        .cli_as(&ed, &["propose", &change, "-m", "shorter answers", "--reviewer", "ana", "--from", "canary"])
        .await;
    assert_eq!(proposed.code, Some(0), "{}", proposed.err);
    assert!(proposed.out.contains("/p/1, waits for ana"), "{}", proposed.out);
    assert!(proposed.out.contains("words") && proposed.out.contains("rolls back on"), "{}", proposed.out);
    let own = serinus.cli_as(&ed, &["approve", "1"]).await;
    assert_eq!((own.code, own.err.contains("auth.scope")), (Some(1), true), "{}", own.err);
    let approved = serinus.cli_as(&ana, &["approve", "1"]).await;
    assert!(approved.out.contains("applied as revision"), "{} {}", approved.out, approved.err);
    assert_eq!(serinus.api.get("/rollouts/support-1").await["phase"], "running");

    let waits = serinus.cli_as(&ed, &["flag", "put", "beta", "--value", "true"]).await;
    assert_eq!(
        (waits.code, waits.out.contains("proposal 2: ")),
        (Some(0), true),
        "{} {}",
        waits.out,
        waits.err
    );
    let log = serinus.log();
    assert!(!log.contains(&ed) && !log.contains(&ana), "a secret in the log");
}

#[tokio::test]
async fn two_nodes_on_one_database_follow_each_other() {
    let database = Postgres::start();
    let url = database.url();
    let provider = provider().await;
    let start = async || binary().provider(&provider.url()).env("SERINUS_DATABASE_URL", &url).start().await;
    let (one, two) = (start().await, start().await);
    let model = one.file("model.json", "{\"provider\": \"scripted\", \"model\": \"steady\"}");
    let other = one.file("other.json", "{\"provider\": \"scripted\", \"model\": \"fresh\"}");
    says(&one, &["artifact", "publish", "model/steady", &model]).await;
    says(&two, &["artifact", "publish", "model/fresh", &other]).await;
    says(&one, &["feature", "put", "support", "--layer", "model/steady@1"]).await;
    says(&two, &["rollout", "start", "support.model=model/fresh@1", "--from", "ab", "--name", "fresh"]).await;

    says(&one, &["rollback", "fresh"]).await;
    let asked = std::time::Instant::now();
    eventually("the rollback on the other node", Duration::from_secs(1), async || {
        (two.api.get("/rollouts/fresh").await["phase"] == "rolled_back").then_some(())
    })
    .await;
    println!("in effect on the other node after {} ms", asked.elapsed().as_millis());
    let digests = async |node: &Serinus| {
        let list = node.api.get("/revisions").await;
        let all = list["revisions"].as_array().unwrap().iter();
        all.map(|one| (one["number"].clone(), one["digest"].clone())).collect::<Vec<_>>()
    };
    let (here, there) = (digests(&one).await, digests(&two).await);
    assert_eq!(here, there);
    assert!(here.len() >= 5 && here.iter().all(|(_, digest)| digest.is_string()), "{here:?}");

    // People, tokens, environments and pseudonyms are one installation's.
    says(&one, &["environment", "create", "staging"]).await;
    let token = says(&one, &["token", "create", "app", "--scope", "evaluate", "--for", "staging"]).await;
    says(&one, &["-e", "staging", "flag", "put", "dark-mode", "--value", "true"]).await;
    let app = two.api.with_token(Some(token.trim()));
    eventually("the new environment on the other node", Duration::from_secs(5), async || {
        (value(&app, "dark-mode").await == json!(true)).then_some(())
    })
    .await;
    assert!(two.data().join("environments/staging").is_dir());
    let papers = two.api.get("/people").await.to_string();
    assert!(!papers.contains("pseudonym"), "{papers}");
}
