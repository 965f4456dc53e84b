//! Counts allocations of resolution. A binary of its own, because the counting allocator is the whole process's.

#![expect(clippy::unwrap_used, reason = "a fixture that does not load has nothing to measure")]

use serde_json::json;
use serinus_domain::{
    bundle::BundleId,
    id::{FlagKey, UnitHash},
    resolve::{Arm, ArmFacts, Pin, Reason, resolve, resolve_flag},
    revision::RevisionNumber,
    units::{Share, Timestamp},
};

mod fixture;
mod sticky;

/// INVARIANT(no-allocation): resolution of sticky features and plain flags allocates nothing.
#[test]
fn resolution_allocates_nothing() {
    let documents = [sticky::sticky(), sticky::flags()].concat();
    let compiled = fixture::compiled(&sticky::models(), &documents);
    assert_eq!(compiled.diagnostics, []);
    let feature = &compiled.features["support"];
    let attributes = json!({"plan": "pro", "country": "DE", "age_days": 12});
    let context = fixture::context(&json!({"session": "s1", "user": "u1", "attributes": attributes}));
    let pin = pin(feature.control.id);
    let counted = |name: &str, resolved: &dyn Fn() -> Reason, reason: Reason| {
        let counts = allocation_counter::measure(|| assert_eq!(resolved(), reason, "{name}"));
        assert_eq!(counts.count_total, 0, "{name}: {counts:?}");
    };
    counted("unpinned", &|| resolve(feature, compiled.revision, None, &context).reason, Reason::Split);
    counted("pinned", &|| resolve(feature, compiled.revision, Some(&pin), &context).reason, Reason::Pinned);
    for (key, reason) in
        [("static", Reason::Default), ("split", Reason::Split), ("rule", Reason::TargetingMatch)]
    {
        let flag = &compiled.flags[&FlagKey::new(key).unwrap()];
        counted(key, &|| resolve_flag(flag, &context).reason, reason);
    }
}

/// The counter counts: a test that found nothing because nothing is counted would prove nothing.
#[test]
fn the_counter_sees_an_allocation() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}

fn pin(bundle: BundleId) -> Pin {
    Pin {
        session: UnitHash(1),
        feature: "support".parse().unwrap(),
        variant: "control".parse().unwrap(),
        bundle,
        revision: RevisionNumber(3),
        arm: Some(ArmFacts {
            rollout: "support-1".parse().unwrap(),
            arm: Arm::Control,
            pi: Share::percent(5),
            stage: 0,
        }),
        at: Timestamp(0),
    }
}
