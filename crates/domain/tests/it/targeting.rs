//! Segments, prerequisites, exclusion groups and scheduled changes as commands, and explanations that agree with evaluation.
//! Knows nothing of how conditions are walked.

use proptest::prelude::*;
use serde_json::{Value, json};
use serinus_domain::{
    bundle::Contents,
    compile::compile,
    decide::{
        Rejection, cancel_schedule, due, next_due, put_flag, put_group, put_schedule, put_segment,
        retire_flag, retire_segment, schedule,
    },
    entity::{Document, FlagDoc, GroupDoc, ScheduleDoc, ScheduleState, SegmentDoc},
    resolve::{Asking, Trace, evaluate, resolve_flag},
    revision::{Draft, Revision},
    snapshot::Snapshot,
    units::Timestamp,
};

use crate::fixture;

fn flag(key: &str, more: &Value) -> FlagDoc {
    let mut doc = json!({
        "key": key, "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": "off", "salt": "",
    });
    doc.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(doc).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "a literal is given")]
fn segment(key: &str, when: Value) -> SegmentDoc {
    serde_json::from_value(json!({"key": key, "when": when})).unwrap()
}

fn take(snapshot: &Snapshot, draft: Result<Draft, Rejection>) -> Snapshot {
    let revision = Revision::seal(&draft.unwrap(), snapshot.revision, snapshot.digest, Timestamp(0));
    snapshot.apply(&revision).unwrap()
}

fn refused(draft: Result<Draft, Rejection>, code: &str, says: &[&str]) {
    let refused = draft.unwrap_err();
    assert_eq!(refused.code, code, "{refused}");
    for text in says {
        assert!(refused.message.contains(text), "{text:?} is not in: {refused}");
    }
}

#[test]
fn what_others_need_stays() {
    let mut log = Snapshot::default();
    log = take(&log, put_segment(&log, &segment("beta", json!({"present": {"attribute": "x"}})), "ana"));
    log = take(&log, put_flag(&log, &flag("base", &json!({})), "ana"));
    let needs = json!({
        "prerequisites": [{"flag": "base", "variants": ["on"]}],
        "rules": [{"when": {"segment": "beta"}, "serve": {"variant": "on"}}],
    });
    log = take(&log, put_flag(&log, &flag("top", &needs), "ana"));
    refused(retire_flag(&log, &"base".parse().unwrap(), "ana"), "flag.in_use", &["flag/top"]);
    refused(retire_segment(&log, &"beta".parse().unwrap(), "ana"), "segment.in_use", &["flag/top"]);
    let without = flag("base", &json!({"variants": {"off": false}}));
    refused(put_flag(&log, &without, "ana"), "flag.in_use", &["\"on\"", "flag/top"]);
    log = take(&log, retire_flag(&log, &"top".parse().unwrap(), "ana"));
    log = take(&log, retire_flag(&log, &"base".parse().unwrap(), "ana"));
    log = take(&log, retire_segment(&log, &"beta".parse().unwrap(), "ana"));
    refused(retire_flag(&log, &"base".parse().unwrap(), "ana"), "flag.unknown", &[]);
}

#[test]
fn circles_and_gaps_are_refused_on_entry() {
    let mut log = Snapshot::default();
    let needs = |other: &str| json!({"prerequisites": [{"flag": other, "variants": ["on"]}]});
    log = take(&log, put_flag(&log, &flag("a", &json!({})), "ana"));
    log = take(&log, put_flag(&log, &flag("b", &needs("a")), "ana"));
    refused(put_flag(&log, &flag("a", &needs("b")), "ana"), "flag.invalid", &["circle", "a, b"]);
    refused(put_flag(&log, &flag("c", &needs("none")), "ana"), "flag.invalid", &["\"none\" does not exist"]);
    let ruled = json!({"rules": [{"when": {"segment": "none"}, "serve": {"variant": "on"}}]});
    refused(put_flag(&log, &flag("c", &ruled), "ana"), "flag.invalid", &["segment \"none\" does not exist"]);
    log = take(&log, put_segment(&log, &segment("x", json!("always")), "ana"));
    log = take(&log, put_segment(&log, &segment("y", json!({"segment": "x"})), "ana"));
    refused(put_segment(&log, &segment("x", json!({"segment": "y"})), "ana"), "segment.invalid", &["circle"]);
    let typed = json!({
        "value_kind": "object", "variants": {"on": {"n": "one"}, "off": {"n": 0}},
        "schema": {"properties": {"n": {"type": "integer"}}},
    });
    refused(put_flag(&log, &flag("d", &typed), "ana"), "flag.invalid", &["variant \"on\"", "/n"]);
    let mut last = "b".to_owned();
    let deep = (0..20).find_map(|at| {
        let key = format!("deep-{at}");
        match put_flag(&log, &flag(&key, &needs(&last)), "ana") {
            Ok(draft) => {
                log = take(&log, Ok(draft));
                last = key;
                None
            }
            Err(refused) => Some(refused),
        }
    });
    assert!(deep.unwrap().message.contains("at most 8"));
}

