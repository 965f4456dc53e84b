//! The command line as scripts and newcomers meet it: every verb answers JSON when asked to, every help shows how it is used.

use std::time::Duration;

use serde_json::{Value, json};
use serinus_testkit::{Printed, Serinus, Turn, eventually};

use crate::world::{CONTROL, provider, serinus};

/// One story through every verb, in an order in which each has something to work on.
const VERBS: &[&str] = &[
    "artifact publish model/steady {steady}",
    "artifact publish model/fresh {fresh}",
    "artifact publish system_prompt/support {prompt} -m first",
    "artifact list",
    "artifact show system_prompt/support",
    "artifact show model/fresh@1",
    "feature put support --layer model/steady@1 --layer system_prompt/support@1 --category billing",
    "feature list",
    "feature show support",
    "flag put dark-mode --value true",
    "flag get dark-mode",
    "flag list",
    "channel put oncall http://127.0.0.1:9/hook --secret oncall",
    "channel list",
    "environment list",
    "environment create staging --description trial",
    "propose support.system_prompt=@{prompt2} --name proposed --from canary",
    "proposal list --state open",
    "proposal show 1",
    "proposal comment 1 fine",
    "proposal edit 1 -m shorter",
    "proposal withdraw 1",
    "person add zoe --email zoe@example.com --role staging=viewer",
    "person change zoe --role production=editor",
    "person link zoe --expires 12h",
    "person list",
    "rollout start --file {rollout} --dry-run",
    "rollout start --file {rollout}",
    "rollout list",
    "rollout show support-fresh",
    "rollout hold support-fresh -m lunch",
    "rollout resume support-fresh",
    "rollout advance support-fresh",
    "rollback support-fresh --dry-run",
    "rollback support-fresh",
    "rollout rearm support-fresh",
    "experiment start support.system_prompt=@{prompt2} --name trial",
    "rollback trial",
    "feature kill support",
    "feature kill support --revive",
    "token create app --scope invoke",
    "token list",
    "artifact publish system_prompt/support {prompt3}",
    "artifact diff system_prompt/support",
    "artifact usage system_prompt/support@1",
    "artifact render system_prompt/support@1",
    "artifact label system_prompt/support@1 reviewed",
    "artifact archive system_prompt/support@3",
    "artifact redact system_prompt/support@3 --reason mistake",
    "feature explain support --session s-1",
    "flag explain dark-mode --user ana",
    "flag stale",
    "flag archive dark-mode",
    "flag archive dark-mode --restore",
    "flag import --format flagd {flagd}",
    "flag delete imported",
    "segment put beta --include ana",
    "segment get beta",
    "segment list",
    "segment delete beta",
    "group put checkout --description trials",
    "group list",
    "schedule put launch --at 2036-12-01T08:00:00Z --disable dark-mode",
    "schedule list",
    "schedule cancel launch",
    "environment copy flag/dark-mode --from production --to staging",
    "environment diff staging production",
    "environment protect staging",
    "environment unprotect staging",
    "revisions",
    "revisions list --subject flag/",
    "revisions show 1",
    "revisions diff 1",
    "revisions revert 1 --dry-run",
    "revisions verify",
    "revisions replay-decisions",
    "export {directory}",
    "plan {directory}",
    "apply {directory} --yes",
];

/// A flag definition file.
const FLAGD: &str = r#"{"flags": {"imported": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"}}}"#;

#[tokio::test]
async fn every_verb_prints_json() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    for verb in VERBS {
        let line = files(&serinus, verb);
        let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let printed = serinus.cli(&args).await;
        assert_eq!(printed.code, Some(0), "{verb}: {printed:?}");
        let json: Value = serde_json::from_str(&printed.out)
            .unwrap_or_else(|refused| panic!("{verb}: {refused}: {printed:?}"));
        assert!(json.is_object(), "{verb}: {json}");
    }
    let status = serinus.cli(&["status", "--json"]).await;
    let told: Value = serde_json::from_str(&status.out).unwrap_or_else(|_| panic!("{status:?}"));
    let needs = told["overview"]["needs"].as_array().unwrap_or_else(|| panic!("{told}")).len();
    assert_eq!(status.code, Some(i32::from(needs > 0)), "{told}");
    let watched = serinus.cli(&["rollout", "watch", "support-fresh", "--json"]).await;
    assert_eq!(watched.code, Some(4), "taken back: {watched:?}");
    let revision = serinus.cli(&["revisions", "1", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&revision.out).unwrap()["number"], 1, "{revision:?}");
    let refused = serinus.cli(&["feature", "show", "none", "--json"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.err.contains("feature.unknown"), "{refused:?}");
    let last = serinus.cli(&["token", "list", "--json"]).await;
    let tokens: Value = serde_json::from_str(&last.out).unwrap();
    let id = tokens["tokens"][0]["id"].as_str().unwrap();
    assert_eq!(serinus.cli(&["token", "revoke", id, "--json"]).await.code, Some(0));
}

