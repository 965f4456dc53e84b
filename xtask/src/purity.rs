//! Who may depend on whom, proven on the real dependency graph. Knows the table of ARCHITECTURE.md and nothing else.

/// A crate, what must not be in its tree, and why.
pub const ABSENT: &[(&str, &[&str], &str)] = &[
    (
        "serinus-domain",
        &[
            "tokio",
            "rand",
            "chrono",
            "time",
            "reqwest",
            "hyper",
            "rusqlite",
            "tracing",
            "serinus-stats",
            "serinus-store",
            "serinus-llm",
        ],
        "the heart reaches no clock, no randomness and no I/O",
    ),
    (
        "serinus-interop",
        &["tokio", "rand", "reqwest", "hyper", "rusqlite", "tracing", "serinus-store", "serinus-control"],
        "reading another platform's export is a function of its bytes",
    ),
    ("serinus-stats", &["serde", "tokio", "rand", "serinus-domain"], "statistics know nothing of ours"),
    ("serinus-store", &["serinus-llm", "serinus-stats", "axum", "reqwest"], "durability calls nobody"),
    ("serinus-llm", &["serinus-store", "serinus-stats", "axum", "rusqlite"], "provider clients keep nothing"),
    (
        "serinus-gateway",
        &["serinus-stats", "serinus-control", "serinus-loops"],
        "the data plane decides nothing",
    ),
    (
        "serinus-control",
        &["serinus-stats", "serinus-llm", "serinus-gateway", "serinus-loops"],
        "the control plane serves no traffic",
    ),
    ("serinus-loops", &["serinus-gateway", "serinus-control", "axum"], "loops serve nobody"),
    (
        "serinus-demo",
        &["serinus-domain", "serinus-store", "serinus-gateway", "serinus-control", "serinus-loops"],
        "the demo uses Serinus as a user does",
    ),
    (
        "serinus-client",
        &[
            "serinus-store",
            "serinus-control",
            "serinus-gateway",
            "serinus-loops",
            "serinus-llm",
            "axum",
            "rusqlite",
            "native-tls",
        ],
        "applications take evaluation in, not a server",
    ),
    ("serinus-server", &["native-tls", "openssl", "openssl-sys"], "one TLS stack"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run;

    /// Names of packages that a crate's production build has in its tree.
    fn tree(package: &str) -> Vec<String> {
        let args = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
        let text = run::output("cargo", &args).unwrap();
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    /// INVARIANT(pure-domain), and the rest of the table.
    #[test]
    fn pure_domain() {
        for (package, absent, why) in ABSENT {
            let tree = tree(package);
            assert!(tree.len() > 1, "{package}: an empty tree proves nothing");
            let found: Vec<_> = absent.iter().filter(|name| tree.iter().any(|have| have == *name)).collect();
            assert!(found.is_empty(), "{package} reaches {found:?}: {why}");
        }
    }

    /// The data plane is handed a reader: a log to append to is not even named there.
    #[test]
    fn no_append_from_gateway() {
        let source = std::process::Command::new("grep")
            .args(["-rnE", r"\bdyn Log\b|\.append\(&?draft|Arc<dyn Store>|SharedStore", "crates/gateway/src"])
            .current_dir(run::root())
            .output()
            .unwrap();
        assert!(source.stdout.is_empty(), "{}", String::from_utf8_lossy(&source.stdout));
    }
}
