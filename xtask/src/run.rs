//! Running programs: loudly, from the project's root, failing where they fail. Knows nothing of what they do.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

/// Runs a command; an exit code other than 0 is an error that names it.
pub fn command(program: &str, args: &[&str]) -> anyhow::Result<()> {
    in_folder(Path::new("."), program, args)
}

/// The same in a folder.
pub fn in_folder(folder: &Path, program: &str, args: &[&str]) -> anyhow::Result<()> {
    let line = format!("{program} {}", args.join(" "));
    eprintln!("  $ {line}");
    let status = Command::new(program).args(args).current_dir(folder).status();
    let status = status.with_context(|| format!("`{line}` cannot be run: is {program} installed?"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// What a command prints on standard output.
pub fn output(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let line = format!("{program} {}", args.join(" "));
    let out = Command::new(program).args(args).output().with_context(|| format!("`{line}` cannot be run"))?;
    if !out.status.success() {
        bail!("`{line}` failed: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The dashboard, built into ui/dist where the server takes it from. Skipped while nothing under ui/ is newer.
pub fn ui() -> anyhow::Result<()> {
    let ui = root().join("ui");
    let built = modified(&ui.join("dist/index.html"));
    let sources = ["src", "index.html", "package-lock.json", "vite.config.ts", "openapi.json"];
    let newest = sources.iter().filter_map(|name| newest(&ui.join(name))).max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    packages()?;
    in_folder(&ui, "npm", &["run", "build", "--silent"])
}

/// The dashboard's packages, installed once for each state of the lock file.
pub fn packages() -> anyhow::Result<()> {
    packages_in(&root().join("ui"))
}

/// A folder's packages, installed once for each state of its lock file.
pub fn packages_in(folder: &Path) -> anyhow::Result<()> {
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder.join("package-lock.json")) {
        return Ok(());
    }
    in_folder(folder, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"])
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

fn newest(path: &Path) -> Option<std::time::SystemTime> {
    let own = modified(path)?;
    let inside = std::fs::read_dir(path).ok().into_iter().flatten().flatten();
    Some(inside.filter_map(|entry| newest(&entry.path())).fold(own, std::time::SystemTime::max))
}

/// The server's binary in release mode.
pub fn build() -> anyhow::Result<PathBuf> {
    ui()?;
    command("cargo", &["build", "--release", "--quiet", "--package", "serinus-server"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release").join("serinus"))
}

/// Builds the product and runs one of its verbs in place of this program's output.
pub fn product(verb: &str, args: &[String]) -> anyhow::Result<bool> {
    eprintln!("building (a few minutes the first time) ...");
    let binary = build()?;
    let status = Command::new(&binary).arg(verb).args(args).status();
    Ok(status.with_context(|| format!("running {}", binary.display()))?.success())
}

/// Writes the OpenAPI document and the dashboard's typed client from it.
pub fn openapi() -> anyhow::Result<bool> {
    command(
        "cargo",
        &["run", "--quiet", "--package", "serinus-control", "--example", "openapi", "--", "ui/openapi.json"],
    )?;
    packages()?;
    in_folder(&root().join("ui"), "npm", &["run", "generate", "--silent"])?;
    Ok(true)
}
