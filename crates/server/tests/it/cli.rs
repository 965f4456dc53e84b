//! The command line as scripts and newcomers meet it: every verb answers JSON when asked to, every help shows how it is used.

use serde_json::Value;
use serinus_testkit::{Printed, Serinus};

use crate::world::{provider, serinus};

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
    "revisions",
];

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

/// The line with its files written and named.
fn files(serinus: &Serinus, line: &str) -> String {
    let model = |name: &str| format!("provider: scripted\nmodel: {name}\n");
    let rollout = "serinus: rollout/v1\nname: support-fresh\nchange:\n  support: { model: fresh@1 }\n\
                   stages:\n  - canary: { share: 5%, units: 30, min: 1h }\n  - ab: { share: 50%, min: 7d }\n\
                   rollback_if:\n  - { metric: error_rate, worse_by: 2pt }\nnotify: [oncall]\n";
    line.replace("{steady}", &serinus.file("steady.yaml", &model("steady")))
        .replace("{fresh}", &serinus.file("fresh.yaml", &model("fresh")))
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
        ("artifact publish support x.md", 70, "x.md"),
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
