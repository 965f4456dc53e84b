//! Answers and the facts that are read off them, with the published samples of schemas and refusals. Knows nothing of calls.

use serde_json::{Value, json};
use serinus_domain::{
    check::{Answer, Parser, facts},
    limits::{CHECKED_BYTES_MAX, SCHEMA_BYTES_MAX},
};

fn parser(content: Value) -> Result<Parser, String> {
    Parser::compile(&serde_json::from_value(content).unwrap())
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `None` for an answer that has nothing to read, `Some("")` for a good one, else the reason.
fn verdict(content: Value, answer: &Answer) -> Option<String> {
    let facts = facts(&parser(content).unwrap(), answer);
    assert_eq!(facts.valid == Some(false), facts.invalid_reason.is_some());
    facts.valid.map(|_| facts.invalid_reason.unwrap_or_default())
}

fn text(text: &str) -> Answer<'_> {
    Answer { text, finish_reason: Some("stop"), ..Answer::default() }
}

#[test]
fn formats() {
    let check = |content: Value, answer: Answer, expected: &str| {
        assert_eq!(verdict(content.clone(), &answer).as_deref(), Some(expected), "{content} on {answer:?}");
    };
    let plain = || json!({"format": {"type": "text"}});
    check(plain(), text("hello"), "");
    check(plain(), text(" \n"), "empty");
    check(plain(), Answer { finish_reason: None, ..text("hello") }, "");
    check(plain(), Answer { finish_reason: Some("length"), ..text("hel") }, "length");
    check(plain(), Answer { finish_reason: Some("content_filter"), ..text("") }, "content_filter");
    check(plain(), text(&"x".repeat(CHECKED_BYTES_MAX + 1)), "too_long");
    let bounded = || json!({"format": {"type": "text"}, "chars_min": 3, "chars_max": 5});
    check(bounded(), text("äöü"), "");
    check(bounded(), text("äö"), "too_short");
    check(bounded(), text("äöüäöü"), "too_long");
    let object = || json!({"format": {"type": "json"}});
    let fenced = "```json\n{\"a\": [1, 2]}\n```";
    check(object(), text("{\"a\": [1, 2]}"), "");
    check(object(), text("{\"a\": [1, 2}"), "not_json");
    check(object(), text("{} and more"), "not_json");
    check(object(), text(fenced), "not_json");
    check(json!({"format": {"type": "json"}, "strip_fence": true}), text(fenced), "");
    let pattern = || json!({"format": {"type": "regex", "pattern": "^(yes|no)$"}});
    check(pattern(), text("yes"), "");
    check(pattern(), text("maybe"), "no_match");
    let call = || json!({"format": {"type": "tool_call"}});
    check(call(), text("I would call it"), "no_tool_call");
    check(call(), Answer { tool_calls: 1, finish_reason: Some("tool_calls"), ..Answer::default() }, "");
    check(call(), Answer { tool_calls: 1, finish_reason: Some("length"), ..Answer::default() }, "length");
    let schema = |schema: Value| json!({"format": {"type": "json_schema", "schema": schema}});
    let order = || {
        schema(
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "mail": {"format": "email"}}, "additionalProperties": false}),
        )
    };
    check(order(), text("{\"id\": 1}"), "");
    check(order(), text("id: 1"), "not_json");
    check(order(), text("{}"), "schema.required");
    check(order(), text("{\"id\": \"1\"}"), "schema.type");
    check(order(), text("{\"id\": 1, \"x\": 1}"), "schema.additional");
    check(order(), text("{\"id\": 1, \"mail\": \"nobody\"}"), "schema.format");
}

#[test]
fn a_step_that_only_calls_tools_has_no_format() {
    let step = Answer { tool_calls: 2, finish_reason: Some("tool_call"), ..Answer::default() };
    assert_eq!(verdict(json!({"format": {"type": "json"}}), &step), None);
    let facts = facts(&parser(json!({"format": {"type": "text"}})).unwrap(), &step);
    assert_eq!(
        (facts.valid, facts.finish_reason.as_deref(), facts.refusal),
        (None, Some("tool_calls"), Some(false))
    );
}

