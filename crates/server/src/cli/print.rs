//! How answers are printed: JSON for machines, aligned columns for people. Knows nothing of what is printed.

use std::io::Write;

use serde_json::Value;

/// Prints a line; a closed pipe ends the program quietly, as it should.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as JSON.
pub fn json(value: &Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints rows in aligned columns under a heading.
pub fn table(heading: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heading.len()).map(width).collect();
    let print = |cells: Vec<&str>| {
        let padded: Vec<_> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count()))))
            .collect();
        line(padded.join("  ").trim_end());
    };
    print(heading.to_vec());
    for row in rows {
        print(row.iter().map(String::as_str).collect());
    }
}

/// A member as text: strings bare, everything else as JSON, nothing as a dash.
pub fn text(value: &Value, member: &str) -> String {
    match value.pointer(&format!("/{}", member.replace('.', "/"))) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A member as a list.
pub fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Layers as `model/a@1  system_prompt/b@2`.
pub fn layers(value: &Value) -> String {
    let Some(layers) = value.as_object() else { return "-".into() };
    layers.values().filter_map(Value::as_str).collect::<Vec<_>>().join("  ")
}
