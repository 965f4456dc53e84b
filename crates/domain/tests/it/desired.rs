//! Configuration as a description: describing what is there changes nothing, whatever it is; and taking back and copying by the same
//! means. Knows nothing of files.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use serinus_domain::{
    bundle::Contents,
    decide::{RevertRefused, Side, compare, copy, kill, revert},
    desired::{Desired, Plan, Verb, export, plan},
    digest::Digest,
    entity::Document,
    id::{EnvironmentKey, FeatureKey},
    revision::{Citation, Draft, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};

/// A log in memory.
#[derive(Default)]
struct Log {
    revisions: Vec<Revision>,
    before: Vec<Snapshot>,
    head: Snapshot,
    contents: Contents,
}

impl Log {
    fn now(&self) -> Timestamp {
        Timestamp(1_000 + i64::try_from(self.head.revision.0).unwrap())
    }

    fn plan(&self, desired: &Desired) -> Plan {
        plan(&self.head, &self.contents, desired, "ana", self.now())
            .unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    fn append(&mut self, draft: &Draft, blobs: &[Vec<u8>]) {
        for blob in blobs {
            self.contents.held.insert(Digest::of(blob), Arc::new(serde_json::from_slice(blob).unwrap()));
        }
        let revision = Revision::seal(draft, self.head.revision, self.head.digest, self.now());
        self.before.push(self.head.clone());
        self.head = self.head.apply(&revision).unwrap();
        self.revisions.push(revision);
    }

    /// Makes a description true; answers whether that took a revision.
    fn apply(&mut self, desired: &Desired) -> bool {
        let planned = self.plan(desired);
        let Some(draft) = planned.draft else { return false };
        self.append(&draft, &planned.blobs);
        true
    }

    fn described(&self) -> Desired {
        export(&self.head, &self.contents)
    }

    /// Takes a revision back; answers what stays.
    fn revert(&mut self, number: u64) -> Result<usize, RevertRefused> {
        let at = usize::try_from(number).unwrap() - 1;
        let reverting =
            revert(&self.head, &self.contents, &self.before[at], &self.revisions[at], "bo", self.now())?;
        if let Some(draft) = &reverting.draft {
            self.append(draft, &[]);
        }
        Ok(reverting.left.len())
    }
}

fn desired(value: Value) -> Desired {
    serde_json::from_value(value).unwrap()
}

/// A description with a bit of everything, by two numbers that stand for what people edit.
fn sample(edit: u8, more: u8) -> Value {
    let share = u32::from(edit) * 3_000;
    let mut value = json!({
        "artifacts": [
            { "kind": "model", "name": "small", "content": { "provider": "openai", "model": "gpt-4o-mini" } },
            { "kind": "system_prompt", "name": "support", "content": { "text": format!("Answer {edit}.") } },
            { "kind": "system_prompt", "name": "tone", "content": { "text": format!("Tone {}.", more % 3) } },
            { "kind": "rubric", "name": "helpful", "content": { "instructions": "Does it help?" } },
        ],
        "features": { "support": {
            "description": format!("answers {}", edit / 2),
            "control": { "model": "model/small", "system_prompt": "system_prompt/support" },
            "variants": { "toned": { "system_prompt": "system_prompt/tone" } },
            "rules": [{ "when": { "equals": { "attribute": "plan", "value": "pro" } }, "serve": "toned" }],
            "judge": { "rubric": "rubric/helpful", "model": "model/small", "rate": 200_000 },
        } },
        "flags": {
            "dark-mode": {
                "kind": "boolean", "variants": { "on": true, "off": false }, "default": "off",
                "rules": [{ "serve": { "split": [
                    { "variant": "on", "share": share }, { "variant": "off", "share": 1_000_000 - share },
                ] } }],
            },
            "limit": { "kind": "number", "variants": { "low": more, "high": 500 }, "default": "low", "disabled": more > 100 },
        },
        "segments": { "beta": {
            "description": "early birds",
            "when": { "and": [{ "present": { "attribute": "email" } }, { "at_least": { "attribute": "age", "than": more } }] },
        } },
        "groups": { "checkout": { "description": "one at a time" } },
        "channels": { "oncall": { "url": "https://hooks.example.com/a", "secret_name": "ONCALL" } },
        "labels": { "system_prompt/support": { "production": "system_prompt/support@1" } },
        "environment": { "approvals_min": 2, "description": format!("v{}", more / 8) },
    });
    if more.is_multiple_of(2) {
        value["features"]["support"]["variants"] = json!({});
        value["features"]["support"]["rules"] = json!([]);
        value["segments"] = json!({});
    }
    value
}

/// What people declared, without the records of what was served.
fn declared(snapshot: &Snapshot) -> Vec<&Document> {
    snapshot.documents().filter(|document| !matches!(document, Document::Combination(_))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn export_then_plan_is_empty(edits in prop::collection::vec((0u8..=255, 0u8..=255), 1..4)) {
        let mut log = Log::default();
        for (edit, more) in edits {
            let wanted = desired(sample(edit, more));
            log.apply(&wanted);
            let again = log.plan(&wanted);
            prop_assert!(again.draft.is_none(), "{:?}", again.steps);
            let text = serde_json::to_string(&log.described()).unwrap();
            let exported = log.plan(&serde_json::from_str(&text).unwrap());
            prop_assert!(exported.draft.is_none(), "{:?}", exported.steps);
        }
    }

    #[test]
    fn reverting_a_revert_gives_the_state_back(first in (0u8..=255, 0u8..=255), second in (0u8..=255, 0u8..=255)) {
        let mut log = Log::default();
        log.apply(&desired(sample(first.0, first.1)));
        let mut wanted = sample(second.0, second.1);
        wanted["prune"] = json!(true);
        prop_assume!(log.apply(&desired(wanted)));
        let (before, after) = (log.before[1].clone(), log.head.clone());
        log.revert(2).unwrap();
        let features = |snapshot: &Snapshot| snapshot.features().cloned().collect::<Vec<_>>();
        prop_assert_eq!(features(&log.head), features(&before));
        if log.revisions.len() == 3 {
            prop_assert_eq!(log.revisions[2].body.provenance.reverts, Some(RevisionNumber(2)));
            log.revert(3).unwrap();
        }
        prop_assert_eq!(declared(&log.head), declared(&after));
    }
}

#[test]
fn a_plan_says_what_it_does_and_its_digest_binds_it() {
    let mut log = Log::default();
    log.apply(&desired(sample(1, 1)));
    let seen = log.plan(&desired(sample(2, 1)));
    let verbs: Vec<_> = seen.steps.iter().filter(|step| step.verb != Verb::Keep).collect();
    assert_eq!(verbs[0].subject, "system_prompt/support@2");
    let feature = verbs.iter().find(|step| step.subject == "feature/support").unwrap();
    assert!(
        feature
            .detail
            .iter()
            .any(|line| line.contains("control.system_prompt") && line.contains("support@2")),
        "{feature:?}"
    );
    assert_eq!(seen.digest, log.plan(&desired(sample(2, 1))).digest, "time and order do not show");
    // Somebody edits the same flag past the files: the same files now do something else.
    let mut outside = sample(1, 1);
    outside["flags"]["dark-mode"]["description"] = json!("by hand");
    log.apply(&desired(outside));
    assert_ne!(seen.digest, log.plan(&desired(sample(2, 1))).digest);
}

#[test]
fn nothing_is_retired_unasked_and_features_never() {
    let mut log = Log::default();
    log.apply(&desired(sample(1, 1)));
    let little = json!({ "groups": { "checkout": { "description": "one at a time" } } });
    let planned = log.plan(&desired(little.clone()));
    assert!(planned.draft.is_none());
    assert!(planned.unmanaged.iter().any(|key| key.as_str() == "flag/limit"), "{:?}", planned.unmanaged);
    let mut pruned = little;
    pruned["prune"] = json!(true);
    let planned = log.plan(&desired(pruned));
    let retired: Vec<_> = planned
        .steps
        .iter()
        .filter(|step| step.verb == Verb::Retire)
        .map(|step| step.subject.as_str())
        .collect();
    assert!(retired.contains(&"flag/limit") && !retired.contains(&"feature/support"), "{retired:?}");
}

#[test]
fn mistakes_are_told_together() {
    let log = Log::default();
    for (change, code, tells) in [
        (
            json!({ "flags": { "x": { "kind": "boolean", "variants": { "on": 1 }, "default": "on" } } }),
            "flag.invalid",
            "type",
        ),
        (
            json!({ "features": { "x": { "control": { "model": "model/none" } } } }),
            "desired.unresolved",
            "no file gives",
        ),
        (
            json!({ "artifacts": [{ "kind": "model", "name": "m", "version": 3, "content": { "provider": "a", "model": "b" } }] }),
            "desired.version_gap",
            "next version here is 1",
        ),
        (
            json!({ "artifacts": [{ "kind": "model", "name": "m", "content": { "provider": "a" } }] }),
            "artifact.invalid",
            "model",
        ),
        (json!({ "channels": { "c": { "secret_name": "S" } } }), "channel.invalid", "url"),
        (json!({ "segments": { "s": { "included": "aa".repeat(32) } } }), "desired.list", "not held here"),
    ] {
        let refused =
            plan(&log.head, &log.contents, &desired(change.clone()), "ana", Timestamp(1)).unwrap_err();
        assert!(refused[0].code == code && refused[0].message.contains(tells), "{change}: {refused:?}");
    }
    for unknown in [
        json!({ "flag": {} }),
        json!({ "flags": { "x": { "kind": "boolean", "variants": {}, "default": "on", "rules": [{ "serve": { "variant": "on" }, "wen": { "not": "always" } }] } } }),
    ] {
        assert!(
            serde_json::from_value::<Desired>(unknown).unwrap_err().to_string().contains("unknown field")
        );
    }
}

#[test]
fn versions_never_change_their_content() {
    let mut log = Log::default();
    log.apply(&desired(sample(1, 1)));
    let other = json!({ "artifacts": [
        { "kind": "system_prompt", "name": "support", "version": 1, "content": { "text": "Another." } },
    ] });
    let refused = plan(&log.head, &log.contents, &desired(other), "ana", Timestamp(1)).unwrap_err();
    assert_eq!(refused[0].code, "desired.immutable");
}

#[test]
fn what_others_changed_since_is_in_the_way_and_operations_have_their_own_verbs() {
    let mut log = Log::default();
    log.apply(&desired(sample(1, 1)));
    log.apply(&desired(sample(2, 1)));
    log.apply(&desired(sample(3, 1)));
    let Err(RevertRefused::Conflicts(conflicts)) = log.revert(2) else { panic!("nothing in the way") };
    let named: Vec<_> = conflicts.iter().map(|one| (one.key.as_str(), one.by)).collect();
    assert!(named.contains(&("flag/dark-mode", Some(RevisionNumber(3)))), "{named:?}");
    let killing = kill(&log.head, &FeatureKey::new("support").unwrap(), true, "bo").unwrap();
    log.append(&killing, &[]);
    let Err(RevertRefused::Rejected(refused)) = log.revert(4) else { panic!("a kill was taken back") };
    assert!(refused.message.contains("feature kill support --revive"), "{refused}");
    // What was declared before goes back under the kill, which stays.
    log.revert(3).unwrap();
    assert!(log.head.features().all(|feature| feature.killed));
    assert!(log.head.features().any(|feature| feature.control.0.values().any(|layer| layer.version == 2)));
}

#[test]
fn copies_find_versions_by_their_content() {
    let (mut staging, mut production) = (Log::default(), Log::default());
    for edit in [7, 8, 9] {
        staging.apply(&desired(sample(edit, 1)));
    }
    production.apply(&desired(sample(9, 1)));
    production.apply(&desired(sample(20, 1)));
    let citation = || Citation {
        environment: EnvironmentKey::new("staging").unwrap(),
        revision: staging.head.revision,
        digest: staging.head.digest,
    };
    let side = |log: &'_ Log| -> (Snapshot, Contents) { (log.head.clone(), log.contents.clone()) };
    let (from, from_contents) = side(&staging);
    let (to, to_contents) = side(&production);
    let source = Side { snapshot: &from, contents: &from_contents };
    let target = Side { snapshot: &to, contents: &to_contents };
    assert!(compare(source, target).iter().any(|one| one.key == "feature/support"));
    let copied = copy(target, source, &["support".to_owned()], citation(), "ana", Timestamp(9)).unwrap();
    let draft = copied.draft.unwrap();
    assert_eq!(draft.provenance.copied, Some(citation()));
    production.append(&draft, &copied.blobs);
    let feature = production.head.features().next().unwrap();
    let prompt = feature.control.0.values().find(|layer| layer.name.as_str() == "support").unwrap();
    assert_eq!(prompt.version, 1, "version 3 there has the content of version 1 here");
    let (to, to_contents) = side(&production);
    let target = Side { snapshot: &to, contents: &to_contents };
    let left = compare(source, target);
    assert!(!left.iter().any(|one| one.key == "feature/support"), "{left:?}");
    let again =
        copy(target, source, &["feature/support".to_owned()], citation(), "ana", Timestamp(9)).unwrap();
    assert!(again.draft.is_none());
    let refused = copy(target, source, &["suport".to_owned()], citation(), "ana", Timestamp(9)).unwrap_err();
    assert_eq!(refused[0].code, "copy.unknown");
}

#[test]
fn a_text_whose_include_has_another_number_is_not_copied() {
    let with_include = |tone: &str| {
        desired(json!({
            "artifacts": [
                { "kind": "system_prompt", "name": "tone", "content": { "text": tone } },
                { "kind": "system_prompt", "name": "support", "content": {
                    "text": "{% include \"system_prompt/tone@2\" %} Answer." } },
            ],
        }))
    };
    let tone = |text: &str| {
        desired(
            json!({ "artifacts": [{ "kind": "system_prompt", "name": "tone", "content": { "text": text } }] }),
        )
    };
    let (mut staging, production) = (Log::default(), Log::default());
    staging.apply(&tone("Kind."));
    staging.apply(&with_include("Kinder."));
    let citation = Citation {
        environment: EnvironmentKey::new("staging").unwrap(),
        revision: staging.head.revision,
        digest: staging.head.digest,
    };
    let source = Side { snapshot: &staging.head, contents: &staging.contents };
    let target = Side { snapshot: &production.head, contents: &production.contents };
    let subjects = ["system_prompt/support@1".to_owned()];
    let refused = copy(target, source, &subjects, citation, "ana", Timestamp(9)).unwrap_err();
    assert!(refused[0].code == "copy.include" && refused[0].message.contains("tone@1 here"), "{refused:?}");
}
