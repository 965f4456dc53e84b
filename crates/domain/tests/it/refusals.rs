//! What a command refuses: by input, the stable code and the words that lead out.

use serde_json::{Value, json};
use serinus_domain::{
    decide::{self, Rejection, RollbackRequest, StartRequest, default_guardrails},
    entity::{ChannelDoc, FlagDoc, GuardrailLimit, Metric, Requirement},
    limits::{ARTIFACT_BYTES_MAX, MESSAGE_BYTES_MAX},
    units::Share,
};

use crate::{
    script::{check, layers},
    world::{World, key},
};

fn world() -> World {
    let mut world = check("put support control=model/a@1");
    let parser = Requirement { kind: "output_parser".parse().unwrap(), name: None, version_min: 2 };
    world.publish("output_parser/json", Vec::new());
    world.publish("prompt_template/strict", vec![parser]);
    world
}

/// The code is what machines read, the words what people do.
fn refused<T: std::fmt::Debug>(made: Result<T, Rejection>, code: &str, words: &[&str]) {
    let rejection = made.unwrap_err();
    assert_eq!(rejection.code, code, "{rejection}");
    for word in words {
        assert!(rejection.message.contains(word), "{word} in: {rejection}");
    }
    assert!(!rejection.message.ends_with('.') && rejection.message.len() < 600, "{rejection}");
}

#[test]
fn rollouts() {
    let world = world();
    let asked = |change: &[(&str, &str)]| StartRequest {
        change: change.iter().map(|(feature, text)| (feature.parse().unwrap(), layers(text))).collect(),
        actor: "anna".into(),
        ..StartRequest::default()
    };
    let stages = |text: Value| Some(serde_json::from_value(text).unwrap());
    let stage =
        |kind, share, min, max| json!({"kind": kind, "share": share, "units_min": 0, "min": min, "max": max});
    let b = || asked(&[("support", "model/b@1")]);
    let empty = StartRequest { change: [("support".parse().unwrap(), Default::default())].into(), ..b() };
    let mut twice = default_guardrails(false);
    twice[1] = twice[0].clone();
    let mut nothing = default_guardrails(false);
    nothing[0].limit = GuardrailLimit::WorseBy { relative_ppm: 0, absolute_ppm: 0 };
    let mut unscaled = default_guardrails(false);
    unscaled[4].limit = GuardrailLimit::WorseThan { limit_ppm: 1 };
    assert_eq!(unscaled[4].metric, Metric::Cost);
    let guarded = |guardrails| StartRequest { guardrails, no_builtin: true, ..b() };
    let table: [(StartRequest, &str, &[&str]); 18] = [
        (StartRequest::default(), "rollout.invalid", &["1 to 16 features"]),
        (asked(&[("nobody", "model/b@1")]), "feature.unknown", &["\"nobody\"", "feature list"]),
        (empty, "rollout.empty_change", &["\"support\"", "LAYER=ARTIFACT@VERSION"]),
        (asked(&[("support", "model/zzz@1")]), "bundle.invalid", &["model/zzz@1 does not exist", "publish"]),
        (asked(&[("support", "model/b@2")]), "bundle.invalid", &["model/b@2 does not exist"]),
        (wrong_kind(b()), "bundle.invalid", &["layer model", "prompt_template/p@1", "kind model"]),
        (
            asked(&[("support", "prompt_template/strict@1")]),
            "bundle.invalid",
            &["requires output_parser", "no output_parser"],
        ),
        (
            asked(&[("support", "prompt_template/strict@1,output_parser/json@1")]),
            "bundle.invalid",
            &["requires output_parser >= 2", "output_parser/json@1"],
        ),
        (StartRequest { stages: stages(json!([])), ..b() }, "rollout.invalid", &["no stage"]),
        (
            StartRequest {
                stages: stages(json!([stage("ab", 500_000, 0, 1), stage("canary", 500_000, 0, 1)])),
                ..b()
            },
            "rollout.invalid",
            &["stage canary", "order them shadow, canary, ab, full"],
        ),
        (
            StartRequest {
                stages: stages(json!([stage("canary", 500_000, 0, 1), stage("ab", 50_000, 0, 1)])),
                ..b()
            },
            "rollout.invalid",
            &["stage ab has 5%", "shares only grow"],
        ),
        (
            StartRequest { stages: stages(json!([stage("canary", 0, 0, 1)])), ..b() },
            "rollout.invalid",
            &["no share"],
        ),
        (
            StartRequest { stages: stages(json!([stage("canary", 1, 9, 1)])), ..b() },
            "rollout.invalid",
            &["raise the longest"],
        ),
        (guarded(twice), "rollout.invalid", &["declared twice"]),
        (guarded(nothing), "rollout.invalid", &["margin of nothing"]),
        (guarded(unscaled), "rollout.invalid", &["cost", "worse_by"]),
        (
            StartRequest { channels: vec!["pager".parse().unwrap()], ..b() },
            "rollout.invalid",
            &["\"pager\"", "channel put"],
        ),
        (StartRequest { message: "x".repeat(MESSAGE_BYTES_MAX + 1), ..b() }, "rollout.invalid", &["4096"]),
    ];
    for (request, code, words) in table {
        refused(decide::start(&world.snapshot, &world.contents, &request, world.now), code, words);
    }
    for alpha in [Share::NONE, Share::percent(21)] {
        let request = StartRequest { alpha: Some(alpha), ..b() };
        refused(
            decide::start(&world.snapshot, &world.contents, &request, world.now),
            "rollout.invalid",
            &["alpha"],
        );
    }
    assert!(decide::start(&world.snapshot, &world.contents, &b(), world.now).is_ok());
}