#[test]
fn a_scheduled_change_is_made_once_or_says_why_not() {
    let mut log = Snapshot::default();
    let contents = Contents::default();
    log = take(&log, put_flag(&log, &flag("f", &json!({})), "ana"));
    let planned = |key: &str, at: i64, planned: Value| -> ScheduleDoc {
        serde_json::from_value(json!({"key": key, "at": at, "planned": planned, "base": 0, "author": ""}))
            .unwrap()
    };
    let set = planned("off", 50, json!({"do": "set_flag", "flag": "f", "disabled": true}));
    let late = Timestamp(50);
    refused(put_schedule(&log, &contents, &set, "ana", late), "schedule.invalid", &["not in the future"]);
    log = take(&log, put_schedule(&log, &contents, &set, "ana", Timestamp(0)));
    let on = serde_json::to_value(flag("f", &json!({"default": "on"}))).unwrap();
    let put = planned("on", 60, json!({"do": "put_flag", "flag": on}));
    log = take(&log, put_schedule(&log, &contents, &put, "ana", Timestamp(0)));
    assert!(next_due(&log, Timestamp(49)).is_none());
    refused(retire_flag(&log, &"f".parse().unwrap(), "ana"), "flag.in_use", &["schedule/off"]);
    for now in [late, Timestamp(60)] {
        let doc = next_due(&log, now).unwrap().clone();
        let draft = due(&log, &contents, &doc, now);
        assert_eq!(draft.provenance.schedule.as_ref(), Some(&doc.key));
        log = take(&log, Ok(draft));
    }
    let state = |key: &str| schedule(&log, &key.parse().unwrap()).unwrap().state.clone();
    assert_eq!(state("off"), ScheduleState::Done);
    let ScheduleState::Failed { reason } = state("on") else { panic!("the flag was changed in between") };
    assert!(reason.contains("flag/f was changed by revision 4"), "{reason}");
    assert!(log.flag(&"f".parse().unwrap()).unwrap().disabled, "the failed change changed nothing");
    assert!(next_due(&log, Timestamp(1000)).is_none());
    log = take(&log, cancel_schedule(&log, &"on".parse().unwrap(), "ana"));
    assert!(schedule(&log, &"on".parse().unwrap()).is_none());
}

#[test]
fn a_group_keeps_its_salt() {
    let mut log = Snapshot::default();
    let group =
        |salt: &str| -> GroupDoc { serde_json::from_value(json!({"key": "g", "salt": salt})).unwrap() };
    log = take(&log, put_group(&log, &group(""), "ana"));
    log = take(&log, put_group(&log, &group("other"), "ana"));
    assert_eq!(log.group(&"g".parse().unwrap()).unwrap().salt, "group/g");
}

