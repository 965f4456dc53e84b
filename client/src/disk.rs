//! The file that a client starts from when the server is away: a snapshot as it travels, with its checksum; two generations, so
//! that no crash leaves none. Knows nothing of how snapshots are evaluated.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serinus_domain::{
    bundle::Contents,
    snapshot::Snapshot,
    transfer::{read_snapshot, write_snapshot},
};

fn suffixed(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// Writes the next generation and keeps the last one.
pub(crate) fn save(file: &Path, snapshot: &Snapshot, contents: &Contents) -> io::Result<()> {
    let body = write_snapshot(snapshot, contents);
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let part = suffixed(file, ".part");
    let mut out = create(&part)?;
    out.write_all(&body)?;
    out.sync_all()?;
    // Between the two renames only the previous generation is there; `load` looks for it.
    if file.exists() {
        fs::rename(file, suffixed(file, ".previous"))?;
    }
    fs::rename(&part, file)?;
    // So that the names survive a crash as well.
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// For the owner's eyes alone: prompts, and the key of the lists of people.
fn create(part: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part)
}

/// The latest generation that is whole; none where there is no file.
pub(crate) fn load(file: &Path) -> Option<Result<(Snapshot, Contents), String>> {
    let previous = suffixed(file, ".previous");
    if !file.exists() && !previous.exists() {
        return None;
    }
    Some(load_one(file).or_else(|latest| {
        load_one(&previous).map_err(|earlier| format!("{latest}; the generation before: {earlier}"))
    }))
}

fn load_one(file: &Path) -> Result<(Snapshot, Contents), String> {
    let bytes = fs::read(file).map_err(|refused| refused.to_string())?;
    read_snapshot(&bytes).map_err(|refused| refused.to_string())
}
