//! Decides what a request meets: which record answers, in what time and with which faults. Knows nothing of
//! HTTP and waits for nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::chance::{self, Purpose};
use crate::corpus::{ModelIndex, PromptIndex};
use crate::faults::{Effects, FaultPlan, FaultRule, Refusal, Target};
use crate::matching::MatchKind;
use crate::pace::{self, Pace, Profile, Profiles};
use crate::recordings::Recordings;
use crate::speech::Speech;
use crate::verdict::{Author, JUDGE_MODEL, JudgeConfig};

const GENERIC_REPLY: &str =
    "This replay holds no recorded answer to that question. Ask it one of its recorded prompts.";

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// Same seed, same times, faults and judge noise for the same requests.
    pub seed: u64,
    /// All times are divided by it; 0 waits for nothing.
    pub speed: f64,
    /// Refuse what is not recorded instead of answering with a generic text.
    pub strict: bool,
    /// A `replay-*.jsonl.gz` file instead of the embedded corpus.
    pub corpus: Option<PathBuf>,
    /// Further name → recorded model.
    pub aliases: BTreeMap<String, String>,
    /// Recorded model → latency profile, over the defaults of `profiles.json`.
    pub profiles: BTreeMap<String, String>,
    /// Share of answers that fail with 500 in quiet times, for every model.
    pub background_error_share: f64,
    pub faults: Vec<FaultRule>,
    pub judge: JudgeConfig,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            speed: 1.0,
            strict: true,
            corpus: None,
            aliases: BTreeMap::new(),
            profiles: BTreeMap::new(),
            background_error_share: 0.001,
            faults: Vec::new(),
            judge: JudgeConfig::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Recorded(ModelIndex),
    Judge,
}

pub struct Replay {
    recordings: Arc<Recordings>,
    routes: BTreeMap<String, Route>,
    profiles: HashMap<ModelIndex, Profile>,
    generic: Arc<Speech>,
    empty: Arc<Speech>,
    seed: u64,
    scale: f64,
    strict: bool,
    background_error_share: f64,
    plan: ArcSwap<FaultPlan>,
    judge: ArcSwap<JudgeConfig>,
    /// How often each (prompt, model) was asked; the last place counts what is not recorded.
    asked: Vec<AtomicU32>,
    judged: Vec<AtomicU32>,
}

/// One request's fate.
pub struct Turn {
    /// Recorded model's name, as a provider answers an alias with the dated name.
    pub model: String,
    /// Prompt and model of the record that answers: under drift another than the asked model.
    pub replay_id: String,
    pub match_name: &'static str,
    pub speech: Arc<Speech>,
    pub pace: Pace,
    pub effects: Effects,
    /// For the gaps of a stream.
    pub rng: ChaCha8Rng,
}

/// The caller asked what is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    Model(String),
    Prompt,
    Judged,
}

