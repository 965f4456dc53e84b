//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest. CI runs this and nothing else.

use std::time::Instant;

use anyhow::bail;

use crate::{run, tools};

type Step = (&'static str, &'static str, fn() -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("fmt", "formatting", fmt),
    ("ui", "dashboard: packages, types, lint, unit tests, build", ui),
    ("clippy", "lints, warnings denied", clippy),
    ("unit", "unit, integration, tidy, purity and spec tests", unit),
    ("doc", "documentation, warnings denied", doc),
    ("deny", "licences, sources, duplicate versions", deny),
    ("sdk", "official SDKs against the real binary", sdk),
    ("screens", "the configuration screens on the real binary, in a browser", screens),
    ("demo", "the main job, end to end, and the dashboard in a browser", demo),
];

/// Runs the named steps, or all.
pub fn run(names: &[String]) -> anyhow::Result<bool> {
    if names.first().is_some_and(|name| name == "--list") {
        for (name, what, _) in STEPS {
            println!("{name:8} {what}");
        }
        return Ok(true);
    }
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, ..)| step == name)) {
        bail!("\"{unknown}\" is no step: see cargo xtask test --list");
    }
    let chosen: Vec<_> =
        STEPS.iter().filter(|(name, ..)| names.is_empty() || names.iter().any(|n| n == name)).collect();
    let mut passed = 0;
    for (name, what, step) in &chosen {
        println!("== {name}: {what}");
        let started = Instant::now();
        step()?;
        passed += 1;
        println!("== {name}: passed in {:.0} s", started.elapsed().as_secs_f64());
    }
    println!("{passed} passed, 0 failed");
    Ok(true)
}

fn fmt() -> anyhow::Result<()> {
    run::command("cargo", &["fmt", "--all", "--check"])
}

fn ui() -> anyhow::Result<()> {
    run::packages()?;
    let ui = run::root().join("ui");
    for script in ["check:generated", "typecheck", "lint", "test"] {
        run::in_folder(&ui, "npm", &["run", "--silent", script])?;
    }
    run::ui()
}

fn clippy() -> anyhow::Result<()> {
    run::command("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

fn unit() -> anyhow::Result<()> {
    tools::postgres()?;
    run::command("cargo", &["test", "--workspace", "--quiet"])
}

fn doc() -> anyhow::Result<()> {
    // As a variable of the child alone, through env(1): the environment of this process stays as it is.
    let args = [
        "RUSTDOCFLAGS=--deny warnings --allow rustdoc::private_intra_doc_links",
        "cargo",
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ];
    run::command("env", &args)
}

fn deny() -> anyhow::Result<()> {
    if run::output("cargo", &["deny", "--version"]).is_err() {
        run::command("cargo", &["install", "cargo-deny", "--locked", "--quiet"])?;
    }
    // The graph holds what other platforms would build; a build here has fetched only what is built here.
    run::command("cargo", &["fetch", "--quiet", "--locked"])?;
    run::command(
        "cargo",
        &["deny", "--log-level", "error", "--offline", "check", "bans", "licenses", "sources"],
    )
}

fn sdk() -> anyhow::Result<()> {
    let binary = run::build()?;
    let python = tools::python()?;
    let binary = format!("SERINUS_BIN={}", binary.display());
    let python = python.to_string_lossy().into_owned();
    run::command("env", &[&binary, &python, "-m", "pytest", "-q", "tests/sdk"])?;
    let node = run::root().join("tests/sdk-node");
    run::packages_in(&node)?;
    run::in_folder(&node, "env", &[&binary, "npm", "test", "--silent"])
}

fn screens() -> anyhow::Result<()> {
    in_a_browser("tests/e2e/configuration.mjs")
}

fn demo() -> anyhow::Result<()> {
    in_a_browser("tests/e2e/demo.mjs")
}

/// Runs a script that drives the real binary and a browser.
fn in_a_browser(script: &str) -> anyhow::Result<()> {
    let binary = run::build()?;
    let chromium = tools::chromium()?;
    let binary = format!("SERINUS_BIN={}", binary.display());
    let chromium = format!("CHROMIUM={}", chromium.display());
    run::packages()?;
    run::command("env", &[&binary, &chromium, "node", script])
}
