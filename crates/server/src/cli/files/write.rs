//! Writes what an environment exports as a directory that reads back as the same. Removes nothing that is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Map, Value};

use super::{SETTINGS, content, people};

/// Writes `desired` to `dir`; answers the files, and those of the same directories that were there and belong to none of them.
pub fn write(dir: &Path, desired: &Value) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut writing = Writing { dir, written: BTreeSet::new() };
    let mut settings = Map::new();
    for name in ["environment", "channels", "groups", "labels"] {
        if let Some(value) = desired.get(name) {
            settings.insert(name.to_owned(), value.clone());
        }
    }
    if !settings.is_empty() {
        writing.put(Path::new(SETTINGS), &content::yaml(&Value::Object(settings)))?;
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for artifact in desired["artifacts"].as_array().into_iter().flatten() {
        let text = |name: &str| artifact[name].as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text("kind"), text("name"));
        let (end, body) = content::write(&kind, &artifact["content"], &artifact["requires"]);
        let file = match artifact["version"].as_u64() {
            Some(version) => format!("{name}@{version}.{end}"),
            None => format!("{name}.{end}"),
        };
        writing.put(&Path::new("artifacts").join(&kind).join(&file), &body)?;
        names.insert(format!("{kind}/{name}"), file);
    }
    let written = |kind: &str, reference: &str| match names.get(reference) {
        Some(file) => format!("@{file}"),
        None => reference.strip_prefix(&format!("{kind}/")).unwrap_or(reference).to_owned(),
    };
    for (key, value) in members(desired, "features") {
        let value = people::feature_file(value.clone(), &written);
        writing.put(&Path::new("features").join(format!("{key}.yaml")), &content::yaml(&value))?;
    }
    for (key, value) in members(desired, "flags") {
        let value = people::flag_file(value.clone());
        writing.put(&Path::new("flags").join(format!("{key}.yaml")), &content::yaml(&value))?;
    }
    for (key, value) in members(desired, "segments") {
        writing.put(&Path::new("segments").join(format!("{key}.yaml")), &content::yaml(value))?;
    }
    let others = writing.others()?;
    Ok((writing.written.into_iter().collect(), others))
}

fn members<'a>(desired: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    desired.get(name).and_then(Value::as_object).into_iter().flatten()
}

struct Writing<'a> {
    dir: &'a Path,
    written: BTreeSet<PathBuf>,
}

impl Writing<'_> {
    fn put(&mut self, place: &Path, text: &str) -> anyhow::Result<()> {
        let file = self.dir.join(place);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        self.written.insert(place.to_owned());
        Ok(())
    }

    /// Files that were there before and that a plan would read.
    fn others(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut dirs = vec![PathBuf::from("features"), "flags".into(), "segments".into()];
        let kinds = serinus_domain::entity::ArtifactKind::all();
        dirs.extend(kinds.map(|kind| Path::new("artifacts").join(kind.to_string())));
        let mut others = Vec::new();
        for dir in dirs.iter().filter(|dir| self.dir.join(dir).is_dir()) {
            for entry in
                std::fs::read_dir(self.dir.join(dir)).with_context(|| format!("reading {}", dir.display()))?
            {
                let place = dir.join(entry?.file_name());
                if !self.written.contains(&place) {
                    others.push(place);
                }
            }
        }
        Ok(others)
    }
}
