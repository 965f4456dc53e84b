//! A rollout's verdict as one sentence for whoever looks. Pure; knows nothing of how evidence is computed.

use serinus_domain::{
    decide::Gate,
    entity::{BucketBy, Phase, RolloutDoc, StageKind},
    evidence::Evidence,
    units::{Millis, Timestamp},
};

/// What is to be said about a rollout now. `gate` is asked of the domain by the caller.
pub fn sentence(
    doc: &RolloutDoc,
    evidence: Option<&Evidence>,
    gate: Option<&Gate>,
    now: Timestamp,
) -> String {
    let told = match doc.state.phase {
        Phase::Draft | Phase::Validated => "not started".to_owned(),
        Phase::Cancelled => "cancelled before it started".to_owned(),
        Phase::Completed => completed(doc, evidence),
        Phase::RolledBack => taken_back(doc),
        Phase::Held => held(doc, now),
        Phase::Running => running(doc, evidence, gate, now),
    };
    let same_arms = !doc.spec.candidate.is_empty() && doc.spec.candidate == doc.spec.baseline;
    let told = if same_arms { format!("A/A test, both arms serve the same: {told}") } else { told };
    capitalised(&told)
}

fn running(doc: &RolloutDoc, evidence: Option<&Evidence>, gate: Option<&Gate>, now: Timestamp) -> String {
    let Some(stage) = doc.stage() else { return "in a stage that it does not have".to_owned() };
    let units = counted(doc, evidence);
    let unit = unit_words(doc);
    let needed = u64::from(stage.units_min).saturating_sub(units);
    if units == 0 {
        return format!("no {unit} has been watched to its end yet; {needed} to go");
    }
    let harm = match evidence.map_or(0.0, |evidence| harm_of(doc, evidence)) {
        e if e >= RAISED => format!("some sign of harm (evidence {e:.1}) in {units} {}", plural(unit)),
        _ => format!("no harm in {units} {}", plural(unit)),
    };
    if needed > 0 {
        return match eta(doc, units, needed, now) {
            Some(span) => format!("{harm}; {needed} more to go, about {}", about(span)),
            None => format!("{harm}; {needed} more to go"),
        };
    }
    let age = doc.stage_age(now);
    if age < stage.min {
        let what = if stage.kind == StageKind::Full { "bake" } else { "its minimum time" };
        return format!("{harm}; {} more of {what}", about(Millis(stage.min.0 - age.0)));
    }
    match gate.map(|gate| gate.missing.as_slice()) {
        Some([]) => format!("{harm}; the gate of {} is open", stage.kind.as_str()),
        Some(missing) => format!("{harm}; still missing: {}", missing.join(", ")),
        None => harm,
    }
}

/// Evidence from which "no harm" would say too much, though nothing is held yet.
const RAISED: f64 = 2.0;

/// Units that count for the stage; none where the evidence is still that of the stage before.
fn counted(doc: &RolloutDoc, evidence: Option<&Evidence>) -> u64 {
    let of_this_stage = |e: &&Evidence| doc.state.stage_entered_at.is_none_or(|entered| e.at > entered);
    let Some(evidence) = evidence.filter(of_this_stage) else { return 0 };
    match doc.stage().map(|stage| stage.kind) {
        Some(StageKind::Shadow) => evidence.shadow.as_ref().map_or(0, |shadow| shadow.pairs),
        _ => evidence.stage_matured.candidate,
    }
}

/// The evidence that would stop the stage: in shadow the pairs', because nobody has been served anything.
pub(crate) fn harm_of(doc: &RolloutDoc, evidence: &Evidence) -> f64 {
    match doc.stage().map(|stage| stage.kind) {
        Some(StageKind::Shadow) => evidence.shadow.as_ref().map_or(0.0, |shadow| shadow.e),
        _ => evidence.e,
    }
}

