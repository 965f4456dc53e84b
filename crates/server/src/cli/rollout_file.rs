//! The rollout file, `serinus: rollout/v1`: what people write, in shares, spans and margins, to what the control API takes.
//! Strict: an unknown key, metric or unit is an error that names the place and the nearest valid word. Knows no default: those
//! are the server's.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serinus_domain::entity::{LayerKind, Metric};

use crate::human;

const HEADER: &str = "rollout/v1";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    serinus: String,
    name: Option<String>,
    change: BTreeMap<String, BTreeMap<String, String>>,
    audience: Option<Value>,
    bucket_by: Option<String>,
    from: Option<String>,
    #[serde(default)]
    stages: Vec<BTreeMap<String, Stage>>,
    #[serde(default)]
    rollback_if: Vec<Rule>,
    #[serde(default)]
    hold_if: Vec<Rule>,
    builtin: Option<String>,
    #[serde(default)]
    notify: Vec<String>,
    session: Option<String>,
    judge_deadline: Option<String>,
    categories: Option<Vec<String>>,
    exclusive: Option<Exclusive>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exclusive {
    group: String,
    share: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    share: Option<String>,
    sample: Option<String>,
    units: Option<u32>,
    pairs: Option<u32>,
    min: Option<String>,
    bake: Option<String>,
    max: Option<String>,
    holdback: Option<String>,
    category_units: Option<u32>,
    spend: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    metric: String,
    worse_by: Option<String>,
    or_by: Option<String>,
    worse_than: Option<String>,
    per: Option<String>,
    weight: Option<String>,
    category_weights: Option<BTreeMap<String, String>>,
    headline: Option<bool>,
    trust_judge: Option<String>,
    reach: Option<String>,
}

/// The weight of a rule that names none.
const WEIGHT_DEFAULT_PPM: u32 = 100_000;

/// Reads a file's text into the body of `POST /rollouts`. References are left as written: `support@8`, or `kind/name@8`.
pub fn parse(text: &str) -> anyhow::Result<Value> {
    let file: File = serde_yaml_ng::from_str(text)
        .map_err(|refused| anyhow::anyhow!("{}", with_nearest(&refused.to_string())))?;
    if file.serinus != HEADER {
        bail!("serinus: {}: this is not a file of kind {HEADER}", file.serinus);
    }
    let mut body = Map::new();
    let mut change = Map::new();
    for (feature, layers) in &file.change {
        change.insert(feature.clone(), layers_of(feature, layers)?);
    }
    body.insert("change".into(), Value::Object(change));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    put("name", file.name.map(Value::from));
    put("audience", file.audience);
    put("bucket_by", file.bucket_by.map(Value::from));
    put("from", file.from.map(Value::from));
    put("message", file.message.map(Value::from));
    put("categories", file.categories.map(|categories| json!(categories)));
    put("exclusive", file.exclusive.as_ref().map(exclusive).transpose()?);
    put("session_window_ms", span_of("session", file.session.as_deref())?);
    put("judge_deadline_ms", span_of("judge_deadline", file.judge_deadline.as_deref())?);
    put("channels", (!file.notify.is_empty()).then(|| json!(file.notify)));
    put("builtin", builtin(file.builtin.as_deref())?);
    let stages = file.stages.iter().map(stage).collect::<anyhow::Result<Vec<_>>>()?;
    put("stages", (!stages.is_empty()).then(|| json!(stages)));
    let rules = |rules: &[Rule], action| {
        rules.iter().map(|one| rule(one, action)).collect::<anyhow::Result<Vec<_>>>()
    };
    let guardrails: Vec<_> = [rules(&file.rollback_if, "roll_back")?, rules(&file.hold_if, "hold")?].concat();
    put("guardrails", (!guardrails.is_empty()).then(|| json!(guardrails)));
    Ok(Value::Object(body))
}

fn layers_of(feature: &str, layers: &BTreeMap<String, String>) -> anyhow::Result<Value> {
    let mut all = Map::new();
    for (layer, reference) in layers {
        let kind: LayerKind = layer.parse().map_err(|refused: String| {
            let near = human::nearest(layer, LayerKind::ALL.map(LayerKind::as_str));
            anyhow::anyhow!("change.{feature}: {refused}{}", did_you_mean(near))
        })?;
        let full = if reference.contains('/') { reference.clone() } else { format!("{kind}/{reference}") };
        all.insert(layer.clone(), full.into());
    }
    Ok(Value::Object(all))
}

