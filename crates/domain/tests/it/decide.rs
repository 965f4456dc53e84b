//! Verdicts and gates as tables: a rollout in some state, evidence in one line, and what must be decided.

use proptest::prelude::*;
use serinus_domain::{
    decide::{self, Action, default_guardrails, default_stages, steer},
    entity::{Phase, StageKind, Trust},
    resolve::{Arm, CANDIDATE},
    units::{Millis, Share},
};

use crate::{
    script::{check, evidence_of, of_decision, run},
    world::{World, key},
};

const START: &str = "
    put support control=model/a@1 categories=keywords,orders
    start support.model=model/b@1 stages=shadow:10,canary:5,ab:50,full:99 min=1h units=300 category_units=20
";

/// The rollout brought to a state by a script, then steered on one line of evidence.
fn decided(way: &str, line: &str, expected: &str) {
    let world = check(&format!("{START}\n{way}"));
    let doc = world.rollout("support-1");
    let evidence = evidence_of(line, doc, world.now);
    let decided = steer(doc, &evidence, world.now);
    let words = of_decision(&decided);
    for word in expected.split_whitespace() {
        assert!(
            words.iter().any(|have| have == word),
            "{way} | {line}: {word} in {words:?}: {}",
            decided.reason
        );
    }
    assert!(!decided.reason.is_empty() && !decided.reason.ends_with('.'), "{}", decided.reason);
}

const CANARY: &str = "advance\n wait 1h";
const AB: &str = "advance\n advance\n wait 1h";
const FULL: &str = "advance\n advance\n advance\n wait 1h";
const PLENTY: &str = "cats=keywords:20,orders:20";

