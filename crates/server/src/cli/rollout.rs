//! `serinus rollout` and `serinus experiment`: start, watch and steer. Checks nothing that the server checks.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Client, artifact, print, rollout_file};
use crate::human;

/// Verbs of `rollout`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a rollout
    #[command(after_help = "Examples:
  serinus rollout start support.system_prompt=@concise.md --from canary
  serinus rollout start support.model=model/gpt-4o@2 search.retrieval=retrieval/kb@5
  serinus rollout start --file rollout.yaml --dry-run")]
    Start(StartArgs),
    /// List rollouts
    #[command(after_help = "Examples:\n  serinus rollout list")]
    List,
    /// Show a rollout: where it is, what its gate still needs, what its guardrails say
    #[command(after_help = "Examples:\n  serinus rollout show support-1")]
    Show {
        /// Its key
        key: String,
    },
    /// Follow a rollout until it ends
    #[command(after_help = "Examples:
  serinus rollout watch support-1          # exit code 0: delivered, 4: taken back")]
    Watch {
        /// Its key
        key: String,
    },
    /// Freeze its share
    #[command(after_help = "Examples:
  serinus rollout hold support-1 -m \"waiting for the new index\"")]
    Hold {
        /// Its key
        key: String,
        /// Why
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Let a held rollout go on
    #[command(after_help = "Examples:\n  serinus rollout resume support-1")]
    Resume {
        /// Its key
        key: String,
    },
    /// Take it to its next stage by hand
    #[command(after_help = "Examples:\n  serinus rollout advance support-1")]
    Advance {
        /// Its key
        key: String,
    },
    /// Lift the latch of a change that was taken back
    #[command(after_help = "Examples:\n  serinus rollout rearm support-1")]
    Rearm {
        /// Its key
        key: String,
    },
}

/// Verbs of `experiment`.
#[derive(Debug, Subcommand)]
pub enum ExperimentVerb {
    /// Compare at 50/50 from now on
    #[command(after_help = "Examples:\n  serinus experiment start support.model=model/gpt-4o@2")]
    Start(StartArgs),
}

/// What is started.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// FEATURE.LAYER=VERSION, as in support.model=model/gpt-4o@2, gpt-4o@2, or @file for a new version
    pub change: Vec<String>,
    /// The rollout as a file
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Its name; FEATURE-N when not given
    #[arg(long)]
    pub name: Option<String>,
    /// Begin with this stage
    #[arg(long, value_parser = ["shadow", "canary", "ab", "full"])]
    pub from: Option<String>,
    /// Why
    #[arg(short, long)]
    pub message: Option<String>,
    /// A channel that is paged; may be given more than once
    #[arg(long = "notify")]
    pub notify: Vec<String>,
    /// Show the rollout with every default spelled out, and start nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs a verb of `rollout`.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Start(args) => start(args, "/rollouts", client).await?,
        Verb::List => list(client).await?,
        Verb::Show { key } => {
            let answer = client.get(&format!("/rollouts/{key}")).await?;
            if client.json { print::json(&answer) } else { show(&answer) }
        }
        Verb::Watch { key } => return watch(&key, client).await,
        Verb::Hold { key, message } => act(client, &key, "hold", &json!({"message": message})).await?,
        Verb::Resume { key } => act(client, &key, "resume", &json!({})).await?,
        Verb::Advance { key } => act(client, &key, "advance", &json!({})).await?,
        Verb::Rearm { key } => act(client, &key, "rearm", &json!({})).await?,
    }
    Ok(0)
}

/// Runs a verb of `experiment`.
pub async fn experiment(verb: ExperimentVerb, client: &Client) -> anyhow::Result<u8> {
    let ExperimentVerb::Start(args) = verb;
    start(args, "/experiments", client).await?;
    Ok(0)
}

async fn start(args: StartArgs, path: &str, client: &Client) -> anyhow::Result<()> {
    let mut body = match &args.file {
        Some(file) => rollout_file::read(file)?,
        None => json!({"change": {}}),
    };
    if args.change.is_empty() && args.file.is_none() {
        bail!("nothing to change: write FEATURE.LAYER=VERSION, or say --file");
    }
    for text in &args.change {
        let (feature, layer, reference) = moved(text, client).await?;
        body["change"][feature][layer] = reference.into();
    }
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    put("name", args.name.map(Value::from));
    put("from", args.from.map(Value::from));
    put("message", args.message.map(Value::from));
    put("channels", (!args.notify.is_empty()).then(|| json!(args.notify)));
    put("dry_run", args.dry_run.then(|| true.into()));
    let answer = client.post(path, &body).await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    started(&answer, client, args.dry_run);
    Ok(())
}

/// FEATURE, LAYER and VERSION of `FEATURE.LAYER=VERSION`.
pub fn parts(text: &str) -> anyhow::Result<(&str, &str, &str)> {
    let shape = || format!("\"{text}\": write FEATURE.LAYER=VERSION, as in support.model=model/gpt-4o@2");
    let (target, version) = text.split_once('=').with_context(shape)?;
    // Keys may hold dots, layers never do.
    let (feature, layer) = target.rsplit_once('.').with_context(shape)?;
    Ok((feature, layer, version))
}

/// A version's full reference, which may be written without its layer.
pub fn reference(layer: &str, version: &str) -> String {
    if version.contains('/') { version.to_owned() } else { format!("{layer}/{version}") }
}

