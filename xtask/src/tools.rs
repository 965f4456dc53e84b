//! What tests need beyond Rust, Node and Python, by package name, installed where it is missing. Knows nothing of the tests.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::run;

/// Real peers, at the versions that were tried.
const PYTHON: &[&str] = &[
    "langfuse==5.0.4",
    "openai==3.54.0",
    "openfeature-sdk==0.10.0",
    "openfeature-provider-ofrep==0.3.0",
    "pytest==9.0.1",
];

/// A Python with the SDKs that the tests drive.
pub fn python() -> anyhow::Result<PathBuf> {
    let venv = run::root().join("target/venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("packages.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == PYTHON.join("\n")) {
        return Ok(python);
    }
    run::command("python3", &["-m", "venv", &venv.to_string_lossy()])?;
    let mut args = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    args.extend(PYTHON);
    run::command(&python.to_string_lossy(), &args)?;
    std::fs::write(stamp, PYTHON.join("\n"))?;
    Ok(python)
}

/// A headless Chromium.
pub fn chromium() -> anyhow::Result<PathBuf> {
    let found = || {
        let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
        let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
        given.into_iter().chain(usual.map(PathBuf::from)).find(|path| path.exists())
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    install(&["chromium", "fonts-dejavu-core"], "no Chromium: install one, or say where it is in CHROMIUM")?;
    found().ok_or_else(|| {
        anyhow::anyhow!("chromium was installed and is not there: say where it is in CHROMIUM")
    })
}

/// A PostgreSQL server, which the tests of the store start for themselves.
pub fn postgres() -> anyhow::Result<()> {
    let found = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions
            .map(|version| version.path().join("bin"))
            .any(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
    };
    if found() {
        return Ok(());
    }
    install(
        &["postgresql"],
        "no PostgreSQL server in /usr/lib/postgresql: install the package \"postgresql\"",
    )?;
    anyhow::ensure!(found(), "postgresql was installed and is not in /usr/lib/postgresql");
    Ok(())
}

/// Installs Debian packages; `otherwise` is said where that cannot be done.
fn install(packages: &[&str], otherwise: &str) -> anyhow::Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("{otherwise}");
    }
    run::command("apt-get", &["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    run::command("apt-get", &args)
}
