//! The invariants of delivery as scripts: same answer, pinned, monotone, one snapshot, rollback holds, evidence embedded.
//! Knows nothing of statistics: evidence is what a script says it is.

use std::sync::Arc;

use serde_json::{Value, json};
use serinus_domain::{
    compile::compile,
    context::{Attributes, Context},
    decide::{self, Action, RollbackRequest},
    digest::Digest,
    entity::{DocKey, Phase},
    resolve::{Arm, CANDIDATE, Reason, resolve},
    revision::{Cause, Change, Draft, Provenance, Revision, RevisionNumber},
    snapshot::{Refused, Snapshot},
    units::Share,
};

use crate::{
    script::{check, run},
    world::{World, key},
};

const START: &str = "
    put support control=model/a@1,prompt_template/p@1 description=first
    start support.model=model/b@1 stages=canary:5,ab:50,full:99
";

#[test]
fn pinned() {
    check(&format!(
        "{START}
        name c candidate
        name k control
        turn c            -> candidate split model/b@1 pi=0.05
        turn k            -> control split model/a@1 pi=0.05
        turn c plan=pro   -> candidate pinned model/b@1 pi=0.05
        advance
        turn c            -> candidate pinned pi=0.05     # enrolled once, at its own probability
        turn k            -> control pinned model/a@1     # growing a share moves new sessions only
        advance
        advance           -> completed
        turn k            -> control pinned model/a@1
        turn fresh        -> control default model/b@1
        turn nobody       -> control no_session
        put support control=model/c@1,prompt_template/p@1
        turn c            -> pinned model/b@1
        turn k            -> pinned model/a@1"
    ));
}

#[test]
fn pinned_to_a_rule_outlives_the_variant() {
    check(
        "put support control=model/a@1 variant=fancy:model/c@1,terse:prompt_template/p@1 rule=pro:fancy,team:terse
        turn s1 plan=pro  -> fancy targeting_match model/c@1
        turn s2 plan=team -> terse targeting_match model/a@1
        put support control=model/b@1 variant=terse:prompt_template/p@2 rule=team:terse
        turn s1           -> fancy pinned model/c@1
        turn s2           -> terse pinned model/a@1",
    );
}

#[test]
fn a_rule_goes_before_a_rollout_and_weighs_nothing() {
    let world = check(
        "put support control=model/a@1 variant=fancy:model/c@1 rule=pro:fancy,free:control
        start support.model=model/b@1 stages=canary:100
        turn s1           -> candidate split pi=1
        turn s2 plan=pro  -> fancy targeting_match
        turn s3 plan=free -> control targeting_match",
    );
    for (session, enrolled) in [("s1", true), ("s2", false), ("s3", false)] {
        assert_eq!(
            world.pins[&(session.to_owned(), "support".parse().unwrap())].arm.is_some(),
            enrolled,
            "{session}"
        );
    }
}

#[test]
fn monotone() {
    let mut world = check(START);
    let candidates = |world: &World| -> Vec<bool> {
        let feature = &world.compiled.features["support"];
        let in_candidate = |n: u32| {
            let context = Context::new(Some(&format!("s{n}")), None, Attributes::default()).unwrap();
            resolve(feature, world.compiled.revision, None, &context).variant == CANDIDATE
        };
        (0..2_000).map(in_candidate).collect()
    };
    let few = candidates(&world);
    run(&mut world, "advance");
    let half = candidates(&world);
    run(&mut world, "advance");
    let most = candidates(&world);
    let count = |all: &[bool]| all.iter().filter(|is| **is).count();
    assert!((60..140).contains(&count(&few)) && (900..1_100).contains(&count(&half)) && count(&most) > 1_950);
    assert!(few.iter().zip(&half).zip(&most).all(|((few, half), most)| few <= half && half <= most));
}