fn unit_words(doc: &RolloutDoc) -> &'static str {
    match (doc.stage().map(|stage| stage.kind), doc.spec.bucket_by) {
        (Some(StageKind::Shadow), _) => "shadow pair",
        (_, BucketBy::User) => "candidate user",
        (_, BucketBy::Session) => "candidate session",
    }
}

fn plural(unit: &str) -> String {
    format!("{unit}s")
}

/// How long the units that are missing will take at the rate so far. A unit counts only when its session has been watched,
/// so the first of them stand for the time since the stage began less that window.
fn eta(doc: &RolloutDoc, units: u64, needed: u64, now: Timestamp) -> Option<Millis> {
    let age = doc.stage_age(now).0;
    let watched = match age.saturating_sub(doc.spec.session_window.0) {
        0 => age,
        after => after,
    };
    // One or two units are no rate.
    (units >= 3 && watched > 0).then(|| Millis(watched.saturating_mul(needed) / units))
}

/// A span to one figure that matters: "2 h", not "1.9 h".
fn about(span: Millis) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let fits = |(size, _): &&(u64, &str)| span.0 * 2 >= *size * 3;
    let (size, name) = UNITS.iter().find(fits).unwrap_or(&(1000, "s"));
    format!("{} {name}", ((span.0 + size / 2) / size).max(1))
}

fn held(doc: &RolloutDoc, now: Timestamp) -> String {
    let Some(hold) = &doc.state.hold else { return "held".to_owned() };
    let detail = hold.detail.trim_start_matches("held ");
    format!("held for {}: {detail}; the share stays at {}", about(now.since(hold.since)), doc.state.share)
}

fn taken_back(doc: &RolloutDoc) -> String {
    let Some(back) = &doc.state.rolled_back else { return "taken back".to_owned() };
    let reason = back.reason.trim_start_matches("taken back ");
    let latch = if back.rearmed { "; re-armed" } else { "" };
    let separator = if reason.starts_with("at ") || reason.starts_with("by ") { " " } else { ": " };
    format!("taken back {}{separator}{reason}{latch}", time_of_day(back.at))
}

fn completed(doc: &RolloutDoc, evidence: Option<&Evidence>) -> String {
    let ended = doc.state.ended_at.map(time_of_day).unwrap_or_default();
    match evidence {
        Some(evidence) => {
            let units = evidence.enrolled.candidate;
            format!("delivered {ended} after {units} {}", plural(unit_words(doc)))
        }
        None => format!("delivered {ended}"),
    }
}

