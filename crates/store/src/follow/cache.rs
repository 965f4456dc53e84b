//! The snapshot file from which a node starts with no log and no database: a checksum, then one JSON document; two
//! generations, so that no crash leaves none. Knows nothing of how snapshots are compiled.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    bundle::Contents, digest::Digest, entity::DocKey, revision::RevisionNumber, snapshot::Snapshot,
    units::Timestamp,
};

use super::FollowError;

/// The stored form; it only grows.
#[derive(Serialize, Deserialize)]
struct Cached {
    revision: RevisionNumber,
    digest: Digest,
    at: Timestamp,
    /// Documents by the revision that put them.
    documents: BTreeMap<u64, Vec<(DocKey, Value)>>,
    contents: BTreeMap<String, Arc<Value>>,
}

fn previous(file: &Path) -> PathBuf {
    suffixed(file, ".previous")
}

fn suffixed(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// Whether any generation is there.
pub(super) fn exists(file: &Path) -> bool {
    file.exists() || previous(file).exists()
}

/// Writes the next generation and keeps the last one.
pub(super) fn save(file: &Path, snapshot: &Snapshot, contents: &Contents) -> Result<(), FollowError> {
    let failed = |reason: String| FollowError::Cache { file: file.into(), reason };
    let mut documents: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for (key, stored) in snapshot.iter() {
        documents.entry(stored.revision.0).or_default().push((key.clone(), stored.body.clone()));
    }
    let cached = Cached {
        revision: snapshot.revision,
        digest: snapshot.digest,
        at: snapshot.at,
        documents,
        contents: contents
            .held
            .iter()
            .map(|(digest, value)| (digest.to_string(), Arc::clone(value)))
            .collect(),
    };
    let body = serde_json::to_vec(&cached).map_err(|refused| failed(refused.to_string()))?;
    replace(file, &body).map_err(|refused| failed(refused.to_string()))
}

fn replace(file: &Path, body: &[u8]) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let part = suffixed(file, ".part");
    let mut out = File::create(&part)?;
    writeln!(out, "{}", Digest::of(body))?;
    out.write_all(body)?;
    out.sync_all()?;
    // Between the two renames only the previous generation is there; `load` looks for it.
    if file.exists() {
        fs::rename(file, previous(file))?;
    }
    fs::rename(&part, file)?;
    File::open(directory)?.sync_all()
}

/// The latest generation that is whole.
pub(super) fn load(file: &Path) -> Result<(Snapshot, Contents), FollowError> {
    load_one(file).or_else(|latest| {
        load_one(&previous(file)).map_err(|earlier| FollowError::Cache {
            file: file.into(),
            reason: format!("{latest}; the generation before: {earlier}"),
        })
    })
}

fn load_one(file: &Path) -> Result<(Snapshot, Contents), String> {
    let bytes = fs::read(file).map_err(|refused| refused.to_string())?;
    let (checksum, body) = bytes.split_at_checked(65).ok_or("it is cut short")?;
    if checksum.trim_ascii_end() != Digest::of(body).to_string().as_bytes() {
        return Err("its checksum does not match".into());
    }
    let cached: Cached = serde_json::from_slice(body).map_err(|refused| refused.to_string())?;
    let contents = cached.contents.iter().map(|(digest, value)| {
        Ok((digest.parse().map_err(|refused| format!("content {digest}: {refused}"))?, Arc::clone(value)))
    });
    let contents = Contents { held: contents.collect::<Result<_, String>>()?, list_key: None };
    Ok((restored(cached), contents))
}

fn restored(cached: Cached) -> Snapshot {
    let documents = cached.documents.into_iter().flat_map(|(number, documents)| {
        documents.into_iter().map(move |(key, body)| (key, RevisionNumber(number), body))
    });
    Snapshot::restore(cached.revision, cached.digest, cached.at, documents)
}