#[test]
fn same_answer_and_one_snapshot() {
    let mut world = check(&format!("{START} advance"));
    let (held, held_revision) = (Arc::clone(&world.compiled), world.snapshot.revision);
    let answers = |compiled: &serinus_domain::compile::Compiled| -> Vec<(String, Reason, u128)> {
        let one = |n: u32| {
            let context = Context::new(Some(&format!("s{n}")), Some("u"), Attributes::default()).unwrap();
            let met = resolve(&compiled.features["support"], compiled.revision, None, &context);
            (met.variant.to_owned(), met.reason, met.bundle.id.0)
        };
        (0..200).map(one).collect()
    };
    let before = answers(&held);
    run(&mut world, "rollback reach=next_turn\n kill support");
    assert_eq!(answers(&held), before, "a snapshot that a request holds never changes");
    assert_ne!(answers(&world.compiled), before);
    // Another node folds the same bytes, without anything to take over from.
    let mut snapshot = Snapshot::default();
    for bytes in &world.log[..usize::try_from(held_revision.0).unwrap()] {
        snapshot = snapshot.apply(&Revision::from_stored(bytes).unwrap()).unwrap();
    }
    assert_eq!(answers(&compile(&snapshot, &world.contents, None)), before);
}

#[test]
fn rollback_holds_at_the_next_turn() {
    let mut world = check(&format!(
        "{START}
        name c candidate
        turn c    -> candidate
        advance
        name d candidate
        turn d    -> candidate
        rollback support reach=next_turn -> appended rolled_back share=0% reach=NextTurn
        turn c    -> control revoked model/a@1
        turn c    -> control pinned model/a@1
        turn d    -> control revoked model/a@1
        rollback support -> nothing"
    ));
    nobody_is_enrolled(&mut world);
}

#[test]
fn rollback_drains_new_sessions_and_may_be_widened() {
    let mut world = check(&format!(
        "{START}
        name c candidate
        turn c    -> candidate
        rollback reach=new_sessions -> reach=NewSessions
        turn c    -> candidate pinned model/b@1
        rollback support reach=new_sessions -> nothing
        rollback support                    -> nothing reach=NewSessions
        rollback support reach=next_turn    -> appended rolled_back reach=NextTurn
        rollback support reach=new_sessions -> nothing reach=NextTurn
        turn c    -> control revoked model/a@1"
    ));
    nobody_is_enrolled(&mut world);
}

fn nobody_is_enrolled(world: &mut World) {
    for n in 0..500 {
        let turn = world.turn("support", Some(&format!("new{n}")), None, &[]);
        assert_eq!((turn.variant.as_str(), turn.pi), ("control", None));
    }
}

#[test]
fn rollback_completes_in_one_revision_from_every_state() {
    let ways = [
        "",
        "advance",
        "advance\n advance",
        "hold",
        "advance\n hold\n hold",
        "wait 1h\n evidence fire=error_rate:6\n steer -> held hold=Evidence",
        "evidence fire=error_rate:30:than:same\n steer -> held hold=CommonCause",
        "evidence srm=9\n steer -> held hold=SampleRatio",
        "evidence fire=cost:30:hold\n steer -> held hold=Guardrail",
        "wait 48h\n evidence problem=blind\n steer -> held hold=Deadline",
        "kill support",
        "advance\n advance\n advance -> completed",
    ];
    for way in ways {
        let mut world = check(START);
        let session = world.session_in("support", Arm::Candidate);
        world.turn("support", Some(&session), None, &[]);
        run(&mut world, way);
        let head = world.snapshot.revision;
        run(&mut world, "rollback support reach=next_turn -> appended rolled_back share=0%");
        assert_eq!(world.snapshot.revision, head.next(), "{way}");
        run(&mut world, "revive support\n feature support -> model/a@1");
        assert_ne!(world.turn("support", Some(&session), None, &[]).variant, CANDIDATE, "{way}");
        nobody_is_enrolled(&mut world);
    }
}

#[test]
fn rollback_is_atomic_over_features() {
    let world = check(
        "put support control=model/a@1
        put search control=model/a@1
        start support.model=model/b@1 search.model=model/b@1 stages=canary:50,full:99
        name c candidate
        turn c                  -> candidate pi=0.5
        turn c feature=search   -> candidate pi=0.5      # one salt: one arm for all of a rollout's features
        rollback                -> appended
        turn c                  -> control revoked
        turn c feature=search   -> control revoked
        rearm
        start support.model=model/b@1 search.model=model/b@1 stages=full:99
        advance                 -> completed
        rollback search         -> appended
        feature support         -> model/a@1
        feature search          -> model/a@1",
    );
    let last = Revision::from_stored(world.log.last().unwrap()).unwrap();
    let touched: Vec<_> = last.body.changes.iter().map(|change| change.key().as_str().to_owned()).collect();
    assert!(
        ["feature/search", "feature/support", "rollout/search-2"]
            .iter()
            .all(|key| touched.contains(&(*key).to_owned()))
    );
}

