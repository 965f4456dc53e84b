//! What every interaction log promises.

use std::sync::Arc;

use serde_json::{Value, json};
use serinus_domain::{id::InteractionId, record::Role, resolve::Arm};
use serinus_store::{Appended, InteractionFilter, NewRecord, Records};

use crate::fixtures::{START, body, call, facts, judged_call, minute, rollout, score};

fn id(text: &str) -> InteractionId {
    InteractionId::new(text).unwrap()
}

async fn waiting(store: &Arc<impl Records + 'static>) -> Vec<String> {
    let due = store.judge_due(minute(1000), 100).await.unwrap();
    assert_eq!(store.judge_backlog().await.unwrap(), due.len() as u64);
    due.into_iter().map(|job| job.record.id.to_string()).collect()
}

pub async fn counted_once(store: Arc<impl Records + 'static>) {
    let a = || call("a", &json!({}));
    let thumb = || score("t", "a", "thumbs", 1.0, "feedback");
    let batch = vec![thumb(), a(), a(), thumb(), call("b", &json!({}))];
    assert_eq!(store.append(batch.clone()).await.unwrap(), Appended { accepted: 3, duplicates: 2 });
    let mut late = batch;
    late.reverse();
    assert_eq!(store.append(late).await.unwrap(), Appended { accepted: 0, duplicates: 5 });
    // The first one stands, whatever comes later under its name.
    let other = call("a", &json!({"latency_us": 9}));
    assert_eq!(store.append(vec![other]).await.unwrap(), Appended { accepted: 0, duplicates: 1 });
    assert_eq!(store.after(0, 100).await.unwrap().len(), 3);
    let view = store.interaction("a").await.unwrap().unwrap();
    assert_eq!((view.record.latency_us, view.scores.len()), (1200, 1));
}

pub async fn judge_queue_is_joined_and_left(store: Arc<impl Records + 'static>) {
    let without_texts = call("c", &json!({"judge": true}));
    store
        .append(vec![judged_call("a"), judged_call("b"), call("d", &json!({})), without_texts])
        .await
        .unwrap();
    // Latest first: under a backlog that is the verdict that still counts.
    assert_eq!(waiting(&store).await, ["b", "a"]);
    let job = store.judge_due(START, 1).await.unwrap().remove(0);
    assert_eq!((job.record.id, job.body, job.attempts), (id("b"), body("b"), 0));
    // Feedback is no verdict, and the same call again does not join again.
    store.append(vec![score("s0", "a", "thumbs", 0.0, "feedback"), judged_call("a")]).await.unwrap();
    assert_eq!(waiting(&store).await, ["b", "a"]);
    store.append(vec![score("s1", "a", "quality", 0.8, "judge")]).await.unwrap();
    assert_eq!(waiting(&store).await, ["b"]);
    store.append(vec![judged_call("a")]).await.unwrap();
    assert_eq!(waiting(&store).await, ["b"]);
    assert_eq!(store.interaction("a").await.unwrap().unwrap().body, Some(body("a")));
}

pub async fn a_verdict_may_come_first(store: Arc<impl Records + 'static>) {
    store.append(vec![score("s1", "a", "quality", 0.8, "judge")]).await.unwrap();
    store.append(vec![judged_call("a")]).await.unwrap();
    assert_eq!(waiting(&store).await, Vec::<String>::new());
    assert_eq!(store.interaction("a").await.unwrap().unwrap().scores.len(), 1);
}

