//! Values that tests are made of. Knows nothing of stores.

use serde_json::{Value, json};
use serinus_domain::{
    id::{FeatureKey, RolloutKey, UnitHash},
    record::{Body, EnrolmentRecord, InteractionRecord, Record, ScoreRecord},
    resolve::{Arm, ArmFacts, Pin},
    revision::{Cause, Change, Draft, Provenance, RevisionNumber},
    units::{Millis, Share, Timestamp},
};
use serinus_store::{NewRecord, PinWrite};

pub const START: Timestamp = Timestamp(1_760_000_000_000_000);

/// So many minutes after the start.
pub fn minute(minutes: u64) -> Timestamp {
    START.plus(Millis::minutes(minutes))
}

/// A draft that sets one channel.
pub fn draft(expected: u64, name: &str) -> Draft {
    let body = json!({"kind": "channel", "key": name, "url": "http://127.0.0.1:9/", "secret_name": "pager"});
    Draft {
        expected_head: RevisionNumber(expected),
        actor: format!("{name}@example.org"),
        message: format!("puts {name}"),
        cause: Cause::Person,
        changes: vec![Change::Put { key: format!("channel/{name}").parse().unwrap(), body }],
        idempotency_key: None,
        provenance: Provenance::default(),
    }
}

pub fn unit(number: u128) -> UnitHash {
    UnitHash(number)
}

pub fn rollout(name: &str) -> RolloutKey {
    RolloutKey::new(name).unwrap()
}

pub fn facts(arm: Arm) -> ArmFacts {
    ArmFacts { rollout: rollout("support-1"), arm, pi: Share::percent(5), stage: 1 }
}

/// A pin of a session to the arm, at a revision.
pub fn pin(session: u128, feature: &str, arm: Arm, revision: u64, at: Timestamp) -> Pin {
    let variant = if arm == Arm::Candidate { "candidate" } else { "control" };
    Pin {
        session: unit(session),
        feature: FeatureKey::new(feature).unwrap(),
        variant: variant.parse().unwrap(),
        bundle: serinus_domain::bundle::BundleId(u128::from(revision)),
        revision: RevisionNumber(revision),
        arm: Some(facts(arm)),
        at,
    }
}

pub fn enrolment(of: &Pin) -> EnrolmentRecord {
    let arm = of.arm.clone().unwrap();
    EnrolmentRecord { unit: of.session, session: of.session, feature: of.feature.clone(), arm, at: of.at }
}

/// A first turn: the pin and the enrolment that goes with it.
pub fn first_turn(pin: Pin) -> PinWrite {
    PinWrite { enrolment: Some(enrolment(&pin)), pins: vec![pin], crossing: false }
}

/// A call of session 1 on `support`; `extra` members replace those of the plain one.
fn interaction(id: &str, extra: &Value) -> InteractionRecord {
    let mut record = json!({
        "id": id, "feature": "support", "session": unit(1), "unit": unit(1), "variant": "control",
        "bundle": "00000000000000000000000000000007", "head": 3, "assigned": 2, "reason": "split",
        "at": START, "latency_us": 1200, "facts": {"chars": 12, "valid": true},
    });
    record.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(record).unwrap()
}

pub fn call(id: &str, extra: &Value) -> NewRecord {
    NewRecord { record: Record::Interaction(Box::new(interaction(id, extra))), body: None }
}

pub fn body(question: &str) -> Body {
    Body {
        question: question.into(),
        messages: vec![json!({"role": "user", "content": question})],
        answer: "42".into(),
    }
}

/// A call that waits for a judge.
pub fn judged_call(id: &str) -> NewRecord {
    NewRecord { body: Some(body(id)), ..call(id, &json!({"judge": true})) }
}

pub fn score(id: &str, interaction: &str, name: &str, value: f64, by: &str) -> NewRecord {
    let source = match by {
        "judge" => json!({"by": "judge", "rubric": "rubric/helpful@1", "model": "model/judge@1"}),
        other => json!({"by": other}),
    };
    let score = json!({
        "id": id, "interaction": interaction, "name": name, "value": value, "source": source, "at": START,
    });
    NewRecord { record: Record::Score(serde_json::from_value::<ScoreRecord>(score).unwrap()), body: None }
}