#[test]
fn a_completed_change_goes_back_forward() {
    check(&format!(
        "{START}
        advance
        advance
        advance                              -> completed
        combination support model/b@1,prompt_template/p@1 -> declared    # by hand, without its gates
        put support control=model/b@1,prompt_template/p@2 description=second
        turn late                            -> control default model/b@1
        rollback support                     -> refused rollback.unproven_target     # nobody ever served a@1 with p@2
        rollback support force               -> appended warned
        feature support                      -> model/a@1 prompt_template/p@2 description=second
        combination support model/b@1,prompt_template/p@1 -> unproven
        combination support model/b@1,prompt_template/p@2 -> unproven
        combination support model/a@1,prompt_template/p@2 -> unproven
        turn late                            -> control revoked model/a@1            # pinned to what was taken back
        turn late                            -> control pinned model/a@1"
    ));
}

#[test]
fn what_others_changed_since_stays() {
    check(
        "put support control=model/a@1
        start support.model=model/b@1 stages=full:99
        advance                  -> completed
        put support control=model/c@1 description=later
        turn s1                  -> model/c@1
        rollback support         -> appended warned rolled_back
        feature support          -> model/c@1 description=later
        combination support model/c@1 -> declared
        turn s1                  -> pinned model/c@1",
    );
}

#[test]
fn taking_back_the_ground_takes_back_what_stands_on_it() {
    check(
        "put support control=model/a@1,prompt_template/p@1
        start support.model=model/b@1 stages=full:99
        advance                  -> completed
        start support.prompt_template=prompt_template/p@2 stages=canary:50
        name c candidate
        name k control
        turn c                   -> candidate model/b@1
        turn k                   -> control model/b@1
        rollback support-1 reach=next_turn -> appended warned
        state support-2          -> rolled_back
        turn c                   -> control revoked model/a@1
        turn k                   -> control revoked model/a@1
        combination support model/a@1,prompt_template/p@1 -> declared",
    );
}

#[test]
fn taking_back_reaches_later_rollouts_that_carried_it_on() {
    check(
        "put support control=model/a@1,prompt_template/p@1
        start support.model=model/b@1 stages=full:99
        advance                  -> completed
        start support.prompt_template=prompt_template/p@2 stages=full:99
        name c candidate
        turn c                   -> candidate model/b@1
        advance                  -> completed
        rollback support-1 force -> appended
        feature support          -> model/a@1 prompt_template/p@2
        turn c                   -> control revoked model/a@1",
    );
}

#[test]
fn an_aa_leaves_control_and_its_proof() {
    check(
        "put support control=model/a@1
        start support.model=model/a@1 stages=canary:50,full:99
        rollback                 -> appended rolled_back
        combination support model/a@1 -> declared
        start support.model=model/a@1 stages=full:99     # an A/A is not latched
        advance                  -> completed
        rollback support         -> appended rolled_back
        feature support          -> model/a@1
        combination support model/a@1 -> declared",
    );
}

#[test]
fn what_control_still_holds_is_not_withdrawn() {
    check(
        "put support control=model/a@1,prompt_template/p@1
        start support.model=model/a@1 stages=full:99
        advance                  -> completed
        turn s1                  -> control prompt=1
        put support control=model/a@1,prompt_template/p@2
        rollback support         -> appended
        turn s1                  -> control pinned prompt=1",
    );
}

#[test]
fn a_live_change_goes_back_to_an_unproven_control_without_force() {
    check(
        "put support control=model/a@1,prompt_template/p@1
        start support.model=model/b@1 stages=full:99
        advance                  -> completed
        put support control=model/b@1,prompt_template/p@2
        rollback support force   -> appended warned
        combination support model/a@1,prompt_template/p@2 -> unproven
        start support.model=model/c@1 stages=canary:50
        rollback                 -> appended warned rolled_back",
    );
}

