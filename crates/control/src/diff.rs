//! What two contents do not have in common: a text by line with the words inside, JSON by path. Knows nothing of versions.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};
use utoipa::ToSchema;

/// How long one comparison looks for the shortest answer; then any that is right will do.
const PATIENCE: Duration = Duration::from_millis(200);

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiffWord {
    /// It stayed.
    Same,
    /// It is new.
    Add,
    /// It is gone.
    Remove,
    /// Another stands in its place.
    Change,
}

/// A stretch of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WordChange {
    /// What became of it.
    pub op: DiffWord,
    /// What it says.
    pub text: String,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineChange {
    /// What became of it.
    pub op: DiffWord,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of a changed line: its words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<WordChange>,
}

/// A member of a content.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PathChange {
    /// Where, as in `tools[0].function.name`.
    pub path: String,
    /// What became of it.
    pub op: DiffWord,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

fn diff<'a>(before: &'a [&'a str], after: &'a [&'a str]) -> TextDiff<'a, 'a, str> {
    TextDiff::configure().algorithm(Algorithm::Myers).timeout(PATIENCE).diff_slices(before, after)
}

/// Two texts, line by line.
pub(crate) fn lines(before: &str, after: &str) -> Vec<LineChange> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let same = |text: &str| LineChange {
        op: DiffWord::Same,
        before: Some(text.to_owned()),
        after: Some(text.to_owned()),
        words: Vec::new(),
    };
    let mut lines = Vec::new();
    for op in diff(&old, &new).ops() {
        match op {
            DiffOp::Equal { .. } => lines.extend(old[op.old_range()].iter().map(|text| same(text))),
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                replaced(&old[op.old_range()], &new[op.new_range()], &mut lines);
            }
        }
    }
    lines
}

/// Lines in the place of others: in pairs as far as there are two, so that a changed word shows inside its line.
fn replaced(old: &[&str], new: &[&str], lines: &mut Vec<LineChange>) {
    for at in 0..old.len().max(new.len()) {
        let (before, after) = (old.get(at), new.get(at));
        let (op, words) = match (before, after) {
            (Some(before), Some(after)) => (DiffWord::Change, words(before, after)),
            (Some(_), None) => (DiffWord::Remove, Vec::new()),
            _ => (DiffWord::Add, Vec::new()),
        };
        let text = |line: Option<&&str>| line.map(|line| (*line).to_owned());
        lines.push(LineChange { op, before: text(before), after: text(after), words });
    }
}

fn words(before: &str, after: &str) -> Vec<WordChange> {
    let mut words: Vec<WordChange> = Vec::new();
    let diff = TextDiff::configure().timeout(PATIENCE).diff_words(before, after);
    for change in diff.iter_all_changes() {
        let op = match change.tag() {
            ChangeTag::Equal => DiffWord::Same,
            ChangeTag::Insert => DiffWord::Add,
            ChangeTag::Delete => DiffWord::Remove,
        };
        match words.last_mut() {
            Some(last) if last.op == op => last.text.push_str(change.value()),
            _ => words.push(WordChange { op, text: change.value().to_owned() }),
        }
    }
    words
}

/// Words that came and words that went.
pub(crate) fn counted(lines: &[LineChange]) -> (usize, usize) {
    let count = |text: Option<&String>| text.map_or(0, |text| text.split_whitespace().count());
    let inside = |line: &LineChange, op: DiffWord| -> usize {
        let of_it = line.words.iter().filter(|word| word.op == op);
        of_it.map(|word| word.text.split_whitespace().count()).sum()
    };
    lines.iter().fold((0, 0), |(added, removed), line| match line.op {
        DiffWord::Same => (added, removed),
        DiffWord::Add => (added + count(line.after.as_ref()), removed),
        DiffWord::Remove => (added, removed + count(line.before.as_ref())),
        DiffWord::Change => (added + inside(line, DiffWord::Add), removed + inside(line, DiffWord::Remove)),
    })
}

/// Two values, member by member.
pub(crate) fn paths(before: &Value, after: &Value) -> Vec<PathChange> {
    let mut changes = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<PathChange>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(inner, old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for at in 0..old.len().max(new.len()) {
                compare(format!("{path}[{at}]"), old.get(at), new.get(at), changes);
            }
        }
        (before, after) => {
            let op = match (before, after) {
                (Some(_), Some(_)) => DiffWord::Change,
                (Some(_), None) => DiffWord::Remove,
                _ => DiffWord::Add,
            };
            changes.push(PathChange { path, op, before: before.cloned(), after: after.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_word_shows_inside_its_line() {
        let lines = lines("Be kind.\nAnswer at length.\nBye.", "Be kind.\nAnswer briefly.\nSign off.\nBye.");
        let ops: Vec<_> = lines.iter().map(|line| line.op).collect();
        assert_eq!(ops, [DiffWord::Same, DiffWord::Change, DiffWord::Add, DiffWord::Same]);
        let words: Vec<_> = lines[1].words.iter().map(|word| (word.op, word.text.as_str())).collect();
        assert_eq!(words[0], (DiffWord::Same, "Answer "));
        assert!(words.contains(&(DiffWord::Add, "briefly.")), "{words:?}");
        assert_eq!(counted(&lines), (3, 2));
        assert_eq!(counted(&super::lines("same\n", "same\n")), (0, 0));
    }

    #[test]
    fn json_differs_by_path() {
        let before = json!({"a": 1, "tools": [{"name": "x"}, {"name": "y"}], "b": {"c": true}});
        let after = json!({"a": 1, "tools": [{"name": "z"}], "b": {"c": true, "d": null}});
        let changes = paths(&before, &after);
        let told: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.op)).collect();
        assert_eq!(
            told,
            [("b.d", DiffWord::Add), ("tools[0].name", DiffWord::Change), ("tools[1]", DiffWord::Remove)]
        );
    }
}