#[tokio::test]
async fn what_was_asked_is_listed_and_shown() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    serinus.api.feature("support", CONTROL, json!({"capture_ppm": 1_000_000})).await;
    let asked = Turn::new("support", "Where is my order?").session("s-1").ask(&serinus.api).await;
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let listed = eventually("the interaction in the list", Duration::from_secs(5), async || {
        let printed = serinus.cli(&["interaction", "list", "--feature", "support", "--json"]).await;
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let list: Value = serde_json::from_str(&printed.out).unwrap();
        (list["interactions"].as_array()?.len() == 1).then_some(list)
    })
    .await;
    assert_eq!(listed["interactions"][0]["question"], "Where is my order?", "{listed}");
    let table = serinus.cli(&["interaction", "list"]).await;
    assert!(table.out.contains("support") && table.out.contains("Where is my order?"), "{table:?}");
    let shown = serinus.cli(&["interaction", "show", &id, "--json"]).await;
    let one: Value = serde_json::from_str(&shown.out).unwrap_or_else(|_| panic!("{shown:?}"));
    assert!(one.to_string().contains("steady speaking"), "{one}");
    let unknown = serinus.cli(&["interaction", "show", "nothing"]).await;
    assert_eq!((unknown.code, unknown.err.contains("interaction.unknown")), (Some(1), true), "{unknown:?}");
}

/// The line with its files written and named.
fn files(serinus: &Serinus, line: &str) -> String {
    let model = |name: &str| format!("provider: scripted\nmodel: {name}\n");
    let rollout = "serinus: rollout/v1\nname: support-fresh\nchange:\n  support: { model: fresh@1 }\n\
                   stages:\n  - canary: { share: 5%, units: 30, min: 1h }\n  - ab: { share: 50%, min: 7d }\n\
                   rollback_if:\n  - { metric: error_rate, worse_by: 2pt }\nnotify: [oncall]\n";
    line.replace("{steady}", &serinus.file("steady.yaml", &model("steady")))
        .replace("{fresh}", &serinus.file("fresh.yaml", &model("fresh")))
        .replace("{directory}", &serinus.file("seed", "").replace("seed", "exported"))
        .replace("{flagd}", &serinus.file("flagd.json", FLAGD))
        .replace("{prompt3}", &serinus.file("kind.md", "Be kind."))
        .replace("{prompt2}", &serinus.file("concise.md", "Be brief."))
        .replace("{prompt}", &serinus.file("prompt.md", "You help people."))
        .replace("{rollout}", &serinus.file("rollout.yaml", rollout))
}

#[tokio::test]
async fn every_help_has_examples() {
    let provider = provider().await;
    let serinus = serinus(&provider, 1).await;
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let help = serinus.cli(&args).await;
        assert_eq!(help.code, Some(0), "{args:?}: {help:?}");
        assert!(
            help.out.contains("\nExamples:\n"),
            "`serinus {}` shows no examples:\n{}",
            args.join(" "),
            help.out
        );
        let example = help.out.split("\nExamples:\n").nth(1).unwrap_or_default();
        assert!(example.contains("serinus "), "`serinus {}`: {example}", args.join(" "));
        open.extend(commands(&help).into_iter().map(|command| [path.clone(), vec![command]].concat()));
        seen += 1;
    }
    assert!(seen > 30, "{seen} helps were read");
}

/// The commands that a help lists.
fn commands(help: &Printed) -> Vec<String> {
    let listed = help.out.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn mistakes_at_the_command_line() {
    let provider = provider().await;
    let mut serinus = serinus(&provider, 1).await;
    for (line, code, tells) in [
        ("rollout start", 70, "nothing to change"),
        ("rollout start support", 70, "FEATURE.LAYER=VERSION"),
        ("rollout start support.model=model/x@1", 1, "feature.unknown"),
        ("artifact publish support x.md", 70, "KIND/NAME"),
        ("feature put x --layer model", 70, "KIND/NAME@VERSION"),
        ("rollbak", 2, "rollback"),
    ] {
        let printed = serinus.cli(&line.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(printed.code, Some(code), "{line}: {printed:?}");
        assert!(printed.err.contains(tells), "{line}: {printed:?}");
    }
    serinus.stop().await;
    let nobody = serinus.cli(&["feature", "list"]).await;
    assert_eq!(nobody.code, Some(70), "{nobody:?}");
    assert!(nobody.err.contains("serinus serve"), "{nobody:?}");
}