impl Replay {
    pub fn new(config: ReplayConfig, now: Instant) -> anyhow::Result<Self> {
        let recordings = match &config.corpus {
            Some(path) => Recordings::from_file(path)?,
            None => Recordings::embedded()?,
        };
        let share = config.background_error_share;
        ensure!((0.0..=1.0).contains(&share), "background_error_share {share}: must lie between 0 and 1");
        ensure!(config.speed >= 0.0, "speed {}: must be 0 (no waiting) or more", config.speed);
        let counters = || (0..=recordings.corpus.places()).map(|_| AtomicU32::new(0)).collect();
        let replay = Self {
            routes: routes(&recordings, &config.aliases)?,
            profiles: profiles(&recordings, &config.profiles)?,
            generic: Arc::new(Speech::new(GENERIC_REPLY)?),
            empty: Arc::new(Speech::new("")?),
            seed: config.seed,
            scale: pace::scale_of(config.speed),
            strict: config.strict,
            background_error_share: share,
            plan: ArcSwap::from_pointee(FaultPlan { since: now, rules: Vec::new() }),
            judge: ArcSwap::from_pointee(JudgeConfig::default()),
            asked: counters(),
            judged: counters(),
            recordings,
        };
        replay.set_faults(config.faults, now).map_err(anyhow::Error::msg)?;
        replay.set_judge(config.judge).map_err(anyhow::Error::msg)?;
        Ok(replay)
    }

    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.routes.keys().map(String::as_str)
    }

    /// Replaces all rules; their spans count from `now`.
    pub fn set_faults(&self, rules: Vec<FaultRule>, now: Instant) -> Result<(), String> {
        let known = |name: &str| self.routes.contains_key(name);
        let recorded = |name: &str| self.recordings.corpus.model(name).is_some();
        if let Some(objection) = rules.iter().find_map(|rule| rule.objection(known, recorded)) {
            return Err(objection);
        }
        self.plan.store(Arc::new(FaultPlan { since: now, rules }));
        Ok(())
    }

    #[must_use]
    pub fn faults(&self) -> Vec<FaultRule> {
        self.plan.load().rules.clone()
    }

    pub fn set_judge(&self, config: JudgeConfig) -> Result<(), String> {
        for share in [config.flip_share, config.unparsable_share] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("judge share {share}: must lie between 0 and 1"));
            }
        }
        self.judge.store(Arc::new(config));
        Ok(())
    }

    /// What `message`, sent to `model` at `now`, meets. Counts the request.
    pub fn turn(&self, model: &str, message: &str, now: Instant) -> Result<Turn, Miss> {
        match self.routes.get(model).copied() {
            None => Err(Miss::Model(model.to_owned())),
            Some(Route::Judge) => self.judge_turn(message, now),
            Some(Route::Recorded(recorded)) => self.answer_turn(model, recorded, message, now),
        }
    }

    fn answer_turn(&self, asked: &str, model: ModelIndex, message: &str, now: Instant) -> Result<Turn, Miss> {
        let corpus = &self.recordings.corpus;
        let found = self.recordings.matcher.find(message);
        let found = found.filter(|(prompt, _)| corpus.answer(*prompt, model).is_some());
        if found.is_none() && self.strict {
            return Err(Miss::Prompt);
        }
        let prompt = found.map(|(prompt, _)| prompt);
        let nth = count(&self.asked, prompt.map(|prompt| corpus.place(prompt, model)));
        let key = [prompt.map_or(u32::MAX, |prompt| prompt.0), model.0, nth];
        let mut rng = chance::rng(self.seed, Purpose::Answer, key);
        let drawn =
            self.profiles.get(&model).map_or(Pace::NONE, |profile| profile.pace(&mut rng, self.scale));
        let is_background_error = rng.random::<f64>() < self.background_error_share;
        let target = Target {
            names: [asked, corpus.model_name(model)],
            category: prompt.map(|prompt| corpus.prompt(prompt).category.as_str()),
            is_judge: false,
        };
        let mut effects = self.effects(target, now, &mut rng);
        if is_background_error && effects.refusal.is_none() {
            effects.refusal = Some(Refusal::ServerError);
        }
        let speaker = effects.answers_as.as_deref().and_then(|name| corpus.model(name)).unwrap_or(model);
        let (replay_id, match_name, speech) = self.recorded(found, speaker);
        let pace = drawn.slowed(effects.slowdown);
        Ok(Turn {
            model: corpus.model_name(model).to_owned(),
            replay_id,
            match_name,
            speech,
            pace,
            effects,
            rng,
        }
        .emptied(&self.empty))
    }

    fn recorded(
        &self,
        found: Option<(PromptIndex, MatchKind)>,
        speaker: ModelIndex,
    ) -> (String, &'static str, Arc<Speech>) {
        let corpus = &self.recordings.corpus;
        let answer = found.and_then(|(prompt, kind)| Some((prompt, kind, corpus.answer(prompt, speaker)?)));
        let Some((prompt, kind, answer)) = answer else {
            return ("none".to_owned(), "generic", self.generic.clone());
        };
        let match_name = match kind {
            MatchKind::Exact => "exact",
            MatchKind::Contained => "contained",
        };
        (record_id(&self.recordings, prompt, speaker), match_name, answer.speech.clone())
    }

    fn judge_turn(&self, message: &str, now: Instant) -> Result<Turn, Miss> {
        let author = self.recordings.author_of_judged(message).ok_or(Miss::Judged)?;
        let (place, key, replay_id) = match author {
            Author::Nobody => (None, [u32::MAX; 2], "empty".to_owned()),
            Author::Recorded { prompt, model } => (
                Some(self.recordings.corpus.place(prompt, model)),
                [prompt.0, model.0],
                record_id(&self.recordings, prompt, model),
            ),
        };
        let nth = count(&self.judged, place);
        let mut rng = chance::rng(self.seed, Purpose::Judge, [key[0], key[1], nth]);
        let config = self.judge.load();
        let reply = self.recordings.judge_reply(author, &config, &mut rng);
        let target = Target { names: [JUDGE_MODEL; 2], category: None, is_judge: true };
        let effects = self.effects(target, now, &mut rng);
        let delay = pace::millis(config.delay_ms as f64 * self.scale);
        let pace = Pace { first_token: delay, ..Pace::NONE }.slowed(effects.slowdown);
        // Escaping a string cannot fail; were it to, the caller gets the unscored reply of an empty text.
        let speech = Speech::new(&reply).map_or_else(|_| self.empty.clone(), Arc::new);
        let turn = Turn {
            model: JUDGE_MODEL.to_owned(),
            replay_id,
            match_name: "judge",
            speech,
            pace,
            effects,
            rng,
        };
        Ok(turn.emptied(&self.empty))
    }

    fn effects(&self, target: Target<'_>, now: Instant, rng: &mut ChaCha8Rng) -> Effects {
        let plan = self.plan.load();
        plan.effects(target, now.saturating_duration_since(plan.since), || rng.random())
    }
}

