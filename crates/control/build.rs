//! Makes sure that there is a dashboard to embed: builds it where its sources are and its output is not.
//! Knows nothing of what the dashboard shows.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() -> Result<(), Box<dyn Error>> {
    let ui = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../ui");
    let dist = ui.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    // A crate without the dashboard's sources (a vendored copy, say) embeds an empty folder and serves the API alone.
    fs::create_dir_all(&dist)?;
    if dist.join("index.html").exists() || !ui.join("package.json").exists() {
        return Ok(());
    }
    // Installed packages are somebody's: only a fresh checkout gets them from here.
    if !ui.join("node_modules").exists() {
        npm(&ui, &["ci"])?;
    }
    npm(&ui, &["run", "build"])
}

fn npm(ui: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let shown = arguments.join(" ");
    let status = Command::new("npm").args(arguments).current_dir(ui).status().map_err(|refused| {
        format!("dashboard: cannot run npm ({refused}): install Node.js 20 or later, or put a built dashboard in ui/dist")
    })?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "dashboard: \"npm {shown}\" in {} ended with {status}: run it there to see why",
        ui.display()
    )
    .into())
}