#[test]
fn six_verdicts() {
    let table = [
        (CANARY, PLENTY, "PASS advance"),
        (CANARY, "fire=error_rate:20", "FAIL roll_back metric=error_rate reach=NextTurn"),
        (CANARY, "units=299 cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        (CANARY, "units=0", "NO_DATA stay"),
        (CANARY, "problem=judge_blind cats=keywords:20,orders:20", "ERROR stay"),
        (CANARY, "fire=error_rate:20.1:than:same", "COMMON_CAUSE hold reason=CommonCause"),
        (FULL, PLENTY, "PASS complete"),
        ("rollback", "fire=error_rate:99", "INCONCLUSIVE stay"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn harm_holds_at_five_and_rolls_back_at_twenty() {
    let held = format!("{CANARY}\n evidence fire=refusal_rate:6\n steer -> held hold=Evidence share=5%");
    let resumed = format!("{held}\n wait 30m\n evidence e=1.9 units=0\n steer -> resume running share=5%");
    let table = [
        (CANARY, "fire=refusal_rate:4.99 cats=keywords:20,orders:20", "PASS"),
        (CANARY, "fire=refusal_rate:5 cats=keywords:20,orders:20", "INCONCLUSIVE hold reason=Evidence"),
        (CANARY, "fire=refusal_rate:19.99", "hold reason=Evidence"),
        (CANARY, "fire=refusal_rate:20", "FAIL roll_back reach=NextTurn"),
        (CANARY, "fire=quality:20", "FAIL roll_back reach=NewSessions"),
        (AB, "fire=refusal_rate:20", "FAIL roll_back"),
        (FULL, "fire=refusal_rate:20", "FAIL roll_back"),
        (&held, "fire=refusal_rate:20", "FAIL roll_back"),
        (&held, "e=1", "INCONCLUSIVE stay"),
        (&format!("{held}\n wait 30m"), "e=1.99", "resume"),
        (&format!("{held}\n wait 30m"), "e=2", "stay"),
        (&resumed, "fire=refusal_rate:6", "INCONCLUSIVE stay"),
        (&format!("{resumed}\n wait 30m"), "fire=refusal_rate:6", "hold reason=Evidence"),
        (&resumed, "fire=refusal_rate:20", "FAIL roll_back"),
        // What a person holds, only a person lets go; harm takes it back all the same.
        (&format!("{CANARY}\n hold\n wait 2h"), PLENTY, "INCONCLUSIVE stay"),
        (&format!("{held}\n hold\n wait 2h"), "e=0", "INCONCLUSIVE stay"),
        (&format!("{CANARY}\n hold"), "fire=error_rate:25", "FAIL roll_back"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn common_cause_is_no_excuse() {
    let fire = "fire=error_rate:1000000:than:same";
    let held = format!("{CANARY}\n evidence {fire}\n steer -> COMMON_CAUSE held hold=CommonCause share=5%");
    let table = [
        (CANARY, "fire=error_rate:25:than", "FAIL roll_back metric=error_rate"),
        (CANARY, fire, "COMMON_CAUSE hold"),
        // What is everybody's trouble does not hide what is the change's own.
        (CANARY, "fire=error_rate:1000000:than:same,quality:25", "FAIL roll_back metric=quality"),
        (CANARY, "fire=error_rate:1000000:than:same,quality:19", "COMMON_CAUSE hold"),
        (&held, fire, "COMMON_CAUSE stay"),
        (&held, "fire=error_rate:25:than", "FAIL roll_back"),
        (&format!("{held}\n wait 30m"), "e=1", "resume"),
        // A person's hold stays a person's; a person's answer stands for this stage.
        (&format!("{CANARY}\n hold"), fire, "COMMON_CAUSE stay"),
        (&format!("{held}\n resume"), fire, "COMMON_CAUSE stay"),
        (&format!("{held}\n resume\n advance"), fire, "COMMON_CAUSE hold"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn a_broken_split_blocks_promotion_and_leaves_tier_one_armed() {
    let held = format!("{CANARY}\n evidence srm=7\n steer -> ERROR held hold=SampleRatio");
    let overdue = format!("{CANARY}\n wait 48h\n evidence problem=blind\n steer -> held hold=Deadline");
    let table = [
        (CANARY, "srm=6.9 cats=keywords:20,orders:20", "PASS advance"),
        (CANARY, "srm=7 cats=keywords:20,orders:20", "ERROR hold reason=SampleRatio"),
        (CANARY, "srm=7 fire=quality:99", "ERROR hold reason=SampleRatio"),
        (CANARY, "srm=7 fire=error_rate:20.1", "FAIL roll_back metric=error_rate"),
        (CANARY, "srm=7 fire=error_rate:20.1,quality:99", "FAIL roll_back metric=error_rate"),
        (CANARY, "srm=7 fire=error_rate:19,quality:99", "ERROR hold reason=SampleRatio"),
        (&held, "fire=quality:99", "stay"),
        (&held, "fire=error_rate:20.1", "FAIL roll_back"),
        (&held, PLENTY, "stay"),
        (&format!("{held}\n resume"), "srm=7 cats=keywords:20,orders:20", "ERROR stay"),
        (&overdue, "srm=7 cats=keywords:20,orders:20", "ERROR stay"),
        (&overdue, PLENTY, "PASS advance"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn guardrails_that_ask() {
    let held = format!("{CANARY}\n evidence fire=cost:20:hold\n steer -> held hold=Guardrail");
    let overdue = format!("{CANARY}\n wait 48h\n evidence problem=blind\n steer -> held hold=Deadline");
    let asks = "fire=cost:1000:hold cats=keywords:20,orders:20";
    let table = [
        (CANARY, "fire=cost:19:hold cats=keywords:20,orders:20", "PASS"),
        (CANARY, asks, "INCONCLUSIVE hold reason=Guardrail"),
        (CANARY, "fire=cost:1000000:hold", "hold reason=Guardrail"),
        // Evidence of what only asks never rolls back, whatever the pool says.
        (
            CANARY,
            "e=1000 fire=cost:1000:hold unmeasured=error_rate,invalid_output,refusal_rate,thumbs_down",
            "INCONCLUSIVE hold",
        ),
        (&held, asks, "stay"),
        (&held, PLENTY, "stay"),
        (&format!("{held}\n resume"), asks, "PASS advance"),
        (&format!("{held}\n resume\n advance\n wait 1h"), asks, "hold reason=Guardrail"),
        (&overdue, asks, "INCONCLUSIVE stay"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn deadlines() {
    let overdue =
        format!("{AB}\n wait 47h\n evidence inferior=error_rate\n steer -> INCONCLUSIVE held hold=Deadline");
    let table = [
        (&*format!("{AB}\n wait 46h"), "inferior=error_rate", "INCONCLUSIVE stay"),
        (&*format!("{AB}\n wait 47h"), "inferior=error_rate", "INCONCLUSIVE hold reason=Deadline"),
        (&*format!("{AB}\n wait 47h"), PLENTY, "PASS advance"),
        (&overdue, "inferior=error_rate", "INCONCLUSIVE stay"),
        (&overdue, PLENTY, "PASS advance"),
        (&overdue, "fire=error_rate:20", "FAIL roll_back"),
        // A person who lets it go on is asked again after as long once more.
        (&*format!("{overdue}\n resume\n wait 47h"), "inferior=error_rate", "stay"),
        (&*format!("{overdue}\n resume\n wait 48h"), "inferior=error_rate", "hold reason=Deadline"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn minima() {
    let table = [
        (CANARY, "units=300 cats=keywords:20,orders:20", "PASS"),
        (CANARY, "units=299 cats=keywords:20,orders:20", "INCONCLUSIVE"),
        (CANARY, "cats=keywords:20,orders:19", "INCONCLUSIVE"),
        (CANARY, "cats=keywords:20", "INCONCLUSIVE"),
        ("advance\n wait 59m", PLENTY, "INCONCLUSIVE stay"),
        // Held time does not count, nor that of a hold over a hold.
        ("advance\n wait 30m\n hold\n wait 9h\n resume\n wait 29m", PLENTY, "INCONCLUSIVE stay"),
        ("advance\n wait 30m\n hold\n wait 9h\n resume\n wait 30m", PLENTY, "PASS advance"),
        (
            "advance\n wait 30m\n hold\n wait 9h\n hold\n wait 9h\n resume\n wait 29m",
            PLENTY,
            "INCONCLUSIVE stay",
        ),
        ("advance\n wait 30m\n hold\n wait 9h\n hold\n wait 9h\n resume\n wait 30m", PLENTY, "PASS advance"),
        // What was counted before this stage began is not of this stage.
        (CANARY, "age=1h cats=keywords:20,orders:20", "PASS"),
        (CANARY, "age=2h cats=keywords:20,orders:20", "NO_DATA stay"),
        // Non-inferiority is asked at A/B, of headline guardrails, measured or not.
        (CANARY, "inferior=error_rate cats=keywords:20,orders:20", "PASS"),
        (AB, PLENTY, "PASS advance"),
        (AB, "inferior=error_rate cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        (AB, "unmeasured=invalid_output cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        (AB, "inferior=refusal_rate cats=keywords:20,orders:20", "PASS"),
        (FULL, "inferior=error_rate cats=keywords:20,orders:20", "PASS complete"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
}

#[test]
fn shadow_exposes_nobody() {
    let table = [
        ("wait 1h", "pairs=300 units=0 cats=keywords:20,orders:20", "PASS advance"),
        ("wait 1h", "pairs=299 cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        ("wait 1h", "pairs=0", "NO_DATA stay"),
        ("wait 1h", "shadow_e=4.9 cats=keywords:20,orders:20", "PASS"),
        ("wait 1h", "shadow_e=5 cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        ("wait 1h", "shadow_e=99 cats=keywords:20,orders:20", "INCONCLUSIVE stay"),
        // The one that carries the pool is blamed, not the largest alone.
        ("", "shadow_e=100", "FAIL roll_back reach=NewSessions metric=error_rate"),
    ];
    for (way, evidence, expected) in table {
        decided(way, evidence, expected);
    }
    let mut world = check(START);
    let alone = |world: &mut World| {
        (0..300).all(|n| world.turn("support", Some(&format!("n{n}")), None, &[]).pi.is_none())
    };
    assert!(alone(&mut world));
    run(&mut world, "evidence shadow_e=200\n steer -> FAIL rolled_back share=0%");
    assert!(alone(&mut world));
}

#[test]
fn defaults() {
    let kinds: Vec<_> = default_stages().iter().map(|stage| (stage.kind, stage.share)).collect();
    let expected =
        [(StageKind::Shadow, 10), (StageKind::Canary, 5), (StageKind::Ab, 50), (StageKind::Full, 99)];
    assert_eq!(kinds, expected.map(|(kind, percent)| (kind, Share::percent(percent))));
    for (judged, whole) in [(false, 75), (true, 100)] {
        let guardrails = default_guardrails(judged);
        assert_eq!(guardrails.iter().map(|guardrail| guardrail.weight.as_ppm()).sum::<u32>(), whole * 10_000);
    }
    for (trust, allowance_ppm) in
        [(Trust::Uncalibrated, 100_000), (Trust::Full, 0), (Trust::Allowance(30_000), 30_000)]
    {
        assert_eq!(trust.allowance_ppm(), allowance_ppm);
    }
}

#[derive(Debug, Clone)]
enum Event {
    Start,
    Hold,
    Resume,
    Advance,
    Rollback(bool),
    Rearm,
    Kill(bool),
    Edit,
    Wait(u8),
    Steer(String),
    Turn(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let metric = prop::sample::select(vec!["error_rate", "invalid_output", "quality", "cost", "thumbs_down"]);
    let flag = prop::sample::select(vec!["", ":hold", ":than", ":than:same"]);
    let evidence = (metric, flag, 0.0..60.0_f64, 0..700_u32, prop::bool::weighted(0.1), prop::bool::ANY).prop_map(
        |(metric, flag, e, units, split_broken, inferior)| {
            let srm = if split_broken { 8 } else { 0 };
            let inferior = if inferior { "inferior=error_rate" } else { "" };
            Event::Steer(format!("fire={metric}:{e}{flag} units={units} pairs={units} shadow_e={e} srm={srm} {inferior} {PLENTY}"))
        },
    );
    prop_oneof![
        2 => Just(Event::Start),
        1 => Just(Event::Hold),
        2 => Just(Event::Resume),
        3 => Just(Event::Advance),
        1 => any::<bool>().prop_map(Event::Rollback),
        1 => Just(Event::Rearm),
        1 => any::<bool>().prop_map(Event::Kill),
        1 => Just(Event::Edit),
        3 => (1..60_u8).prop_map(Event::Wait),
        10 => evidence,
        2 => any::<u8>().prop_map(Event::Turn),
    ]
}

/// The state machine of the design: what a rollout may be after it was this.
fn may_follow(before: Phase, after: Phase) -> bool {
    use Phase::{Cancelled, Completed, Draft, Held, RolledBack, Running, Validated};
    match before {
        Draft => matches!(after, Draft | Validated | Cancelled),
        Validated => matches!(after, Validated | Running | Cancelled),
        Running | Held => matches!(after, Running | Held | Completed | RolledBack),
        Completed => matches!(after, Completed | RolledBack),
        RolledBack => after == RolledBack,
        Cancelled => after == Cancelled,
    }
}

fn play(world: &mut World, event: &Event) {
    let latest = world.snapshot.rollouts().map(|doc| doc.key.clone()).max();
    let line = match (event, latest) {
        (Event::Start, _) => {
            "start support.model=model/b@1 stages=shadow:10,canary:5,ab:50,full:99 units=300".into()
        }
        (Event::Kill(true), _) => "kill support".into(),
        (Event::Kill(false), _) => "revive support".into(),
        (Event::Edit, _) => format!("put support control={} description=edited", control(world)),
        (Event::Wait(hours), _) => format!("wait {hours}h"),
        (Event::Turn(n), _) => format!("turn t{n}"),
        (_, None) => return,
        (Event::Hold, Some(key)) => format!("hold {key}"),
        (Event::Resume, Some(key)) => format!("resume {key}"),
        (Event::Advance, Some(key)) => format!("advance {key}"),
        (Event::Rollback(true), Some(key)) => format!("rollback {key} force"),
        (Event::Rollback(false), Some(_)) => "rollback support reach=new_sessions".into(),
        (Event::Rearm, Some(key)) => format!("rearm {key}"),
        (Event::Steer(evidence), Some(key)) => {
            let doc = world.rollout(key.as_str()).clone();
            world.evidence = evidence_of(evidence, &doc, world.now);
            steer_to_rest(world, &key);
            return;
        }
    };
    // A refusal is an answer too: `-> !panic` lets either through.
    run(world, &format!("{line} -> !panic"));
}

fn steer_to_rest(world: &mut World, key: &serinus_domain::id::RolloutKey) {
    // A hold that ends and the step that then opens are two; nothing goes on for ever on the same evidence.
    for _ in 0..3 {
        let (decided, revision) = world.steer(key);
        assert_eq!(decided.action == Action::Stay, revision.is_none());
        if revision.is_none() {
            return;
        }
    }
    panic!("{key} does not come to rest on {:?}", world.evidence);
}

fn control(world: &World) -> String {
    world.feature("support").control.0.values().next().unwrap().to_string()
}

fn check_step(world: &World, before: &[(String, Phase)]) {
    world.audit();
    for (name, phase) in before {
        let after = world.rollout(name).state.phase;
        assert!(may_follow(*phase, after), "{name}: {phase:?} to {after:?}");
    }
    assert!(world.snapshot.rollouts().filter(|doc| doc.state.phase.is_live()).count() <= 1);
    let feature = &world.compiled.features["support"];
    if feature.rollout.is_none() {
        let context = |n: u32| {
            serinus_domain::context::Context::new(Some(&format!("x{n}")), None, Default::default()).unwrap()
        };
        let candidate =
            |n| serinus_domain::resolve::resolve(feature, world.compiled.revision, None, &context(n)).variant;
        assert!((0..20).all(|n| candidate(n) != CANDIDATE));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Any sequence of events: nothing panics, every draft applies, phases follow the state machine.
    #[test]
    fn any_sequence(events in prop::collection::vec(event(), 1..40)) {
        let mut world = check("put support control=model/a@1 categories=keywords,orders");
        for event in &events {
            let before: Vec<_> =
                world.snapshot.rollouts().map(|doc| (doc.key.to_string(), doc.state.phase)).collect();
            play(&mut world, event);
            world.wait(Millis(1));
            check_step(&world, &before);
        }
        // From wherever this led, what is live goes back in one revision.
        let live = world.snapshot.rollouts().find(|doc| doc.state.phase.is_live()).map(|doc| doc.key.clone());
        if let Some(key) = live {
            run(&mut world, &format!("rollback {key} -> rolled_back share=0% appended"));
        }
    }
}

#[test]
fn the_share_is_what_new_sessions_get() {
    let mut world = check(&format!("{START} advance"));
    for expected in [Share::percent(5), Share::percent(50), Share::percent(99)] {
        let session = world.session_in("support", Arm::Candidate);
        assert_eq!(world.turn("support", Some(&session), None, &[]).pi, Some(expected));
        run(&mut world, "hold -> held");
        let session = world.session_in("support", Arm::Candidate);
        assert_eq!(
            world.turn("support", Some(&session), None, &[]).pi,
            Some(expected),
            "a hold freezes the share"
        );
        run(&mut world, "resume\n advance");
    }
    assert_eq!(world.rollout("support-1").state.phase, Phase::Completed);
    let refused = decide::advance(&world.snapshot, &key("support-1"), "anna", world.now).unwrap_err();
    assert_eq!(refused.code, "rollout.not_running");
}
