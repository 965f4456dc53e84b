//! The little language of these tests, parsed here and nowhere else: one command a line, and after `->` what must come of it.
//!
//! Every command answers a set of words; each expected word must be among them, and `!word` must not.

use std::collections::BTreeMap;

use serinus_domain::{
    decide::{self, Action, Decided, Rejection, RollbackRequest, StartRequest},
    entity::{
        Clock, DocKey, Document, GuardrailAction, GuardrailLimit, Layers, Metric, Phase, Proof, Reach,
        RolloutDoc, StageKind, StageSpec, Trust,
    },
    evidence::{ArmCounts, ClockEvidence, Effect, Evidence, GuardrailEvidence, PairEvidence, ShadowEvidence},
    resolve::Arm,
    revision::Draft,
    units::{Millis, Share, Timestamp},
};

use crate::world::{World, key};

/// Runs a script in a world of its own.
pub fn check(script: &str) -> World {
    let mut world = World::new();
    for name in ["model/a", "model/b", "model/c", "prompt_template/p", "prompt_template/p"] {
        world.publish(name, Vec::new());
    }
    run(&mut world, script);
    world
}

/// Runs a script on.
pub fn run(world: &mut World, script: &str) {
    for line in
        script.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty())
    {
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let answer = Line::parse(command).play(world);
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert!(!expected.is_empty() || !answer.contains(&"refused".to_owned()), "{line}: {answer:?}");
        for word in expected {
            let (word, wanted) = word.strip_prefix('!').map_or((word, true), |word| (word, false));
            assert_eq!(answer.iter().any(|have| have == word), wanted, "{line}: {word} in {answer:?}");
        }
        world.audit();
    }
}

