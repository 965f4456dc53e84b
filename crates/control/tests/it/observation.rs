//! What was observed and what happened: interactions, feedback, scores, reports, the log and its stream.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serinus_domain::{
    id::{InteractionId, RolloutKey},
    record::{Body as Texts, InteractionRecord, Record},
    report::Report,
};
use serinus_store::{NewRecord, Records};
use tower::ServiceExt as _;

use crate::world::World;

/// An interaction as the gateway records one.
fn interaction(id: &str, status: u16) -> NewRecord {
    let record: InteractionRecord = serde_json::from_value(json!({
        "id": id, "feature": "support", "variant": "candidate", "bundle": "0".repeat(32),
        "arm": { "rollout": "support-1", "arm": "candidate", "pi": 50_000, "stage": 0 },
        "head": 5, "assigned": 5, "reason": "SPLIT", "at": 1_764_000_000_000_001_i64, "latency_us": 1200,
        "outcome": if status == 200 { json!({ "type": "ok" }) } else { json!({ "type": "error", "code": "provider.status" }) },
        "status": status, "category": "billing", "response_id": format!("chatcmpl-{id}"),
    }))
    .unwrap();
    let body = Texts {
        question: "Where is my order? ".repeat(40),
        messages: vec![json!({ "role": "user", "content": "Where is my order?" })],
        answer: "On its way.".into(),
    };
    NewRecord { record: Record::Interaction(Box::new(record)), body: Some(body) }
}

async fn world() -> World {
    let world = World::open().await.with_rollout().await;
    let batch = vec![interaction("i1", 200), interaction("i2", 500)];
    Records::append(&*world.store, batch).await.unwrap();
    world
}

#[tokio::test]
async fn interactions_are_listed_short_and_shown_whole() {
    let world = world().await;
    let list = world.get("/interactions?rollout=support-1&arm=candidate&limit=1").await;
    let [row] = list["interactions"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(row["record"]["id"], "i2");
    assert_eq!(row["question"].as_str().unwrap().chars().count(), 281);
    assert!(row.get("messages").is_none());
    let older = world.get(&format!("/interactions?before={}", row["seq"])).await;
    assert_eq!(older["interactions"][0]["record"]["id"], "i1");
    let whole = world.get("/interactions/i1").await;
    assert_eq!(whole["messages"][0]["role"], "user");
    assert_eq!(world.get("/interactions/chatcmpl-i1").await, whole);
}

#[tokio::test]
async fn feedback_and_scores_count_once_by_either_id() {
    let world = world().await;
    for id in ["i1", "chatcmpl-i1"] {
        let taken = world
            .post("/feedback", json!({ "id": id, "thumbs": "down", "text": "wrong order" }))
            .await
            .expect(202);
        assert_eq!(taken, json!({ "interaction": "i1" }));
    }
    let body = json!([
        { "id": "chatcmpl-i1", "name": "resolved", "value": 1.0, "score_id": "s1" },
        { "id": "i1", "name": "resolved", "value": 1.0, "score_id": "s1" },
        { "id": "i9", "name": "resolved", "value": 1.0 },
    ]);
    let taken = world.post("/scores", body).await.expect(200);
    assert_eq!(taken, json!({ "accepted": 1, "duplicates": 1, "unknown": ["i9"] }));
    let scores = world.get("/interactions/i1").await["scores"].clone();
    let names: Vec<_> =
        scores.as_array().unwrap().iter().map(|score| (&score["name"], &score["value"])).collect();
    assert_eq!(names, [(&json!("thumbs"), &json!(0.0)), (&json!("resolved"), &json!(1.0))]);
}

#[tokio::test]
async fn a_report_tells_what_happened_and_the_worst() {
    let world = world().await;
    let empty = world.get("/rollouts/support-1/report").await;
    assert_eq!((&empty["evidence"], &empty["series"]), (&Value::Null, &json!([])));
    world.post("/rollouts/support-1/hold", json!({ "message": "looks odd" })).await.expect(200);
    world.reports.put(&RolloutKey::new("support-1").unwrap(), Arc::new(Report::default()));
    let report = world.get("/rollouts/support-1/report").await;
    assert!(report["evidence"].is_object());
    let events = report["events"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1]["message"].as_str().unwrap().contains("looks odd"));
    let worst = report["worst"].as_array().unwrap();
    assert_eq!((worst.len(), &worst[0]["record"]["id"]), (1, &json!("i2")));
}

