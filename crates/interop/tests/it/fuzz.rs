//! Every parser of outside input takes whatever it is given: it answers or refuses, in bounded time, and never panics.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index, test_runner::Config};
use serde_json::{Value, json};
use serinus_domain::{
    bundle::{Contents, Library},
    compile::compile,
    context::{Attributes, Context},
    decide::put_flag,
    entity::{ArtifactDoc, ArtifactRef, Condition, Content, FlagDoc, PromptContent},
    id::{FlagKey, SegmentKey, UnitHash, VariantKey},
    lint,
    logic::{Compiled, Vars, named},
    render::Template,
    resolve::{CompiledCondition, resolve_flag},
    revision::Revision,
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_interop::{Format, import};

use crate::world::spec;

/// JSON of any shape, built of words that the parsers know.
fn value(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::sample::select(words).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(words), inner, 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// Every value within a document, as paths.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, part)| {
            places(part, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
        }),
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(n, part)| places(part, &format!("{at}/{n}"), out))
        }
        _ => {}
    }
}

/// A document with other values in some places.
fn mutated(document: &Value, changes: &[(Index, Value)]) -> Value {
    let mut document = document.clone();
    for (index, value) in changes {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        let place: &String = index.get(&all);
        if let Some(place) = document.pointer_mut(place) {
            *place = value.clone();
        }
    }
    document
}

const WORDS: &[&str] = &[
    "key",
    "name",
    "flags",
    "features",
    "variants",
    "on",
    "off",
    "value",
    "rules",
    "segments",
    "constraints",
    "id",
    "values",
    "operator",
    "weight",
    "variation",
    "rollout",
    "condition",
    "force",
    "$in",
    "$or",
    "feature",
    "$ref",
];
const LOGIC: &[&str] = &[
    "var",
    "missing",
    "missing_some",
    "if",
    "==",
    "===",
    "!",
    "!!",
    "or",
    "and",
    "<",
    ">=",
    "max",
    "min",
    "+",
    "-",
    "*",
    "/",
    "%",
    "map",
    "filter",
    "reduce",
    "all",
    "none",
    "some",
    "merge",
    "in",
    "cat",
    "substr",
    "fractional",
    "sem_ver",
    "starts_with",
    "ends_with",
    "accumulator",
    "current",
    "list",
    "",
];
const CONDITIONS: &[&str] = &[
    "always",
    "equals",
    "in",
    "less",
    "between",
    "starts_with",
    "matches",
    "semver",
    "before",
    "in_network",
    "present",
    "segment",
    "and",
    "or",
    "not",
    "attribute",
    "value",
    "values",
    "than",
    "low",
    "high",
    "pattern",
    "op",
    "version",
    "time",
    "networks",
    "equal",
    "10.0.0.0/8",
    "1.2.3",
    "2026-01-01T00:00:00Z",
    "(a|b)*",
];

fn changes() -> impl Strategy<Value = Vec<(Index, Value)>> {
    prop::collection::vec((any::<Index>(), value(WORDS)), 1..4)
}

fn seeds() -> Vec<(Format, Value)> {
    Format::ALL
        .into_iter()
        .map(|format| {
            let path = if format == Format::Flagd {
                "flagd/flags.json".into()
            } else {
                format!("import/{}.json", format.as_str())
            };
            (format, serde_json::from_str(&spec(&path)).unwrap())
        })
        .collect()
}

fn asker() -> Context {
    let attributes = json!({"list": [1, 2, "a"], "a": {"b": 1}, "key": "x", "version": "1.2.3", "n": 7});
    let attributes = Attributes::new(attributes.as_object().unwrap().clone()).unwrap();
    Context::new(Some("s1"), Some("u1"), attributes).unwrap()
}

struct Empty;

impl Library for Empty {
    fn artifact(&self, _: &ArtifactRef) -> Option<&ArtifactDoc> {
        None
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        Err(format!("{reference} does not exist"))
    }
}