fn exclusive(part: &Exclusive) -> anyhow::Result<Value> {
    let share = human::share(&part.share).map_err(|refused| anyhow::anyhow!("exclusive.share: {refused}"))?;
    Ok(json!({"group": part.group, "share_ppm": share.as_ppm()}))
}

fn builtin(text: Option<&str>) -> anyhow::Result<Option<Value>> {
    match text {
        None => Ok(None),
        Some("on" | "true") => Ok(Some(true.into())),
        Some("off" | "false") => Ok(Some(false.into())),
        Some(other) => bail!("builtin: {other}: write on or off"),
    }
}

fn span_of(name: &str, text: Option<&str>) -> anyhow::Result<Option<Value>> {
    text.map(|text| {
        human::span(text).map(|span| span.0.into()).map_err(|refused| anyhow::anyhow!("{name}: {refused}"))
    })
    .transpose()
}

fn stage(one: &BTreeMap<String, Stage>) -> anyhow::Result<Value> {
    let mut entries = one.iter();
    let (Some((kind, stage)), None) = (entries.next(), entries.next()) else {
        bail!("stages: each entry is one stage, as in `- canary: {{ share: 5% }}`");
    };
    const KINDS: [&str; 4] = ["shadow", "canary", "ab", "full"];
    if !KINDS.contains(&kind.as_str()) {
        bail!(
            "stages: \"{kind}\" is no stage: use one of {}{}",
            KINDS.join(", "),
            did_you_mean(human::nearest(kind, KINDS))
        );
    }
    let at = |refused: String| anyhow::anyhow!("stages.{kind}: {refused}");
    let share = match (&stage.share, &stage.sample, &stage.holdback) {
        (Some(share), None, None) | (None, Some(share), None) => {
            Some(human::share(share).map_err(at)?.as_ppm())
        }
        (None, None, Some(held)) => Some(1_000_000 - human::share(held).map_err(at)?.as_ppm()),
        (None, None, None) => None,
        _ => bail!("stages.{kind}: say one of share, sample and holdback"),
    };
    let mut body = json!({"kind": kind});
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    put("share_ppm", share.map(Value::from));
    put("units_min", stage.units.or(stage.pairs).map(Value::from));
    put("min_ms", span_of(&format!("stages.{kind}.min"), stage.min.as_deref().or(stage.bake.as_deref()))?);
    put("max_ms", span_of(&format!("stages.{kind}.max"), stage.max.as_deref())?);
    put("category_units_min", stage.category_units.map(Value::from));
    let spend = stage.spend.as_deref().map(human::money).transpose().map_err(at)?;
    put("spend_max_micro_usd", spend.map(|spend| spend.0.into()));
    Ok(body)
}

fn rule(rule: &Rule, action: &str) -> anyhow::Result<Value> {
    let metric: Metric = rule.metric.parse().map_err(|refused: String| {
        let near = human::nearest(&rule.metric, Metric::ALL.iter().map(|metric| metric.as_str()));
        anyhow::anyhow!("{refused}{}", did_you_mean(near))
    })?;
    let at = |refused: String| anyhow::anyhow!("{metric}: {refused}");
    let mut body = json!({"metric": metric.as_str(), "action": action});
    match (&rule.worse_by, &rule.worse_than) {
        (Some(by), None) => {
            let mut limit = json!({});
            for text in [Some(by), rule.or_by.as_ref()].into_iter().flatten() {
                match human::worse(text).map_err(at)? {
                    human::Worse::Relative(ppm) => limit["relative_ppm"] = ppm.into(),
                    human::Worse::Points(ppm) => limit["absolute_ppm"] = ppm.into(),
                }
            }
            body["worse_by"] = limit;
        }
        (None, Some(than)) => body["worse_than_ppm"] = human::share(than).map_err(at)?.as_ppm().into(),
        _ => bail!("{metric}: say worse_by or worse_than"),
    }
    match rule.per.as_deref() {
        None => {}
        Some("category") => body["per_category"] = true.into(),
        Some(other) => bail!("{metric}: per: {other}: only `category` is known"),
    }
    let weight = rule.weight.as_deref().map(human::share).transpose().map_err(at)?;
    body["weight_ppm"] = weight.map_or(WEIGHT_DEFAULT_PPM, |weight| weight.as_ppm()).into();
    if let Some(weights) = &rule.category_weights {
        let mut all = Map::new();
        for (category, weight) in weights {
            all.insert(category.clone(), human::share(weight).map_err(at)?.as_ppm().into());
        }
        body["category_weights"] = Value::Object(all);
    }
    if let Some(headline) = rule.headline {
        body["headline"] = headline.into();
    }
    if let Some(reach) = &rule.reach {
        body["reach"] = reach.as_str().into();
    }
    if let Some(trust) = &rule.trust_judge {
        body["trust"] = match (trust.as_str(), human::worse(trust)) {
            ("full" | "uncalibrated", _) => trust.as_str().into(),
            (_, Ok(human::Worse::Points(ppm))) => json!({"allowance": ppm}),
            _ => {
                bail!("{metric}: trust_judge: {trust}: write full, uncalibrated, or an allowance such as 3pt")
            }
        };
    }
    Ok(body)
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default()
}

