//! Templates and the calls that bundles make. Knows nothing of how a provider answers.

#![expect(clippy::needless_pass_by_value, reason = "cases read better with json!() than with &json!()")]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serinus_domain::{
    bundle::{Bundle, Library},
    entity::{ArtifactDoc, ArtifactRef, Content, FeatureDoc, Layers},
    render::{Call, CallInput, RenderError, Template, render},
};

/// Artifacts by reference.
struct Shelf(BTreeMap<String, Value>);

impl Shelf {
    fn new(contents: Value) -> Self {
        Self(contents.as_object().unwrap().clone().into_iter().collect())
    }
}

impl Library for Shelf {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        let body = json!({
            "artifact_kind": reference.kind, "name": reference.name, "version": reference.version,
            "content": "0".repeat(64), "author": "ana", "created_at": 0,
        });
        // Leaked, because a reference is asked for and a test is short.
        self.0
            .contains_key(&reference.to_string())
            .then(|| &*Box::leak(Box::new(serde_json::from_value(body).unwrap())))
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        Content::parse(reference.kind, &self.0[&reference.to_string()])
    }
}

const ROOT: &str = "system_prompt/root@1";

/// The template at `ROOT`, or `at`, of a shelf.
fn compile_at(at: &str, contents: &Value) -> Result<Template, String> {
    let shelf = Shelf::new(contents.clone());
    let reference: ArtifactRef = at.parse().unwrap();
    let (Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt)) =
        shelf.content(&reference).unwrap()
    else {
        panic!("{at} is no text");
    };
    Template::compile(&reference, &prompt, &shelf).map_err(|refused| refused.to_string())
}

fn variables(given: Value) -> BTreeMap<String, Value> {
    given.as_object().unwrap().clone().into_iter().collect()
}

/// What a text with these declarations renders to, or the code of the error.
fn check(text: &str, declared: Value, given: Value, expected: &str) {
    let template = compile_at(ROOT, &json!({ROOT: {"text": text, "variables": declared}})).unwrap();
    let got = template.render(&variables(given)).unwrap_or_else(|failed| failed.code().to_owned());
    assert_eq!(got, expected, "{text}");
}

#[test]
fn texts_render() {
    let name = || json!({"name": {}});
    check(
        "Plain, with { braces } and a newline.\n",
        json!({}),
        json!({}),
        "Plain, with { braces } and a newline.\n",
    );
    check("Hello {{ name }}!\n", name(), json!({"name": "<Ana> & co"}), "Hello <Ana> & co!\n");
    check("Hello {{ name }}!", name(), json!({"name": "Ana", "unknown": 1}), "Hello Ana!");
    check("{{ name }}", json!({"name": {"default": "you"}}), json!({}), "you");
    check("{{ n + 1 }}", json!({"n": {"type": "number"}}), json!({"n": 2}), "3");
    check(
        "{% for x in xs %}{{ x }};{% endfor %}",
        json!({"xs": {"type": "array"}}),
        json!({"xs": [1, "a"]}),
        "1;a;",
    );
    check(
        "{% if b %}yes{% else %}no{% endif %}",
        json!({"b": {"type": "boolean"}}),
        json!({"b": false}),
        "no",
    );
    check(
        "{{ o.a }}{% raw %}{{ a }}{% endraw %}",
        json!({"o": {"type": "object"}}),
        json!({"o": {"a": 1}}),
        "1{{ a }}",
    );
    // Values are data: what looks like syntax in one is not run.
    check("{{ name }}", name(), json!({"name": "{{ 7 * 7 }}"}), "{{ 7 * 7 }}");
}

