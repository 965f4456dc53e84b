//! What every keeper of pins promises.

use std::sync::Arc;

use serde_json::json;
use serinus_domain::{
    id::UnitHash,
    record::Record,
    resolve::{Arm, Pin},
    units::Timestamp,
};
use serinus_store::{PinWrite, Pins, Records};

use crate::fixtures::{START, call, enrolment, first_turn, minute, pin, rollout, unit};

const WHO: u128 = 1;

fn crossing(pin: Pin) -> PinWrite {
    PinWrite { pins: vec![pin], enrolment: None, crossing: true }
}

async fn standing(store: &Arc<impl Pins + 'static>, now: Timestamp) -> Vec<Pin> {
    store.session(unit(WHO), now).await.unwrap()
}

async fn enrolments(store: &Arc<impl Records + 'static>) -> Vec<(UnitHash, Arm)> {
    let records = store.after(0, 1000).await.unwrap();
    records
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Enrolment(record) => Some((record.unit, record.arm.arm)),
            _ => None,
        })
        .collect()
}

pub async fn racers_agree_on_one_pin(store: Arc<impl Pins + Records + 'static>) {
    let racers: Vec<_> = (0..32_u64)
        .map(|racer| {
            let store = Arc::clone(&store);
            let arm = if racer % 2 == 0 { Arm::Control } else { Arm::Candidate };
            let write = first_turn(pin(WHO, "support", arm, racer + 1, START));
            tokio::task::spawn_blocking(move || {
                tokio::runtime::Handle::current().block_on(async move { store.pin(write).await.unwrap() })
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    let stands = standing(&store, START).await;
    assert_eq!(stands.len(), 1);
    assert!(answers.iter().all(|answer| *answer == stands));
    // And the enrolment is the winner's.
    assert_eq!(enrolments(&store).await, [(unit(WHO), stands[0].arm.as_ref().unwrap().arm)]);
}

pub async fn a_loser_is_not_enrolled(store: Arc<impl Pins + Records + 'static>) {
    let mut before_the_rollout = pin(WHO, "support", Arm::Control, 1, START);
    before_the_rollout.arm = None;
    let first = PinWrite { pins: vec![before_the_rollout.clone()], enrolment: None, crossing: false };
    store.pin(first).await.unwrap();
    let late = first_turn(pin(WHO, "support", Arm::Candidate, 2, START));
    assert_eq!(store.pin(late).await.unwrap(), [before_the_rollout]);
    assert_eq!(enrolments(&store).await, []);
}

pub async fn a_crossing_replaces_and_never_goes_back(store: Arc<impl Pins + 'static>) {
    let at = |revision| pin(WHO, "support", Arm::Control, revision, START);
    store.pin(first_turn(pin(WHO, "support", Arm::Candidate, 2, START))).await.unwrap();
    assert_eq!(store.pin(crossing(at(5))).await.unwrap(), [at(5)]);
    for stale in [3, 4, 5] {
        let mut late = pin(WHO, "support", Arm::Candidate, stale, START);
        late.at = minute(1);
        assert_eq!(store.pin(crossing(late)).await.unwrap(), [at(5)], "revision {stale}");
    }
    let later_but_not_ordered = first_turn(pin(WHO, "support", Arm::Candidate, 9, START));
    assert_eq!(store.pin(later_but_not_ordered).await.unwrap(), [at(5)]);
    assert_eq!(standing(&store, START).await, [at(5)]);
}

pub async fn idle_sessions_end(store: Arc<impl Pins + 'static>) {
    let first = pin(WHO, "support", Arm::Candidate, 1, START);
    store.pin(first_turn(first.clone())).await.unwrap();
    assert_eq!(standing(&store, minute(29)).await, [first]);
    assert_eq!(standing(&store, minute(30)).await, []);
    let again = pin(WHO, "support", Arm::Control, 2, minute(31));
    assert_eq!(store.pin(first_turn(again.clone())).await.unwrap(), std::slice::from_ref(&again));
    assert_eq!(standing(&store, minute(32)).await, [again]);
}

pub async fn old_sessions_end(store: Arc<impl Pins + Records + 'static>) {
    store.pin(first_turn(pin(WHO, "support", Arm::Candidate, 1, START))).await.unwrap();
    let turn = |minutes: u64| call(&format!("i{minutes}"), &json!({"at": minute(minutes)}));
    store.append((1..73).map(|turns| turn(turns * 20)).collect()).await.unwrap();
    let crossed = pin(WHO, "support", Arm::Control, 2, minute(20 * 71));
    store.pin(crossing(crossed.clone())).await.unwrap();
    assert_eq!(standing(&store, minute(24 * 60 - 1)).await, [crossed]);
    // A crossing makes no session younger.
    assert_eq!(standing(&store, minute(24 * 60)).await, []);
}

pub async fn a_turn_keeps_the_whole_session(store: Arc<impl Pins + Records + 'static>) {
    store.pin(first_turn(pin(WHO, "support", Arm::Candidate, 1, START))).await.unwrap();
    store.pin(first_turn(pin(WHO, "search", Arm::Control, 1, minute(5)))).await.unwrap();
    // Late and out of order: the session was last seen when it was last seen.
    let turns = vec![call("b", &json!({"at": minute(25)})), call("a", &json!({"at": minute(10)}))];
    store.append(turns).await.unwrap();
    assert_eq!(standing(&store, minute(54)).await.len(), 2);
    assert_eq!(standing(&store, minute(55)).await, []);
}

pub async fn a_closed_session_starts_anew(store: Arc<impl Pins + 'static>) {
    store.pin(first_turn(pin(WHO, "support", Arm::Candidate, 1, START))).await.unwrap();
    store.close(unit(WHO)).await.unwrap();
    assert_eq!(standing(&store, START).await, []);
    let anew = pin(WHO, "support", Arm::Control, 1, minute(1));
    assert_eq!(store.pin(first_turn(anew.clone())).await.unwrap(), [anew]);
}

pub async fn a_unit_is_enrolled_once(store: Arc<impl Pins + Records + 'static>) {
    // One user in three sessions, the last of which is resolved to the other arm.
    for (session, arm) in [(1, Arm::Candidate), (2, Arm::Candidate), (3, Arm::Control)] {
        let pin = pin(session, "support", arm, 1, START);
        let enrolment = serinus_domain::record::EnrolmentRecord { unit: unit(77), ..enrolment(&pin) };
        store.pin(PinWrite { pins: vec![pin], enrolment: Some(enrolment), crossing: false }).await.unwrap();
    }
    assert_eq!(enrolments(&store).await, [(unit(77), Arm::Candidate)]);
}

pub async fn open_sessions_are_counted(store: Arc<impl Pins + Records + 'static>) {
    for session in 1..=5 {
        let arm = if session <= 3 { Arm::Candidate } else { Arm::Control };
        store.pin(first_turn(pin(session, "support", arm, 1, START))).await.unwrap();
        store.pin(first_turn(pin(session, "search", arm, 1, START))).await.unwrap();
    }
    store.append(vec![call("i", &json!({"session": unit(2), "at": minute(20)}))]).await.unwrap();
    let key = rollout("support-1");
    for (arm, since, sessions) in [
        (Arm::Candidate, START, 3),
        (Arm::Control, START, 2),
        (Arm::Candidate, minute(20), 1),
        (Arm::Control, minute(1), 0),
    ] {
        assert_eq!(store.open_sessions(&key, arm, since).await.unwrap(), sessions, "{arm:?} since {since:?}");
    }
    assert_eq!(store.open_sessions(&rollout("other"), Arm::Candidate, START).await.unwrap(), 0);
}
