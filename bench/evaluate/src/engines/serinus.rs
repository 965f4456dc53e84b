//! Serinus itself: the same compiled snapshot and the same `resolve_flag` that serve requests. Variant, reason and rule id are part of
//! every answer.

use crate::*;
use serinus_domain::{
    bundle::Contents,
    compile::{compile, Compiled},
    context::{Attributes, Context},
    entity::{Document, FlagDoc},
    resolve::resolve_flag,
    revision::{Cause, Change, Draft, Provenance, Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};
use serde_json::{json, Value};

pub struct Serinus {
    compiled: Compiled,
    keys: Keys,
    contexts: Vec<Context>,
}

fn context(user: &User) -> Context {
    let attributes = Attributes::new([
        ("country", user.country.as_str()),
        ("plan", &user.plan),
        ("version", &user.version),
    ])
    .unwrap();
    Context::new(None, Some(&user.id), attributes).unwrap()
}

fn flag(kind: Kind, at: usize) -> FlagDoc {
    let key = key(kind, at);
    let split = |treatment: u32| json!({"split": [{"variant": "treatment", "share": treatment}, {"variant": "control", "share": 1_000_000 - treatment}]});
    let (default, rules) = match kind {
        Kind::Static => ("treatment", json!([])),
        Kind::Split => ("control", json!([{"id": "half", "serve": split(500_000)}])),
        Kind::Rule => (
            "control",
            json!([{"id": "new-in-the-us", "serve": split(50_000), "when": {"and": [
                {"equals": {"attribute": "country", "value": "US"}},
                {"in": {"attribute": "plan", "values": PLANS}},
                {"semver": {"attribute": "version", "op": "at_least", "version": "2.3.0"}},
            ]}}]),
        ),
    };
    let document = json!({
        "key": key, "value_kind": "boolean", "variants": {"treatment": true, "control": false},
        "default": default, "rules": rules, "salt": key,
    });
    serde_json::from_value(document).unwrap()
}

impl Serinus {
    pub fn new(users: &[User]) -> Self {
        let flags = [Kind::Static, Kind::Split, Kind::Rule].into_iter().flat_map(|kind| (0..kind.n()).map(move |at| flag(kind, at)));
        let draft = Draft {
            expected_head: RevisionNumber(0),
            actor: "bench".into(),
            message: String::new(),
            cause: Cause::Person,
            changes: flags.map(|flag| Change::put(&Document::Flag(flag))).collect(),
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        let empty = Snapshot::default();
        let revision = Revision::seal(&draft, empty.revision, empty.digest, Timestamp(0));
        let snapshot = empty.apply(&revision).unwrap();
        let compiled = compile(&snapshot, &Contents::default(), None);
        assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
        Self { compiled, keys: keys(), contexts: users.iter().map(context).collect() }
    }

    fn go(&self, key: &str, context: &Context) -> bool {
        let Some(flag) = self.compiled.flags.get(key) else { return false };
        let decision = resolve_flag(flag, context);
        std::hint::black_box((decision.variant, decision.reason));
        decision.value == Some(&Value::Bool(true))
    }
}

impl Engine for Serinus {
    fn name(&self) -> &'static str {
        "serinus"
    }
    fn eval(&self, kind: Kind, flag: usize, user: usize) -> bool {
        self.go(self.keys.get(kind, flag), &self.contexts[user])
    }
    fn ctx_rule(&self, user: &User, flag: usize, _: usize) -> Option<bool> {
        Some(self.go(self.keys.get(Kind::Rule, flag), &context(user)))
    }
    fn bulk(&self, user: usize) -> usize {
        let context = &self.contexts[user];
        self.compiled.flags.values().filter(|flag| resolve_flag(flag, context).value == Some(&Value::Bool(true))).count()
    }
    fn note(&self) -> &'static str {
        "string key, string-keyed attributes, semver parsed per evaluation; answers variant, value, reason and rule id"
    }
}
