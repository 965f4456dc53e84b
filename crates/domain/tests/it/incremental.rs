//! What is compiled on from an earlier revision is what is compiled afresh, over random histories in which parts are missing, broken,
//! circular, redacted and mended. Knows nothing of how much is taken over.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, CompiledFeature, compile},
    digest::{Digest, canonical_json},
    entity::DocKey,
    resolve::{ListKey, resolve, resolve_flag},
    revision::{Cause, Change, Draft, Provenance, Revision},
    snapshot::Snapshot,
    units::Timestamp,
};

use crate::fixture;

/// What happens at a revision.
#[derive(Debug, Clone)]
enum Step {
    Put(String, Value),
    Retire(String),
    /// A blob that was missing is here from now on.
    Arrives(usize),
    /// This node compiles what it has folded by now.
    Compile,
}

/// Contents of `model/m@1` to `@3`, then a list of people.
fn blobs() -> Vec<Value> {
    let model = |name: &str| json!({"provider": "openai", "model": name});
    vec![model("a"), model("b"), model("c"), json!([list_key().hash("u1").to_string()])]
}

fn list_key() -> ListKey {
    ListKey::new([7; 32])
}

fn digest(place: usize) -> Digest {
    Digest::of(&canonical_json(&blobs()[place]))
}

fn flag() -> impl Strategy<Value = (String, Value)> {
    let serves = prop::sample::select(vec!["on", "off", "on", "off", "undeclared"]);
    let segment = prop::option::weighted(0.3, 0..3_u8);
    let needs = prop::option::weighted(0.3, 0..6_u8);
    (0..6_u8, serves, segment, needs, prop::bool::weighted(0.2)).prop_map(
        |(key, serve, segment, needs, forced)| {
            let mut body = json!({
                "kind": "flag", "key": format!("f{key}"), "value_kind": "boolean",
                "variants": {"on": true, "off": false}, "default": "off", "salt": "s",
            });
            let when = segment.map_or(json!("always"), |segment| json!({"segment": format!("s{segment}")}));
            body["rules"] = json!([{"when": when, "serve": {"variant": serve}}]);
            if let Some(other) = needs {
                body["prerequisites"] = json!([{"flag": format!("f{other}"), "variants": ["on"]}]);
            }
            if forced {
                body["forced"] = json!([{"units": digest(3), "variant": "on"}]);
            }
            (format!("flag/f{key}"), body)
        },
    )
}

fn segment() -> impl Strategy<Value = (String, Value)> {
    let when = prop_oneof![
        Just(json!("always")),
        Just(json!({"equals": {"attribute": "user", "value": "u1"}})),
        (0..3_u8).prop_map(|other| json!({"not": {"segment": format!("s{other}")}})),
    ];
    (0..3_u8, when, any::<bool>()).prop_map(|(key, when, listed)| {
        let mut body = json!({"kind": "segment", "key": format!("s{key}"), "when": when});
        if listed {
            body["included"] = json!(digest(3));
        }
        (format!("segment/s{key}"), body)
    })
}

fn artifact() -> impl Strategy<Value = (String, Value)> {
    (1..4_usize, prop::bool::weighted(0.2)).prop_map(|(version, redacted)| {
        let body = json!({
            "kind": "artifact", "artifact_kind": "model", "name": "m", "version": version,
            "content": digest(version - 1), "author": "ana", "created_at": 0, "redacted": redacted,
        });
        (format!("artifact/model/m@{version}"), body)
    })
}

fn feature() -> impl Strategy<Value = (String, Value)> {
    let needs = prop::option::of(0..6_u8);
    let segment = prop::option::of(0..3_u8);
    (0..2_u8, 1..3_u8, needs, segment).prop_map(|(key, model, needs, segment)| {
        let mut body = json!({
            "kind": "feature", "key": format!("x{key}"), "control": {"model": format!("model/m@{model}")},
            "variants": {"other": {"model": "model/m@2"}},
        });
        if let Some(other) = needs {
            body["prerequisites"] = json!([{"flag": format!("f{other}"), "variants": ["on"]}]);
        }
        if let Some(segment) = segment {
            body["rules"] = json!([{"when": {"segment": format!("s{segment}")}, "serve": "other"}]);
        }
        (format!("feature/x{key}"), body)
    })
}