struct Line<'a> {
    verb: &'a str,
    words: Vec<&'a str>,
    given: BTreeMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split_whitespace();
        let verb = parts.next().unwrap();
        let (given, words): (Vec<_>, Vec<_>) = parts.partition(|part| part.contains('='));
        let given = given.into_iter().map(|part| part.split_once('=').unwrap()).collect();
        Self { verb, words, given }
    }

    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or("support")
    }

    fn rollout(&self, world: &World) -> serinus_domain::id::RolloutKey {
        self.words.first().map_or_else(|| world.latest(), |name| key(name))
    }

    fn play(&self, world: &mut World) -> Vec<String> {
        let now = world.now;
        match self.verb {
            "put" => self.put(world),
            "start" => self.start(world),
            "name" => {
                let arm = if self.word(1) == "candidate" { Arm::Candidate } else { Arm::Control };
                let session = world.session_in(self.given.get("feature").unwrap_or(&"support"), arm);
                world.sessions.insert(self.word(0).to_owned(), session);
                Vec::new()
            }
            "turn" => self.turn(world),
            "wait" => {
                world.wait(span(self.word(0)));
                Vec::new()
            }
            "evidence" => {
                let doc = world.rollout(world.latest().as_str()).clone();
                world.evidence = evidence(self, &doc, now);
                Vec::new()
            }
            "steer" => {
                let key = self.rollout(world);
                let (decided, revision) = world.steer(&key);
                let mut words = of_decision(&decided);
                words.push(if revision.is_some() { "appended".into() } else { "nothing".into() });
                words.extend(of_rollout(world.rollout(key.as_str())));
                words
            }
            "rollback" => self.rollback(world),
            "advance" => {
                self.with(world, decide::advance(&world.snapshot, &self.rollout(world), "anna", now))
            }
            "hold" => self.with(world, decide::hold(&world.snapshot, &self.rollout(world), "anna", "", now)),
            "resume" => self.with(world, decide::resume(&world.snapshot, &self.rollout(world), "anna", now)),
            "rearm" => self.with(world, decide::rearm(&world.snapshot, &self.rollout(world), "anna")),
            "kill" | "revive" => {
                let feature = self.word(0).parse().unwrap();
                self.with(world, decide::kill(&world.snapshot, &feature, self.verb == "kill", "anna"))
            }
            "state" => of_rollout(world.rollout(self.rollout(world).as_str())),
            "feature" => {
                let doc = world.feature(self.word(0));
                let refs = doc.control.0.values().map(ToString::to_string);
                refs.chain([format!("description={}", doc.description), format!("killed={}", doc.killed)])
                    .collect()
            }
            "combination" => vec![proof(world, self.word(0), &layers(self.word(1)))],
            verb => panic!("no verb {verb}"),
        }
    }

    fn with(&self, world: &mut World, made: Result<Draft, Rejection>) -> Vec<String> {
        match made {
            Ok(draft) => {
                world.append(&draft);
                let mut words = vec!["ok".to_owned()];
                if self.verb != "kill" && self.verb != "revive" && self.verb != "put" {
                    words.extend(of_rollout(world.rollout(self.rollout(world).as_str())));
                }
                words
            }
            Err(rejection) => vec!["refused".into(), rejection.code.into()],
        }
    }

    fn put(&self, world: &mut World) -> Vec<String> {
        let mut doc = World::feature_doc(self.word(0), &self.given["control"].split(',').collect::<Vec<_>>());
        doc.description = self.given.get("description").copied().unwrap_or_default().to_owned();
        doc.categories = self.list("categories").map(|name| name.parse().unwrap()).collect();
        for part in self.list("variant") {
            let (name, change) = part.split_once(':').unwrap();
            doc.variants.insert(name.parse().unwrap(), layers(change));
        }
        for part in self.list("rule") {
            let (plan, serve) = part.split_once(':').unwrap();
            let when = serde_json::json!({"equals": {"attribute": "plan", "value": plan}});
            doc.rules
                .push(serde_json::from_value(serde_json::json!({"when": when, "serve": serve})).unwrap());
        }
        let made = decide::put_feature(&world.snapshot, &world.contents, &doc, "anna", world.now);
        self.with(world, made)
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.given.get(name).copied().into_iter().flat_map(|list: &'a str| list.split(','))
    }

    fn start(&self, world: &mut World) -> Vec<String> {
        let mut request = StartRequest { actor: "anna".into(), ..StartRequest::default() };
        for (place, reference) in self.given.iter().filter(|(place, _)| place.contains('.')) {
            let (feature, _) = place.split_once('.').unwrap();
            let change = request.change.entry(feature.parse().unwrap()).or_default();
            change.0.extend(layers(reference).0);
        }
        let min = self.given.get("min").map_or(Millis(0), |text| span(text));
        let units = self.given.get("units").map_or(0, |text| text.parse().unwrap());
        let per_category = self.given.get("category_units").map_or(0, |text| text.parse().unwrap());
        let stages: Vec<_> = self.list("stages").map(|part| stage(part, min, units, per_category)).collect();
        request.stages = (!stages.is_empty()).then_some(stages);
        request.key = self.given.get("key").map(|name| key(name));
        request.from = self.given.get("from").map(|name| kind(name));
        match decide::start(&world.snapshot, &world.contents, &request, world.now) {
            Ok((doc, draft, _)) => {
                world.append(&draft);
                of_rollout(&doc)
            }
            Err(rejection) => vec!["refused".into(), rejection.code.into()],
        }
    }

    fn turn(&self, world: &mut World) -> Vec<String> {
        let name = self.word(0);
        let session = world.sessions.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let session = (name != "nobody").then_some(session);
        let feature = self.given.get("feature").copied().unwrap_or("support");
        let attributes: Vec<_> =
            self.given.iter().filter(|(name, _)| **name == "plan").map(|(a, b)| (*a, *b)).collect();
        let turn = world.turn(feature, session.as_deref(), self.given.get("user").copied(), &attributes);
        let mut words = vec![turn.variant, turn.reason.as_str().to_owned(), turn.model.to_string()];
        words.push(format!("assigned={}", turn.assigned));
        words.extend(turn.prompt.map(|version| format!("prompt={version}")));
        words.extend(turn.pi.map(|pi| format!("pi={}", pi.probability())));
        words
    }

    fn rollback(&self, world: &mut World) -> Vec<String> {
        let request = RollbackRequest {
            subject: self.words.iter().find(|word| **word != "force").map(|word| (*word).to_owned()),
            reach: self.given.get("reach").map(|reach| match *reach {
                "next_turn" => Reach::NextTurn,
                _ => Reach::NewSessions,
            }),
            message: String::new(),
            actor: "anna".into(),
            force: self.words.contains(&"force"),
        };
        match decide::plan_rollback(&world.snapshot, &request, world.now) {
            Ok(plan) => {
                let mut words =
                    vec![if plan.draft.is_some() { "appended".to_owned() } else { "nothing".to_owned() }];
                words.extend((!plan.warnings.is_empty()).then(|| "warned".to_owned()));
                if let Some(draft) = plan.draft {
                    world.append(&draft);
                }
                words.extend(of_rollout(world.rollout(plan.rollout.as_str())));
                words
            }
            Err(rejection) => vec!["refused".into(), rejection.code.into()],
        }
    }
}

