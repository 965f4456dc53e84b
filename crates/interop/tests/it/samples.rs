//! One export of each platform against what it comes to, which a person has looked at.

use serde_json::{Value, json};
use serinus_interop::{Format, import};

use crate::world::{compiled, spec};

fn check(format: Format) {
    let name = format.as_str();
    let imported = import(format, spec(&format!("import/{name}.json")).as_bytes()).unwrap();
    let people = |ids: &[String]| json!(ids);
    let flags: Vec<_> = imported
        .flags
        .iter()
        .map(|flag| {
            let forced = flag
                .forced
                .iter()
                .map(|forced| json!({"units": people(&forced.units), "variant": forced.variant}));
            json!({"doc": flag.doc, "forced": forced.collect::<Vec<_>>()})
        })
        .collect();
    let segments: Vec<_> = imported
        .segments
        .iter()
        .map(|one| json!({"key": one.key, "when": one.when, "included": people(&one.included), "excluded": people(&one.excluded)}))
        .collect();
    let have = json!({"flags": flags, "segments": segments, "not_carried": imported.not_carried});
    let expected: Value = serde_json::from_str(&spec(&format!("import/{name}.expected.json"))).unwrap();
    assert_eq!(have, expected, "{}", serde_json::to_string_pretty(&have).unwrap());
    let compiled = compiled(&imported);
    assert_eq!(compiled.flags.values().filter(|flag| flag.broken.is_some()).count(), 0);
}

#[test]
fn unleash() {
    check(Format::Unleash);
}

#[test]
fn launchdarkly() {
    check(Format::LaunchDarkly);
}

#[test]
fn growthbook() {
    check(Format::GrowthBook);
}

#[test]
fn flagsmith() {
    check(Format::Flagsmith);
}
