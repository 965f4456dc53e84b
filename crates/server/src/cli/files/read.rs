//! Reads a directory into what `plan` and `apply` take. A mistake names its file, its line and the nearest valid word.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use serinus_domain::{
    desired::{
        DesiredChannel, DesiredEnvironment, DesiredFeature, DesiredFlag, DesiredGroup, DesiredSegment,
    },
    entity::ArtifactKind,
};

use super::{SETTINGS, content, content::Given, people};
use crate::human;

/// What a directory describes.
pub struct Described {
    /// In the form that the API takes.
    pub desired: Value,
    /// How many files it came of.
    pub files: usize,
}

/// `serinus.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its refusals: what is sent is what was written")]
struct Settings {
    environment: Option<DesiredEnvironment>,
    channels: Option<BTreeMap<String, DesiredChannel>>,
    groups: Option<BTreeMap<String, DesiredGroup>>,
    labels: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// Reads `dir`.
pub fn read(dir: &Path) -> anyhow::Result<Described> {
    if !dir.is_dir() {
        bail!("{} is no directory: make one with `serinus export {0}`", dir.display());
    }
    let mut reading = Reading { dir, artifacts: BTreeMap::new(), files: 0 };
    let mut desired = Map::new();
    if let Some(settings) = reading.settings()? {
        desired.extend(settings);
    }
    for kind in ArtifactKind::all() {
        let kind = kind.to_string();
        for file in files_in(&dir.join("artifacts").join(&kind))? {
            reading.artifact(&kind, &file)?;
        }
    }
    for file in files_in(&dir.join("prompts"))? {
        reading.artifact("system_prompt", &file)?;
    }
    let features = reading.documents::<DesiredFeature>("features", Reading::feature)?;
    let flags = reading.documents::<DesiredFlag>("flags", |_, _, value| people::flag(value))?;
    let segments = reading.documents::<DesiredSegment>("segments", |_, _, value| Ok(value))?;
    for (name, all) in [("features", features), ("flags", flags), ("segments", segments)] {
        desired.insert(name.to_owned(), Value::Object(all));
    }
    if reading.files == 0 {
        bail!("{} describes nothing: `serinus export {0}` writes what is there", dir.display());
    }
    desired.insert("artifacts".to_owned(), reading.artifacts_value());
    Ok(Described { desired: Value::Object(desired), files: reading.files })
}

/// A version by kind, name and number.
type Place = (String, String, Option<u32>);

struct Reading<'a> {
    dir: &'a Path,
    artifacts: BTreeMap<Place, (PathBuf, Given)>,
    files: usize,
}

