//! What a resolution costs: a sticky feature unpinned and pinned, and plain flags. Knows nothing of stores and requests.

#![expect(clippy::unwrap_used, reason = "a fixture that does not load has nothing to measure")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use serinus_domain::{
    id::{FlagKey, UnitHash},
    resolve::{Pin, resolve, resolve_flag},
    revision::RevisionNumber,
    units::Timestamp,
};

#[path = "../tests/it/fixture.rs"]
mod fixture;
#[path = "../tests/it/sticky.rs"]
mod sticky;

fn resolution(criterion: &mut Criterion) {
    let documents = [sticky::sticky(), sticky::flags()].concat();
    let compiled = fixture::compiled(&sticky::models(), &documents);
    let feature = &compiled.features["support"];
    let attributes = json!({"plan": "pro", "country": "DE", "age_days": 12});
    let context =
        fixture::context(&json!({"session": "s-4711", "user": "user-4711", "attributes": attributes}));
    let pin = Pin {
        session: UnitHash(1),
        feature: feature.doc.key.clone(),
        variant: "control".parse().unwrap(),
        bundle: feature.control.id,
        revision: RevisionNumber(3),
        arm: None,
        at: Timestamp(0),
    };
    criterion.bench_function("sticky: unpinned, three rules then 5/95", |b| {
        b.iter(|| black_box(resolve(black_box(feature), compiled.revision, None, black_box(&context))));
    });
    criterion.bench_function("sticky: pinned", |b| {
        b.iter(|| {
            black_box(resolve(
                black_box(feature),
                compiled.revision,
                Some(black_box(&pin)),
                black_box(&context),
            ))
        });
    });
    for key in ["static", "split", "rule"] {
        let flag = &compiled.flags[&FlagKey::new(key).unwrap()];
        criterion.bench_function(&format!("plain flag: {key}"), |b| {
            b.iter(|| black_box(resolve_flag(black_box(flag), black_box(&context))));
        });
    }
}

criterion_group!(benches, resolution);
criterion_main!(benches);
