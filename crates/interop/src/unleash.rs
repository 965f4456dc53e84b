//! An export of Unleash (both generations), or what it serves its clients. Knows nothing of other formats.

use std::collections::BTreeMap;

use serde_json::Value;
use serinus_domain::{
    entity::{Comparison, Condition, FlagDoc, FlagKind, FlagRule, Serve},
    id::{SegmentKey, VariantKey},
};

use crate::{
    ForcedUnits, ImportedFlag, ImportedSegment,
    draft::{Draft, all, any, blank, kind_of, not, numeric, split, variant},
    read::{commas, escaped, flag, list, number, text, texts},
};

/// The name of the attribute that is the user's id there.
const USER: &str = "userId";

pub(crate) fn import(document: &Value, draft: &mut Draft) -> Result<(), &'static str> {
    let features = document.get("features").and_then(Value::as_array).ok_or("\"features\"")?;
    let environment = environment(document, draft);
    let mut segments = BTreeMap::new();
    for segment in list(document, "segments") {
        let name = Some(text(segment, "name")).filter(|name| !name.is_empty());
        let id = segment.get("id").map(ToString::to_string).unwrap_or_default();
        let Some(key) = draft.segment_key(name.unwrap_or(&format!("segment-{id}"))) else { continue };
        let subject = format!("segment {key}");
        if segment.get("constraints").is_none() {
            draft.lost(
                &subject,
                "constraints",
                "the export does not hold them; nobody belongs to it until you write them",
            );
        }
        let when = match segment.get("constraints") {
            Some(_) => {
                constraints(segment, key.as_str(), &subject, draft).unwrap_or(Condition::Or(Vec::new()))
            }
            None => Condition::Or(Vec::new()),
        };
        let description = text(segment, "description").to_owned();
        let (included, excluded) = (Vec::new(), Vec::new());
        draft.segments.push(ImportedSegment { key: key.clone(), description, when, included, excluded });
        segments.insert(id, key);
    }
    for feature in features {
        one(feature, document, environment.as_deref(), &segments, draft);
    }
    Ok(())
}

/// Which environment's strategies are read: production where there is one.
fn environment(document: &Value, draft: &mut Draft) -> Option<String> {
    let mut names: Vec<_> = list(document, "featureEnvironments")
        .iter()
        .chain(list(document, "featureStrategies"))
        .map(|one| text(one, "environment"))
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    let chosen = *names.iter().find(|name| **name == "production").or(names.first())?;
    for other in names.iter().filter(|name| **name != chosen) {
        draft.lost(
            "document",
            format!("environment {other}"),
            format!("one environment is read at a time: {chosen}"),
        );
    }
    Some(chosen.to_owned())
}

