//! Start, set-up and following, against a control API that a test plays. Knows nothing of the real server.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use serinus_demo::api::Api;
use serinus_demo::child::Launch;
use serinus_demo::deliveries::three;
use serinus_demo::follow::Follow;
use serinus_demo::setup;
use tokio::net::TcpListener;

/// Answers what the test laid out for a method and path, the last answer again and again, and keeps what it was
/// asked.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<(String, VecDeque<Value>)>>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Script {
    fn lay(&self, line: &str, answers: impl IntoIterator<Item = Value>) {
        self.answers.lock().unwrap().push((line.to_owned(), answers.into_iter().collect()));
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }

    fn body_of(&self, line: &str) -> Value {
        let asked = self.asked.lock().unwrap();
        asked.iter().find(|(one, _)| one == line).map(|(_, body)| body.clone()).unwrap()
    }

    fn answer(&self, line: String, body: Value) -> Response {
        let mut answers = self.answers.lock().unwrap();
        let laid = answers.iter_mut().find(|(one, _)| *one == line);
        let answer = laid.and_then(|(_, answers)| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        self.asked.lock().unwrap().push((line, body));
        match answer {
            Some(Value::Null) => StatusCode::BAD_GATEWAY.into_response(),
            Some(answer) => Json(answer).into_response(),
            None => (StatusCode::NOT_FOUND, Json(json!({ "detail": "no such thing", "code": "x.unknown" })))
                .into_response(),
        }
    }
}

async fn play(script: Arc<Script>) -> Api {
    let app = Router::new()
        .fallback(|State(script): State<Arc<Script>>, method: Method, uri: Uri, body: Bytes| async move {
            let path = uri.path().trim_start_matches("/api/v1");
            script.answer(format!("{method} {path}"), serde_json::from_slice(&body).unwrap_or(Value::Null))
        })
        .with_state(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
    let _served = tokio::spawn(async move { axum::serve(listener, app).await });
    Api::new(&base, Some("srn_token".to_owned())).unwrap()
}

fn view(phase: &str, kind: &str, entered_at: i64) -> Value {
    json!({ "key": "r", "phase": phase, "stage": { "kind": kind, "entered_at": entered_at, "index": 0 } })
}

fn report(events: u64) -> Value {
    let events: Vec<Value> =
        (0..events).map(|n| json!({ "revision": n, "message": format!("m{n}") })).collect();
    json!({ "events": events, "exposure": { "candidate_sessions": events.len() } })
}

#[tokio::test]
async fn a_delivery_is_followed_through_a_failing_look_to_its_end() {
    let script = Arc::new(Script::default());
    script.lay(
        "GET /rollouts/r",
        [
            view("running", "shadow", 5),
            Value::Null,
            view("running", "canary", 70),
            view("running", "ab", 90),
            view("rolled_back", "ab", 90),
        ],
    );
    script.lay("GET /rollouts/r/report", [1, 1, 2, 3, 4].map(report));
    let api = play(script.clone()).await;
    let (mut looks, mut messages) = (0, Vec::new());
    // At this speed the wait for the last sessions takes 27 ms.
    let followed = Follow::new(&api, "r", 1e5).to_end(|step| {
        looks += 1;
        messages.extend(step.new_events.iter().map(|event| event.message.clone()));
    });
    let followed = followed.await.unwrap();
    assert_eq!(followed.exposed_since_at, Some(70), "shadow shows the candidate to nobody");
    assert_eq!(messages, ["m0", "m1", "m2", "m3"], "each event once and in order");
    assert_eq!((looks, followed.look.report.exposure.candidate_sessions), (5, 4));
}

#[tokio::test]
async fn a_server_that_answers_no_more_is_an_error() {
    let api = play(Arc::new(Script::default())).await;
    let error = Follow::new(&api, "r", 1e5).to_end(|_| {}).await.err().unwrap();
    assert!(format!("{error:#}").contains("no such thing [x.unknown]"), "{error:#}");
}

#[tokio::test]
async fn a_delivery_starts_from_its_baseline_whatever_the_one_before_left() {
    let delivery = three(&["keywords", "language"]).swap_remove(1);
    for (rollout, control, expected) in [
        (Value::Null, "model/gpt-4o@1", vec!["GET /features/assistant", "POST /rollouts"]),
        (
            Value::Null,
            "model/qwen2.5-7b@1",
            vec!["GET /features/assistant", "PUT /features/assistant", "POST /rollouts"],
        ),
        (
            json!("better-model"),
            "model/qwen2.5-7b@1",
            vec!["GET /features/assistant", "POST /rollback", "PUT /features/assistant", "POST /rollouts"],
        ),
    ] {
        let script = Arc::new(Script::default());
        let served = json!({ "key": "assistant", "rollout": rollout, "control": { "model": control } });
        script.lay("GET /features/assistant", [served]);
        script.lay("PUT /features/assistant", [json!({})]);
        script.lay("POST /rollback", [json!({})]);
        script.lay("POST /rollouts", [json!({ "rollout": { "key": "cheaper-model" } })]);
        let api = play(script.clone()).await;
        let key = setup::start(&api, &delivery, &BTreeSet::from(["keywords"])).await.unwrap();
        assert_eq!(
            (key.as_str(), script.asked()),
            ("cheaper-model", expected.iter().map(|&s| s.into()).collect())
        );
        assert_eq!(script.body_of("POST /rollouts"), delivery.request());
    }
}

#[tokio::test]
async fn each_artifact_is_published_once_and_before_the_feature() {
    let script = Arc::new(Script::default());
    script.lay("POST /artifacts", [json!({})]);
    script.lay("PUT /features/assistant", [json!({})]);
    let api = play(script.clone()).await;
    setup::prepare(&api, &three(&["keywords", "language"]), &BTreeSet::from(["keywords"])).await.unwrap();
    let asked = script.asked();
    assert_eq!(asked.last().unwrap(), "PUT /features/assistant");
    // Three models, the judge, prompt, sampling, parser and rubric.
    assert_eq!(asked.iter().filter(|line| *line == "POST /artifacts").count(), 8);
}

fn launch(serinus: PathBuf, data: &Path) -> Launch {
    let upstream = "http://127.0.0.1:9/v1".to_owned();
    Launch { serinus, data: data.to_owned(), port: 0, upstream, clock_factor: 1_440.0 }
}

#[tokio::test]
async fn a_binary_that_is_missing_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let error = launch(folder.path().join("serinus"), folder.path()).start().await.err().unwrap();
    assert!(error.to_string().contains("cargo build --release -p serinus-server"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_ends_at_once_is_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("serinus");
    std::fs::write(&script, "#!/bin/sh\necho \"port 7171: in use\" \"$@\"\nexit 3\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = launch(script, folder.path()).start().await.err().unwrap().to_string();
    assert!(error.contains("port 7171: in use serve --data") && error.contains("exit status: 3"), "{error}");
    assert!(error.contains("--provider replay=http://127.0.0.1:9/v1 --clock-factor 1440"), "{error}");
}