#[test]
fn imports_take_anything() {
    let seeds = seeds();
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    proptest!(config, |(which in 0..5_usize, changes in changes(), bytes in prop::collection::vec(any::<u8>(), 0..40), cut in any::<Index>())| {
        let (format, seed) = &seeds[which];
        let text = mutated(seed, &changes).to_string();
        if let Ok(imported) = import(*format, text.as_bytes()) {
            for flag in &imported.flags {
                // Refused or not, and what is not refused compiles or says why not.
                let _ = put_flag(&Snapshot::default(), &flag.doc, "ana");
            }
        }
        let _ = import(*format, &bytes);
        let _ = import(*format, &text.as_bytes()[..cut.index(text.len())]);
    });
}

#[test]
fn logic_takes_anything() {
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    let asker = asker();
    let vars =
        Vars { attributes: &asker.attributes, targeting_key: Some("u1"), flag_key: "f", timestamp_s: 0 };
    proptest!(config, |(logic in value(LOGIC))| {
        if let Ok(compiled) = Compiled::compile(&logic)
            && let Ok(result) = compiled.evaluate(&vars)
        {
            let _ = named(&result);
        }
    });
}

#[test]
fn conditions_take_anything() {
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    let asker = asker();
    proptest!(config, |(given in value(CONDITIONS))| {
        if let Ok(condition) = serde_json::from_value::<Condition>(given)
            && lint::condition(&condition).is_ok()
        {
            let mut no_segment = |key: &SegmentKey| Err(format!("segment {key} does not exist"));
            if let Ok(compiled) = CompiledCondition::compile(&condition, &mut no_segment) {
                compiled.met(&asker);
            }
        }
    });
}

#[test]
fn templates_take_anything() {
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let reference: ArtifactRef = "system_prompt/support@1".parse().unwrap();
    let piece = prop::sample::select(
        &[
            "{{ a }}",
            "{{",
            "}}",
            "{% if a %}",
            "{% endif %}",
            "{% for x in a %}",
            "{% endfor %}",
            "{{ a | upper }}",
            "{% include \"x\" %}",
            "{% set b = a ~ a %}",
            "{{ range(10) }}",
            "{{ a * 9 }}",
            "{# c",
            "#}",
            " text ",
            "ü",
            "{{#a}}",
            "{{/a}}",
            "{{{a}}}",
        ][..],
    );
    proptest!(config, |(pieces in prop::collection::vec(piece, 0..12), noise in ".{0,20}", mustache in any::<bool>(), given in value(WORDS))| {
        let syntax = if mustache { "mustache" } else { "jinja" };
        let content = json!({"text": pieces.concat() + &noise, "variables": {"a": {}}, "syntax": syntax});
        if let Ok(content) = serde_json::from_value::<PromptContent>(content)
            && let Ok(template) = Template::compile(&reference, &content, &Empty)
        {
            let _ = template.render(&BTreeMap::from([("a".to_owned(), given)]));
        }
    });
}

#[test]
fn flags_take_anything() {
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let asker = asker();
    let seed = serde_json::from_str::<Value>(&spec("documents/document-flag-1-full.json")).unwrap();
    proptest!(config, |(changes in changes())| {
        let given = mutated(&seed, &changes);
        if let Ok(doc) = serde_json::from_value::<FlagDoc>(given)
            && let Ok(draft) = put_flag(&Snapshot::default(), &doc, "ana")
        {
            let head = Snapshot::default();
            let revision = Revision::seal(&draft, head.revision, head.digest, Timestamp(0));
            let compiled = compile(&head.apply(&revision).unwrap(), &Contents::default(), None);
            for flag in compiled.flags.values() {
                resolve_flag(flag, &asker);
            }
        }
    });
}

#[test]
fn names_take_anything() {
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    proptest!(config, |(text in "[a-z_./@0-9-]{0,40}|.{0,40}")| {
        if let Ok(reference) = text.parse::<ArtifactRef>() {
            prop_assert_eq!(reference.to_string().parse::<ArtifactRef>().unwrap(), reference);
        }
        if let Ok(key) = text.parse::<FlagKey>() {
            prop_assert_eq!(key.as_str(), text.as_str());
        }
        let _ = (text.parse::<VariantKey>(), text.parse::<UnitHash>());
    });
}
