//! A protected environment beside one that is not, over the command line: what is copied, applied and merged into it, and what waits.

use serde_json::{Value, json};
use serinus_testkit::{Printed, Serinus};

use crate::world::binary;

async fn says(serinus: &Serinus, args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    let printed = serinus.cli(&args).await;
    assert_eq!(printed.code, Some(0), "{args:?}: {printed:?}");
    serde_json::from_str(&printed.out).unwrap_or_else(|refused| panic!("{args:?}: {refused}: {printed:?}"))
}

/// A person's token.
async fn person(serinus: &Serinus, id: &str, role: &str) -> String {
    let made = says(serinus, &["person", "add", id, "--role", &format!("production={role}")]).await;
    made["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn parsed(printed: &Printed) -> Value {
    assert_eq!(printed.code, Some(0), "{printed:?}");
    serde_json::from_str(&printed.out).unwrap_or_else(|refused| panic!("{refused}: {printed:?}"))
}

#[tokio::test]
async fn a_copy_into_a_protected_environment_waits_and_cites_its_source() {
    let serinus = binary().start().await;
    says(&serinus, &["environment", "create", "staging"]).await;
    says(&serinus, &["-e", "staging", "segment", "put", "beta", "--include", "zoe@example.com"]).await;
    says(&serinus, &["-e", "staging", "flag", "put", "dark-mode", "--value", "true"]).await;
    says(&serinus, &["flag", "put", "dark-mode", "--value", "false"]).await;
    let differ = says(&serinus, &["environment", "diff", "staging", "production"]).await;
    let keys: Vec<_> =
        differ["differences"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect();
    assert_eq!(keys, ["flag/dark-mode", "segment/beta"], "{differ}");

    let ana = person(&serinus, "ana", "approver").await;
    says(&serinus, &["environment", "protect", "production"]).await;
    let copy =
        ["environment", "copy", "flag/dark-mode", "segment/beta", "--from", "staging", "--to", "production"];
    let waiting = says(&serinus, &copy).await;
    assert_eq!(waiting["proposal"], 1, "{waiting}");
    assert_eq!(says(&serinus, &["environment", "diff", "staging", "production"]).await, differ);
    let approved = parsed(&serinus.cli_as(&ana, &["approve", "1", "--json"]).await);
    assert_eq!(approved["state"], "applied", "{approved}");
    let differ = says(&serinus, &["environment", "diff", "staging", "production"]).await;
    assert_eq!(differ["differences"], json!([]), "{differ}");

    let last = &serinus.api.get("/revisions?limit=1").await["revisions"][0];
    let source = &serinus.api.get("/environments").await["environments"];
    let staging = source.as_array().unwrap().iter().find(|one| one["key"] == "staging").unwrap();
    assert_eq!(
        (&last["copied"]["environment"], &last["copied"]["revision"], &last["approval"]["approvers"]),
        (&json!("staging"), &staging["revision"], &json!(["ana"])),
        "{last}"
    );
    // The person in the segment is known there as well: an installation has one key for its lists.
    let explained = says(&serinus, &["segment", "get", "beta"]).await.to_string();
    assert!(!explained.contains("zoe@example.com"), "{explained}");
}

#[tokio::test]
async fn files_wait_too_unless_a_merge_counts_as_an_approval() {
    let serinus = binary().start().await;
    let ana = person(&serinus, "ana", "approver").await;
    says(&serinus, &["environment", "protect", "production"]).await;
    let write = says(&serinus, &["token", "create", "ci", "--scope", "write"]).await;
    let merge = says(&serinus, &["token", "create", "merge", "--scope", "write", "--scope", "approve"]).await;
    let (write, merge) = (write["secret"].as_str().unwrap(), merge["secret"].as_str().unwrap());

    let flag =
        |default: &str| format!("kind: boolean\nvariants: {{ on: true, off: false }}\ndefault: {default}\n");
    let seed = serinus.file("seed.txt", "");
    let dir = std::path::Path::new(&seed).parent().unwrap().join("config");
    std::fs::create_dir_all(dir.join("flags")).unwrap();
    let put = |default: &str| std::fs::write(dir.join("flags/dark-mode.yaml"), flag(default)).unwrap();
    let dir = dir.to_str().unwrap();
    let apply = async |token: &str, commit: &[&str]| {
        let args = [&["apply", dir, "--yes", "--json", "-m", "from files"], commit].concat();
        parsed(&serinus.cli_as(token, &args).await)
    };
    let head = async || serinus.api.get("/environments").await["environments"][0]["revision"].clone();

    put("on");
    let before = head().await;
    let waiting = apply(merge, &["--commit", "abc"]).await;
    assert_eq!(
        (&waiting["proposal"], head().await),
        (&json!(1), before),
        "a merge counts only where the rules say so"
    );
    let approved = parsed(&serinus.cli_as(&ana, &["approve", "1", "--json"]).await);
    assert_eq!(approved["state"], "applied", "{approved}");
    let last = &serinus.api.get("/revisions?limit=1").await["revisions"][0];
    assert_eq!((&last["commit"], &last["via"]), (&json!("abc"), &json!("files")), "{last}");

    // Weakening the rules is a change like any other.
    let weaker = says(&serinus, &["environment", "protect", "production", "--approve", "git"]).await;
    assert_eq!(weaker["proposal"], 2, "{weaker}");
    parsed(&serinus.cli_as(&ana, &["approve", "2", "--json"]).await);
    put("off");
    for (token, commit) in [(merge, &[][..]), (write, &["--commit", "def"][..])] {
        let waits = apply(token, commit).await;
        assert!(waits["proposal"].is_u64(), "{waits}");
    }
    let before = head().await.as_u64().unwrap();
    let merged = apply(merge, &["--commit", "def"]).await;
    assert_eq!(merged["revision"], before + 1, "{merged}");
    assert_eq!(serinus.api.get("/flags/dark-mode").await["default"], "off");
}
