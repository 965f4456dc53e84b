//! A copied prompt whose platform later says something else: found, paged once, and served as it was copied.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use serinus_domain::{
    digest::{Digest, canonical_json},
    entity::{ArtifactDoc, ChannelDoc, Document, Source},
    revision::{Cause, Change, Draft, Provenance},
    units::Timestamp,
};
use serinus_llm::ScaledTimer;
use serinus_loops::{LangfuseAccess, Notifier, NotifierConfig, PromptSources, SourceWatch};
use serinus_store::{Blobs as _, Desk as _, Live, Log as _, LogReader as _, MemoryStore};
use serinus_testkit::Webhooks;

/// What the platform answers, for as long as nobody tells it otherwise.
type Script = Arc<Mutex<(StatusCode, Value)>>;

fn prompt(text: &str) -> Value {
    json!({ "name": "support", "version": 3, "type": "text", "prompt": text, "config": {}, "labels": [], "tags": [] })
}

async fn platform(script: Script) -> String {
    let answer = async |State(script): State<Script>| {
        let (status, body) = script.lock().unwrap().clone();
        (status, body.to_string())
    };
    let router = Router::new().route("/api/public/v2/prompts/support", get(answer)).with_state(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A log with a version that was copied when the platform said `Help.`, and a channel.
async fn copied(store: &MemoryStore, hook: &str) -> ArtifactDoc {
    let content = store.put(&canonical_json(&json!({ "text": "Help." }))).await.unwrap();
    let answered = json!({ "type": "text", "prompt": "Help." });
    let doc = ArtifactDoc {
        artifact_kind: "system_prompt".parse().unwrap(),
        name: "support".parse().unwrap(),
        version: 1,
        content,
        requires: Vec::new(),
        author: "ana".into(),
        message: String::new(),
        created_at: Timestamp(1),
        source: Some(Source {
            platform: "langfuse".into(),
            name: "support".into(),
            version: 3,
            digest: Digest::of(&canonical_json(&answered)),
        }),
        archived: false,
        redacted: false,
    };
    let channel =
        ChannelDoc { key: "oncall".parse().unwrap(), url: hook.to_owned(), secret_name: "oncall".into() };
    let changes = [Document::Artifact(doc.clone()), Document::Channel(channel)];
    let draft = Draft {
        expected_head: store.head().await.unwrap().number,
        actor: "ana".into(),
        message: "copy".into(),
        cause: Cause::Person,
        changes: changes.iter().map(Change::put).collect(),
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    store.append(&draft, Timestamp(1)).await.unwrap();
    doc
}

#[tokio::test]
async fn a_drift_is_paged_once_and_changes_nothing() {
    let hooks = Webhooks::start().await;
    let script: Script = Arc::new(Mutex::new((StatusCode::OK, prompt("Help."))));
    let base_url = platform(Arc::clone(&script)).await;
    let store = Arc::new(MemoryStore::default());
    let doc = copied(&store, &hooks.url()).await;
    let live =
        Live::start(store.clone(), store.clone(), store.clone(), "node-1", None, || Timestamp(2)).await;
    let timer = Arc::new(ScaledTimer::real_time());
    let access = LangfuseAccess { base_url, public_key: "p".into(), secret_key: "s".into() };
    let secrets = HashMap::from([("oncall".to_owned(), hooks.secret().to_owned())]);
    let watch = SourceWatch {
        sources: PromptSources::new(Some(access), None).unwrap(),
        live: Arc::clone(&live),
        desk: store.clone(),
        notifier: Notifier {
            config: NotifierConfig { secrets, ..NotifierConfig::default() },
            log: store.clone(),
            live: Arc::clone(&live),
            outbox: store.clone(),
            timer: timer.clone(),
        },
        timer,
        every: Duration::from_secs(3600),
    };
    let reference = doc.reference().to_string();
    // What the platform says, what is found, and how many pages there are by then.
    for (status, body, state, pages) in [
        (StatusCode::OK, prompt("Help."), "same", 0),
        (StatusCode::OK, prompt("Sell."), "drifted", 1),
        (StatusCode::OK, prompt("Sell."), "drifted", 1),
        (StatusCode::BAD_GATEWAY, json!({}), "unreachable", 1),
        (StatusCode::OK, prompt("Sell."), "drifted", 1),
        (StatusCode::OK, prompt("Sell more."), "drifted", 2),
        (StatusCode::NOT_FOUND, json!({}), "gone", 3),
        (StatusCode::NOT_FOUND, json!({}), "gone", 3),
        (StatusCode::OK, prompt("Help."), "same", 3),
    ] {
        *script.lock().unwrap() = (status, body.clone());
        watch.round().await;
        let paper = store.paper("source", &reference).await.unwrap().unwrap();
        assert_eq!(paper.body["state"], state, "{status} {body}: {}", paper.body);
        assert_eq!(hooks.of("artifact.source_drifted").len(), pages, "{status} {body}");
    }
    assert_eq!((hooks.refused(), hooks.ids("artifact.source_drifted").len()), (Vec::new(), 3));
    let page = &hooks.of("artifact.source_drifted")[0].body;
    let title = page["data"]["title"].as_str().unwrap();
    assert!(title.contains(&reference) && title.contains("langfuse:support@3"), "{page}");
    assert_eq!(store.head().await.unwrap().number.0, 1, "nothing was appended");
}
