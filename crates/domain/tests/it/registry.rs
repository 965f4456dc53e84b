//! Labels, archive and redaction of artifacts, and what publishing refuses. Knows nothing of rendering.

use serde_json::{Value, json};
use serinus_domain::{
    decide::{self, PersonalData, PublishRequest, PublishTerms},
    entity::{ArtifactRef, FeatureDoc},
};

use crate::world::World;

fn reference(text: &str) -> ArtifactRef {
    text.parse().unwrap()
}

/// A feature on a prompt that includes `tone@1`; `tone@2` is nobody's.
fn world() -> World {
    let mut world = World::new();
    world.publish("model/small", vec![]);
    world.publish("system_prompt/tone", vec![]);
    world.publish("system_prompt/tone", vec![]);
    let text = json!({"text": "{% include \"system_prompt/tone@1\" %} Answer."});
    let made = world.publish_content("system_prompt/support", text, vec![]).unwrap();
    let content: Value = serde_json::from_slice(&made.blob).unwrap();
    world.contents.held.insert(made.digest, content.into());
    world.append(&made.draft.unwrap());
    let doc = World::feature_doc("support", &["model/small@1", "system_prompt/support@1"]);
    put(&mut world, &doc).unwrap();
    world
}

fn put(world: &mut World, doc: &FeatureDoc) -> Result<(), &'static str> {
    let draft = decide::put_feature(&world.snapshot, &world.contents, doc, "ana", world.now);
    world.append(&draft.map_err(|refused| refused.code)?);
    Ok(())
}

#[test]
fn labels_move_and_the_reserved_ones_do_not() {
    let mut world = world();
    let (one, two) = (reference("system_prompt/tone@1"), reference("system_prompt/tone@2"));
    let good = "good".parse().unwrap();
    let draft = decide::label(&world.snapshot, &one, &good, "ana").unwrap().unwrap();
    world.append(&draft);
    assert_eq!(decide::label(&world.snapshot, &one, &good, "ana").unwrap(), None);
    let draft = decide::label(&world.snapshot, &two, &good, "ana").unwrap().unwrap();
    world.append(&draft);
    let labels = decide::labels(&world.snapshot, two.kind, &two.name);
    assert_eq!(labels.iter().map(|doc| doc.version).collect::<Vec<_>>(), [2]);
    let draft = decide::unlabel(&world.snapshot, two.kind, &two.name, &good, "ana").unwrap();
    world.append(&draft);
    assert!(decide::labels(&world.snapshot, two.kind, &two.name).is_empty());
    for label in ["latest", "production"] {
        let refused = decide::label(&world.snapshot, &one, &label.parse().unwrap(), "ana").unwrap_err();
        assert_eq!(refused.code, "label.reserved");
    }
    let gone = decide::unlabel(&world.snapshot, two.kind, &two.name, &good, "ana").unwrap_err();
    assert_eq!(gone.code, "label.unknown");
}

#[test]
fn what_is_archived_goes_on_and_nothing_new_is_made_of_it() {
    let mut world = world();
    for version in ["system_prompt/support@1", "system_prompt/tone@2"] {
        let draft = decide::archive(&world.snapshot, &reference(version), true, "ana").unwrap().unwrap();
        world.append(&draft);
        assert_eq!(decide::archive(&world.snapshot, &reference(version), true, "ana").unwrap(), None);
    }
    world.audit();
    // What it serves already it may keep, with another description.
    let mut doc = World::feature_doc("support", &["model/small@1", "system_prompt/support@1"]);
    doc.description = "answers".into();
    put(&mut world, &doc).unwrap();
    let new = World::feature_doc("other", &["model/small@1", "system_prompt/tone@2"]);
    assert_eq!(put(&mut world, &new), Err("bundle.invalid"));
    let draft = decide::archive(&world.snapshot, &reference("system_prompt/tone@2"), false, "ana").unwrap();
    world.append(&draft.unwrap());
    put(&mut world, &new).unwrap();
}

#[test]
fn what_is_in_use_is_not_redacted_and_what_is_redacted_is_not_served() {
    let mut world = world();
    let redact = |world: &World, version: &str| {
        decide::redact(&world.snapshot, &world.contents, &reference(version), "a customer's name", "ana")
    };
    for used in ["system_prompt/support@1", "system_prompt/tone@1", "model/small@1"] {
        let refused = redact(&world, used).unwrap_err();
        assert_eq!(
            (refused.code, refused.message.contains("feature/support")),
            ("artifact.in_use", true),
            "{used}"
        );
    }
    // Moved on: the old combination is still known, for the sessions pinned to it.
    let moved = World::feature_doc("support", &["model/small@1", "system_prompt/tone@2"]);
    put(&mut world, &moved).unwrap();
    assert_eq!(world.compiled.features["support"].bundles.len(), 2);
    let redaction = redact(&world, "system_prompt/tone@1").unwrap();
    world.contents.held.remove(&redaction.content);
    world.append(&redaction.draft.unwrap());
    assert_eq!(world.compiled.features["support"].bundles.len(), 1, "a bundle that includes it is gone");
    assert_eq!(redact(&world, "system_prompt/tone@1").unwrap().draft, None);
    let back = World::feature_doc("support", &["model/small@1", "system_prompt/support@1"]);
    assert_eq!(put(&mut world, &back), Err("bundle.invalid"));
    let again = world.publish_content("system_prompt/other", json!({"text": "tone 0"}), vec![]).unwrap_err();
    assert_eq!(again.code, "artifact.redacted");
}

#[test]
fn publishing_refuses_what_it_should() {
    let world = World::new();
    let say = |role: &str| json!({"cases": [{"messages": [{"role": role, "content": "hello"}]}]});
    let category = |text: &str| json!({"categories": {"billing": {"description": text}}});
    for (name, content, code) in [
        ("system_prompt/a", json!({"text": "ask jane@acme.io"}), Some("artifact.personal_data")),
        ("rubric/a", json!({"instructions": "card 4111 1111 1111 1111"}), Some("artifact.personal_data")),
        ("system_prompt/a", json!({"text": "ask support@example.com"}), None),
        ("taxonomy/a", category("bills"), None),
        ("taxonomy/a", category(" "), Some("artifact.invalid")),
        ("taxonomy/a", json!({"categories": {}}), Some("artifact.invalid")),
        ("dataset/a", say("user"), None),
        ("dataset/a", say("assistant"), Some("artifact.invalid")),
        ("dataset/a", say("me"), Some("artifact.invalid")),
        ("dataset/a", json!({"cases": []}), Some("artifact.invalid")),
    ] {
        let refused = world.publish_content(name, content.clone(), vec![]).err().map(|refused| refused.code);
        assert_eq!(refused, code, "{name} {content}");
    }
    let request = PublishRequest {
        kind: "system_prompt".parse().unwrap(),
        name: "a".parse().unwrap(),
        content: json!({"text": "ask jane@acme.io"}),
        requires: vec![],
        message: String::new(),
        actor: "ana".into(),
    };
    let terms = PublishTerms {
        personal_data: PersonalData::Intended,
        labels: vec!["good".parse().unwrap()],
        ..PublishTerms::default()
    };
    let made =
        decide::publish_on_terms(&world.snapshot, &world.contents, &request, &terms, world.now).unwrap();
    assert_eq!(made.draft.unwrap().changes.len(), 2, "the version and its label");
}