#[test]
fn what_did_not_change_is_not_compiled_again() {
    let mut log = Snapshot::default();
    let contents = Contents::default();
    log = take(&log, put_segment(&log, &segment("s", json!("always")), "ana"));
    let by_segment = json!({"rules": [{"when": {"segment": "s"}, "serve": {"variant": "on"}}]});
    log = take(&log, put_flag(&log, &flag("a", &by_segment), "ana"));
    log = take(&log, put_flag(&log, &flag("b", &json!({})), "ana"));
    log = take(
        &log,
        put_flag(&log, &flag("c", &json!({"prerequisites": [{"flag": "a", "variants": ["on"]}]})), "ana"),
    );
    let before = compile(&log, &contents, None);
    log = take(&log, put_segment(&log, &segment("s", json!({"or": []})), "ana"));
    let after = compile(&log, &contents, Some(&before));
    let same = |key: &str| std::sync::Arc::ptr_eq(&before.flags[key], &after.flags[key]);
    assert_eq!([same("a"), same("b"), same("c")], [false, true, false]);
    let context = fixture::context(&json!({"user": "u1"}));
    assert_eq!(resolve_flag(&after.flags["c"], &context).variant, Some("off"));
}

fn condition() -> impl Strategy<Value = Value> {
    let attribute = prop::sample::select(vec!["plan", "n", "v", "ip", "user"]);
    let leaf = prop_oneof![
        Just(json!("always")),
        (attribute.clone(), prop::sample::select(vec![json!("pro"), json!(2), json!("1.2.3"), json!("u1")]))
            .prop_map(|(at, value)| json!({"equals": {"attribute": at, "value": value}})),
        attribute.clone().prop_map(|at| json!({"present": {"attribute": at}})),
        attribute.clone().prop_map(|at| json!({"at_least": {"attribute": at, "than": 2}})),
        attribute.clone().prop_map(|at| json!({"semver": {"attribute": at, "op": "less", "version": "1.3"}})),
        attribute.clone().prop_map(|at| json!({"in_network": {"attribute": at, "networks": ["10.0.0.0/8"]}})),
        attribute.prop_map(|at| json!({"matches": {"attribute": at, "pattern": "^[a-p]"}})),
        Just(json!({"segment": "s"})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|parts| json!({"and": parts})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|parts| json!({"or": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

fn rules() -> impl Strategy<Value = Value> {
    let serve = prop_oneof![
        Just(json!({"variant": "on"})),
        Just(json!({"split": [{"variant": "on", "share": 300_000}, {"variant": "off", "share": 700_000}]})),
    ];
    let by = prop::option::of(prop::sample::select(vec!["plan", "n"]));
    prop::collection::vec((condition(), serve, by), 0..4).prop_map(|rules| {
        let rule = |(when, serve, by): (Value, Value, Option<&str>)| {
            let mut rule = json!({"when": when, "serve": serve});
            if let Some(by) = by {
                rule["bucket_by"] = by.into();
            }
            rule
        };
        rules.into_iter().map(rule).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// An explanation comes from the code that evaluates: same answer, and its last step says it.
    #[test]
    fn explained_as_served(
        first in rules(), second in rules(), when in condition(), plan in prop::option::of("[a-z]{1,4}"), n in prop::option::of(0..4),
        user in prop::option::of("u[0-9]"),
    ) {
        let when = if when.to_string().contains("segment") { json!("always") } else { when };
        let documents = [
            json!({"kind": "segment", "key": "s", "when": when}),
            Document::Flag(flag("a", &json!({"rules": first, "salt": "a"}))).to_value(),
            Document::Flag(flag("b", &json!({
                "rules": second, "salt": "b", "prerequisites": [{"flag": "a", "variants": ["on"], "otherwise": "off"}],
            }))).to_value(),
        ];
        let compiled = fixture::compiled(&serde_json::Map::new(), &documents);
        prop_assert_eq!(&compiled.diagnostics, &[]);
        let mut attributes = json!({"v": "1.2.9", "ip": "10.1.1.1"});
        if let Some(plan) = plan { attributes["plan"] = plan.into(); }
        if let Some(n) = n { attributes["n"] = json!(n); }
        let context = fixture::context(&json!({"user": user, "attributes": attributes}));
        for key in ["a", "b"] {
            let flag = &compiled.flags[key];
            let silent = resolve_flag(flag, &context);
            let mut trace = Trace::default();
            let told = evaluate(flag, &Asking::new(&context), &mut trace);
            prop_assert_eq!(silent, told);
            let last = trace.0.last().unwrap();
            prop_assert_eq!((last.step, last.subject.clone()), ("answer", format!("flag {key}")));
            prop_assert!(last.outcome.contains(told.variant.unwrap()), "{:?}", last);
        }
    }
}