impl Turn {
    fn emptied(self, empty: &Arc<Speech>) -> Self {
        let is_empty = self.effects.damage == Some(crate::faults::Damage::Empty);
        if is_empty { Self { speech: empty.clone(), ..self } } else { self }
    }
}

fn record_id(recordings: &Recordings, prompt: PromptIndex, model: ModelIndex) -> String {
    format!("{}/{}", recordings.corpus.prompt(prompt).id, recordings.corpus.model_name(model))
}

/// How often this place was counted before.
fn count(counters: &[AtomicU32], place: Option<usize>) -> u32 {
    let counter = place.and_then(|place| counters.get(place)).or(counters.last());
    counter.map_or(0, |counter| counter.fetch_add(1, Ordering::Relaxed))
}

fn routes(
    recordings: &Recordings,
    aliases: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, Route>> {
    let recorded = recordings.corpus.models().map(|(model, name)| (name.to_owned(), Route::Recorded(model)));
    let mut routes: BTreeMap<String, Route> = recorded.collect();
    routes.insert(JUDGE_MODEL.to_owned(), Route::Judge);
    for (alias, name) in aliases {
        let route = routes.get(name).copied();
        let route =
            route.with_context(|| format!("alias {alias:?}: {name:?} is not recorded, see /v1/models"))?;
        routes.insert(alias.clone(), route);
    }
    Ok(routes)
}

fn profiles(
    recordings: &Recordings,
    chosen: &BTreeMap<String, String>,
) -> anyhow::Result<HashMap<ModelIndex, Profile>> {
    let known = Profiles::embedded()?;
    let mut profiles = HashMap::new();
    for (model, name) in recordings.corpus.models() {
        let profile = chosen.get(name).or_else(|| known.models.get(name));
        let profile = profile
            .with_context(|| format!("model {name:?}: no latency profile, choose one in `profiles`"))?;
        profiles.insert(model, known.named(profile)?.clone());
    }
    Ok(profiles)
}
