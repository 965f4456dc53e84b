//! JSONLogic against the results of its reference implementation, and its bounds.

use serde_json::{Value, json};
use serinus_domain::{
    context::Attributes,
    limits::{LOGIC_DEPTH_MAX, LOGIC_NODES_MAX},
    logic::{Compiled, Vars},
};

use crate::world::spec;

fn vars(attributes: &Attributes) -> Vars<'_> {
    Vars { attributes, targeting_key: Some("u1"), flag_key: "f", timestamp_s: 1_790_000_000 }
}

#[test]
fn evaluates_as_the_reference_does() {
    let text = spec("flagd/logic.jsonl");
    let mut lines = text.lines();
    let first: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let attributes = Attributes::new(first["data"].as_object().unwrap().clone()).unwrap();
    for line in lines {
        let case: Value = serde_json::from_str(line).unwrap();
        let compiled = Compiled::compile(&case["logic"]).unwrap();
        let result = compiled.evaluate(&vars(&attributes)).unwrap().into_owned();
        assert_eq!(result, case["result"], "{line}");
    }
}

#[test]
fn expressions_are_bounded() {
    let refused = |logic: &Value| Compiled::compile(logic).unwrap_err();
    let deep = (0..LOGIC_DEPTH_MAX).fold(json!(1), |inner, _| json!({"!": [inner]}));
    assert!(refused(&deep).contains("deeper"));
    assert!(refused(&json!({"or": vec![0; LOGIC_NODES_MAX]})).contains("parts"));
    assert!(refused(&json!({"nope": [1]})).contains("\"nope\""));
    // Four loops within each other, and a text that doubles.
    let list: Vec<_> = (0..100).collect();
    let loops = (0..4).fold(json!({"var": ""}), |inner, _| json!({"map": [list, inner]}));
    let double = json!({"cat": [{"var": "accumulator"}, {"var": "accumulator"}]});
    for logic in [loops, json!({"reduce": [list, double, "x"]})] {
        let attributes = Attributes::default();
        let compiled = Compiled::compile(&logic).unwrap();
        assert!(compiled.evaluate(&vars(&attributes)).is_err(), "{logic}");
    }
}