#[tokio::test]
async fn the_log_is_paged_backwards_and_shown_entry_by_entry() {
    let world = world().await;
    let head = world.head().await.0;
    let page = world.get("/revisions?limit=2").await;
    assert_eq!((&page["head"], &page["revisions"][0]["number"]), (&json!(head), &json!(head)));
    let next = world.get(&format!("/revisions?limit=2&before={}", head - 1)).await;
    assert_eq!(next["revisions"][0]["number"], head - 2);
    assert_eq!(page["revisions"][1]["parent"], next["revisions"][0]["digest"]);
    assert_eq!(world.get("/revisions?before=1").await["revisions"], json!([]));
    let entry = world.get("/revisions/1").await;
    assert_eq!((&entry["number"], &entry["cause"]["by"]), (&json!(1), &json!("person")));
    assert_eq!(entry["changes"][0]["put"]["key"], "artifact/model/small@1");
    let nodes = world.get("/nodes").await;
    assert_eq!(
        (&nodes["nodes"][0]["node"], &nodes["nodes"][0]["revision"]),
        (&json!("node-1"), &json!(head))
    );
}

/// Reads the stream until `count` events have come.
async fn events(world: &World, last_event_id: Option<u64>, count: usize) -> Vec<(String, String, Value)> {
    let mut request = Request::get("/api/v1/stream").header("host", "localhost");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id.to_string());
    }
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut body, mut text) = (response.into_body(), String::new());
    while text.matches("\n\n").count() < count {
        let frame =
            tokio::time::timeout(Duration::from_secs(5), body.frame()).await.expect("an event in time");
        text.push_str(std::str::from_utf8(&frame.unwrap().unwrap().into_data().unwrap()).unwrap());
    }
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_start_matches(':').trim().to_owned()).unwrap_or_default()
    };
    let parse = |event: &str| {
        (field(event, "id"), field(event, "event"), serde_json::from_str(&field(event, "data")).unwrap())
    };
    text.split_terminator("\n\n").map(parse).collect()
}

#[tokio::test]
async fn a_stream_resumes_where_it_broke_off() {
    let world = world().await;
    let head = world.head().await.0;
    let all = events(&world, Some(0), usize::try_from(head).unwrap()).await;
    let ids: Vec<u64> = all.iter().map(|(id, ..)| id.parse().unwrap()).collect();
    assert_eq!(ids, (1..=head).collect::<Vec<_>>());
    let (_, kind, data) = all.last().unwrap();
    assert_eq!((kind.as_str(), &data["rollouts"]), ("revision", &json!(["support-1"])));
    let rest = events(&world, Some(head - 1), 1).await;
    assert_eq!(rest[0].0, head.to_string());
}

#[tokio::test]
async fn a_stream_tells_revisions_and_reports_as_they_come_and_ends_on_shutdown() {
    let world = world().await;
    let act = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let key = RolloutKey::new("support-1").unwrap();
        for _ in 0..5 {
            world.reports.put(&key, Arc::new(Report::default()));
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.post("/rollouts/support-1/hold", json!({})).await.expect(200);
    };
    let (told, ()) = tokio::join!(events(&world, None, 2), act);
    assert_eq!((told[0].1.as_str(), &told[0].2), ("report", &json!({ "rollout": "support-1" })));
    assert_eq!(told[1].1, "revision", "five reports at once are told once");
    let request = Request::get("/api/v1/stream").header("host", "localhost").body(Body::empty()).unwrap();
    let body = world.router.clone().oneshot(request).await.unwrap().into_body();
    world.shutdown.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(5), body.collect()).await;
    assert!(rest.expect("the stream ends").unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_thumb_on_an_id_that_is_no_key_is_not_known() {
    let world = world().await;
    assert!(InteractionId::new("a b").is_err());
    world.post("/feedback", json!({ "id": "a b", "thumbs": "up" })).await.refused(404, "interaction.unknown");
}