pub fn layers(text: &str) -> Layers {
    let refs = text.split(',').map(|text| (text.split_once('/').unwrap().0, text));
    serde_json::from_value(refs.collect::<serde_json::Value>()).unwrap()
}

fn span(text: &str) -> Millis {
    let (number, unit) = text.split_at(text.len() - 1);
    let number = number.parse().unwrap();
    match unit {
        "h" => Millis::hours(number),
        "m" => Millis::minutes(number),
        _ => Millis::seconds(number),
    }
}

fn kind(name: &str) -> StageKind {
    serde_json::from_value(name.into()).unwrap()
}

fn stage(text: &str, min: Millis, units_min: u32, category_units_min: u32) -> StageSpec {
    let (name, percent) = text.split_once(':').unwrap();
    let share = Share::percent(percent.parse().unwrap());
    StageSpec {
        kind: kind(name),
        share,
        units_min,
        min,
        max: Millis::hours(48),
        category_units_min,
        spend_max: None,
    }
}

fn of_rollout(doc: &RolloutDoc) -> Vec<String> {
    let phase = match doc.state.phase {
        Phase::Draft => "draft",
        Phase::Validated => "validated",
        Phase::Running => "running",
        Phase::Held => "held",
        Phase::Completed => "completed",
        Phase::RolledBack => "rolled_back",
        Phase::Cancelled => "cancelled",
    };
    let mut words = vec![phase.to_owned(), format!("share={}", doc.state.share), format!("key={}", doc.key)];
    words.extend(doc.stage().map(|stage| format!("stage={}", stage.kind.as_str())));
    words.extend(doc.state.hold.as_ref().map(|hold| format!("hold={:?}", hold.reason)));
    words.extend(doc.state.rolled_back.as_ref().map(|back| format!("reach={:?}", back.reach)));
    words
}

/// A decision as words.
pub fn of_decision(decided: &Decided) -> Vec<String> {
    let verdict = serde_json::to_value(decided.verdict).unwrap().as_str().unwrap().to_owned();
    let mut words = vec![verdict];
    words.extend(match &decided.action {
        Action::Stay => vec!["stay".to_owned()],
        Action::Advance => vec!["advance".to_owned()],
        Action::Complete => vec!["complete".to_owned()],
        Action::Hold { reason } => vec!["hold".to_owned(), format!("reason={reason:?}")],
        Action::Resume => vec!["resume".to_owned()],
        Action::RollBack { reach, metric, .. } => {
            vec!["roll_back".to_owned(), format!("reach={reach:?}"), format!("metric={metric}")]
        }
    });
    words
}

fn proof(world: &World, feature: &str, layers: &Layers) -> String {
    let at = DocKey::combination(&feature.parse().unwrap(), &serinus_domain::bundle::BundleId::of(layers));
    match world.snapshot.get(&at).and_then(|stored| stored.document.as_ref()) {
        Some(Document::Combination(doc)) => match doc.proof {
            Some(Proof::Declared { .. }) => "declared",
            Some(Proof::Rollout { .. }) => "proven",
            None => "unproven",
        },
        _ => "unknown",
    }
    .to_owned()
}

/// Evidence out of a line: what is not said is measured, plenty and harmless.
pub fn evidence_of(line: &str, doc: &RolloutDoc, now: Timestamp) -> Evidence {
    evidence(&Line::parse(&format!("evidence {line}")), doc, now)
}

