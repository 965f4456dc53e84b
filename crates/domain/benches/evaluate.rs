//! What evaluating plain flags by key costs: a thousand flags, a third static, a third split in halves, a third with three conditions
//! that all users meet and a split of 5 to 95. Knows nothing of stores and requests.

#![expect(clippy::unwrap_used, reason = "a fixture that does not load has nothing to measure")]

use std::{collections::HashMap, hint::black_box};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::{Map, Value, json};
use serinus_domain::{
    compile::Compiled,
    context::Context,
    id::UnitHash,
    resolve::{Asking, Silent, evaluate, resolve_flag},
};

#[path = "../tests/it/fixture.rs"]
mod fixture;

const USERS: usize = 512;

fn flags() -> Vec<Value> {
    let split = |on: u32| json!({"split": [{"variant": "on", "share": on}, {"variant": "off", "share": 1_000_000 - on}]});
    let when = json!({"and": [
        {"equals": {"attribute": "country", "value": "US"}},
        {"in": {"attribute": "plan", "values": ["pro", "team", "business", "enterprise", "trial"]}},
        {"semver": {"attribute": "version", "op": "at_least", "version": "2.3.0"}},
    ]});
    let flag = |at: usize| {
        let (kind, rules) = match at {
            0..334 => ("static", json!([])),
            334..667 => ("split", json!([{"id": "half", "serve": split(500_000)}])),
            _ => ("rule", json!([{"id": "us", "when": when, "serve": split(50_000)}])),
        };
        let key = format!("{kind}-{at:04}");
        json!({
            "kind": "flag", "key": key, "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": "on", "salt": key,
            "rules": rules,
        })
    };
    (0..1000).map(flag).collect()
}

fn users() -> Vec<Context> {
    let user = |at: usize| {
        let plan = ["pro", "team", "business", "enterprise", "trial"][at % 5];
        let attributes = json!({
            "country": "US", "plan": plan, "version": format!("2.{}.{}", 3 + at % 9, at % 7), "age": at % 80,
        });
        fixture::context(
            &json!({"user": format!("user-{at:06}"), "session": format!("s-{at:06}"), "attributes": attributes}),
        )
    };
    (0..USERS).map(user).collect()
}

fn keys(compiled: &Compiled, kind: &str) -> Vec<String> {
    let mut keys: Vec<_> =
        compiled.flags.keys().map(ToString::to_string).filter(|key| key.starts_with(kind)).collect();
    keys.sort();
    keys
}

fn evaluation(criterion: &mut Criterion) {
    let compiled = fixture::compiled(&Map::new(), &flags());
    assert!(compiled.diagnostics.is_empty() && compiled.flags.len() == 1000);
    let users = users();
    for (kind, share) in [("static", 1.0), ("split", 0.5), ("rule", 0.05)] {
        let keys = keys(&compiled, kind);
        let on = keys
            .iter()
            .flat_map(|key| {
                users.iter().map(|user| resolve_flag(&compiled.flags[key.as_str()], user).variant)
            })
            .filter(|variant| *variant == Some("on"))
            .count();
        let measured = on as f64 / (keys.len() * users.len()) as f64;
        assert!((measured - share).abs() < 0.01, "{kind}: {measured}: the task is not the one that is named");
        let mut at = 0_usize;
        criterion.bench_function(&format!("by key: {kind}"), |b| {
            b.iter(|| {
                at = at.wrapping_add(1);
                let flag = compiled.flags.get(black_box(keys[at % keys.len()].as_str())).unwrap();
                black_box(resolve_flag(flag, &users[at % USERS]))
            });
        });
    }
    let mut at = 0_usize;
    criterion.bench_function("bulk: 1000 flags", |b| {
        b.iter(|| {
            at = at.wrapping_add(1);
            let asking = Asking::new(&users[at % USERS]);
            for flag in compiled.flags.values() {
                black_box(evaluate(flag, &asking, &mut Silent));
            }
        });
    });
    sticky(criterion, &compiled, &users);
}

/// A split with a look at the pins of the session before it, and the exposure kept in a ring.
fn sticky(criterion: &mut Criterion, compiled: &Compiled, users: &[Context]) {
    let keys = keys(compiled, "split");
    let pins: HashMap<UnitHash, u32, rustc_hash::FxBuildHasher> =
        (0..USERS).map(|at| (UnitHash(at as u128), at as u32)).collect();
    let mut ring = vec![(UnitHash(0), 0_u32, false); 4096];
    let mut at = 0_usize;
    criterion.bench_function("by key: split, with pin look-up and exposure", |b| {
        b.iter_batched(
            || {
                at = at.wrapping_add(1);
                at
            },
            |at| {
                let unit = UnitHash((at % USERS) as u128);
                let pinned = pins.get(black_box(&unit)).copied().unwrap_or(0);
                let flag = compiled.flags.get(keys[at % keys.len()].as_str()).unwrap();
                let decision = resolve_flag(flag, &users[at % USERS]);
                let slot = at % ring.len();
                ring[slot] = (unit, pinned, decision.place == Some(1));
                black_box(decision)
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