fn time_of_day(at: Timestamp) -> String {
    let second = at.0.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use serinus_domain::decide;

    use super::*;

    const START: i64 = 1_764_000_000_000_000;
    const HOUR: i64 = 3_600_000_000;

    /// A rollout in a stage of one hour and 300 sessions, with `state` laid over it.
    fn rollout(kind: &str, state: &Value) -> RolloutDoc {
        let layers = |version: u32| json!({ "support": { "system_prompt": format!("system_prompt/support@{version}") } });
        let mut doc = json!({
            "key": "support-1",
            "spec": {
                "change": layers(2), "baseline": layers(1), "candidate": layers(2), "bucket_by": "session", "salt": "s",
                "stages": [{ "kind": kind, "share": 50_000, "units_min": 300, "min": 36_000_000, "max": 604_800_000 }],
                "guardrails": [], "alpha": 50_000, "alpha_shadow": 10_000, "session_window": 1_800_000,
                "fast_window": 600_000, "judge_deadline": 900_000, "author": "ana",
            },
            "state": {
                "phase": "running", "stage": 0, "share": 50_000, "started_at": START, "stage_entered_at": START,
                "ended_at": START + 3 * HOUR,
            },
        });
        for (name, value) in state.as_object().unwrap() {
            doc["state"][name] = value.clone();
        }
        serde_json::from_value(doc).unwrap()
    }

    /// What is said of `doc` `hours` after its start, with so many matured candidate units and so much evidence.
    #[track_caller]
    fn check(doc: &RolloutDoc, hours: i64, units: u64, e: f64, expected: &str) {
        let now = Timestamp(START + hours * HOUR);
        let mut evidence = Evidence { e, at: now, ..Evidence::default() };
        evidence.stage_matured.candidate = units;
        evidence.enrolled.candidate = units;
        evidence.shadow =
            Some(serinus_domain::evidence::ShadowEvidence { pairs: units, ..Default::default() });
        let gate = decide::gate(doc, &evidence, now);
        assert_eq!(sentence(doc, Some(&evidence), Some(&gate), now), expected);
    }

    #[test]
    fn running() {
        let canary = rollout("canary", &json!({}));
        check(&canary, 1, 0, 0.0, "No candidate session has been watched to its end yet; 300 to go");
        check(&canary, 8, 239, 0.4, "No harm in 239 candidate sessions; 61 more to go, about 2 h");
        check(&canary, 8, 2, 0.4, "No harm in 2 candidate sessions; 298 more to go");
        check(
            &canary,
            8,
            239,
            3.2,
            "Some sign of harm (evidence 3.2) in 239 candidate sessions; 61 more to go, about 2 h",
        );
        check(&canary, 8, 412, 0.4, "No harm in 412 candidate sessions; 2 h more of its minimum time");
        check(&canary, 11, 412, 0.4, "No harm in 412 candidate sessions; the gate of canary is open");
        check(
            &rollout("shadow", &json!({})),
            2,
            100,
            0.4,
            "No harm in 100 shadow pairs; 200 more to go, about 3 h",
        );
        check(
            &rollout("full", &json!({})),
            4,
            500,
            0.4,
            "No harm in 500 candidate sessions; 6 h more of bake",
        );
    }

    #[test]
    fn what_the_gate_misses_is_named() {
        let mut ab = rollout("ab", &json!({}));
        ab.spec.categories = vec!["billing".parse().unwrap()];
        ab.spec.stages[0].category_units_min = 20;
        let expected = "No harm in 412 candidate sessions; still missing: 20 more units of \"billing\"";
        check(&ab, 11, 412, 0.4, expected);
    }

    #[test]
    fn no_longer_running() {
        let hold = json!({ "phase": "held", "hold": { "reason": "operator", "since": START + HOUR, "detail": "by ana" } });
        check(&rollout("canary", &hold), 3, 99, 0.4, "Held for 2 h: by ana; the share stays at 5%");
        let reason = "taken back at evidence 24.7 (limit 20): quality in \"keywords\" 0.840 -> 0.690";
        let back = json!({ "at": START + 43_929_000_000_i64, "reach": "new_sessions", "reason": reason });
        let expected =
            "Taken back 04:12:09 UTC at evidence 24.7 (limit 20): quality in \"keywords\" 0.840 -> 0.690";
        check(
            &rollout("canary", &json!({ "phase": "rolled_back", "rolled_back": back })),
            13,
            99,
            24.7,
            expected,
        );
        let back = json!({ "at": START, "reach": "next_turn", "reason": "bad answers", "rearmed": true });
        let expected = "Taken back 16:00:00 UTC: bad answers; re-armed";
        check(
            &rollout("canary", &json!({ "phase": "rolled_back", "rolled_back": back })),
            13,
            99,
            0.4,
            expected,
        );
        let completed = rollout("full", &json!({ "phase": "completed" }));
        check(&completed, 13, 99, 0.4, "Delivered 19:00:00 UTC after 99 candidate sessions");
    }

    #[test]
    fn two_equal_arms_are_an_a_a_test() {
        let mut doc = rollout("ab", &json!({}));
        doc.spec.candidate = doc.spec.baseline.clone();
        let expected =
            "A/A test, both arms serve the same: no harm in 412 candidate sessions; the gate of ab is open";
        check(&doc, 11, 412, 0.4, expected);
    }
}
