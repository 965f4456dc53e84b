//! One environment in memory: a snapshot with its log, contents, pins and a clock. Knows nothing of the little language.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    context::{Attributes, Context},
    decide::{self, Decided, PublishRequest, Rejection},
    entity::{ArtifactRef, BucketBy, FeatureDoc, LayerKind, Phase, Requirement, RolloutDoc},
    evidence::Evidence,
    id::{FeatureKey, RolloutKey, UnitHash, VariantKey},
    resolve::{Arm, ArmFacts, CANDIDATE, CONTROL, Pin, Reason, Resolution, resolve},
    revision::{Draft, Revision},
    snapshot::Snapshot,
    units::{Millis, Share, Timestamp},
};

/// What one turn was answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub variant: String,
    pub reason: Reason,
    pub model: ArtifactRef,
    pub prompt: Option<u32>,
    pub assigned: u64,
    pub pi: Option<Share>,
}

#[derive(Debug)]
pub struct World {
    pub snapshot: Snapshot,
    pub contents: Contents,
    pub compiled: Arc<Compiled>,
    /// The stored bytes of every revision.
    pub log: Vec<Vec<u8>>,
    pub pins: HashMap<(String, FeatureKey), Pin>,
    /// Names of a script to session ids, found by the arm that they fall in.
    pub sessions: BTreeMap<String, String>,
    pub evidence: Evidence,
    pub now: Timestamp,
}

pub fn key(text: &str) -> RolloutKey {
    text.parse().unwrap()
}

impl World {
    pub fn new() -> Self {
        let snapshot = Snapshot::default();
        let contents = Contents::default();
        Self {
            compiled: Arc::new(compile(&snapshot, &contents, None)),
            snapshot,
            contents,
            log: Vec::new(),
            pins: HashMap::new(),
            sessions: BTreeMap::new(),
            evidence: Evidence::default(),
            now: Timestamp(1_800_000_000_000_000),
        }
    }

    /// Appends, stores, reads back, applies and compiles, as a node would.
    pub fn append(&mut self, draft: &Draft) -> Revision {
        assert_eq!(draft.expected_head, self.snapshot.revision, "a draft is made against the head");
        let sealed = Revision::seal(draft, self.snapshot.revision, self.snapshot.digest, self.now);
        let bytes = sealed.to_stored();
        let read = Revision::from_stored(&bytes).unwrap();
        assert_eq!(read, sealed, "a stored revision reads back as it was");
        self.snapshot = self.snapshot.apply(&read).unwrap();
        self.compiled = Arc::new(compile(&self.snapshot, &self.contents, Some(&self.compiled)));
        self.log.push(bytes);
        self.now = self.now.plus(Millis(1));
        read
    }

    pub fn wait(&mut self, span: Millis) {
        self.now = self.now.plus(span);
    }

    pub fn publish(&mut self, name: &str, requires: Vec<Requirement>) {
        let (kind, series) = name.split_once('/').unwrap();
        let versions = self.snapshot.versions(kind.parse().unwrap(), series).len();
        let content = match kind {
            "model" => json!({"provider": "test", "model": format!("{series}-{versions}")}),
            "output_parser" => json!({"format": {"type": "text"}, "chars_max": versions + 1}),
            "rubric" => json!({"instructions": format!("look {versions} times")}),
            "sampling" => json!({"seed": versions}),
            "prompt_template" => json!({"text": format!("{series} {versions}: {{{{ input }}}}")}),
            _ => json!({"text": format!("{series} {versions}")}),
        };
        let published = self.publish_content(name, content, requires).unwrap();
        let value: Value = serde_json::from_slice(&published.blob).unwrap();
        self.contents.held.insert(published.digest, Arc::new(value));
        if let Some(draft) = published.draft {
            self.append(&draft);
        }
    }

    pub fn publish_content(
        &self,
        name: &str,
        content: Value,
        requires: Vec<Requirement>,
    ) -> Result<decide::Published, Rejection> {
        let (kind, series) = name.split_once('/').unwrap();
        let request = PublishRequest {
            kind: kind.parse().unwrap(),
            name: series.parse().unwrap(),
            content,
            requires,
            message: String::new(),
            actor: "anna".into(),
        };
        decide::publish_artifact(&self.snapshot, &self.contents, &request, self.now)
    }

    /// A feature of which only the layers matter.
    pub fn feature_doc(name: &str, control: &[&str]) -> FeatureDoc {
        let layers: serde_json::Map<_, _> =
            control.iter().map(|text| (text.split_once('/').unwrap().0.to_owned(), json!(text))).collect();
        serde_json::from_value(json!({"key": name, "control": layers})).unwrap()
    }

