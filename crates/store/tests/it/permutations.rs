//! Whatever order records come in, and however often: the same set is kept, on every store.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::Index};
use serde_json::json;
use serinus_store::{InteractionFilter, MemoryStore, NewRecord, Records, SqliteOptions, SqliteStore};

use crate::fixtures::{call, judged_call, minute, score};

fn records() -> Vec<NewRecord> {
    let mut records: Vec<_> = (0..4).map(|at| judged_call(&format!("j{at}"))).collect();
    records.extend((0..3).map(|at| call(&format!("c{at}"), &json!({"response_id": format!("r{at}")}))));
    records.push(score("v0", "j0", "quality", 0.2, "judge"));
    records.push(score("v1", "j1", "quality", 0.9, "judge"));
    records.push(score("t0", "j2", "thumbs", 0.0, "feedback"));
    records.push(score("t1", "c1", "thumbs", 1.0, "feedback"));
    records
}

/// What is kept, without the order in which it came.
#[derive(Debug, PartialEq)]
struct Kept {
    records: Vec<String>,
    waiting: Vec<String>,
    flawed: Vec<String>,
    scores: Vec<(String, Vec<String>)>,
}

async fn kept(store: &impl Records, batches: &[Vec<NewRecord>]) -> Kept {
    let mut accepted = 0;
    for batch in batches {
        accepted += store.append(batch.clone()).await.unwrap().accepted;
    }
    let sorted =
        |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let log = store.after(0, 1000).await.unwrap();
    assert_eq!(log.len(), accepted);
    let all = InteractionFilter { limit: 100, ..InteractionFilter::default() };
    let below = store.list(&InteractionFilter { score_below: Some(0.5), ..all.clone() }).await.unwrap();
    let mut scores: Vec<_> = store
        .list(&all)
        .await
        .unwrap()
        .into_iter()
        .map(|view| {
            let ids = sorted(view.scores.into_iter().map(|score| score.id).collect());
            (view.record.id.to_string(), ids)
        })
        .collect();
    scores.sort();
    Kept {
        records: sorted(log.iter().map(|(_, record)| serde_json::to_string(record).unwrap()).collect()),
        waiting: sorted(
            store
                .judge_due(minute(9), 99)
                .await
                .unwrap()
                .into_iter()
                .map(|job| job.record.id.to_string())
                .collect(),
        ),
        flawed: sorted(below.into_iter().map(|view| view.record.id.to_string()).collect()),
        scores,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn order_and_repetition_change_nothing(
        order in Just((0..records().len()).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec((any::<Index>(), any::<Index>()), 0..12),
        size in 1_usize..5,
    ) {
        let records = records();
        let mut order = order;
        for (which, place) in again {
            let which = order[which.index(order.len())];
            order.insert(place.index(order.len() + 1), which);
        }
        let shuffled: Vec<_> = order.iter().map(|at| records[*at].clone()).collect();
        let batches: Vec<_> = shuffled.chunks(size).map(<[_]>::to_vec).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let sqlite = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap();
            let expected = kept(&MemoryStore::default(), &[records]).await;
            assert_eq!(expected.waiting, ["j2", "j3"]);
            assert_eq!(expected.flawed, ["j0", "j2"]);
            assert_eq!(kept(&MemoryStore::default(), &batches).await, expected);
            assert_eq!(kept(&sqlite, &batches).await, expected);
        });
    }
}