fn evidence(line: &Line<'_>, doc: &RolloutDoc, now: Timestamp) -> Evidence {
    let number =
        |name: &str, otherwise: f64| line.given.get(name).map_or(otherwise, |text| text.parse().unwrap());
    let units = number("units", 10_000.0) as u64;
    let named = |name: &str, metric: Metric| line.list(name).any(|given| given == metric.as_str());
    let mut guardrails: Vec<_> = doc
        .spec
        .guardrails
        .iter()
        .filter(|spec| !named("unmeasured", spec.metric))
        .map(|spec| GuardrailEvidence {
            headline: spec.headline,
            non_inferior: !named("inferior", spec.metric),
            ..guardrail(spec.metric, spec.limit, spec.action, -50.0)
        })
        .collect();
    guardrails.extend(line.list("fire").map(fire));
    let pooled = |action: GuardrailAction| {
        let of = |clock| guardrails.iter().filter(move |g| g.clock == clock && g.action == action);
        let e = |clock| of(clock).map(|g| g.log_e.exp()).sum::<f64>();
        let e = [Clock::Fast, Clock::Session, Clock::Slow].map(e).into_iter().fold(0.0, f64::max);
        // Through the logarithm and back 20 is not quite 20.
        (e * 1e9).round() / 1e9
    };
    let clock = |clock| ClockEvidence { clock, weight: 1.0, e: 0.0 };
    let shadow_e = number("shadow_e", 0.1);
    Evidence {
        rollout: Some(doc.key.clone()),
        analysis_version: serinus_domain::evidence::ANALYSIS_VERSION,
        // Evidence of a head is younger than that head.
        at: line.given.get("age").map_or(now, |age| Timestamp(now.0 - span(age).as_micros())),
        stage_matured: ArmCounts { candidate: units, control: units },
        category_units: line
            .list("cats")
            .filter_map(|part| part.split_once(':'))
            .map(|(name, n)| (name.parse().unwrap(), n.parse().unwrap()))
            .collect(),
        e: number("e", pooled(GuardrailAction::RollBack)),
        e_hold: number("e_hold", pooled(GuardrailAction::Hold)),
        sample_ratio_log_e: number("srm", 0.0),
        clocks: vec![clock(Clock::Fast), clock(Clock::Session), clock(Clock::Slow)],
        shadow: Some(ShadowEvidence {
            pairs: number("pairs", 10_000.0) as u64,
            e: shadow_e,
            metrics: vec![
                pair(Metric::ErrorRate, shadow_e.ln() - 1.0, 0.9),
                pair(Metric::Quality, shadow_e.ln(), 0.1),
            ],
            ..ShadowEvidence::default()
        }),
        problems: line.list("problem").map(ToOwned::to_owned).collect(),
        guardrails,
        ..Evidence::default()
    }
}

fn pair(metric: Metric, log_e: f64, weight: f64) -> PairEvidence {
    PairEvidence {
        metric,
        sessions: 1,
        pairs: 1,
        difference: 0.1,
        lower: 0.0,
        upper: 0.2,
        log_e,
        margin: None,
        weight,
    }
}

/// `metric:wealth`, then any of `hold`, `than` (an absolute limit), `same` (the arms do not differ).
fn fire(text: &str) -> GuardrailEvidence {
    let mut parts = text.split(':');
    let metric: Metric = parts.next().unwrap().parse().unwrap();
    let wealth: f64 = parts.next().unwrap().parse().unwrap();
    let flags: Vec<_> = parts.collect();
    let limit = if flags.contains(&"than") {
        GuardrailLimit::WorseThan { limit_ppm: 20_000 }
    } else {
        GuardrailLimit::WorseBy { relative_ppm: 0, absolute_ppm: 10_000 }
    };
    let action = if flags.contains(&"hold") { GuardrailAction::Hold } else { GuardrailAction::RollBack };
    let mut fired = guardrail(metric, limit, action, wealth.ln());
    if flags.contains(&"same") {
        fired.control_breaches = true;
        fired.effect.lower = -0.01;
        fired.effect.upper = 0.01;
    }
    fired
}

fn guardrail(
    metric: Metric,
    limit: GuardrailLimit,
    action: GuardrailAction,
    log_e: f64,
) -> GuardrailEvidence {
    let worse = if metric == Metric::Quality { -1.0 } else { 1.0 };
    let (a, b) = (0.05 * worse, 0.2 * worse);
    GuardrailEvidence {
        metric,
        category: None,
        clock: metric.clock(),
        limit,
        margin: 0.01,
        weight: 1.0,
        action,
        headline: false,
        trust: Trust::Full,
        log_e,
        log_e_max: log_e,
        effect: Effect {
            candidate_units: 300,
            control_units: 300,
            candidate_mean: 0.5,
            control_mean: 0.5,
            difference: 0.1 * worse,
            lower: a.min(b),
            upper: a.max(b),
        },
        non_inferior: true,
        units_needed: None,
        control_breaches: false,
        blamed: false,
    }
}