fn wrong_kind(mut request: StartRequest) -> StartRequest {
    let change = serde_json::from_value(json!({"model": "prompt_template/p@1"})).unwrap();
    request.change.insert("support".parse().unwrap(), change);
    request
}

#[test]
fn rollouts_that_are_not_there() {
    let world = world();
    let now = world.now;
    let none = key("none");
    refused(
        decide::hold(&world.snapshot, &none, "anna", "", now),
        "rollout.unknown",
        &["\"none\"", "rollout list"],
    );
    refused(decide::advance(&world.snapshot, &none, "anna", now), "rollout.unknown", &["\"none\""]);
    refused(decide::rearm(&world.snapshot, &none, "anna"), "rollout.unknown", &["\"none\""]);
    refused(
        decide::kill(&world.snapshot, &"none".parse().unwrap(), true, "anna"),
        "feature.unknown",
        &["feature list"],
    );
    let back = |subject: Option<&str>| {
        let subject = subject.map(ToOwned::to_owned);
        let request = RollbackRequest {
            subject,
            reach: None,
            message: String::new(),
            actor: "anna".into(),
            force: false,
        };
        decide::plan_rollback(&world.snapshot, &request, now)
    };
    refused(back(None), "rollback.nothing_running", &["name a feature or a rollout"]);
    refused(back(Some("support")), "rollback.unknown_subject", &["\"support\"", "rollout list"]);
    let two = check(
        "put support control=model/a@1
        put search control=model/a@1
        start support.model=model/b@1 stages=canary:5
        start search.model=model/b@1 stages=canary:5
        start key=search-1 support.model=model/b@1 -> refused rollout.overlap
        rollback -> refused rollback.ambiguous
        rollback search
        rearm search-1
        start key=search-1 search.model=model/c@1 -> refused rollout.exists",
    );
    assert!(two.rollout("support-1").state.phase.is_live());
}

#[test]
fn artifacts() {
    let world = world();
    let long = "x".repeat(ARTIFACT_BYTES_MAX);
    let table: [(&str, Value, &[&str]); 7] = [
        (
            "system_prompt/s",
            json!({"text": "use sk-proj-abcdefghijklmnopqrstuv"}),
            &["system_prompt/s", "an API key", "take it out"],
        ),
        ("system_prompt/s", json!({"text": long}), &["bytes", "at most 262144"]),
        ("system_prompt/s", json!({"txt": "hello"}), &["txt"]),
        ("model/m", json!({"provider": "a b", "model": "x"}), &["provider"]),
        ("model/m", json!({"provider": "p", "model": " "}), &["model is empty"]),
        ("sampling/s", json!({"temperature": 3.0}), &["temperature is outside 0 to 2"]),
        ("sampling/s", json!({"extra": {"stream": true}}), &["extra.stream"]),
    ];
    for (name, content, words) in table {
        refused(world.publish_content(name, content, Vec::new()), "artifact.invalid", words);
    }
    let again =
        world.publish_content("model/a", json!({"provider": "test", "model": "a-0"}), Vec::new()).unwrap();
    assert_eq!(
        (again.reference.to_string().as_str(), again.draft),
        ("model/a@1", None),
        "the same content is the same version"
    );
}

#[test]
fn features_flags_and_channels() {
    let world = world();
    let put = |doc| decide::put_feature(&world.snapshot, &world.contents, &doc, "anna", world.now);
    let mut reserved = World::feature_doc("support", &["model/a@1"]);
    reserved.variants.insert("candidate".parse().unwrap(), layers("model/b@1"));
    refused(put(reserved), "feature.invalid", &["\"candidate\"", "choose another"]);
    let mut undeclared = World::feature_doc("support", &["model/a@1"]);
    undeclared.rules.push(serde_json::from_value(json!({"when": "always", "serve": "fancy"})).unwrap());
    refused(put(undeclared), "feature.invalid", &["\"fancy\"", "not declared"]);
    refused(put(World::feature_doc("other", &["prompt_template/p@1"])), "bundle.invalid", &["no model"]);
    let mut broken = World::feature_doc("support", &["model/a@1"]);
    broken.variants.insert("strict".parse().unwrap(), layers("prompt_template/strict@1"));
    refused(put(broken), "bundle.invalid", &["requires output_parser"]);

    let flag = |key: &str, rules: Value| -> FlagDoc {
        let variants = json!({"on": true, "off": false});
        let doc = json!({"key": key, "value_kind": "boolean", "variants": variants, "default": "off", "salt": "", "rules": rules});
        serde_json::from_value(doc).unwrap()
    };
    let part = |variant: &str, share: u32| json!({"variant": variant, "share": share});
    let split = |parts: Vec<Value>| json!([{"serve": {"split": parts}}]);
    let table: [(FlagDoc, &[&str]); 5] = [
        (flag("f", split(vec![part("on", 500_000), part("off", 400_000)])), &["900000", "1000000"]),
        (flag("f", split(vec![])), &["adds up to 0"]),
        (flag("f", split(vec![part("maybe", 1_000_000)])), &["\"maybe\"", "not declared"]),
        (FlagDoc { default: "maybe".parse().unwrap(), ..flag("f", json!([])) }, &["\"maybe\""]),
        (flag("support", json!([])), &["a feature has this key"]),
    ];
    for (doc, words) in table {
        refused(decide::put_flag(&world.snapshot, &doc, "anna"), "flag.invalid", words);
    }
    let doc = ChannelDoc { key: "c".parse().unwrap(), url: "ftp://x".into(), secret_name: "s".into() };
    refused(decide::put_channel(&world.snapshot, &doc, "anna"), "channel.invalid", &["http://"]);
}