/// FEATURE, LAYER and full reference of `FEATURE.LAYER=VERSION`; `@file` publishes first.
async fn moved(text: &str, client: &Client) -> anyhow::Result<(String, String, String)> {
    let (feature, layer, version) = parts(text)?;
    let reference = match version.strip_prefix('@') {
        Some(file) => {
            let view = client.get(&format!("/features/{feature}")).await?;
            let current =
                view["control"][layer].as_str().and_then(|have| have.split_once('/')?.1.rsplit_once('@'));
            let series = format!("{layer}/{}", current.map_or(feature, |(name, _)| name));
            let file = std::path::Path::new(file);
            let content = artifact::read(file)?;
            let made = artifact::publish(client, &series, &content, artifact::is_data(file), "", &[]).await?;
            print::text(&made, "reference")
        }
        None => reference(layer, version),
    };
    Ok((feature.to_owned(), layer.to_owned(), reference))
}

fn started(answer: &Value, client: &Client, dry_run: bool) {
    let rollout = &answer["rollout"];
    let key = print::text(rollout, "key");
    print::line(&format!("  rollout    {key}: {}", stages(rollout)));
    for one in print::list(rollout, "change") {
        let layer = format!("{}.{}", print::text(one, "feature"), print::text(one, "layer"));
        print::line(&format!(
            "  change     {layer}  {} -> {}",
            print::text(one, "from"),
            print::text(one, "to")
        ));
    }
    for warning in print::list(answer, "warnings").iter().filter_map(Value::as_str) {
        print::line(&format!("  note       {warning}"));
    }
    if dry_run {
        print::line("  dry run    nothing was started; --json shows every default");
        return;
    }
    print::line(&format!(
        "  active     revision {} on {} of {} nodes after {} ms     undo: serinus rollback {key}     watch: {}/r/{key}",
        print::text(answer, "revision"),
        print::text(answer, "activation.active"),
        print::text(answer, "activation.nodes"),
        print::text(answer, "activation.after_ms"),
        client.base(),
    ));
}

/// A rollout's stages on one line.
pub fn stages(rollout: &Value) -> String {
    print::list(rollout, "stages").iter().map(stage_words).collect::<Vec<_>>().join(" -> ")
}

fn stage_words(stage: &Value) -> String {
    let percent = stage["share_ppm"].as_f64().unwrap_or(0.0) / 10_000.0;
    let span = serinus_domain::units::Millis(stage["min_ms"].as_u64().unwrap_or(0));
    format!("{} {percent}% >= {span}", print::text(stage, "kind"))
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let answer = client.get("/rollouts").await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let row =
        |one: &Value| vec![print::text(one, "key"), print::text(one, "phase"), print::text(one, "sentence")];
    print::table(
        &["rollout", "phase", "verdict"],
        &print::list(&answer, "rollouts").iter().map(row).collect::<Vec<_>>(),
    );
    Ok(())
}

fn show(rollout: &Value) {
    print::line(&print::text(rollout, "sentence"));
    print::line("");
    let evidence = &rollout["evidence"];
    let number =
        |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"));
    let row = |one: &Value| {
        let effect = &one["effect"];
        vec![
            print::text(one, "metric"),
            one["category"].as_str().unwrap_or("all").to_owned(),
            format!("{}/{}", print::text(effect, "control_units"), print::text(effect, "candidate_units")),
            number(&effect["control_mean"]),
            number(&effect["candidate_mean"]),
            format!(
                "{} [{}, {}]",
                number(&effect["difference"]),
                number(&effect["lower"]),
                number(&effect["upper"])
            ),
            number(&one["margin"]),
            format!("{:.2}", one["log_e"].as_f64().unwrap_or(0.0).exp()),
        ]
    };
    let rows: Vec<_> = print::list(evidence, "guardrails").iter().map(row).collect();
    let heading = [
        "metric",
        "where",
        "n control/candidate",
        "control",
        "candidate",
        "difference [interval]",
        "margin",
        "E",
    ];
    print::table(&heading, &rows);
    for missing in rollout["gate"]["missing"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        print::line(&format!("  needs  {missing}"));
    }
}

async fn act(client: &Client, key: &str, verb: &str, body: &Value) -> anyhow::Result<()> {
    let answer = client.post(&format!("/rollouts/{key}/{verb}"), body).await?;
    if client.json {
        print::json(&answer);
    } else {
        let sentence = print::text(&answer["rollout"], "sentence");
        print::line(&format!("{key}  revision {}  {sentence}", print::text(&answer, "revision")));
    }
    Ok(())
}

/// Prints the sentence whenever it changes. Exit 0 when completed, 4 when taken back.
async fn watch(key: &str, client: &Client) -> anyhow::Result<u8> {
    let mut last = String::new();
    loop {
        let answer = client.get(&format!("/rollouts/{key}")).await?;
        let sentence = print::text(&answer, "sentence");
        if sentence != last {
            if client.json {
                let shown: Map<String, Value> = ["key", "phase", "sentence", "stage", "gate"]
                    .into_iter()
                    .filter_map(|name| Some((name.to_owned(), answer.get(name)?.clone())))
                    .collect();
                print::line(&Value::Object(shown).to_string());
            } else {
                print::line(&format!(
                    "{}  {sentence}",
                    human::moment(answer["report_at"].as_i64().unwrap_or(0))
                ));
            }
            last = sentence;
        }
        match answer["phase"].as_str() {
            Some("completed") => return Ok(0),
            Some("rolled_back" | "cancelled") => return Ok(4),
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}