fn combination() -> impl Strategy<Value = (String, Value)> {
    (0..2_u8).prop_map(|key| {
        let fingerprint = "b0def9efdc9b4ad76b38004c8eedc78d";
        let body = json!({
            "kind": "combination", "feature": format!("x{key}"), "fingerprint": fingerprint,
            "layers": {"model": "model/m@3"},
        });
        (format!("combination/x{key}/{fingerprint}"), body)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let put = prop_oneof![
        6 => flag(),
        2 => segment(),
        2 => artifact(),
        2 => feature(),
        1 => combination(),
        1 => Just(("later/kind".to_owned(), json!({"kind": "later"}))),
    ];
    let retired = prop_oneof![
        (0..6_u8).prop_map(|key| format!("flag/f{key}")),
        (0..3_u8).prop_map(|key| format!("segment/s{key}")),
        (0..2_u8).prop_map(|key| format!("feature/x{key}")),
    ];
    prop_oneof![
        6 => put.prop_map(|(key, body)| Step::Put(key, body)),
        2 => retired.prop_map(Step::Retire),
        1 => (0..4_usize).prop_map(Step::Arrives),
        4 => Just(Step::Compile),
    ]
}

fn next(snapshot: &Snapshot, change: Change) -> Snapshot {
    let draft = Draft {
        expected_head: snapshot.revision,
        actor: "ana".into(),
        message: String::new(),
        cause: Cause::Person,
        changes: vec![change],
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    snapshot.apply(&Revision::seal(&draft, snapshot.revision, snapshot.digest, Timestamp(0))).unwrap()
}

fn told(feature: &CompiledFeature) -> String {
    let mut bundles: Vec<_> = feature.bundles.keys().map(ToString::to_string).collect();
    bundles.sort();
    let variants: Vec<_> = feature.variants.iter().map(|(name, bundle)| (name, bundle.id)).collect();
    format!("{:?} {variants:?} {:?} {bundles:?}", feature.control.id, feature.broken)
}

/// Everything that evaluation says, to three users.
fn answers(compiled: &Compiled) -> Vec<String> {
    let mut said = Vec::new();
    let mut flags: Vec<_> = compiled.flags.values().collect();
    flags.sort_by(|a, b| a.doc.key.cmp(&b.doc.key));
    let mut features: Vec<_> = compiled.features.values().collect();
    features.sort_by(|a, b| a.doc.key.cmp(&b.doc.key));
    said.push(format!("{:?} {} flags", compiled.revision, compiled.flags.len()));
    said.extend(features.iter().map(|feature| told(feature)));
    for user in ["u1", "u2"] {
        let context = fixture::context(&json!({"session": "s1", "user": user}));
        for flag in &flags {
            assert!(
                Arc::ptr_eq(&compiled.flags[&flag.doc.key], flag),
                "{} is found by its key",
                flag.doc.key
            );
            said.push(format!("{user} {} {:?}", flag.doc.key, resolve_flag(flag, &context)));
        }
        for feature in &features {
            let resolution = resolve(feature, compiled.revision, None, &context);
            said.push(format!(
                "{user} {} {:?} {:?}",
                feature.doc.key, resolution.bundle.id, resolution.reason
            ));
        }
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn going_on_and_starting_over_come_to_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let mut snapshot = Snapshot::default();
        let mut contents = Contents { list_key: Some(list_key()), ..Contents::default() };
        let mut before = compile(&snapshot, &contents, None);
        for step in steps {
            match step {
                Step::Put(key, body) => {
                    snapshot = next(&snapshot, Change::Put { key: DocKey::stored(&key), body });
                }
                Step::Retire(key) => {
                    snapshot = next(&snapshot, Change::Retire { key: DocKey::stored(&key) });
                }
                Step::Arrives(place) => {
                    contents.held.insert(digest(place), Arc::new(blobs().swap_remove(place)));
                }
                Step::Compile => {
                    let on = compile(&snapshot, &contents, Some(&before));
                    let afresh = compile(&snapshot, &contents, None);
                    prop_assert_eq!(&on.diagnostics, &afresh.diagnostics);
                    prop_assert_eq!(answers(&on), answers(&afresh));
                    before = on;
                }
            }
        }
    }
}

/// The point of it: an edit leaves everything alone that does not need what was edited.
#[test]
fn an_edit_is_told_by_what_changed() {
    let flag = |key: usize, on: &str| Change::Put {
        key: DocKey::stored(&format!("flag/f{key}")),
        body: json!({
            "kind": "flag", "key": format!("f{key}"), "value_kind": "boolean",
            "variants": {"on": true, "off": false}, "default": on, "salt": "s",
        }),
    };
    let mut snapshot = Snapshot::default();
    let start = snapshot.moment().unwrap();
    for key in 0..40 {
        snapshot = next(&snapshot, flag(key, "off"));
    }
    assert_eq!(snapshot.changed_since(&start).unwrap().len(), 40);
    let contents = Contents::default();
    let before = compile(&snapshot, &contents, None);
    let edited = next(&snapshot, flag(7, "on"));
    assert_eq!(edited.changed_since(&snapshot.moment().unwrap()).unwrap(), [&DocKey::stored("flag/f7")]);
    let after = compile(&edited, &contents, Some(&before));
    let same = |key: &str| Arc::ptr_eq(&before.flags[key], &after.flags[key]);
    assert_eq!((0..40).filter(|key| !same(&format!("f{key}"))).collect::<Vec<_>>(), [7]);
    assert!(Arc::ptr_eq(&before.features, &after.features));
    // Another history, or one too far back, tells nothing.
    assert_eq!(snapshot.changed_since(&edited.moment().unwrap()), None);
    for key in 0..64 {
        snapshot = next(&snapshot, flag(key, "on"));
    }
    assert_eq!(snapshot.changed_since(&start), None);
}
