//! The demo as a command: what is printed, how long it stays up, what the exit code says. Knows nothing of how a
//! delivery is made.

use std::path::Path;

use serde::Serialize;

use crate::options::DemoOptions;
use crate::outcome::{RunOutcome, table};
use crate::play::Play;
use crate::seeds;
use crate::terminal::Terminal;

/// As a shell reports a process that an interrupt ended.
const INTERRUPTED: u8 = 130;
/// Of why a turn failed, what fits on a line; JSON has it whole.
const REASON_CHARS_MAX: usize = 100;

/// Runs the demo with the binary `serinus`; answers the exit code: 0 when every delivery ended as it must.
pub async fn run(options: DemoOptions, serinus: &Path) -> anyhow::Result<u8> {
    options.check()?;
    let mut terminal = Terminal::new(options.json);
    if let Some(count) = options.seeds {
        let all = tokio::select! {
            all = seeds::run(&options, count, serinus, &mut terminal) => Some(all?),
            () = interrupted() => None,
        };
        let Some(all) = all else {
            terminal.say(&["interrupted: the seed under way is not counted".to_owned()]);
            return Ok(INTERRUPTED);
        };
        print_json(&options, &all)?;
        return Ok(all.exit_code());
    }
    once(&options, serinus, &mut terminal).await
}

async fn once(options: &DemoOptions, serinus: &Path, terminal: &mut Terminal) -> anyhow::Result<u8> {
    let mut play = tokio::select! {
        play = Play::begin(options, options.seed, serinus) => play?,
        () = interrupted() => return Ok(INTERRUPTED),
    };
    terminal.say(&greeting(options, &play));
    let delivered = tokio::select! {
        delivered = play.deliver(terminal) => Some(delivered),
        () = interrupted() => None,
    };
    let code = match delivered {
        None => {
            terminal.say(&["interrupted".to_owned()]);
            INTERRUPTED
        }
        Some(Err(error)) => {
            play.end().await?;
            return Err(error);
        }
        Some(Ok(outcome)) => {
            terminal.say(&summary(&outcome));
            print_json(options, &outcome)?;
            if !options.exit {
                terminal.say(&[format!("{} stays up; Ctrl-C ends it", play.url())]);
                interrupted().await;
            }
            outcome.exit_code()
        }
    };
    play.end().await?;
    Ok(code)
}

fn greeting(options: &DemoOptions, play: &Play) -> Vec<String> {
    let sign_in = play.token().map(|token| format!("#k={token}")).unwrap_or_default();
    vec![
        format!("serinus demo   {}/{sign_in}   (signs you in once)", play.url()),
        format!(
            "  seed {}, clock x{}, {} turns a second; recorded answers of real models, recorded verdicts as the judge",
            options.seed, options.clock_factor, options.rate
        ),
        String::new(),
    ]
}

fn summary(outcome: &RunOutcome) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(table(&outcome.deliveries));
    lines.push(String::new());
    for delivery in outcome.deliveries.iter().filter(|delivery| delivery.guardrail.is_some()) {
        lines.push(format!("{}: {}", delivery.rollout, delivery.reason));
    }
    lines.extend(outcome.reckoning.lines());
    let traffic = &outcome.traffic;
    lines.push(format!(
        "traffic: {} turns of {} sessions in {:.0} s, {:.0} turns/s, {} failed",
        traffic.turns,
        traffic.sessions,
        outcome.took_ms / 1_000.0,
        traffic.turns_per_s,
        traffic.turns_failed
    ));
    lines.extend(traffic.failures.iter().map(|(reason, count)| {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        format!("  failed {count}: {reason}")
    }));
    let verdict = if outcome.as_it_must {
        "every delivery ended as it must"
    } else {
        "NOT every delivery ended as it must"
    };
    lines.push(verdict.to_owned());
    lines
}

fn print_json(options: &DemoOptions, outcome: &impl Serialize) -> anyhow::Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(outcome)?);
    }
    Ok(())
}

/// Ctrl-C, or a request to terminate.
async fn interrupted() {
    #[cfg(unix)]
    {
        let kind = tokio::signal::unix::SignalKind::terminate();
        if let Ok(mut terminate) = tokio::signal::unix::signal(kind) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the signal itself ends the process, as it did before.
    let _unheard = tokio::signal::ctrl_c().await;
}
