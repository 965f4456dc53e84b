//! Configuration as files in a pipeline: a directory, a token, exit codes. Knows nothing of how plans are made.

use serde_json::Value;
use serinus_testkit::Serinus;

use crate::world::{provider, serinus};

/// Writes a file below the server's directory; answers that of `config`.
fn put(serinus: &Serinus, place: &str, text: &str) -> String {
    let config = config(serinus);
    let file = std::path::Path::new(&config).join(place);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
    config
}

fn config(serinus: &Serinus) -> String {
    let seed = serinus.file("seed.txt", "");
    let parent = std::path::Path::new(&seed).parent().unwrap().join("config");
    parent.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_directory_is_planned_applied_and_exported_with_a_token() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    let made = serinus.cli(&["token", "create", "ci", "--scope", "write", "--json"]).await;
    let token: Value = serde_json::from_str(&made.out).unwrap();
    let token = token["secret"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();
    put(&serinus, "artifacts/model/steady.toml", "provider = \"scripted\"\nmodel = \"steady\"\n");
    put(
        &serinus,
        "prompts/support.md",
        "---\nvariables: { name: { default: friend } }\n---\nYou help {{ name }}.\n",
    );
    put(
        &serinus,
        "flags/dark-mode.yaml",
        "kind: boolean\nvariants: { on: true, off: false }\ndefault: off\nrules:\n- serve: { split: [{ variant: on, share: 25% }, { variant: off, share: 75% }] }\n",
    );
    let feature = "control: { model: '@steady.toml', system_prompt: '@support.md' }\ncapture: 20%\n";
    let dir = put(&serinus, "features/support.yaml", &feature.replace("control", "contrl"));
    let ci = async |args: &[&str]| {
        let args: Vec<&str> = args.iter().copied().chain(["--token", &token]).collect();
        serinus.cli(&args).await
    };
    let mistaken = ci(&["plan", &dir]).await;
    assert_eq!(mistaken.code, Some(1), "{mistaken:?}");
    assert!(
        mistaken.err.contains("support.yaml:1:") && mistaken.err.contains("did you mean \"control\""),
        "{mistaken:?}"
    );
    put(&serinus, "features/support.yaml", feature);
    let comment = serinus.file("plan.md", "");
    let planned = ci(&["plan", &dir, "--comment", &comment]).await;
    assert_eq!(planned.code, Some(2), "{planned:?}");
    assert!(planned.out.contains("publish  system_prompt/support@1"), "{planned:?}");
    assert!(std::fs::read_to_string(&comment).unwrap().contains("**Serinus plan: 4 changes**"));
    let unasked = ci(&["apply", &dir]).await;
    assert!(unasked.code != Some(0) && unasked.err.contains("--yes"), "{unasked:?}");
    let applied = ci(&["apply", &dir, "--yes", "-m", "first", "--commit", "abc", "--json"]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(ci(&["plan", &dir]).await.code, Some(0), "applied twice is applied once");
    let out = format!("{dir}-exported");
    assert_eq!(ci(&["export", &out]).await.code, Some(0));
    let again = ci(&["plan", &out]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let written = std::fs::read_to_string(format!("{out}/features/support.yaml")).unwrap();
    assert!(written.contains("'@support.md'") && written.contains("capture: 20%"), "{written}");
    // Changed by hand, planned from files: the plan says whose change it would overwrite.
    serinus.cli(&["flag", "put", "dark-mode", "--value", "true"]).await;
    let drifted = ci(&["plan", &out]).await;
    assert!(drifted.code == Some(2) && drifted.out.contains("past the files in revision 2"), "{drifted:?}");
    let reverted = serinus.cli(&["revisions", "revert", "2"]).await;
    assert!(reverted.out.contains("taken back as revision 3"), "{reverted:?}");
    assert_eq!(ci(&["plan", &out]).await.code, Some(0));
    let verified = serinus.cli(&["revisions", "verify"]).await;
    assert!(verified.code == Some(0) && verified.out.contains("intact"), "{verified:?}");
    let shell = serinus.cli(&["completions", "bash"]).await;
    assert!(shell.out.contains("replay-decisions"), "{}", shell.err);
}