fn one(
    feature: &Value,
    document: &Value,
    environment: Option<&str>,
    segments: &BTreeMap<String, SegmentKey>,
    draft: &mut Draft,
) {
    let name = text(feature, "name");
    let Some(key) = draft.flag_key(name) else { return };
    let subject = format!("flag {key}");
    let here = |one: &&Value| {
        let of = if one.get("featureName").is_some() { text(one, "featureName") } else { text(one, "name") };
        of == name
            && environment.is_none_or(
                |wanted| matches!(text(one, "environment"), have if have.is_empty() || have == wanted),
            )
    };
    let state = list(document, "featureEnvironments").iter().find(here);
    let stored = list(document, "featureStrategies")
        .iter()
        .filter(|one| here(one) && one.get("featureName").is_some());
    let mut strategies: Vec<&Value> = list(feature, "strategies").iter().chain(stored).collect();
    strategies.retain(|strategy| !flag(strategy, "disabled"));
    let declared = [feature, state.unwrap_or(&Value::Null)]
        .into_iter()
        .map(|holder| list(holder, "variants"))
        .chain(strategies.iter().map(|strategy| list(strategy, "variants")))
        .find(|variants| !variants.is_empty());
    let doc = declared.map_or_else(|| boolean(key.clone()), |variants| with_variants(key.clone(), variants));
    let Some(mut doc) = doc else {
        return draft.lost(&subject, "the whole flag", "none of its variants has a name");
    };
    doc.description = text(feature, "description").to_owned();
    doc.archived = flag(feature, "archived");
    doc.permanent = matches!(text(feature, "type"), "kill-switch" | "permission" | "operational");
    doc.disabled = !state.unwrap_or(feature).get("enabled").and_then(Value::as_bool).unwrap_or(true);
    if doc.disabled {
        draft.lost(&subject, "off", "it is off there and disabled here: callers get their own default");
    }
    let serve = Served { name, subject: &subject, variants: declared };
    let mut rules = Vec::new();
    for strategy in &strategies {
        rules.extend(rule(strategy, &serve, segments, draft));
    }
    if strategies.is_empty() {
        rules.extend(serve.whole(&[], None, draft).map(|serve| plain(Condition::Always, serve)));
    }
    if declared.is_none() {
        // Any of them turns it on there, so their order is free, and a share would hide those behind it.
        rules.sort_by_key(|rule| matches!(rule.serve, Serve::Split(_)));
    }
    let partial = rules.iter().filter(|rule| matches!(rule.serve, Serve::Split(_))).count();
    if declared.is_none() && partial > 1 {
        draft.lost(
            &subject,
            "several strategies with a share",
            "of those that a user meets only the first decides",
        );
    }
    doc.rules = rules;
    let forced = overrides(declared.unwrap_or_default(), &subject, draft);
    draft.flags.push(ImportedFlag { doc, forced });
}

fn plain(when: Condition, serve: Serve) -> FlagRule {
    FlagRule { when, serve, id: None, bucket_by: None, salt: None }
}

fn named(name: &'static str) -> Option<VariantKey> {
    VariantKey::new(name).ok()
}

fn boolean(key: serinus_domain::id::FlagKey) -> Option<FlagDoc> {
    let mut doc = blank(key, FlagKind::Boolean, named("off")?);
    doc.variants = [(named("on")?, Value::Bool(true)), (named("off")?, Value::Bool(false))].into();
    Some(doc)
}

/// With variants, its value is the chosen one's payload; when it is off, the caller's own default.
fn with_variants(key: serinus_domain::id::FlagKey, variants: &[Value]) -> Option<FlagDoc> {
    let payload = |one: &Value| match (
        one.pointer("/payload/type").and_then(Value::as_str),
        one.pointer("/payload/value"),
    ) {
        (Some("json"), Some(Value::String(json))) => serde_json::from_str(json).unwrap_or(Value::Null),
        (Some("number"), Some(value)) => number(value).map_or(Value::Null, Value::from),
        (_, Some(value)) => value.clone(),
        (_, None) => Value::from(text(one, "name")),
    };
    let values: BTreeMap<VariantKey, Value> =
        variants.iter().filter_map(|one| Some((variant(text(one, "name"))?, payload(one)))).collect();
    let kind = kind_of(values.values());
    let mut doc = blank(key, kind.unwrap_or(FlagKind::String), values.keys().next()?.clone());
    doc.code_default = true;
    doc.variants = match kind {
        Some(_) => values,
        None => values.into_keys().map(|name| (name.clone(), Value::from(name.as_str()))).collect(),
    };
    Some(doc)
}

fn overrides(variants: &[Value], subject: &str, draft: &mut Draft) -> Vec<ForcedUnits> {
    let mut forced = Vec::new();
    for one in variants {
        let Some(name) = variant(text(one, "name")) else { continue };
        for given in list(one, "overrides") {
            if text(given, "contextName") == USER {
                forced.push(ForcedUnits { units: texts(list(given, "values")), variant: name.clone() });
            } else {
                let what = format!("override of variant {name} by {}", text(given, "contextName"));
                draft.lost(subject, what, "variants are forced for users only; write a rule");
            }
        }
    }
    forced
}

