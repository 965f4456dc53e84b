//! `serinus artifact diff`: two versions side by side, changed words in colour where a terminal shows it. Compares nothing itself.

use std::io::IsTerminal as _;

use anyhow::bail;
use serde_json::Value;

use super::{Client, print};

/// Unchanged lines that are shown around a changed one.
const AROUND: usize = 2;

/// `+12 -31 words`, or how many members differ.
pub fn summary(diff: &Value) -> String {
    if diff["form"] == "text" {
        return format!("+{} -{} words", diff["words_added"], diff["words_removed"]);
    }
    match print::list(diff, "paths").len() {
        1 => "1 member differs".into(),
        count => format!("{count} members differ"),
    }
}

/// Prints the difference.
pub async fn run(client: &Client, from: &str, to: Option<u32>) -> anyhow::Result<()> {
    let (series, from) = from.split_once('@').map_or((from, None), |(series, from)| (series, Some(from)));
    let answer = client.get(&format!("/artifacts/{series}")).await?;
    let newest =
        print::list(&answer, "versions").last().and_then(|last| last["version"].as_u64()).unwrap_or(1);
    let to = to.map_or(newest, u64::from);
    let from = match from.map(str::parse::<u64>) {
        Some(Ok(from)) => from,
        Some(Err(_)) => bail!("{series}: a version is a number, as in {series}@2"),
        None if to > 1 => to - 1,
        None => bail!("{series} has one version: there is nothing to compare it with"),
    };
    let diff = client.get(&format!("/artifacts/{series}/diff?from={from}&to={to}")).await?;
    if client.json {
        print::json(&diff);
        return Ok(());
    }
    print::line(&format!(
        "{} -> {}  {}",
        print::text(&diff, "from"),
        print::text(&diff, "to"),
        summary(&diff)
    ));
    let ink = Ink { colour: std::io::stdout().is_terminal() };
    lines(print::list(&diff, "lines"), ink);
    for path in print::list(&diff, "paths") {
        let side = |name: &str| path.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let name = print::text(path, "path");
        print::line(&format!("  {name}  {} -> {}", ink.gone(&side("before")), ink.came(&side("after"))));
    }
    Ok(())
}

fn lines(lines: &[Value], ink: Ink) {
    let same = |at: usize| lines[at]["op"] == "same";
    let near = |at: usize| {
        let end = (at + AROUND + 1).min(lines.len());
        (at.saturating_sub(AROUND)..end).any(|near| !same(near))
    };
    let mut skipped = false;
    for (at, one) in lines.iter().enumerate() {
        if !near(at) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            print::line("  ...");
        }
        print::line(&line(one, ink));
    }
}

fn line(line: &Value, ink: Ink) -> String {
    let side = |name: &str| line[name].as_str().unwrap_or_default();
    match line["op"].as_str() {
        Some("add") => format!("+ {}", ink.came(side("after"))),
        Some("remove") => format!("- {}", ink.gone(side("before"))),
        Some("change") => {
            let word = |word: &Value| {
                let text = word["text"].as_str().unwrap_or_default();
                match word["op"].as_str() {
                    Some("add") => ink.came(text),
                    Some("remove") => ink.gone(text),
                    _ => text.to_owned(),
                }
            };
            format!("~ {}", print::list(line, "words").iter().map(word).collect::<String>())
        }
        _ => format!("  {}", side("after")),
    }
}

/// How words that came and went are told apart: in colour, or in the marks of `wdiff`.
#[derive(Clone, Copy)]
struct Ink {
    colour: bool,
}

impl Ink {
    fn came(self, text: &str) -> String {
        if self.colour { format!("\x1b[32m{text}\x1b[0m") } else { format!("{{+{text}+}}") }
    }

    fn gone(self, text: &str) -> String {
        if self.colour { format!("\x1b[31;9m{text}\x1b[0m") } else { format!("[-{text}-]") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_marked() {
        let changed = json!({"op": "change", "words": [
            {"op": "same", "text": "Answer "}, {"op": "remove", "text": "kindly"}, {"op": "add", "text": "briefly"},
        ]});
        assert_eq!(line(&changed, Ink { colour: false }), "~ Answer [-kindly-]{+briefly+}");
        assert_eq!(
            summary(&json!({"form": "text", "words_added": 12, "words_removed": 31})),
            "+12 -31 words"
        );
        assert_eq!(summary(&json!({"form": "json", "paths": [1]})), "1 member differs");
    }
}
