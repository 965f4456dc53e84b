//! A definition file of flagd answers here what it answers there.

use serde_json::{Value, json};
use serinus_domain::resolve::{Reason, resolve_flag};
use serinus_interop::{Format, import};

use crate::world::{compiled, context, spec};

#[test]
fn answers_as_flagd_does() {
    let imported = import(Format::Flagd, spec("flagd/flags.json").as_bytes()).unwrap();
    let flags = compiled(&imported).flags;
    let key = |name: &str| {
        if name == "a key / of theirs" { "a-key---of-theirs".to_owned() } else { name.to_owned() }
    };
    let mut asked = 0;
    for line in spec("flagd/cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(flag) = flags.get(key(case["flag"].as_str().unwrap()).as_str()) else {
            // What flagd cannot evaluate is left out, so that callers get their own default too.
            assert_eq!(case["reason"], "ERROR", "{line}");
            continue;
        };
        let context = context(case["context"].as_object().unwrap().clone());
        let decision = resolve_flag(flag, &context);
        assert_eq!(decision.variant, case["variant"].as_str(), "{line}");
        let reasons: &[Reason] = match case["reason"].as_str().unwrap() {
            "STATIC" | "DEFAULT" => &[Reason::Default],
            "TARGETING_MATCH" => &[Reason::TargetingMatch],
            "DISABLED" => &[Reason::Disabled],
            _ => &[Reason::Broken],
        };
        assert!(reasons.contains(&decision.reason), "{:?}: {line}", decision.reason);
        asked += 1;
    }
    assert!(asked > 100, "{asked}");
}

#[test]
fn renames_are_reported_and_metadata_is_merged() {
    let imported = import(Format::Flagd, spec("flagd/flags.json").as_bytes()).unwrap();
    let subjects: Vec<_> =
        imported.not_carried.iter().map(|one| format!("{} {}", one.subject, one.what)).collect();
    assert_eq!(subjects, ["flag a-key---of-theirs key", "flag dangling the whole flag"]);
    let object = imported.flags.iter().find(|flag| flag.doc.key.as_str() == "object").unwrap();
    assert_eq!(
        serde_json::to_value(&object.doc.metadata).unwrap(),
        json!({"flagSetId": "serinus-spec", "owner": "search", "version": 2})
    );
}

#[test]
fn odd_files() {
    let check = |document: Value, flags: &[&str], report: usize| {
        let imported = import(Format::Flagd, document.to_string().as_bytes()).unwrap();
        let keys: Vec<_> = imported.flags.iter().map(|flag| flag.doc.key.as_str().to_owned()).collect();
        assert_eq!(keys, flags, "{document}");
        assert_eq!(imported.not_carried.len(), report, "{document}: {:?}", imported.not_carried);
        compiled(&imported);
    };
    let on = json!({"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"});
    let with = |more: Value| {
        let mut flag = on.clone();
        flag.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        flag
    };
    check(json!({"flags": {}}), &[], 0);
    check(json!({"flags": [with(json!({"key": "a"}))]}), &["a"], 0);
    check(json!({"flags": {"a b": on, "a-b": on, "a/b": on}}), &["a-b", "a-b-2", "a-b-3"], 3);
    check(json!({"flags": {"a": with(json!({"defaultVariant": "off"}))}}), &["a"], 1);
    check(json!({"flags": {"a": with(json!({"state": "ON"}))}}), &[], 1);
    check(json!({"flags": {"a": with(json!({"variants": {"a": 1, "b": "x"}}))}}), &[], 1);
    check(json!({"flags": {"a": with(json!({"targeting": "on"}))}}), &[], 1);
    check(json!({"flags": {"a": with(json!({"targeting": {"nobody": [1]}}))}}), &[], 1);
    let refused = import(Format::Flagd, b"{\"flags\": 7}").unwrap_err();
    assert_eq!(refused.code(), "import.wrong_shape");
    assert_eq!(import(Format::Flagd, b"nothing").unwrap_err().code(), "import.not_json");
}

/// References are resolved within bounds: a small file cannot ask for a gigabyte.
#[test]
fn references_do_not_explode() {
    let big: Vec<_> = (0..20_000).collect();
    let rules: Vec<_> = (0..20_000).map(|_| json!({"$ref": "big"})).collect();
    let document = json!({
        "$evaluators": {"big": {"in": [{"var": "n"}, big]}},
        "flags": {"a": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"or": rules}}},
    });
    let imported = import(Format::Flagd, document.to_string().as_bytes()).unwrap();
    assert_eq!(imported.not_carried.len(), 1, "{:?}", imported.not_carried);
}
