//! Prompts in mustache. Knows nothing of how a provider answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serinus_domain::{
    bundle::Library,
    entity::{ArtifactDoc, ArtifactRef, Content},
    render::{Template, plain_variables},
};

struct Shelf(BTreeMap<String, (Value, ArtifactDoc)>);

impl Shelf {
    fn new(texts: &Value) -> Self {
        let entry = |(name, content): (&String, &Value)| {
            let reference: ArtifactRef = name.parse().unwrap();
            let doc = json!({
                "artifact_kind": reference.kind, "name": reference.name, "version": reference.version,
                "content": "0".repeat(64), "author": "ana", "created_at": 0,
            });
            (name.clone(), (content.clone(), serde_json::from_value(doc).unwrap()))
        };
        Self(texts.as_object().unwrap().iter().map(entry).collect())
    }
}

impl Library for Shelf {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        self.0.get(&reference.to_string()).map(|(_, doc)| doc)
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        Content::parse(reference.kind, &self.0[&reference.to_string()].0)
    }
}

const ROOT: &str = "system_prompt/root@1";

fn prompt(text: &str, declared: &Value) -> Value {
    json!({"text": text, "variables": declared, "syntax": "mustache"})
}

fn compile(texts: &Value) -> Result<Template, String> {
    let (shelf, reference) = (Shelf::new(texts), ROOT.parse().unwrap());
    let Content::SystemPrompt(prompt) = shelf.content(&reference).unwrap() else { panic!("no text") };
    Template::compile(&reference, &prompt, &shelf).map_err(|refused| refused.to_string())
}

/// What a text renders to, or the code of the error.
#[track_caller]
fn check(text: &str, declared: &Value, given: &Value, expected: &str) {
    let template = compile(&json!({ROOT: prompt(text, declared)})).unwrap();
    let given: BTreeMap<String, Value> = given.as_object().unwrap().clone().into_iter().collect();
    let got = template.render(&given).unwrap_or_else(|failed| failed.code().to_owned());
    assert_eq!(got, expected, "{text}");
}

/// Why a text is refused.
#[track_caller]
fn refused(text: &str, declared: &Value, reason: &str) {
    let why = compile(&json!({ROOT: prompt(text, declared)})).unwrap_err();
    assert!(why.contains(reason), "{text}: {why}");
}

#[test]
fn texts_render() {
    let x = json!({"x": {}});
    check("{{x}} {{{x}}} {{& x }}{{! no }}", &x, &json!({"x": "<a> & b"}), "<a> & b <a> & b <a> & b");
    check("{{x}}", &json!({"x": {"default": "you"}}), &json!({}), "you");
    check("no tags, { one }\n", &json!({}), &json!({}), "no tags, { one }\n");
    let n = json!({"n": {"type": "number"}, "b": {"type": "boolean"}});
    check("{{n}} {{b}}{{#b}} on{{/b}}{{^b}} off{{/b}}", &n, &json!({"n": 2.5, "b": true}), "2.5 true on");
    check("{{#n}}some{{/n}}{{^n}}none{{/n}}{{#b}} on{{/b}}", &n, &json!({"n": 0, "b": false}), "none");
    let list = json!({"docs": {"type": "array"}, "lang": {}});
    check(
        "Docs:\n{{#docs}}\n- {{title}} ({{lang}}){{#tags}} #{{.}}{{/tags}}\n{{/docs}}\n{{^docs}}\nnone\n{{/docs}}\nEnd",
        &list,
        &json!({"docs": [{"title": "A", "tags": ["x", "y"]}, {"title": "B", "lang": "fr"}], "lang": "en"}),
        "Docs:\n- A (en) #x #y\n- B (fr)\nEnd",
    );
    check(
        "{{#docs}}\n{{.}}\n{{/docs}}\n{{^docs}}\nnone\n{{/docs}}\n",
        &list,
        &json!({"docs": [], "lang": ""}),
        "none\n",
    );
    let user = json!({"user": {"type": "object"}});
    let ana = json!({"user": {"name": "Ana", "plan": {"key": "gold"}}});
    check("{{user.name}} {{user.plan.key}} {{#user}}{{name}}{{/user}}", &user, &ana, "Ana gold Ana");
}

