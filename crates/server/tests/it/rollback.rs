//! Taking a change back by hand at 3 a.m., and reading why Serinus took one back by itself.

use std::time::Duration;

use serde_json::json;
use serinus_domain::{
    decide::{Action, Verdict},
    digest::{Digest, canonical_json},
    entity::{Document, RolloutDoc},
    revision::{Cause, Change, Revision},
};
use serinus_testkit::{Reply, eventually};

use crate::world::{
    CANDIDATE, CONTROL, also, endless_ab, guarded, provider, serinus, sessions, turns, variants,
};

#[tokio::test]
async fn rollback_by_hand() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    let api = &serinus.api;
    for feature in ["support", "search"] {
        api.feature(feature, CONTROL, json!({})).await;
        api.rollout(&[feature], CANDIDATE, json!({"stages": endless_ab()})).await;
    }
    let here = sessions("caller", 30);
    let before = variants(&turns(api, "support", &here).await);
    assert!(before.iter().any(|variant| variant == "candidate"), "{before:?}");

    let which = serinus.cli(&["rollback"]).await;
    assert_eq!(which.code, Some(2), "two rollouts run: {which:?}");
    assert!(which.out.contains("support-1") && which.out.contains("search-1"), "{which:?}");
    let dry = serinus.cli(&["rollback", "support", "--dry-run"]).await;
    assert_eq!((dry.code, api.phase("support-1").await.as_str()), (Some(0), "running"), "{dry:?}");

    let done = serinus.cli(&["rollback", "support", "-m", "callers complain"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("in effect on 1 of 1 nodes"), "{done:?}");
    assert!(done.out.contains("serinus rollout rearm support-1"), "{done:?}");
    let after = turns(api, "support", &here).await;
    for (answer, before) in after.iter().zip(&before) {
        assert_eq!(answer.variant(), "control");
        let reason = if before == "candidate" { "revoked" } else { answer.header("x-serinus-reason") };
        assert_eq!(answer.header("x-serinus-reason"), reason, "left the candidate because the head said so");
    }
    assert_eq!(variants(&turns(api, "support", &sessions("new", 30)).await), vec!["control"; 30]);
    assert_eq!(api.phase("search-1").await, "running", "nobody else's work is undone");

    let again = serinus.cli(&["rollback", "support-1"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.out.contains("taken back already"), "{again:?}");
    let only = serinus.cli(&["rollback"]).await;
    assert_eq!(
        (only.code, api.phase("search-1").await.as_str()),
        (Some(0), "rolled_back"),
        "the only one left: {only:?}"
    );
    let none = serinus.cli(&["rollback"]).await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.err.contains("rollback.nothing_running"), "{none:?}");
    latched(&serinus).await;
}

/// A change that was taken back stays off until somebody lifts the latch.
async fn latched(serinus: &serinus_testkit::Serinus) {
    let start = ["experiment", "start", "support.model=model/fresh@1"];
    let refused = serinus.cli(&start).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("rollout.latched") && refused.err.contains("rearm support-1"),
        "{refused:?}"
    );
    assert_eq!(serinus.cli(&["rollout", "rearm", "support-1"]).await.code, Some(0));
    assert_eq!(serinus.cli(&start).await.code, Some(0));
}

#[tokio::test]
async fn evidence_embedded_in_the_log() {
    let provider = provider().await;
    provider.on(CANDIDATE, |_| Reply::status(500));
    let serinus = serinus(&provider, 20).await;
    let api = &serinus.api;
    api.feature("support", CONTROL, json!({})).await;
    let rules = guarded("error_rate", json!({"worse_by": {"relative_ppm": 250_000, "absolute_ppm": 5_000}}));
    let rollout = api.rollout(&["support"], CANDIDATE, also(rules, json!({"fast_window_ms": 5_000}))).await;
    turns(api, "support", &sessions("caller", 60)).await;
    eventually("a rollback", Duration::from_secs(15), async || {
        (api.phase(&rollout).await == "rolled_back").then_some(())
    })
    .await;

    let mut decided = Vec::new();
    for stored in api.revisions().await {
        let revision: Revision =
            serde_json::from_value(stored.clone()).unwrap_or_else(|refused| panic!("{refused}: {stored}"));
        assert_eq!(
            Digest::of(&canonical_json(&revision.body)),
            revision.digest,
            "revision {}",
            revision.body.number
        );
        let Cause::Controller { decision } = &revision.body.cause else { continue };
        // From this revision alone: the evidence in its cause, the rules in its document.
        assert_eq!(
            decision.recompute(&document(&revision)),
            decision.decided,
            "revision {}",
            revision.body.number
        );
        decided.push(decision.clone());
    }
    let last = decided.last().unwrap();
    assert!(matches!(last.decided.action, Action::RollBack { .. }), "{:?}", last.decided);
    assert_eq!(last.decided.verdict, Verdict::Fail);
    assert!(last.evidence.e >= 20.0 && last.evidence.watermark.ledger.is_some(), "{:?}", last.evidence);
    let mut doubted = last.evidence.clone();
    doubted.e = 19.0;
    let altered = serinus_domain::decide::DecisionRecord { evidence: doubted, ..(**last).clone() };
    let doc = document(&serde_json::from_value(api.revisions().await.pop().unwrap()).unwrap());
    assert_ne!(
        altered.recompute(&doc),
        last.decided,
        "a recomputation that ignores the evidence would show nothing"
    );
}

fn document(revision: &Revision) -> RolloutDoc {
    let documents = revision.body.changes.iter().filter_map(|change| match change {
        Change::Put { body, .. } => Document::from_value(body),
        Change::Retire { .. } => None,
    });
    let mut rollouts = documents.filter_map(|document| match document {
        Document::Rollout(doc) => Some(*doc),
        _ => None,
    });
    rollouts.next().unwrap()
}