impl Reading<'_> {
    fn settings(&mut self) -> anyhow::Result<Option<Map<String, Value>>> {
        for name in [SETTINGS, "serinus.yml", "serinus.toml"] {
            let file = self.dir.join(name);
            if !file.exists() {
                continue;
            }
            let text = self.text(&file)?;
            let members =
                content::data(extension(&file), &text).map_err(|refused| at(&file, &text, &refused))?;
            let value = Value::Object(members.clone());
            typed::<Settings>(&value).map_err(|refused| at(&file, &text, &refused))?;
            return Ok(Some(members));
        }
        Ok(None)
    }

    /// Reads the documents in a directory, each named after its key.
    fn documents<T: DeserializeOwned>(
        &mut self,
        name: &str,
        exact: impl Fn(&mut Self, &Path, Value) -> Result<Value, String>,
    ) -> anyhow::Result<Map<String, Value>> {
        let mut all = Map::new();
        for file in files_in(&self.dir.join(name))? {
            let text = self.text(&file)?;
            let end = extension(&file);
            if !matches!(end, "yaml" | "yml" | "json" | "toml") {
                continue;
            }
            let members = content::data(end, &text).map_err(|refused| at(&file, &text, &refused))?;
            let value =
                exact(self, &file, Value::Object(members)).map_err(|refused| at(&file, &text, &refused))?;
            typed::<T>(&value).map_err(|refused| at(&file, &text, &refused))?;
            let key = stem(&file);
            if all.insert(key.clone(), value).is_some() {
                bail!("{}: another file describes \"{key}\" too: keep one", file.display());
            }
        }
        Ok(all)
    }

    fn feature(&mut self, file: &Path, value: Value) -> Result<Value, String> {
        people::feature(value, &mut |kind, text| self.reference(file, kind, text))
    }

    /// A reference of a layer in the exact form: `@support.md` names a file, `support@3` and `support` a version of the layer's kind.
    fn reference(&mut self, file: &Path, kind: &str, text: &str) -> Result<String, String> {
        let Some(path) = text.strip_prefix('@') else {
            return Ok(if text.contains('/') { text.to_owned() } else { format!("{kind}/{text}") });
        };
        let beside = file.parent().unwrap_or(self.dir).join(path);
        let places =
            [beside, self.dir.join("artifacts").join(kind).join(path), self.dir.join("prompts").join(path)];
        let found = places.iter().find(|place| place.is_file()).ok_or_else(|| {
            let near = nearest_file(&places, path).map(|near| format!(" (did you mean \"@{near}\"?)"));
            format!(
                "no file {path} beside it, in artifacts/{kind}/ or in prompts/{}",
                near.unwrap_or_default()
            )
        })?;
        let (_, name, version) = self.artifact(kind, found).map_err(|refused| format!("{refused:#}"))?;
        Ok(match version {
            Some(version) => format!("{kind}/{name}@{version}"),
            None => format!("{kind}/{name}"),
        })
    }

    /// Reads a version's file once, whoever names it.
    fn artifact(&mut self, kind: &str, file: &Path) -> anyhow::Result<Place> {
        let stem = stem(file);
        let (name, version) = match stem.rsplit_once('@') {
            Some((name, number)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                let number = number
                    .with_context(|| format!("{}: after @ stands a version's number", file.display()))?;
                (name.to_owned(), Some(number))
            }
            None => (stem, None),
        };
        let place = (kind.to_owned(), name, version);
        let file = file.canonicalize().with_context(|| format!("reading {}", file.display()))?;
        if let Some((other, _)) = self.artifacts.get(&place) {
            if *other == file {
                return Ok(place);
            }
            bail!("{} and {} both give {kind}/{}: rename one", other.display(), file.display(), place.1);
        }
        let text = self.text(&file)?;
        let given =
            content::parse(kind, extension(&file), &text).map_err(|refused| at(&file, &text, &refused))?;
        self.artifacts.insert(place.clone(), (file, given));
        Ok(place)
    }

    fn artifacts_value(&self) -> Value {
        let all = self.artifacts.iter().map(|((kind, name, version), (_, given))| {
            let mut one =
                json!({ "kind": kind, "name": name, "content": given.content, "requires": given.requires });
            if let Some(version) = version {
                one["version"] = (*version).into();
            }
            one
        });
        all.collect()
    }

    fn text(&mut self, file: &Path) -> anyhow::Result<String> {
        self.files += 1;
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
    }
}

fn files_in(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        // Editors leave hidden files behind.
        .filter(|path| path.is_file() && !file_name(path).starts_with('.') && !file_name(path).ends_with('~'))
        .collect();
    files.sort();
    Ok(files)
}

fn nearest_file(places: &[PathBuf], path: &str) -> Option<String> {
    let dirs = places.iter().filter_map(|place| place.parent());
    let names: Vec<String> = dirs
        .flat_map(|dir| files_in(dir).unwrap_or_default())
        .map(|file| file_name(&file).to_owned())
        .collect();
    human::nearest(path, names.iter().map(String::as_str)).map(str::to_owned)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|end| end.to_str()).unwrap_or_default()
}

/// Checks a value against a shape; the refusal names the place and the nearest word.
fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|refused| {
        let (path, text) = (refused.path().to_string(), refused.inner().to_string());
        let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let near = match (text.contains("unknown "), quoted.split_first()) {
            (true, Some((word, words))) => human::nearest(word, words.iter().copied()),
            _ => None,
        };
        let near = near.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        format!("{place}{text}{near}")
    })
}

/// The refusal with its file, and the line where its word stands.
fn at(file: &Path, text: &str, refused: &str) -> anyhow::Error {
    let line = line_of(text, refused).map(|line| format!(":{line}")).unwrap_or_default();
    anyhow::anyhow!("{}{line}: {refused}", file.display())
}

/// The line that a refusal is about: of the unknown word, of the last name in its place, or as the reader says.
fn line_of(text: &str, refused: &str) -> Option<usize> {
    if let Some(said) = refused.split("at line ").nth(1) {
        return said.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    }
    let unknown = refused.contains("unknown ").then(|| refused.split('`').nth(1)).flatten();
    let path = refused.split(": ").next().unwrap_or_default();
    let last = path.rsplit(['.', '[', ']']).find(|part| !part.is_empty() && part.parse::<usize>().is_err());
    let word = unknown.or(last)?;
    let starts = |line: &str| {
        let line = line.trim_start_matches([' ', '-', '{', '"', '\'']);
        line.strip_prefix(word)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with([':', '=']))
    };
    let found = text.lines().position(starts);
    found.or_else(|| text.lines().position(|line| line.contains(word))).map(|line| line + 1)
}
