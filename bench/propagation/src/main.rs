//! Change propagation: one SDK client by number of flags, the last of a thousand followers beside a bare fan-out, and ten thousand
//! followers that lose their server at once.
//!
//! bench-propagation [--changes 300] [--json FILE]

mod fanout;
mod server;
mod storm;
mod world;

use serde_json::{json, Value};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let of = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned());
    if let Some(port) = of("--serve") {
        return storm::serve(port.parse().expect("a port"));
    }
    let changes: usize = of("--changes").map_or(300, |text| text.parse().expect("a number"));
    let mut rows: Vec<Value> = [10, 1000, 10_000].into_iter().map(|flags| world::one_client(flags, changes)).collect();
    rows.push(fanout::last_of(1000, changes.min(100)));
    rows.push(storm::dropped_at_once(10_000));
    for row in &rows {
        eprintln!("{row}");
    }
    match of("--json") {
        Some(file) => std::fs::write(file, json!(rows).to_string()).expect("a file that can be written"),
        None => println!("{}", json!(rows)),
    }
}

/// The value below which a share of the sorted values lies.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