#[test]
fn latch_and_rearm() {
    check(&format!(
        "{START}
        rollback -> appended
        start support.model=model/b@1 stages=canary:5 -> refused rollout.latched
        start support.model=model/c@1 stages=canary:5 -> running
        rollback
        rearm support-1
        start support.model=model/b@1 stages=canary:50 -> running key=support-3
        name c candidate
        turn c   -> candidate split
        turn c   -> candidate pinned          # the old rollback does not reach what was started in knowledge of it
        rearm support-3 -> refused rollout.not_rolled_back"
    ));
    check(
        "put support control=model/a@1
        start support.model=model/b@1 stages=full:99
        advance
        turn old -> model/b@1
        rollback support
        rearm
        start support.model=model/b@1 stages=full:99
        name c candidate
        turn c   -> candidate split
        turn c   -> candidate pinned
        turn old -> control revoked model/a@1",
    );
}

#[test]
fn one_rollout_at_a_time() {
    check(&format!(
        "{START}
        start support.prompt_template=prompt_template/p@2 stages=canary:5 -> refused rollout.overlap
        put support control=model/c@1       -> refused feature.rollout_running
        put support control=model/a@1,prompt_template/p@1 description=second
        advance
        hold       -> held share=50%
        advance    -> refused rollout.held
        start support.model=model/c@1 stages=canary:5 -> refused rollout.overlap
        resume     -> running share=50%
        resume     -> refused rollout.not_held
        rollback   -> rolled_back
        advance    -> refused rollout.not_running
        hold       -> refused rollout.not_running
        feature support -> description=second"
    ));
}

#[test]
fn kill_stands_above_everything() {
    check(&format!(
        "{START}
        name c candidate
        turn c            -> candidate
        kill support
        turn c            -> control killed model/a@1
        put support control=model/a@1,prompt_template/p@1 description=edited
        feature support   -> killed=true            # an edit revives nothing
        advance
        advance
        advance           -> completed
        feature support   -> killed=true model/b@1
        revive support
        turn c            -> candidate pinned"
    ));
}

#[test]
fn rollback_wins_a_race_with_an_advance() {
    let mut world = check(START);
    let request = RollbackRequest {
        subject: None,
        reach: None,
        message: "errors".into(),
        actor: "boris".into(),
        force: false,
    };
    let plan =
        |world: &World| decide::plan_rollback(&world.snapshot, &request, world.now).unwrap().draft.unwrap();
    let late = plan(&world);
    run(&mut world, "advance");
    // The store refuses what was made against another head, and so does the fold.
    assert_ne!(late.expected_head, world.snapshot.revision);
    let stale = Revision::seal(&late, late.expected_head, Digest::ZERO, world.now);
    assert!(matches!(world.snapshot.apply(&stale), Err(Refused::Gap { .. })));
    let again = plan(&world);
    world.append(&again);
    assert_eq!(world.rollout("support-1").state.phase, Phase::RolledBack);
    assert_eq!(
        world.rollout("support-1").state.stage,
        1,
        "it went back from where the advance had brought it"
    );
}

#[test]
fn gap_and_fork() {
    let world = check(START);
    let draft = decide::kill(&world.snapshot, &"support".parse().unwrap(), true, "anna").unwrap();
    let head = world.snapshot.revision;
    let sealed = |head, parent| Revision::seal(&draft, head, parent, world.now);
    let fork = Err(Refused::Fork { number: head.next() });
    assert_eq!(world.snapshot.apply(&sealed(head, Digest::ZERO)), fork);
    for other in [RevisionNumber(head.0 + 1), RevisionNumber(head.0 - 1)] {
        let gap = Err(Refused::Gap { have: head, got: other.next() });
        assert_eq!(world.snapshot.apply(&sealed(other, world.snapshot.digest)), gap);
    }
    // An altered entry has another digest, so that what follows it shows.
    let good = sealed(head, world.snapshot.digest);
    let altered = String::from_utf8(good.to_stored()).unwrap().replace("anna", "eve");
    let forged = world.snapshot.apply(&Revision::from_stored(altered.as_bytes()).unwrap()).unwrap();
    let next = Revision::seal(
        &Draft { expected_head: good.body.number, ..draft.clone() },
        good.body.number,
        good.digest,
        world.now,
    );
    assert!(matches!(forged.apply(&next), Err(Refused::Fork { .. })));
    assert!(world.snapshot.apply(&good).unwrap().apply(&next).is_ok());
}