#[test]
fn renders_are_refused_with_stable_codes() {
    let name = || json!({"name": {}});
    let list = || json!({"xs": {"type": "array"}});
    check("{{ name }}", name(), json!({}), "prompt.missing_variable");
    check("Plain.", name(), json!({}), "prompt.missing_variable");
    check("{{ name }}", name(), json!({"name": null}), "prompt.variable_type");
    check("{{ name }}", name(), json!({"name": 7}), "prompt.variable_type");
    check("{{ o.missing }}", json!({"o": {"type": "object"}}), json!({"o": {}}), "prompt.evaluation");
    check("{{ xs|sum }}", list(), json!({"xs": ["a"]}), "prompt.evaluation");
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    check(endless, json!({}), json!({}), "prompt.fuel");
    // Doubling forty times: memory is bounded, not only steps.
    let doubling = format!("{{% set x = 'x' %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(40));
    check(&doubling, json!({}), json!({}), "prompt.fuel");
    check(
        "{% for x in xs %}{{ x }}{% endfor %}",
        list(),
        json!({"xs": vec!["x".repeat(30_000); 100]}),
        "prompt.too_long",
    );
    let failed =
        RenderError::MissingVariable { template: ROOT.parse().unwrap(), name: "plan".into(), kind: "string" };
    assert_eq!(
        failed.to_string(),
        "system_prompt/root@1 needs variable \"plan\" (string): send it in \"serinus\".variables, or give it a default"
    );
}

#[test]
fn errors_hold_no_values() {
    let contents = json!({ROOT: {"text": "{{ s|int }}", "variables": {"s": {}}}});
    let failed = compile_at(ROOT, &contents).unwrap().render(&variables(json!({"s": "secret"}))).unwrap_err();
    assert_eq!(failed.code(), "prompt.evaluation");
    assert!(!failed.to_string().contains("secret"), "{failed}");
}

#[test]
fn includes_are_resolved_ahead() {
    let contents = json!({
        ROOT: {"text": "Hi {{ name }}. {% include \"system_prompt/tone@3\" %}", "variables": {"name": {"default": "you"}}},
        "system_prompt/tone@3": {"text": "Be {{ tone }}, {{ name }}.", "variables": {"tone": {}, "name": {}}},
    });
    let template = compile_at(ROOT, &contents).unwrap();
    assert_eq!(template.variables().keys().collect::<Vec<_>>(), ["name", "tone"]);
    assert_eq!(template.render(&variables(json!({"tone": "kind"}))).unwrap(), "Hi you. Be kind, you.");
    assert_eq!(template.render(&variables(json!({}))).unwrap_err().code(), "prompt.missing_variable");
}

#[test]
fn texts_are_refused_when_they_are_compiled() {
    let refused = |contents: Value, expected: &str| {
        let refused = compile_at(ROOT, &contents).expect_err(expected);
        assert!(refused.contains(expected), "{contents}: {refused}");
    };
    let text = |text: &str| json!({ROOT: {"text": text}});
    refused(text("a\n{{ 1 +"), "system_prompt/root@1 line 2: ");
    refused(text("Hello {{ nmae }}"), "uses variable \"nmae\", which it does not declare");
    refused(text("{{ debug() }}"), "uses variable \"debug\"");
    refused(
        text("{% include \"system_prompt/no@1\" %}"),
        "system_prompt/root@1 -> system_prompt/no@1: system_prompt/no@1 does not exist",
    );
    refused(text("{% include \"/etc/passwd\" %}"), "is no artifact version");
    refused(text("{% set t = \"x\" %}{% include t %}"), "line 1: include needs one version written out");
    refused(text("{% include [\"system_prompt/a@1\"] %}"), "include needs one version written out");
    refused(text("{% extends \"system_prompt/a@1\" %}"), "{% extends %} is not supported");
    refused(text("{% from \"system_prompt/a@1\" import x %}"), "{% from %} is not supported");
    refused(
        text(&format!("{{% include \"{ROOT}\" %}}")),
        "includes go in a circle: system_prompt/root@1 -> system_prompt/root@1",
    );
    let model =
        json!({ROOT: {"text": "{% include \"model/m@1\" %}"}, "model/m@1": {"provider": "p", "model": "m"}});
    refused(model, "only versions of system_prompt and prompt_template");
    let default = json!({ROOT: {"text": "", "variables": {"n": {"type": "number", "default": "1"}}}});
    refused(default, "the default of variable \"n\" is no number");
    let conflict = json!({
        ROOT: {"text": "{% include \"system_prompt/a@1\" %}", "variables": {"n": {"type": "number"}}},
        "system_prompt/a@1": {"text": "", "variables": {"n": {}}},
    });
    refused(conflict, "variable \"n\" is a number in system_prompt/root@1 and a string in system_prompt/a@1");
    let circle = json!({
        ROOT: {"text": "{% include \"system_prompt/a@1\" %}"},
        "system_prompt/a@1": {"text": "{% include \"system_prompt/b@1\" %}"},
        "system_prompt/b@1": {"text": "{% include \"system_prompt/a@1\" %}"},
    });
    refused(
        circle,
        "root@1 -> system_prompt/a@1 -> system_prompt/b@1 -> system_prompt/a@1: take one of them out",
    );
}

/// A chain of `deep` includes under the root, and the root's first include last, so that a memo could hide the depth.
fn chain(deep: usize, first: usize) -> Value {
    let include = |at: usize| format!("{{% include \"system_prompt/c{at}@1\" %}}");
    let mut contents = Map::new();
    contents.insert(ROOT.into(), json!({"text": format!("{}{}", include(first), include(1))}));
    for at in 1..=deep {
        let text = if at < deep { include(at + 1) } else { "end".into() };
        contents.insert(format!("system_prompt/c{at}@1"), json!({"text": text}));
    }
    contents.into()
}

#[test]
fn includes_are_bounded() {
    for first in [1, 5, 8] {
        assert!(compile_at(ROOT, &chain(8, first)).is_ok(), "{first}");
        let refused = compile_at(ROOT, &chain(9, first)).unwrap_err();
        assert!(
            refused.starts_with("includes are more than 8 deep: system_prompt/root@1 -> system_prompt/c1@1"),
            "{refused}"
        );
    }
    let wide = |count: usize| {
        let name = |at: usize| format!("system_prompt/w{at}@1");
        let text: String = (0..count).map(|at| format!("{{% include \"{}\" %}}", name(at))).collect();
        let mut contents: Map<String, Value> =
            (0..count).map(|at| (name(at), json!({"text": "x"}))).collect();
        contents.insert(ROOT.into(), json!({"text": text}));
        compile_at(ROOT, &contents.into())
    };
    assert_eq!(wide(64).unwrap().render(&BTreeMap::new()).unwrap(), "x".repeat(64));
    assert!(wide(65).unwrap_err().starts_with("more than 64 versions are included"));
}

#[test]
fn prompt_templates_use_their_input() {
    let at = "prompt_template/q@1";
    let compile = |content: Value| compile_at(at, &json!({at: content})).map(|_| ());
    assert_eq!(compile(json!({"text": "Q: {{ input }}"})), Ok(()));
    assert!(compile(json!({"text": "Q:"})).unwrap_err().contains("never uses {{ input }}"));
    assert!(
        compile(json!({"text": "{{ input }}", "variables": {"input": {"type": "number"}}}))
            .unwrap_err()
            .contains("two names")
    );
}

/// Renders a call of a bundle made of `layers` contents (by kind) for a request in OpenAI's shape.
fn call(layers: Value, feature: Value, request: Value) -> Result<Call, RenderError> {
    let mut contents = json!({"model/x@1": {"provider": "openai", "model": "gpt-x"}});
    let mut chosen = json!({"model": "model/x@1"});
    for (kind, content) in layers.as_object().unwrap() {
        contents[format!("{kind}/x@1")] = content.clone();
        chosen[kind] = json!(format!("{kind}/x@1"));
    }
    let layers: Layers = serde_json::from_value(chosen.clone()).unwrap();
    let bundle = Bundle::assemble(&layers, &Shelf::new(contents)).unwrap();
    let mut doc = json!({"key": "support", "control": chosen});
    doc.as_object_mut().unwrap().extend(feature.as_object().unwrap().clone());
    let feature: FeatureDoc = serde_json::from_value(doc).unwrap();
    let body = request.as_object().unwrap();
    let given = body.get("serinus").map_or_else(BTreeMap::new, |ours| variables(ours["variables"].clone()));
    let messages = body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let stream = body.get("stream") == Some(&json!(true));
    render(
        &bundle,
        &feature,
        &CallInput { messages: &messages, variables: &given, caller_params: body, stream },
    )
}

fn messages(layers: Value, feature: Value, messages: Value) -> Value {
    match call(layers, feature, json!({"messages": messages})) {
        Ok(call) => call.body["messages"].clone(),
        Err(failed) => json!(failed.code()),
    }
}

#[test]
fn system_messages_go_as_the_feature_says() {
    let ours = || json!({"system_prompt": {"text": "Ours."}});
    let user = json!({"role": "user", "content": "hi"});
    let theirs = json!({"role": "system", "content": "Theirs."});
    let late = json!({"role": "developer", "content": [{"type": "text", "text": "Late."}]});
    let system = |text: &str| json!({"role": "system", "content": text});
    let policy = |policy: &str| json!({"caller_system": policy});
    let check = |layers: Value, rule: &str, given: &[&Value], expected: Value| {
        assert_eq!(messages(layers, policy(rule), json!(given)), expected, "{rule} on {given:?}");
    };
    check(ours(), "replace", &[&theirs, &user], json!([system("Ours."), user]));
    check(ours(), "replace", &[&user, &late, &user], json!([system("Ours."), user, user]));
    check(json!({}), "replace", &[&theirs, &user], json!([theirs, user]));
    check(ours(), "append", &[&theirs, &late, &user], json!([system("Ours.\n\nTheirs.\n\nLate."), user]));
    check(ours(), "append", &[&user, &late, &user], json!([system("Ours."), user, late, user]));
    check(ours(), "refuse", &[&user], json!([system("Ours."), user]));
    check(ours(), "refuse", &[&user, &late], json!("request.system_refused"));
    check(json!({}), "refuse", &[&theirs], json!("request.system_refused"));
}

#[test]
fn the_last_user_message_is_wrapped() {
    let layers = || json!({"prompt_template": {"text": "<q>{{ input }}</q>"}});
    let user = |content: Value| json!({"role": "user", "content": content});
    let answer = json!({"role": "assistant", "content": "yes?"});
    let check = |given: Value, expected: Value| assert_eq!(messages(layers(), json!({}), given), expected);
    check(
        json!([user(json!("a")), answer, user(json!("b"))]),
        json!([user(json!("a")), answer, user(json!("<q>b</q>"))]),
    );
    // In a tool loop the user's message is not the last one.
    check(json!([user(json!("{{ a }}")), answer]), json!([user(json!("<q>{{ a }}</q>")), answer]));
    let (image, text) = (
        json!({"type": "image_url", "image_url": {"url": "u"}}),
        |text: &str| json!({"type": "text", "text": text}),
    );
    let parts = json!([image, text("a"), image, text("b")]);
    check(json!([user(parts)]), json!([user(json!([image, text("<q>ab</q>"), image]))]));
    check(json!([user(json!([image]))]), json!([user(json!([text("<q></q>"), image]))]));
    check(json!([answer]), json!("request.no_user_message"));
    check(json!([]), json!("request.no_user_message"));
}

fn body(layers: Value, request: Value) -> Value {
    let mut body = call(layers, json!({}), request).unwrap().body;
    body.as_object_mut().unwrap().remove("messages");
    body
}

#[test]
fn parameters_of_the_bundle_stand_before_the_callers() {
    let check = |sampling: Value, request: Value, expected: Value| {
        let mut expected = expected;
        expected["model"] = json!("gpt-x");
        assert_eq!(body(json!({"sampling": sampling}), request.clone()), expected, "{sampling} on {request}");
    };
    check(
        json!({}),
        json!({"model": "support", "temperature": 1, "x": {"y": 1}}),
        json!({"temperature": 1, "x": {"y": 1}}),
    );
    check(
        json!({"temperature": 0.5}),
        json!({"temperature": 1, "serinus": {"variables": {}}}),
        json!({"temperature": 0.5}),
    );
    check(json!({"stop": ["a"], "seed": 7}), json!({}), json!({"stop": ["a"], "seed": 7}));
    check(json!({"max_tokens": 5}), json!({"max_completion_tokens": 9}), json!({"max_tokens": 5}));
    check(
        json!({"extra": {"max_completion_tokens": 5}}),
        json!({"max_tokens": 9}),
        json!({"max_completion_tokens": 5}),
    );
    let both = json!({"max_tokens": 5, "extra": {"max_completion_tokens": 6, "reasoning_effort": "low"}});
    check(both, json!({}), json!({"max_completion_tokens": 6, "reasoning_effort": "low"}));
    check(
        json!({}),
        json!({"max_tokens": 9, "max_completion_tokens": 8}),
        json!({"max_completion_tokens": 8}),
    );
    check(json!({}), json!({"max_tokens": 9}), json!({"max_tokens": 9}));
    let options =
        json!({"stream": true, "stream_options": {"include_obfuscation": false, "include_usage": false}});
    let streamed =
        json!({"stream": true, "stream_options": {"include_obfuscation": false, "include_usage": true}});
    check(json!({}), options, streamed);
    check(json!({}), json!({"stream": false, "stream_options": {"include_usage": true}}), json!({}));
}

#[test]
fn only_tools_that_the_application_can_run_are_offered() {
    let tool =
        |name: &str, text: &str| json!({"type": "function", "function": {"name": name, "description": text}});
    let search = json!({"type": "web_search"});
    let bundle = || json!({"tools": {"tools": [tool("a", "ours"), tool("b", "ours")]}});
    let check = |layers: Value, request: Value, expected: Value, dropped: &[&str], unoffered: &[&str]| {
        let call = call(layers, json!({}), request.clone()).unwrap();
        let members = |name: &str| call.body.get(name).cloned().unwrap_or_default();
        assert_eq!(json!([members("tools"), members("tool_choice")]), expected, "{request}");
        assert_eq!(
            (call.dropped_tools, call.unoffered_tools),
            (
                dropped.iter().map(|s| s.to_string()).collect(),
                unoffered.iter().map(|s| s.to_string()).collect()
            )
        );
    };
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    check(json!({}), json!({"tools": [tool("c", "theirs")]}), json!([[tool("c", "theirs")], null]), &[], &[]);
    let sent = json!([tool("c", "theirs"), tool("a", "theirs"), search]);
    let offered = json!([tool("a", "ours"), search]);
    check(bundle(), json!({"tools": sent, "tool_choice": "auto"}), json!([offered, "auto"]), &["c"], &["b"]);
    check(
        bundle(),
        json!({"tools": sent, "tool_choice": named("c")}),
        json!([offered, "auto"]),
        &["c"],
        &["b"],
    );
    check(
        bundle(),
        json!({"tools": sent, "tool_choice": named("a")}),
        json!([offered, named("a")]),
        &["c"],
        &["b"],
    );
    check(bundle(), json!({}), json!([null, null]), &[], &["a", "b"]);
    let only_theirs = json!({"tools": [tool("c", "theirs")], "tool_choice": "required"});
    check(bundle(), only_theirs, json!([null, null]), &["c"], &["a", "b"]);
}