#[test]
fn parsers_that_do_not_compile_say_why() {
    let check = |content: Value, expected: &str| {
        let refused = parser(content.clone()).expect_err(expected);
        assert!(refused.contains(expected), "{content}: {refused}");
    };
    let schema = |schema: Value| json!({"format": {"type": "json_schema", "schema": schema}});
    check(
        schema(json!({"$ref": "https://example.org/schema.json"})),
        "references must point into the schema itself",
    );
    check(schema(json!({"$ref": "file:///etc/passwd"})), "references must point into the schema itself");
    check(schema(json!({"type": "objekt"})), "/type");
    check(schema(json!({"description": "x".repeat(SCHEMA_BYTES_MAX)})), "use at most");
    check(schema(json!({"pattern": "(("})), "/pattern");
    check(schema(json!({"pattern": "((\\w{500}){500}){500}"})), "schema does not compile");
    check(json!({"format": {"type": "regex", "pattern": "(("}}), "pattern does not compile: unclosed group");
    check(json!({"format": {"type": "regex", "pattern": "((\\w{500}){500}){500}"}}), "size limit");
    check(
        json!({"format": {"type": "text"}, "chars_min": 5, "chars_max": 4}),
        "chars_min 5 is above chars_max 4",
    );
}

#[test]
fn hostile_patterns_end() {
    let content = json!({"format": {"type": "json_schema", "schema": {"pattern": "^(?=(a+)+$)b"}}});
    assert_eq!(
        verdict(content, &text(&json!("a".repeat(60)).to_string())).as_deref(),
        Some("schema.pattern")
    );
}

#[test]
fn schemas_agree_with_published_verdicts() {
    let mut instances = 0;
    let mut failures = Vec::new();
    for row in rows(include_str!("../../../../spec/json-schema/cases.jsonl")) {
        let content = json!({"format": {"type": "json_schema", "schema": row["schema"]}});
        let parser = match parser(content) {
            Ok(parser) => parser,
            Err(refused) => {
                failures.push(format!("{}: {refused}", row["id"]));
                continue;
            }
        };
        for instance in row["instances"].as_array().unwrap() {
            instances += 1;
            let facts = facts(&parser, &text(&instance["data"].to_string()));
            if facts.valid != instance["valid"].as_bool() {
                failures.push(format!("{}: {} is {:?}", row["id"], instance["data"], facts.invalid_reason));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(instances, 430);
}

#[test]
fn refusals_agree_with_people() {
    let plain = parser(json!({"format": {"type": "text"}})).unwrap();
    let rows = rows(include_str!("../../../../spec/refusal/xstest.jsonl"));
    let agrees = |row: &&Value| {
        let refuses = facts(&plain, &text(row["opening"].as_str().unwrap())).refusal == Some(true);
        refuses == (row["label"] == "refuse")
    };
    let agreed = rows.iter().filter(agrees).count();
    assert!((rows.len(), agreed) >= (60, REFUSALS_AGREED), "{agreed} of {}", rows.len());
}

/// Of 60 openings. The sample is harder than traffic: it holds every refusal and what looks most like one.
const REFUSALS_AGREED: usize = 56;

#[test]
fn refusals() {
    let plain = parser(json!({"format": {"type": "text"}})).unwrap();
    let check = |answer: Answer, refusal: bool| {
        assert_eq!(facts(&plain, &answer).refusal, Some(refusal), "{answer:?}");
    };
    check(text("I’m sorry, but I can’t help with that."), true);
    check(text("Es tut mir leid, aber dabei kann ich nicht helfen."), true);
    check(text("Je ne peux pas répondre à cette question."), true);
    check(text("Lo siento, pero no puedo ayudar con eso."), true);
    check(text("申し訳ありませんが、お手伝いできません。"), true);
    check(text("I can't wait to show you this recipe."), false);
    check(text("Here is how to proceed."), false);
    check(
        text(&format!("{} I cannot recommend the second one.", "Both hotels are good. ".repeat(10))),
        false,
    );
    check(Answer { refusal_field: true, ..text("") }, true);
}