#[test]
fn what_this_version_does_not_know_is_kept() {
    let mut world = check(START);
    let unknown = json!({"kind": "hologram", "key": "h", "colour": {"deep": [1, 2.5]}});
    let mut feature: Value = world.snapshot.get(&DocKey::stored("feature/support")).unwrap().body.clone();
    feature["from_a_later_version"] = json!(true);
    let put = |key: &str, body: &Value| Change::Put { key: DocKey::stored(key), body: body.clone() };
    let draft = Draft {
        expected_head: world.snapshot.revision,
        actor: "later".into(),
        message: String::new(),
        cause: Cause::Token,
        changes: vec![put("hologram/h", &unknown), put("feature/support", &feature)],
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    world.append(&draft);
    let stored = |key: &str| world.snapshot.get(&DocKey::stored(key)).unwrap();
    assert_eq!((&stored("hologram/h").body, &stored("hologram/h").document), (&unknown, &None));
    assert_eq!(stored("feature/support").body, feature);
    assert!(stored("feature/support").document.is_some());
    world.audit();
}

#[test]
fn stored_bytes_are_stable() {
    let world = check(START);
    for bytes in &world.log {
        let read = Revision::from_stored(bytes).unwrap();
        assert_eq!((&read.to_stored(), read.digest), (bytes, Digest::of(bytes)));
    }
    let draft = Draft {
        expected_head: RevisionNumber(0),
        actor: "anna".into(),
        message: "first".into(),
        cause: Cause::Person,
        changes: vec![Change::Retire { key: DocKey::stored("flag/f") }],
        idempotency_key: None,
        provenance: Provenance::default(),
    };
    let sealed = Revision::seal(&draft, RevisionNumber(0), Digest::ZERO, serinus_domain::units::Timestamp(7));
    let text = r#"{"actor":"anna","at":7,"cause":{"by":"person"},"changes":[{"retire":{"key":"flag/f"}}],"message":"first","number":1,"parent":"0000000000000000000000000000000000000000000000000000000000000000"}"#;
    assert_eq!(String::from_utf8(sealed.to_stored()).unwrap(), text);
}

#[test]
fn evidence_embedded_and_nothing_twice() {
    let ways = [
        "evidence units=400",
        "evidence fire=error_rate:20.000000000000004",
        "evidence fire=quality:5.1",
        "evidence fire=error_rate:25:than:same,quality:1",
        "evidence srm=6.907755278982138",
        "evidence fire=cost:20:hold",
        "wait 48h\n evidence problem=blind",
        "evidence fire=error_rate:6\n steer -> hold\n wait 1h\n evidence e=1.9 problem=blind",
        "advance\n advance\n evidence units=400",
    ];
    for way in ways {
        let mut world = check(START);
        run(&mut world, way);
        let (decided, revision) = world.steer(&key("support-1"));
        assert_ne!(decided.action, Action::Stay, "{way}");
        let stored = Revision::from_stored(&revision.unwrap().to_stored()).unwrap();
        let Cause::Controller { decision } = &stored.body.cause else {
            panic!("{way}: not the controller's")
        };
        let Change::Put { body, .. } = &stored.body.changes[0] else { panic!("{way}: no put") };
        let doc: serinus_domain::entity::RolloutDoc = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(decision.recompute(&doc), decided, "{way}");
        assert_eq!(decision.decided, decided, "{way}");
        // Deciding again on the result decides nothing new.
        let (again, revision) = world.steer(&key("support-1"));
        assert_eq!((again.action, revision), (Action::Stay, None), "{way}");
    }
}

#[test]
fn a_shadow_serves_nobody() {
    let world = check(
        "put support control=model/a@1
        start support.model=model/b@1 stages=shadow:100,canary:5
        turn s1  -> control default model/a@1
        hold     -> held share=0%
        turn s2  -> control default
        resume
        advance  -> share=5%
        turn s1  -> control pinned",
    );
    assert_eq!(world.rollout("support-1").state.share, Share::percent(5));
}