/// What the strategies of a flag serve.
struct Served<'a> {
    name: &'a str,
    subject: &'a str,
    variants: Option<&'a [Value]>,
}

impl Served<'_> {
    /// To those whom a strategy lets in, all or a share of them.
    fn whole(&self, own: &[Value], share: Option<f64>, draft: &mut Draft) -> Option<Serve> {
        let variants = if own.is_empty() { self.variants } else { Some(own) };
        let serve = match (variants, share) {
            (None, None) => Some(Serve::Variant(named("on")?)),
            (None, Some(share)) => split(vec![(named("on")?, share), (named("off")?, 100.0 - share)]),
            (Some(variants), share) => {
                if share.is_some() {
                    let why = "a share of a flag with variants cannot leave the rest the caller's default; everybody whom it fits gets a variant";
                    draft.lost(self.subject, "share of a strategy", why);
                }
                let weight = |one: &Value| one.get("weight").and_then(number).unwrap_or(0.0);
                split(
                    variants
                        .iter()
                        .filter_map(|one| Some((variant(text(one, "name"))?, weight(one))))
                        .collect(),
                )
            }
        }?;
        if matches!(serve, Serve::Split(_)) {
            draft.rebucketed(self.subject);
        }
        Some(serve)
    }
}

/// A strategy as a rule; none where it lets nobody in or is not understood.
fn rule(
    strategy: &Value,
    served: &Served<'_>,
    segments: &BTreeMap<String, SegmentKey>,
    draft: &mut Draft,
) -> Option<FlagRule> {
    let subject = served.subject;
    let parameters = strategy.get("parameters").unwrap_or(&Value::Null);
    let given = |member: &str| parameters.get(member).and_then(number).unwrap_or(0.0).clamp(0.0, 100.0);
    let listed = |member: &str| commas(text(parameters, member));
    let mut when = Vec::new();
    let (mut share, mut bucket_by) = (None, None);
    match text(strategy, "name") {
        "default" | "" => {}
        "flexibleRollout" => {
            share = Some(given("rollout"));
            bucket_by = stickiness(text(parameters, "stickiness"), subject, draft);
        }
        "gradualRolloutUserId" | "gradualRolloutRandom" => share = Some(given("percentage")),
        "gradualRolloutSessionId" => {
            (share, bucket_by) = (Some(given("percentage")), Some("session".to_owned()))
        }
        "userWithId" => when.push(draft.people(served.name, listed("userIds"))?),
        "remoteAddress" => when.push(Condition::InNetwork {
            attribute: "remoteAddress".into(),
            networks: networks(&listed("IPs")),
        }),
        "applicationHostname" => when.push(Condition::In {
            attribute: "hostname".into(),
            values: listed("hostNames").into_iter().map(Value::from).collect(),
        }),
        other => {
            draft.lost(
                subject,
                format!("strategy {other}"),
                "it is not one that comes with unleash; it lets nobody in",
            );
            return None;
        }
    }
    if text(strategy, "name") == "gradualRolloutRandom" || text(parameters, "stickiness") == "random" {
        draft.lost(subject, "random stickiness", "the same user always falls on the same side here");
    }
    when.push(constraints(strategy, served.name, subject, draft)?);
    for segment in list(strategy, "segments") {
        let Some(key) = segments.get(&segment.to_string()) else {
            draft.lost(
                subject,
                format!("strategy with segment {segment}"),
                "the export does not hold that segment; it lets nobody in",
            );
            return None;
        };
        when.push(Condition::Segment(key.clone()));
    }
    if share == Some(0.0) {
        return None;
    }
    let serve = served.whole(list(strategy, "variants"), share.filter(|share| *share < 100.0), draft)?;
    Some(FlagRule {
        bucket_by,
        id: Some(text(strategy, "title").to_owned()).filter(|title| !title.is_empty()),
        ..plain(all(when), serve)
    })
}