pub async fn a_failed_job_waits_or_goes(store: Arc<impl Records + 'static>) {
    store.append(vec![judged_call("a"), judged_call("b")]).await.unwrap();
    store.judge_failed(&id("a"), Some(minute(5))).await.unwrap();
    let due = store.judge_due(minute(4), 10).await.unwrap();
    assert_eq!(due.iter().map(|job| job.record.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let due = store.judge_due(minute(5), 10).await.unwrap();
    assert_eq!(
        due.iter().map(|job| (job.record.id.as_str(), job.attempts)).collect::<Vec<_>>(),
        [("b", 0), ("a", 1)]
    );
    store.judge_failed(&id("a"), None).await.unwrap();
    store.judge_failed(&id("unknown"), Some(minute(9))).await.unwrap();
    assert_eq!(waiting(&store).await, ["b"]);
}

pub async fn found_by_either_id(store: Arc<impl Records + 'static>) {
    let new = NewRecord { body: Some(body("q")), ..call("a", &json!({"response_id": "chatcmpl-7"})) };
    store.append(vec![new.clone(), call("b", &json!({}))]).await.unwrap();
    for key in ["a", "chatcmpl-7"] {
        let view = store.interaction(key).await.unwrap().unwrap();
        assert_eq!((view.record.id, view.body), (id("a"), Some(body("q"))), "{key}");
    }
    assert!(store.interaction("chatcmpl-8").await.unwrap().is_none());
}

pub async fn records_are_read_in_order(store: Arc<impl Records + 'static>) {
    for at in 0..5 {
        store.append(vec![call(&format!("i{at}"), &json!({})), call("i0", &json!({}))]).await.unwrap();
    }
    let (mut seq, mut ids) = (0, Vec::new());
    loop {
        let page = store.after(seq, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some((last, _)) = page.last() else { break };
        assert!(page[0].0 > seq && *last >= page[0].0);
        seq = *last;
        ids.extend(page.iter().map(|(_, record)| record.id()));
    }
    assert_eq!(ids, ["int/i0", "int/i1", "int/i2", "int/i3", "int/i4"]);
}

pub async fn the_list_is_filtered(store: Arc<impl Records + 'static>) {
    let arm = |arm| json!(facts(arm));
    let calls: [(&str, Value); 6] = [
        ("plain", json!({})),
        ("control", json!({"arm": arm(Arm::Control)})),
        ("candidate", json!({"arm": arm(Arm::Candidate), "category": "billing"})),
        ("shadow", json!({"role": "shadow", "pair_of": "plain"})),
        ("failed", json!({"feature": "search", "outcome": {"type": "error", "code": "provider.timeout"}})),
        ("invalid", json!({"feature": "search", "facts": {"chars": 1, "valid": false}})),
    ];
    store.append(calls.into_iter().map(|(id, extra)| call(id, &extra)).collect()).await.unwrap();
    let scores = vec![
        score("1", "control", "quality", 0.3, "judge"),
        score("2", "candidate", "quality", 0.9, "judge"),
        score("3", "plain", "minutes_saved", 0.1, "application"),
    ];
    store.append(scores).await.unwrap();
    let all = || InteractionFilter { limit: 10, ..InteractionFilter::default() };
    let third = store.interaction("candidate").await.unwrap().unwrap().seq;
    let cases: Vec<(InteractionFilter, &[&str])> = vec![
        (all(), &["invalid", "failed", "shadow", "candidate", "control", "plain"]),
        (InteractionFilter { limit: 2, ..all() }, &["invalid", "failed"]),
        (InteractionFilter { before: Some(third), ..all() }, &["control", "plain"]),
        (InteractionFilter { feature: Some("search".parse().unwrap()), ..all() }, &["invalid", "failed"]),
        (InteractionFilter { rollout: Some(rollout("support-1")), ..all() }, &["candidate", "control"]),
        (InteractionFilter { arm: Some(Arm::Control), ..all() }, &["control"]),
        (InteractionFilter { category: Some("billing".parse().unwrap()), ..all() }, &["candidate"]),
        (InteractionFilter { role: Some(Role::Shadow), ..all() }, &["shadow"]),
        (InteractionFilter { score_below: Some(0.5), ..all() }, &["invalid", "failed", "control"]),
        (
            InteractionFilter {
                score_below: Some(0.5),
                feature: Some("support".parse().unwrap()),
                limit: 1,
                ..all()
            },
            &["control"],
        ),
    ];
    for (filter, expected) in cases {
        let listed = store.list(&filter).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|view| view.record.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
    let control = store.list(&InteractionFilter { arm: Some(Arm::Control), ..all() }).await.unwrap();
    assert_eq!(control[0].scores.len(), 1);
}

pub async fn records_are_watched(store: Arc<impl Records + 'static>) {
    let mut records = store.watch_records();
    store.append(vec![call("a", &json!({}))]).await.unwrap();
    records.changed().await.unwrap();
    let seen = *records.borrow();
    assert_eq!(store.after(0, 10).await.unwrap().last().unwrap().0, seen);
}
