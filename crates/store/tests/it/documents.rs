//! Old documents still read, and nothing that they say is lost. The files are never edited, only added.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use serinus_domain::{entity::Document, record::Record, revision::Revision};

fn stored_forms() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/documents");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let value = serde_json::from_slice(&fs::read(&path).unwrap())
            .unwrap_or_else(|refused| panic!("{name}: {refused}"));
        (name, value)
    };
    files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).map(read).collect()
}

/// Whether everything in `stored` stands in `now` as well; `now` may say more.
fn lost(stored: &Value, now: &Value, at: &str, found: &mut Vec<String>) {
    match (stored, now) {
        (Value::Object(stored), Value::Object(now)) => {
            for (key, value) in stored {
                lost(value, now.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"), found);
            }
        }
        (Value::Array(stored), Value::Array(now)) if stored.len() == now.len() => {
            for (index, (value, now)) in stored.iter().zip(now).enumerate() {
                lost(value, now, &format!("{at}[{index}]"), found);
            }
        }
        (stored, now) if stored == now => {}
        _ => found.push(format!("{at}: {stored} reads as {now}")),
    }
}

/// Reads a stored form as what its file's name says and writes it again.
fn again(name: &str, stored: &Value) -> Value {
    let family = name.split('-').next().unwrap_or_default();
    let read = match family {
        "document" => serde_json::from_value::<Document>(stored.clone()).and_then(serde_json::to_value),
        "record" => serde_json::from_value::<Record>(stored.clone()).and_then(serde_json::to_value),
        "revision" => Revision::from_stored(&serde_json::to_vec(stored).unwrap())
            .and_then(|revision| serde_json::from_slice(&revision.to_stored())),
        other => panic!("{name}: \"{other}\" is no family: use document, record or revision"),
    };
    read.unwrap_or_else(|refused| panic!("{name} does not read any more: {refused}"))
}

/// INVARIANT(documents-only-grow).
#[test]
fn documents_only_grow() {
    for (name, stored) in stored_forms() {
        let mut found = Vec::new();
        lost(&stored, &again(&name, &stored), &name, &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// An unknown member, as a later version may write it, is no reason to refuse a document.
#[test]
fn later_members_are_no_reason_to_refuse() {
    for (name, mut stored) in stored_forms() {
        stored.as_object_mut().unwrap().insert("member_of_a_later_version".into(), Value::Bool(true));
        again(&name, &stored);
    }
}

/// What stands in the log is found again where it stood, read and written by this version.
#[test]
fn keys_survive_a_round_trip() {
    for (name, stored) in stored_forms().into_iter().filter(|(name, _)| name.starts_with("document")) {
        let before = Document::from_value(&stored).unwrap_or_else(|| panic!("{name} does not read any more"));
        let after = Document::from_value(&before.to_value()).unwrap();
        assert_eq!((after.key(), &after), (before.key(), &before), "{name}");
        let kind = stored["kind"].as_str().unwrap();
        assert!(before.key().as_str().starts_with(&format!("{kind}/")), "{name}: {}", before.key());
        if let Some(key) = stored["key"].as_str() {
            assert_eq!(before.key().as_str(), format!("{kind}/{key}"), "{name}");
        }
    }
}

#[test]
fn every_kind_has_an_old_document() {
    let forms = stored_forms();
    let named = |family: &str, member: &str| -> BTreeSet<String> {
        let of_family = forms.iter().filter(|(name, _)| name.starts_with(family));
        of_family.map(|(_, value)| value[member].as_str().unwrap().to_owned()).collect()
    };
    let kinds = [
        "artifact",
        "channel",
        "combination",
        "environment",
        "feature",
        "flag",
        "group",
        "label",
        "rollout",
        "schedule",
        "segment",
    ];
    assert_eq!(named("document", "kind"), BTreeSet::from(kinds.map(String::from)));
    let records = ["enrolment", "interaction", "score"].map(String::from);
    assert_eq!(named("record", "record"), BTreeSet::from(records));
    assert!(forms.iter().any(|(name, _)| name.starts_with("revision")));
}
