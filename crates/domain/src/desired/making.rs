//! Each thing that is described, made a document, a version or a refusal on the snapshot so far. Knows nothing of what is not described.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Desired, DesiredArtifact, DesiredFeature, DesiredFlag, DesiredSegment, Reference, Running, Series,
    export::includes,
    plan::{Copying, Step, Verb},
    shape::DesiredOff,
};
use crate::{
    bundle::Contents,
    decide::{PublishRequest, Rejection},
    diff::diff,
    digest::Digest,
    entity::{
        ArtifactRef, ChannelDoc, DocKey, Document, EnvironmentDoc, FeatureDoc, FlagDoc, Forced, GroupDoc,
        JudgePolicy, LabelDoc, LayerKind, Layers, OffAnswer, SegmentDoc,
    },
    id::{ChannelKey, FeatureKey, FlagKey, GroupKey, LabelKey, SegmentKey},
};

/// One thing that is described.
#[derive(Clone, Copy)]
enum Item<'a> {
    Artifact(&'a DesiredArtifact),
    Segment(&'a SegmentKey),
    Group(&'a GroupKey),
    Flag(&'a FlagKey),
    Feature(&'a FeatureKey),
    Channel(&'a ChannelKey),
    Label(&'a Series, &'a LabelKey, &'a Reference),
    Environment,
}

/// The snapshot so far, and what its description is made of.
pub(super) struct Making<'a> {
    /// The snapshot so far.
    pub running: Running<'a>,
    desired: &'a Desired,
    copying: Option<Copying<'a>>,
    resolved: BTreeMap<Reference, ArtifactRef>,
    actor: &'a str,
}

impl<'a> Making<'a> {
    /// Begins.
    pub fn new(
        running: Running<'a>,
        desired: &'a Desired,
        copying: Option<Copying<'a>>,
        actor: &'a str,
    ) -> Self {
        Self { running, desired, copying, resolved: BTreeMap::new(), actor }
    }

    fn items(&self) -> Vec<Item<'a>> {
        let desired = self.desired;
        let labels = desired.labels.iter().flat_map(|(series, labels)| {
            labels.iter().map(move |(label, reference)| Item::Label(series, label, reference))
        });
        let mut items: Vec<Item<'a>> = desired.artifacts.iter().map(Item::Artifact).collect();
        items.extend(desired.segments.keys().map(Item::Segment));
        items.extend(desired.groups.keys().map(Item::Group));
        items.extend(desired.flags.keys().map(Item::Flag));
        items.extend(desired.features.keys().map(Item::Feature));
        items.extend(desired.channels.keys().map(Item::Channel));
        items.extend(labels);
        items.extend(desired.environment.iter().map(|_| Item::Environment));
        items
    }

    /// Settles what can be settled until nothing is left: a thing may need another that stands behind it.
    pub fn settle_all(&mut self) -> Result<Vec<Step>, Vec<Rejection>> {
        let mut open: Vec<(usize, Item<'a>)> = self.items().into_iter().enumerate().collect();
        let mut steps: Vec<(usize, Step)> = Vec::new();
        loop {
            let mut refused = Vec::new();
            let count = open.len();
            for (place, item) in open {
                match self.settle(item) {
                    Ok(step) => steps.push((place, step)),
                    Err(rejection) => refused.push(((place, item), rejection)),
                }
            }
            if refused.is_empty() {
                steps.sort_by_key(|(place, _)| *place);
                return Ok(steps.into_iter().map(|(_, step)| step).collect());
            }
            if refused.len() == count {
                return Err(causes(refused.into_iter().map(|(_, rejection)| rejection).collect()));
            }
            open = refused.into_iter().map(|(item, _)| item).collect();
        }
    }

    fn settle(&mut self, item: Item<'a>) -> Result<Step, Rejection> {
        let desired = self.desired;
        let document = match item {
            Item::Artifact(artifact) => return self.artifact(artifact),
            Item::Segment(key) => Document::Segment(self.segment(key, &desired.segments[key])?),
            Item::Group(key) => {
                let salt = match self.running.document(&DocKey::group(key)) {
                    Some(Document::Group(before)) => before.salt.clone(),
                    _ => format!("group/{key}"),
                };
                let description = desired.groups[key].description.clone();
                Document::Group(GroupDoc { key: key.clone(), description, salt })
            }
            Item::Flag(key) => Document::Flag(self.flag(key, &desired.flags[key])?),
            Item::Feature(key) => Document::Feature(self.feature(key, &desired.features[key])?),
            Item::Channel(key) => Document::Channel(self.channel(key)?),
            Item::Label(series, label, reference) => Document::Label(self.label(series, label, reference)?),
            Item::Environment => {
                let given = desired.environment.clone().unwrap_or_default();
                Document::Environment(EnvironmentDoc {
                    protected: given.protected,
                    approvals_min: given.approvals_min,
                    approve: given.approve,
                    description: given.description,
                })
            }
        };
        let key = document.key();
        let before = self.running.document(&key).map(Document::to_value);
        let changed = self.running.put(&document)?;
        let after = self.running.document(&key).map(Document::to_value);
        let verb = match (&before, changed) {
            (_, false) => Verb::Keep,
            (None, true) => Verb::Create,
            (Some(_), true) => Verb::Change,
        };
        Ok(step(verb, key.to_string(), before, after))
    }

    fn artifact(&mut self, wanted: &DesiredArtifact) -> Result<Step, Rejection> {
        let series = Series { kind: wanted.kind, name: wanted.name.clone() };
        let reference = Reference { series, version: wanted.version };
        if let (Some(copying), Some(exact)) = (self.copying, reference.exact()) {
            self.check_includes(copying, &exact, &wanted.content)?;
        }
        let known = self.running.snapshot.versions(wanted.kind, wanted.name.as_str());
        let latest = known.last().map(|doc| (doc.version, doc.content));
        let before = latest
            .and_then(|(_, digest)| self.running.contents.held.get(&digest))
            .map(|held| (**held).clone());
        let next = latest.map_or(1, |(version, _)| version + 1);
        if let (None, Some(version)) = (self.copying, wanted.version)
            && version > next
        {
            return Err(Rejection::new(
                "desired.version_gap",
                format!(
                    "{reference}: the next version here is {next}: leave the number out of the file's name"
                ),
            ));
        }
        let request = PublishRequest {
            kind: wanted.kind,
            name: wanted.name.clone(),
            content: wanted.content.clone(),
            requires: wanted.requires.clone(),
            message: String::new(),
            actor: self.actor.to_owned(),
        };
        let found = self.running.publish(&request)?;
        if let (None, Some(version)) = (self.copying, wanted.version)
            && version != found.version
        {
            return Err(Rejection::new(
                "desired.immutable",
                format!(
                    "{reference} is published with another content, and versions do not change: leave the number out \
                     of the file's name to publish the next one"
                ),
            ));
        }
        let created = found.version == next;
        self.resolved.insert(reference, found.clone());
        let verb = if created { Verb::Publish } else { Verb::Keep };
        let doc = self.running.snapshot.artifact(&found).map(|doc| doc.content);
        let after =
            doc.and_then(|digest| self.running.contents.held.get(&digest)).map(|held| (**held).clone());
        Ok(if created {
            step(verb, found.to_string(), before, after)
        } else {
            step(verb, found.to_string(), after.clone(), after)
        })
    }

    /// A text names what it includes by number, and numbers are an environment's own.
    fn check_includes(
        &self,
        copying: Copying<'_>,
        exact: &ArtifactRef,
        content: &Value,
    ) -> Result<(), Rejection> {
        for included in includes(content) {
            let here = self.resolved.get(&Reference::from(&included)).ok_or_else(|| {
                Rejection::new(
                    "copy.include",
                    format!("{exact} includes {included}, which could not be copied"),
                )
            })?;
            if *here != included {
                return Err(Rejection::new(
                    "copy.include",
                    format!(
                        "{exact} of {} includes {included}, which is {here} here: publish a text here that includes {here}",
                        copying.environment
                    ),
                ));
            }
        }
        Ok(())
    }

    fn resolve(&self, reference: &Reference) -> Result<ArtifactRef, Rejection> {
        if let Some(found) = self.resolved.get(reference) {
            return Ok(found.clone());
        }
        match (reference.exact(), self.copying) {
            (Some(exact), None) => Ok(exact),
            _ => Err(Rejection::new(
                "desired.unresolved",
                format!(
                    "{reference}: no file gives its content: add one, or name a version as in {reference}@1"
                ),
            )),
        }
    }

    fn layers(&self, wanted: &BTreeMap<LayerKind, Reference>) -> Result<Layers, Rejection> {
        let layers = wanted.iter().map(|(kind, reference)| Ok((*kind, self.resolve(reference)?)));
        layers.collect::<Result<_, Rejection>>().map(Layers)
    }

    fn feature(&mut self, key: &FeatureKey, wanted: &DesiredFeature) -> Result<FeatureDoc, Rejection> {
        self.lists(&wanted.forced, &DocKey::feature(key))?;
        let variants = wanted.variants.iter().map(|(name, change)| Ok((name.clone(), self.layers(change)?)));
        let judge = wanted.judge.as_ref().map(|judge| {
            Ok(JudgePolicy {
                rubric: self.resolve(&judge.rubric)?,
                model: self.resolve(&judge.model)?,
                rate: judge.rate,
                deadline: judge.deadline,
            })
        });
        Ok(FeatureDoc {
            key: key.clone(),
            description: wanted.description.clone(),
            control: self.layers(&wanted.control)?,
            variants: variants.collect::<Result<_, Rejection>>()?,
            rules: wanted.rules.clone(),
            bucket_by: wanted.bucket_by,
            caller_system: wanted.caller_system,
            categories: wanted.categories.clone(),
            judge: judge.transpose()?,
            capture: wanted.capture,
            off: wanted.off.clone().map(|off| match off {
                DesiredOff::Text { text } => OffAnswer::Text { text },
                DesiredOff::Control => OffAnswer::Control,
            }),
            killed: self.running.snapshot.feature(key).is_some_and(|before| before.killed),
            forced: wanted.forced.clone(),
            prerequisites: wanted.prerequisites.clone(),
            owner: wanted.owner.clone(),
            tags: wanted.tags.clone(),
        })
    }

    fn flag(&mut self, key: &FlagKey, wanted: &DesiredFlag) -> Result<FlagDoc, Rejection> {
        self.lists(&wanted.forced, &DocKey::flag(key))?;
        let salt = match self.running.document(&DocKey::flag(key)) {
            Some(Document::Flag(before)) => before.salt.clone(),
            _ => wanted.salt.clone().unwrap_or_else(|| format!("flag/{key}")),
        };
        Ok(FlagDoc {
            key: key.clone(),
            value_kind: wanted.kind,
            description: wanted.description.clone(),
            variants: wanted.variants.clone(),
            default: wanted.default.clone(),
            rules: wanted.rules.clone(),
            salt,
            disabled: wanted.disabled,
            forced: wanted.forced.clone(),
            prerequisites: wanted.prerequisites.clone(),
            schema: wanted.schema.clone(),
            targeting: wanted.targeting.clone(),
            code_default: wanted.code_default,
            metadata: wanted.metadata.clone(),
            owner: wanted.owner.clone(),
            tags: wanted.tags.clone(),
            permanent: wanted.permanent,
            archived: wanted.archived,
        })
    }

    fn segment(&mut self, key: &SegmentKey, wanted: &DesiredSegment) -> Result<SegmentDoc, Rejection> {
        let at = DocKey::segment(key);
        let before = match self.running.document(&at) {
            Some(Document::Segment(before)) => (before.included, before.excluded),
            _ => (None, None),
        };
        let copied = self.copying.is_some();
        let mut list = |wanted: Option<Digest>, before: Option<Digest>| match wanted {
            // Files leave lists alone that they do not name; a copy takes what the other environment has.
            None => Ok(if copied { None } else { before }),
            Some(digest) if Some(digest) == before => Ok(before),
            Some(digest) => self.list(&digest, &at).map(|()| Some(digest)),
        };
        Ok(SegmentDoc {
            key: key.clone(),
            description: wanted.description.clone(),
            when: wanted.when.clone(),
            included: list(wanted.included, before.0)?,
            excluded: list(wanted.excluded, before.1)?,
        })
    }

    fn channel(&self, key: &ChannelKey) -> Result<ChannelDoc, Rejection> {
        let wanted = &self.desired.channels[key];
        let before = match self.running.document(&DocKey::channel(key)) {
            Some(Document::Channel(before)) => Some(before.url.clone()),
            _ => None,
        };
        let url = wanted.url.clone().or(before).ok_or_else(|| {
            let text = format!(
                "channel \"{key}\" is new here and has no url: give one, or make it by `serinus channel put`"
            );
            Rejection::new("channel.invalid", text)
        })?;
        Ok(ChannelDoc { key: key.clone(), url, secret_name: wanted.secret_name.clone() })
    }

    fn label(&self, series: &Series, label: &LabelKey, wanted: &Reference) -> Result<LabelDoc, Rejection> {
        let subject = format!("label/{series}/{label}");
        if wanted.series != *series {
            let text = format!("{subject}: {wanted} is of another series: name a version of {series}");
            return Err(Rejection::new("label.invalid", text));
        }
        let found = self.resolve(wanted)?;
        if self.running.snapshot.artifact(&found).is_none() {
            return Err(Rejection::new(
                "label.invalid",
                format!("{subject}: {found} does not exist: publish it first"),
            ));
        }
        Ok(LabelDoc {
            artifact_kind: series.kind,
            name: series.name.clone(),
            label: label.clone(),
            version: found.version,
        })
    }

    fn lists(&mut self, forced: &[Forced], at: &DocKey) -> Result<(), Rejection> {
        let held: BTreeSet<Digest> = match self.running.document(at) {
            Some(Document::Flag(before)) => before.forced.iter().map(|one| one.units).collect(),
            Some(Document::Feature(before)) => before.forced.iter().map(|one| one.units).collect(),
            _ => BTreeSet::new(),
        };
        forced.iter().filter(|one| !held.contains(&one.units)).try_for_each(|one| self.list(&one.units, at))
    }

    /// A list of people can be named where somebody holds it; files do not carry any.
    fn list(&mut self, digest: &Digest, at: &DocKey) -> Result<(), Rejection> {
        let here = Contents::default();
        let from = self.copying.map_or(&here, |copying| copying.contents);
        if self.running.bring_list(digest, from) {
            return Ok(());
        }
        Err(Rejection::new(
            "desired.list",
            format!(
                "{at}: the list {} is not held here: files carry no lists of people; leave the line out to keep the one \
                 that is there",
                digest.short()
            ),
        ))
    }
}

/// Without what only follows from another refusal.
fn causes(refused: Vec<Rejection>) -> Vec<Rejection> {
    let only_follows = |one: &Rejection| one.code == "desired.unresolved";
    let others: Vec<_> = refused.iter().filter(|one| !only_follows(one)).cloned().collect();
    let artifact_refused =
        others.iter().any(|one| one.code.starts_with("artifact.") || one.code == "desired.immutable");
    if artifact_refused { others } else { refused }
}

fn step(verb: Verb, subject: String, before: Option<Value>, after: Option<Value>) -> Step {
    let differences = if verb == Verb::Keep { Vec::new() } else { diff(before.as_ref(), after.as_ref()) };
    let show = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    let detail = match verb {
        Verb::Change => differences
            .iter()
            .map(|one| format!("{}: {} -> {}", one.path, show(&one.before), show(&one.after)))
            .collect(),
        Verb::Publish | Verb::Create | Verb::Retire | Verb::Keep => Vec::new(),
    };
    Step { verb, subject, detail, before, after }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= 80 {
        return text;
    }
    format!("{}...", text.chars().take(77).collect::<String>())
}