/// Adds the nearest of the expected words to a reader's complaint about an unknown one.
fn with_nearest(complaint: &str) -> String {
    let quoted: Vec<&str> = complaint.split('`').skip(1).step_by(2).collect();
    let near = match (complaint.contains("unknown field"), quoted.split_first()) {
        (true, Some((word, words))) => human::nearest(word, words.iter().copied()),
        _ => None,
    };
    format!("{complaint}{}", did_you_mean(near))
}

/// Reads the file at `path`.
pub fn read(path: &std::path::Path) -> anyhow::Result<Value> {
    let text = super::artifact::read(path)?;
    parse(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
serinus: rollout/v1
name: support-concise
change:
  support: { system_prompt: support@8, model: model/gpt-4o@2 }
bucket_by: session
stages:
  - shadow: { sample: 10%, pairs: 300, min: 1h, max: 3d, spend: 20 USD }
  - canary: { share: 5%, units: 300, min: 1h, max: 7d }
  - full:   { bake: 72h, holdback: 1% }
rollback_if:
  - { metric: invalid_output, worse_by: 1.25x, or_by: 1pt, per: category }
  - { metric: error_rate, worse_than: 3% }
  - { metric: quality, worse_by: 2pt, per: category, trust_judge: 3pt }
hold_if: [ { metric: thumbs_down, worse_by: 1.25x } ]
"#;

    #[test]
    fn file_to_request() {
        let body = parse(FILE).unwrap();
        assert_eq!(body["change"]["support"]["system_prompt"], "system_prompt/support@8");
        assert_eq!(body["stages"][0]["spend_max_micro_usd"], 20_000_000);
        assert_eq!(
            body["stages"][2],
            json!({"kind": "full", "share_ppm": 990_000, "min_ms": 259_200_000_u64})
        );
        assert_eq!(
            body["guardrails"][0]["worse_by"],
            json!({"relative_ppm": 250_000, "absolute_ppm": 10_000})
        );
        assert_eq!(body["guardrails"][1]["worse_than_ppm"], 30_000);
        assert_eq!(body["guardrails"][2]["trust"], json!({"allowance": 30_000}));
        assert_eq!(body["guardrails"][3]["action"], "hold");
    }

    #[test]
    fn mistakes_name_the_nearest_word() {
        let error = |from: &str, to: &str| parse(&FILE.replace(from, to)).unwrap_err().to_string();
        assert!(error("metric: quality", "metric: qualty").contains("did you mean \"quality\""));
        assert!(error("rollback_if:", "rolback_if:").contains("did you mean \"rollback_if\""));
        assert!(error("- canary", "- canery").contains("did you mean \"canary\""));
        assert!(
            error("system_prompt: support@8", "sytem_prompt: support@8")
                .contains("did you mean \"system_prompt\"")
        );
        assert!(error("min: 1h, max: 7d", "min: 1 hour, max: 7d").contains("is no span"));
        assert!(error("rollout/v1", "rollout/v2").contains("rollout/v1"));
    }
}
