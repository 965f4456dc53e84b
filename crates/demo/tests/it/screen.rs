//! What a person sees, letter by letter, and that a redrawn block leaves nothing behind. Knows nothing of a running
//! server.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use serinus_demo::bar::{Bar, COLUMNS};
use serinus_demo::deliveries::three;
use serinus_demo::look::{Event, Look};
use serinus_demo::screen::{Pulse, Scene, event_line, grouped};
use serinus_demo::terminal::Terminal;

fn effect(control: f64, candidate: f64, lower: f64, upper: f64) -> serde_json::Value {
    json!({
        "candidate_units": 900, "control_units": 910, "control_mean": control, "candidate_mean": candidate,
        "difference": candidate - control, "lower": lower, "upper": upper,
    })
}

fn look() -> Look {
    let guardrail = |metric: &str, category: Option<&str>, margin: f64, log_e: f64, effect| json!({ "metric": metric, "category": category, "margin": margin, "log_e": log_e, "effect": effect });
    let mut keywords = guardrail("quality", Some("keywords"), 0.04, 4.6, effect(0.836, 0.691, -0.21, -0.08));
    keywords["blamed"] = true.into();
    let mut errors = guardrail("error_rate", None, 0.005, -3.0, effect(0.001, 0.001, -0.002, 0.002));
    errors["non_inferior"] = true.into();
    let view = json!({
        "key": "cheaper-model", "phase": "running", "sentence": "Some sign of harm in 900 candidate sessions",
        "e_limit": 20.0,
        "stage": { "index": 2, "kind": "ab", "share_ppm": 500_000 },
        "stages": [
            { "kind": "shadow", "share_ppm": 100_000, "status": "done" },
            { "kind": "canary", "share_ppm": 50_000, "status": "done" },
            { "kind": "ab", "share_ppm": 500_000, "status": "current" },
            { "kind": "full", "share_ppm": 990_000, "status": "next" },
        ],
        "evidence": {
            "enrolled": { "candidate": 1_234, "control": 5_678 }, "e": 14.4,
            "guardrails": [
                errors,
                guardrail("quality", None, 0.02, 0.1, effect(0.838, 0.829, -0.03, 0.012)),
                guardrail("cost", None, 40.0, 0.0, effect(4_225.0, 260.0, -4_400.0, -3_500.0)),
                keywords,
                guardrail("quality", Some("language"), 0.04, -1.0, effect(1.0, 1.0, -0.05, 0.05)),
                guardrail("invalid_output", Some("language"), 0.02, 0.0, effect(0.0, 0.0, -0.05, 0.05)),
            ],
        },
    });
    Look { view: serde_json::from_value(view).unwrap(), ..Look::default() }
}

#[test]
fn a_block_shows_stage_counts_intervals_and_the_verdict() {
    let deliveries = three(&["keywords", "language"]);
    let look = look();
    let scene = Scene {
        delivery: &deliveries[1],
        look: &look,
        pulse: Pulse { elapsed: Duration::from_secs(20), turns_per_s: 598.4, units_per_s: 305.0 },
        clock_factor: 1_440.0,
        url: "http://127.0.0.1:7171",
    };
    let golden = include_str!("golden/block.txt");
    assert_eq!(scene.block().join("\n") + "\n", golden);
    assert_eq!(scene.line(), "   20.0 s  Some sign of harm in 900 candidate sessions");
}

#[test]
fn a_gate_is_a_line_with_its_evidence() {
    let event = Event {
        revision: 12,
        message: "canary passed with 214 candidate units, evidence of harm 0.41; on to ab at 50%".to_owned(),
        verdict: Some("PASS".to_owned()),
        ..Event::default()
    };
    assert_eq!(
        event_line(&event),
        "  revision 12   PASS          canary passed with 214 candidate units, evidence of harm 0.41; on to ab at 50%"
    );
}

#[test]
fn bars_keep_their_frame_whatever_the_interval() {
    for (difference, lower, upper, limit) in [
        (0.0, -1e300, 1e300, -0.02),
        (0.1, 0.05, 0.15, -0.02),
        (-0.3, -0.9, -0.2, 0.01),
        (0.0, 0.0, 0.0, 0.0),
        (4_000.0, 3_000.0, 5_000.0, 6_000.0),
    ] {
        let drawn = Bar { difference, lower, upper, limit }.draw();
        assert_eq!(drawn.chars().count(), COLUMNS + 2, "{drawn}");
        assert_eq!(drawn.matches('●').count(), 1, "{drawn}");
    }
    let whole = Bar { difference: 0.0, lower: -1e300, upper: 1e300, limit: -0.02 }.draw();
    assert!(whole.starts_with("[‹") && whole.ends_with("›]"), "{whole}");
}

#[test]
fn numbers_are_grouped() {
    assert_eq!(
        [0, 12, 999, 1_000, 12_345, 1_234_567].map(grouped),
        ["0", "12", "999", "1,000", "12,345", "1,234,567"]
    );
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn written(is_redrawn: bool) -> String {
    let paper = Paper::default();
    let mut terminal = Terminal::on(Box::new(paper.clone()), is_redrawn);
    let block = ["one".to_owned(), "two".to_owned()];
    terminal.draw(&block, "line");
    terminal.draw(&block, "line");
    terminal.say(&["stays".to_owned()]);
    terminal.draw(&block, "line");
    terminal.keep();
    terminal.say(&["after".to_owned()]);
    String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_block_is_redrawn_in_place_and_a_file_gets_plain_lines() {
    let back = "\x1b[2F\x1b[J";
    assert_eq!(written(true), format!("one\ntwo\n{back}one\ntwo\n{back}stays\none\ntwo\nafter\n"));
    assert_eq!(written(false), "line\nstays\nafter\n");
}
