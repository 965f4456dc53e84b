//! House rules that a compiler cannot check: sizes, first lines, names, coverage of the documents. Each complaint says what to
//! do instead. Knows nothing of what the code means.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Production lines of a file beyond which it holds more than one idea.
const FILE_LINES_MAX: usize = 700;
/// What must not be left behind, with what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("FIX\u{4d}E", "mend it, or open an issue"),
    ("XX\u{58}", "say what is meant"),
    ("todo\u{21}(", "nothing half-wired lands"),
    ("unimplemented\u{21}(", "nothing half-wired lands"),
    ("dbg\u{21}(", "take it out"),
    ("#[ignor\u{65}", "assert today's behaviour with a note, or delete the test"),
];
/// Words that say nothing, in names of types.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Util", "Processor"];
/// Crates that may derive Serialize for what is kept or sent; the heart does so only for documents, records and evidence.
const LIBRARIES: &[&str] = &[
    "domain", "stats", "interop", "store", "llm", "gateway", "control", "loops", "server", "demo", "testkit",
];

/// All complaints about the tree under `root`.
pub fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut files = Vec::new();
    for folder in ["crates", "client", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        complaints.extend(file_complaints(&name, &text));
    }
    complaints.extend(architecture(root)?);
    complaints.extend(dependencies(root)?);
    Ok(complaints)
}

/// Prints complaints; whether there were none.
pub fn report(complaints: &[String]) -> anyhow::Result<bool> {
    for complaint in complaints {
        println!("{complaint}");
    }
    println!("tidy: {} complaints", complaints.len());
    Ok(complaints.is_empty())
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn file_complaints(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{name}: begins without //!: say what it is and what it refuses to know"));
    }
    let production = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = production.lines().count();
    if lines > FILE_LINES_MAX {
        complaints
            .push(format!("{name}: {lines} lines: split it at its second idea (at most {FILE_LINES_MAX})"));
    }
    for (banned, instead) in BANNED {
        if text.contains(banned) {
            complaints.push(format!("{name}: holds {banned}: {instead}"));
        }
    }
    for word in EMPTY_WORDS {
        let named = ["struct", "enum", "trait"].iter().any(|kind| {
            production
                .lines()
                .any(|line| line.contains(&format!("{kind} ")) && line.contains(&format!("{word} ")))
        });
        if named {
            complaints.push(format!("{name}: a type is called ...{word}: name what it is"));
        }
    }
    complaints
}

/// Every crate stands in ARCHITECTURE.md, and every invariant there has a test of its name.
fn architecture(root: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let mut complaints = Vec::new();
    for name in LIBRARIES {
        if !text.contains(&format!("crates/{name}")) {
            complaints.push(format!("ARCHITECTURE.md: does not name crates/{name}"));
        }
    }
    for entry in std::fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !LIBRARIES.contains(&name.as_str()) {
            complaints.push(format!("crates/{name}: not known to tidy: add it there and to ARCHITECTURE.md"));
        }
    }
    let lines = text.lines().count();
    if lines > 400 {
        complaints.push(format!("ARCHITECTURE.md: {lines} lines: keep it under 400"));
    }
    let mut sources = String::new();
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files)?;
    rust_files(&root.join("xtask"), &mut files)?;
    for file in files {
        sources.push_str(&std::fs::read_to_string(file)?);
    }
    for invariant in invariants(&text) {
        let test = invariant.replace('-', "_");
        // One test, or a module of several, of its name.
        let named =
            [format!("fn {test}("), format!("mod {test} "), format!("mod {test};"), format!("fn {test}_")];
        if !named.iter().any(|name| sources.contains(name)) {
            complaints.push(format!("ARCHITECTURE.md: invariant *{invariant}* has no test called {test}"));
        }
    }
    Ok(complaints)
}

/// The invariants of the numbered list: `1. *same-answer*: ...`.
fn invariants(text: &str) -> Vec<String> {
    let numbered = text.lines().filter(|line| line.chars().next().is_some_and(|c| c.is_ascii_digit()));
    numbered
        .filter_map(|line| {
            line.split_once(". *").and_then(|(_, rest)| rest.split_once('*')).map(|(name, _)| name.to_owned())
        })
        .collect()
}

/// Every direct dependency has a line of reason.
fn dependencies(root: &Path) -> anyhow::Result<Vec<String>> {
    let reasons =
        std::fs::read_to_string(root.join("docs/dependencies.md")).context("docs/dependencies.md")?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let named = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with("serinus-"));
    Ok(named
        .filter(|name| !reasons.contains(&format!("`{name}`")))
        .map(|name| format!("docs/dependencies.md: no reason for `{name}`"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let complaints = check(&crate::run::root()).unwrap();
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }

    #[test]
    fn complaints_are_made() {
        let long = format!("//! x\n{}", "\n".repeat(FILE_LINES_MAX + 1));
        assert_eq!(file_complaints("a.rs", &long).len(), 1);
        assert_eq!(file_complaints("a.rs", "fn main() {}").len(), 1);
        assert_eq!(file_complaints("a.rs", &format!("//! x\n// {}", BANNED[0].0)).len(), 1);
        assert_eq!(file_complaints("a.rs", "//! x\nstruct PinManager {}").len(), 1);
        assert!(file_complaints("a.rs", "//! x\nstruct Pin {}").is_empty());
        assert_eq!(invariants("1. *same-answer*: x\n2. *pinned*: y\ntext"), ["same-answer", "pinned"]);
    }
}