    pub fn feature(&self, name: &str) -> &FeatureDoc {
        self.snapshot.feature(&name.parse().unwrap()).unwrap()
    }

    pub fn rollout(&self, name: &str) -> &RolloutDoc {
        self.snapshot.rollout(&key(name)).unwrap()
    }

    /// The rollout that started last.
    pub fn latest(&self) -> RolloutKey {
        self.snapshot.rollouts().max_by_key(|doc| doc.state.started_at).unwrap().key.clone()
    }

    /// Steers once; appends and answers what was decided.
    pub fn steer(&mut self, key: &RolloutKey) -> (Decided, Option<Revision>) {
        let doc = self.snapshot.rollout(key).unwrap().clone();
        let decided = decide::steer(&doc, &self.evidence, self.now);
        let draft = decide::draft(&self.snapshot, &doc, decided.clone(), &self.evidence, self.now);
        (decided, draft.map(|draft| self.append(&draft)))
    }

    /// A session id that would be enrolled in this arm now and has not been used.
    pub fn session_in(&self, feature: &str, arm: Arm) -> String {
        let variant = if arm == Arm::Candidate { CANDIDATE } else { CONTROL };
        let taken = |id: &String| {
            self.sessions.values().any(|have| have == id)
                || self.pins.keys().any(|(session, _)| session == id)
        };
        let compiled = &self.compiled.features[feature];
        (0..1_000_000)
            .map(|n| format!("s{n}"))
            .find(|id| {
                let context = Context::new(Some(id), None, Attributes::default()).unwrap();
                let met = resolve(compiled, self.compiled.revision, None, &context);
                met.variant == variant && met.reason == Reason::Split && !taken(id)
            })
            .unwrap_or_else(|| panic!("no session falls in {variant}"))
    }

    /// One turn of a session as a gateway plays it: resolve, then pin; a crossing that the head ordered pins anew.
    pub fn turn(
        &mut self,
        feature: &str,
        session: Option<&str>,
        user: Option<&str>,
        attributes: &[(&str, &str)],
    ) -> Turn {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let context = Context::new(session, user, Attributes::new(given).unwrap()).unwrap();
        let compiled = Arc::clone(&self.compiled);
        let feature_key: FeatureKey = feature.parse().unwrap();
        let place = session.map(|session| (session.to_owned(), feature_key.clone()));
        let before = place.as_ref().and_then(|place| self.pins.get(place)).cloned();
        let answer = resolve(&compiled.features[feature], compiled.revision, before.as_ref(), &context);
        if let Some(place) = place
            && answer.reason != Reason::Killed
            && answer.reason != Reason::Pinned
        {
            self.pins.insert(place, pin(&answer, feature_key, self.now));
        }
        Turn {
            variant: answer.variant.to_owned(),
            reason: answer.reason,
            model: answer.bundle.layers.get(LayerKind::Model).unwrap().clone(),
            prompt: answer.bundle.layers.get(LayerKind::PromptTemplate).map(|prompt| prompt.version),
            assigned: answer.assigned.0,
            pi: answer.enrolled.map(|enrolled| enrolled.pi),
        }
    }

    /// What must hold of every rollout at every head.
    pub fn audit(&self) {
        assert_eq!(self.compiled.diagnostics, vec![]);
        for doc in self.snapshot.rollouts() {
            let state = &doc.state;
            let stage = doc.stage().unwrap();
            assert!(state.share <= stage.share, "share {} above its stage's {}", state.share, stage.share);
            assert_eq!(state.phase == Phase::Held, state.hold.is_some(), "{state:?}");
            assert_eq!(state.phase == Phase::RolledBack, state.rolled_back.is_some(), "{state:?}");
            assert_eq!(state.phase.is_live(), state.ended_at.is_none(), "{state:?}");
            assert!(state.phase != Phase::RolledBack || state.share == Share::NONE, "{state:?}");
            assert_eq!(doc.spec.bucket_by, BucketBy::User);
        }
    }
}

fn pin(answer: &Resolution<'_>, feature: FeatureKey, at: Timestamp) -> Pin {
    Pin {
        session: UnitHash(0),
        feature,
        variant: VariantKey::new(answer.variant).unwrap(),
        bundle: answer.bundle.id,
        revision: answer.assigned,
        arm: answer.enrolled.map(|enrolled| ArmFacts {
            rollout: enrolled.rollout.clone(),
            arm: enrolled.arm,
            pi: enrolled.pi,
            stage: enrolled.stage_index,
        }),
        at,
    }
}
