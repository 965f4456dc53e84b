//! A snapshot out of documents and artifact contents as JSON, for tests and benches. Knows nothing of any one case.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    context::{Attributes, Context},
    digest::{Digest, canonical_json},
    entity::{ArtifactRef, DocKey},
    resolve::ListKey,
    revision::{Cause, Change, Draft, Provenance, Revision},
    snapshot::Snapshot,
    units::Timestamp,
};

/// The revision that every fixture ends at.
pub const HEAD: u64 = 7;

/// Compiles `documents` (each with its `kind`) on a log whose artifacts have these contents by reference.
pub fn compiled(contents: &Map<String, Value>, documents: &[Value]) -> Compiled {
    compiled_with(contents, &[], documents)
}

/// The same with lists of people, hashed under the key of 32 sevens.
pub fn compiled_with(contents: &Map<String, Value>, lists: &[Value], documents: &[Value]) -> Compiled {
    let mut changes = Vec::new();
    let mut held = Contents { list_key: Some(ListKey::new([7; 32])), ..Contents::default() };
    held.held.extend(lists.iter().map(|list| (Digest::of(&canonical_json(list)), Arc::new(list.clone()))));
    for (reference, content) in contents {
        let parsed: ArtifactRef = reference.parse().unwrap();
        let digest = Digest::of(&canonical_json(content));
        held.held.insert(digest, Arc::new(content.clone()));
        let body = json!({
            "kind": "artifact", "artifact_kind": parsed.kind, "name": parsed.name, "version": parsed.version,
            "content": digest, "author": "ana", "created_at": 0,
        });
        changes.push(Change::Put { key: DocKey::artifact(&parsed), body });
    }
    for body in documents {
        let key = format!("{}/{}", body["kind"].as_str().unwrap(), key_of(body));
        changes.push(Change::Put { key: DocKey::stored(&key), body: body.clone() });
    }
    let mut snapshot = Snapshot::default();
    while snapshot.revision.0 < HEAD {
        let draft = Draft {
            expected_head: snapshot.revision,
            actor: "ana".into(),
            message: String::new(),
            cause: Cause::Person,
            changes: std::mem::take(&mut changes),
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        let revision = Revision::seal(&draft, snapshot.revision, snapshot.digest, Timestamp(0));
        snapshot = snapshot.apply(&revision).unwrap();
    }
    for (key, stored) in snapshot.iter() {
        assert!(stored.document.is_some(), "{key} is no document: {}", stored.body);
    }
    compile(&snapshot, &held, None)
}

fn key_of(body: &Value) -> String {
    match body.get("key").and_then(Value::as_str) {
        Some(key) => key.to_owned(),
        None => format!("{}/{}", body["feature"].as_str().unwrap(), body["fingerprint"].as_str().unwrap()),
    }
}

/// A context out of `{"session", "user", "attributes"}`.
pub fn context(given: &Value) -> Context {
    let id = |name: &str| given.get(name).and_then(Value::as_str);
    let attributes = given.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
    Context::new(id("session"), id("user"), Attributes::new(attributes).unwrap()).unwrap()
}