fn stickiness(name: &str, subject: &str, draft: &mut Draft) -> Option<String> {
    match name {
        "" | "default" | "random" | USER => None,
        "sessionId" => Some("session".into()),
        other => {
            draft.lost(subject, format!("stickiness {other}"), "send it as an attribute of that name");
            Some(other.to_owned())
        }
    }
}

/// Single addresses as networks of one.
fn networks(given: &[String]) -> Vec<String> {
    let network = |address: &String| match (address.contains('/'), address.contains(':')) {
        (true, _) => address.clone(),
        (false, true) => format!("{address}/128"),
        (false, false) => format!("{address}/32"),
    };
    given.iter().map(network).collect()
}

/// All constraints of a strategy or a segment; none where one is not understood.
fn constraints(holder: &Value, of: &str, subject: &str, draft: &mut Draft) -> Option<Condition> {
    let mut conditions = Vec::new();
    for given in list(holder, "constraints") {
        let Some(condition) = constraint(given, of, draft) else {
            let what = format!("constraint {} {}", text(given, "contextName"), text(given, "operator"));
            draft.lost(subject, what, "it is not understood; what it stands in lets nobody in");
            return None;
        };
        conditions.push(if flag(given, "inverted") { not(condition) } else { condition });
    }
    Some(all(conditions))
}

fn constraint(given: &Value, of: &str, draft: &mut Draft) -> Option<Condition> {
    let name = text(given, "contextName");
    let attribute = match name {
        USER => "user",
        "sessionId" => "session",
        other => other,
    }
    .to_owned();
    let values = texts(list(given, "values"));
    let value = given.get("value").unwrap_or(&Value::Null);
    let figure = |op| Some(numeric(&attribute, op, number(value)?));
    let versioned = |op| {
        Some(Condition::Semver { attribute: attribute.clone(), op, version: value.as_str()?.to_owned() })
    };
    let fold = flag(given, "caseInsensitive");
    let folded = |before: &str, after: &str| {
        let pattern = |text: &String| Condition::Matches {
            attribute: attribute.clone(),
            pattern: format!("(?i){before}{}{after}", escaped(text)),
        };
        any(values.iter().map(pattern).collect())
    };
    Some(match text(given, "operator") {
        operator @ ("IN" | "NOT_IN") => {
            let listed = if name == USER {
                draft.people(of, values)?
            } else {
                Condition::In { attribute, values: values.into_iter().map(Value::from).collect() }
            };
            if operator == "IN" { listed } else { not(listed) }
        }
        "STR_STARTS_WITH" if fold => folded("^", ""),
        "STR_ENDS_WITH" if fold => folded("", "$"),
        "STR_CONTAINS" if fold => folded("", ""),
        "STR_STARTS_WITH" => Condition::StartsWith { attribute, values },
        "STR_ENDS_WITH" => Condition::EndsWith { attribute, values },
        "STR_CONTAINS" => Condition::Contains { attribute, values },
        "REGEX" => Condition::Matches { attribute, pattern: value.as_str()?.to_owned() },
        "NUM_EQ" => figure(Comparison::Equal)?,
        "NUM_GT" => figure(Comparison::Greater)?,
        "NUM_GTE" => figure(Comparison::AtLeast)?,
        "NUM_LT" => figure(Comparison::Less)?,
        "NUM_LTE" => figure(Comparison::AtMost)?,
        "DATE_AFTER" => Condition::After { attribute, time: value.as_str()?.to_owned() },
        "DATE_BEFORE" => Condition::Before { attribute, time: value.as_str()?.to_owned() },
        "SEMVER_EQ" => versioned(Comparison::Equal)?,
        "SEMVER_GT" => versioned(Comparison::Greater)?,
        "SEMVER_GTE" => versioned(Comparison::AtLeast)?,
        "SEMVER_LT" => versioned(Comparison::Less)?,
        "SEMVER_LTE" => versioned(Comparison::AtMost)?,
        _ => return None,
    })
}