#[test]
fn what_is_not_there_is_never_an_empty_string() {
    let user = json!({"user": {"type": "object"}});
    for (text, given, code) in [
        ("{{user.name}}", json!({}), "prompt.missing_variable"),
        ("{{user.name}}", json!({"user": "Ana"}), "prompt.variable_type"),
        ("{{user.name}}", json!({"user": {"nam": "Ana"}}), "prompt.evaluation"),
        ("{{#user}}{{name}}{{/user}}", json!({"user": {"name": null}}), "prompt.evaluation"),
        ("{{user}}", json!({"user": {}}), "prompt.evaluation"),
    ] {
        check(text, &user, &given, code);
    }
    refused("Hello {{nme}}", &json!({"name": {}}), "uses variable \"nme\", which it does not declare");
    refused("{{#b}}{{nme}}{{/b}}", &json!({"b": {"type": "boolean"}}), "\"nme\"");
    refused("{{.}}", &json!({}), "outside a list's section");
}

#[test]
fn a_text_that_is_no_mustache_says_where() {
    for (text, reason) in [
        ("a\n{{#b}}", "line 2: section \"b\" is never closed"),
        ("{{#b}}{{/c}}", "section \"c\" is closed and \"b\" of line 1 is open"),
        ("{{/b}}", "none is open"),
        ("\n\n{{b", "line 3: a tag is never closed"),
        ("{{a b}}", "\"a b\" is no name"),
        ("{{}}", "\"\" is no name"),
        ("{{=<% %>=}}", "delimiters cannot be changed"),
    ] {
        refused(text, &json!({"a": {}, "b": {"type": "boolean"}}), reason);
    }
    refused(&"{{#b}}".repeat(1000), &json!({"b": {"type": "boolean"}}), "deep");
}

#[test]
fn partials_are_includes_with_the_same_bounds() {
    let tone = prompt("Be {{mood}}.", &json!({"mood": {"default": "kind"}}));
    let texts = json!({ROOT: prompt("{{> system_prompt/tone@3}}\nBye {{mood}}", &json!({"mood": {}})), "system_prompt/tone@3": tone});
    let template = compile(&texts).unwrap();
    let given = [("mood".to_owned(), json!("brief"))].into();
    assert_eq!(template.render(&given).unwrap(), "Be brief.\nBye brief");
    assert_eq!(template.includes(), ["system_prompt/tone@3".parse().unwrap()]);
    let in_a_circle = json!({ROOT: prompt("{{>system_prompt/b@1}}", &json!({})), "system_prompt/b@1": prompt("{{>system_prompt/root@1}}", &json!({}))});
    let jinja =
        json!({ROOT: prompt("{{>system_prompt/b@1}}", &json!({})), "system_prompt/b@1": {"text": "hello"}});
    for (texts, reason) in [
        (in_a_circle, "circle"),
        (jinja, "other syntax"),
        (
            json!({ROOT: prompt("{{>system_prompt/tone@03}}", &json!({})), "system_prompt/tone@3": tone}),
            "write it as",
        ),
        (json!({ROOT: prompt("{{>tone}}", &json!({}))}), "no artifact version"),
        (json!({ROOT: prompt("{{>system_prompt/gone@1}}", &json!({}))}), "does not exist"),
    ] {
        let why = compile(&texts).unwrap_err();
        assert!(why.contains(reason), "{why}");
    }
}

#[test]
fn rendering_is_bounded() {
    let list = json!({"xs": {"type": "array"}});
    let items: Vec<Value> = (0..1000).map(|n| json!(n)).collect();
    let nested = "{{#xs}}{{#xs}}{{.}}{{/xs}}{{/xs}}";
    check(nested, &list, &json!({"xs": items}), "prompt.fuel");
    let long = vec![json!("x".repeat(64 * 1024)); 40];
    check("{{#xs}}{{.}}{{/xs}}", &list, &json!({"xs": long}), "prompt.too_long");
}

#[test]
fn simple_texts_are_told_from_those_that_do_more() {
    let reference: ArtifactRef = ROOT.parse().unwrap();
    let names = |content: Value| plain_variables(&reference, &serde_json::from_value(content).unwrap());
    assert_eq!(names(json!({"text": "Hi {{ b }} {{a}} {{b}}"})), Some(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(names(json!({"text": "plain"})), Some(vec![]));
    for more in ["{{ a | upper }}", "{% if a %}x{% endif %}", "{# no #}", "{{ a.b }}"] {
        assert_eq!(names(json!({"text": more})), None, "{more}");
    }
    assert_eq!(names(json!({"text": "{{#a}}x{{/a}}", "syntax": "mustache"})), None);
}
