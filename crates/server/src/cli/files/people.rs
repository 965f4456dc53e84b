//! Between what people write (`25%`, `15min`, `@support.md`, `serve: on`) and the exact form that the API takes. Knows no file.

use serde_json::{Map, Value, json};
use serinus_domain::units::{Millis, Share};

use crate::human;

/// A feature file's value in the exact form; `resolve` turns a reference of a layer's kind into `kind/name` or `kind/name@version`.
pub fn feature(
    mut value: Value,
    resolve: &mut dyn FnMut(&str, &str) -> Result<String, String>,
) -> Result<Value, String> {
    if let Some(control) = value.get_mut("control") {
        layers(control, "control", resolve)?;
    }
    if let Some(variants) = value.get_mut("variants").and_then(Value::as_object_mut) {
        for (name, change) in variants {
            layers(change, &format!("variants.{name}"), resolve)?;
        }
    }
    if let Some(judge) = value.get_mut("judge").and_then(Value::as_object_mut) {
        for kind in ["rubric", "model"] {
            if let Some(reference) = judge.get(kind).and_then(Value::as_str) {
                let full = resolve(kind, reference).map_err(|refused| format!("judge.{kind}: {refused}"))?;
                judge.insert(kind.to_owned(), full.into());
            }
        }
        exact(judge, "rate", share)?;
        exact(judge, "deadline", span)?;
    }
    if let Some(members) = value.as_object_mut() {
        exact(members, "capture", share)?;
    }
    Ok(value)
}

/// The way back: references become what is written in a file.
pub fn feature_file(mut value: Value, written: &dyn Fn(&str, &str) -> String) -> Value {
    let show = |layers: &mut Value| {
        for (kind, reference) in layers.as_object_mut().into_iter().flatten() {
            *reference = written(kind, reference.as_str().unwrap_or_default()).into();
        }
    };
    show(&mut value["control"]);
    value
        .get_mut("variants")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .for_each(|(_, one)| show(one));
    if let Some(judge) = value.get_mut("judge").and_then(Value::as_object_mut) {
        for kind in ["rubric", "model"] {
            let shown = written(kind, judge.get(kind).and_then(Value::as_str).unwrap_or_default());
            judge.insert(kind.to_owned(), shown.into());
        }
        readable(judge, "rate", share_text);
        readable(judge, "deadline", span_text);
    }
    if let Some(members) = value.as_object_mut() {
        readable(members, "capture", share_text);
    }
    value
}

/// A flag file's value in the exact form.
pub fn flag(mut value: Value) -> Result<Value, String> {
    for rule in value.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(serve) = rule.get_mut("serve") else { continue };
        if let Some(name) = serve.as_str() {
            *serve = json!({ "variant": name });
        }
        for part in serve.get_mut("split").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(part) = part.as_object_mut() {
                exact(part, "share", share).map_err(|refused| format!("rules.serve.split.{refused}"))?;
            }
        }
    }
    Ok(value)
}

/// The way back.
pub fn flag_file(mut value: Value) -> Value {
    for rule in value.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(serve) = rule.get_mut("serve") else { continue };
        if let Some(name) = serve.get("variant").cloned() {
            *serve = name;
            continue;
        }
        for part in serve.get_mut("split").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(part) = part.as_object_mut() {
                readable(part, "share", share_text);
            }
        }
    }
    value
}

/// A need as people write it (`output_parser/json@3`) in the exact form; what is exact already stays.
pub fn requirement(value: &Value) -> Result<Value, String> {
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    let refused = || format!("requires: {text}: write KIND, KIND/NAME or KIND/NAME@LOWEST");
    let (series, version) = text.split_once('@').unwrap_or((text, "1"));
    let version: u32 = version.parse().map_err(|_| refused())?;
    let mut need = json!({ "kind": series, "version_min": version });
    if let Some((kind, name)) = series.split_once('/') {
        need["kind"] = kind.into();
        need["name"] = name.into();
    }
    Ok(need)
}

fn layers(
    value: &mut Value,
    place: &str,
    resolve: &mut dyn FnMut(&str, &str) -> Result<String, String>,
) -> Result<(), String> {
    for (kind, reference) in value.as_object_mut().into_iter().flatten() {
        if let Some(text) = reference.as_str() {
            *reference = resolve(kind, text).map_err(|refused| format!("{place}.{kind}: {refused}"))?.into();
        }
    }
    Ok(())
}

fn exact(
    members: &mut Map<String, Value>,
    name: &str,
    read: fn(&str) -> Result<Value, String>,
) -> Result<(), String> {
    if let Some(text) = members.get(name).and_then(Value::as_str) {
        let value = read(text).map_err(|refused| format!("{name}: {refused}"))?;
        members.insert(name.to_owned(), value);
    }
    Ok(())
}

fn readable(members: &mut Map<String, Value>, name: &str, show: fn(u64) -> String) {
    if let Some(number) = members.get(name).and_then(Value::as_u64) {
        members.insert(name.to_owned(), show(number).into());
    }
}

fn share(text: &str) -> Result<Value, String> {
    human::share(text).map(|share| share.as_ppm().into())
}

fn span(text: &str) -> Result<Value, String> {
    human::span(text).map(|Millis(ms)| ms.into())
}

fn share_text(ppm: u64) -> String {
    Share::ppm(u32::try_from(ppm).unwrap_or(u32::MAX)).to_string()
}

fn span_text(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let unit = UNITS.into_iter().find(|(size, _)| ms > 0 && ms.is_multiple_of(*size));
    unit.map_or_else(|| format!("{ms}ms"), |(size, name)| format!("{}{name}", ms / size))
}
