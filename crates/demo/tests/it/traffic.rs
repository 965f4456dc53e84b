//! Sessions, their seed, what the ledger holds and the sender on a real socket. Knows nothing of Serinus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use serinus_demo::gateway_sender::GatewaySender;
use serinus_demo::session::{Load, Mix, Shape};
use serinus_demo::traffic::{Bounds, Driver, SendTurn, TurnReply, TurnRequest};
use tokio_util::sync::CancellationToken;

use crate::upstream::{GPT_4O, GPT_4O_MINI, Upstream, prompt_text, quiet, recorded, recordings};

fn load(requests_per_s: f64, mix: &[(&str, f64)]) -> Load {
    Load {
        requests_per_s,
        mix: mix.iter().map(|(category, weight)| ((*category).to_owned(), *weight)).collect(),
    }
}

fn quick() -> Shape {
    Shape { think_ms_p50: 1.0, ..Shape::default() }
}

#[test]
fn the_same_seed_plans_the_same_sessions() {
    let recordings = recordings();
    let mix = Mix::new(&recordings.corpus, &load(10.0, &[])).unwrap();
    let plans = |seed| (0..200).map(|n| Shape { seed, ..quick() }.session(n, &mix)).collect::<Vec<_>>();
    assert_eq!(plans(1), plans(1));
    assert_ne!(plans(1), plans(2));
    assert!(plans(1).iter().all(|plan| (1..=4).contains(&plan.turns.len())));
    let streamed = plans(1).iter().flat_map(|plan| plan.turns.clone()).filter(|turn| turn.stream).count();
    assert!((15..70).contains(&streamed), "{streamed} of about 390");
}

#[test]
fn arrivals_keep_their_rate() {
    let mut arrivals = quick().arrivals();
    let span: Duration = (0..20_000).map(|_| arrivals.gap(50.0)).sum();
    assert!((390.0..410.0).contains(&span.as_secs_f64()), "{span:?} for 20,000 at 50 a second");
}

#[test]
fn a_category_can_be_oversampled() {
    let recordings = recordings();
    let share = |weights: &[(&str, f64)]| {
        let mix = Mix::new(&recordings.corpus, &load(10.0, weights)).unwrap();
        let turns = (0..4_000).flat_map(|n| quick().session(n, &mix).turns).collect::<Vec<_>>();
        let hits =
            turns.iter().filter(|turn| recordings.corpus.prompt(turn.prompt).category == "keywords").count();
        hits as f64 / turns.len() as f64
    };
    assert!((share(&[]) - 55.0 / 328.0).abs() < 0.02);
    assert!((share(&[("keywords", 5.0)]) - 275.0 / 548.0).abs() < 0.02);
    assert!(share(&[("keywords", 0.0)]) < f64::EPSILON);
    assert!(Mix::new(&recordings.corpus, &load(10.0, &[("weather", 1.0)])).is_err());
}

/// Answers with the recorded text and remembers what it was sent; every fifth turn fails.
#[derive(Default)]
struct Echo {
    seen: Mutex<Vec<TurnRequest>>,
}

impl SendTurn for Echo {
    async fn send(&self, request: &TurnRequest) -> TurnReply {
        let count = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len()
        };
        if count.is_multiple_of(5) {
            return TurnReply { status: 500, error: Some("status 500".to_owned()), ..TurnReply::default() };
        }
        let recordings = recordings();
        let (prompt, _) = recordings.matcher.find(&request.messages.last().unwrap().content).unwrap();
        let answer = recordings.corpus.answer(prompt, recordings.corpus.model(GPT_4O).unwrap()).unwrap();
        TurnReply {
            status: 200,
            text: answer.text.clone(),
            variant: Some("stable".to_owned()),
            ..TurnReply::default()
        }
    }
}

#[tokio::test]
async fn the_ledger_holds_every_turn_and_its_truth() {
    let echo = Arc::new(Echo::default());
    let recordings = recordings();
    let driver =
        Driver::new(recordings.clone(), quick(), &load(400.0, &[]), Bounds::default(), echo.clone()).unwrap();
    let driver = Arc::new(driver);
    driver.clone().run(Duration::from_millis(700), CancellationToken::new()).await;
    let entries = driver.ledger().entries();
    let seen = echo.seen.lock().unwrap();
    assert!(entries.len() > 100 && entries.len() == seen.len());
    let totals = driver.ledger().totals();
    let requests: u64 = totals.values().map(|total| total.requests).sum();
    let failed: u64 = totals.values().map(|total| total.failed).sum();
    assert_eq!((requests, failed), (entries.len() as u64, entries.len() as u64 / 5));
    for entry in entries.iter().filter(|entry| entry.error.is_none()) {
        let truth = recordings.corpus.answer(entry.prompt, recordings.corpus.model(GPT_4O).unwrap()).unwrap();
        assert_eq!(entry.passed, Some(truth.checks.strict));
    }
    // Each turn carries the conversation: what was answered before, and never a failed question.
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    for (request, entry_failed) in seen.iter().zip((1..).map(|n: usize| n.is_multiple_of(5))) {
        let answered = turns.entry(&request.session).or_default();
        assert_eq!(request.messages.len(), 2 * *answered + 1);
        *answered += usize::from(!entry_failed);
    }
}

#[tokio::test]
async fn arrivals_beyond_the_bound_are_turned_away_and_counted() {
    let shape = Shape { think_ms_p50: 60_000.0, ..Shape::default() };
    let bounds = Bounds { sessions_max: 10, turns_max: 2 };
    let driver =
        Driver::new(recordings(), shape, &load(1_000.0, &[]), bounds, Arc::new(Echo::default())).unwrap();
    let driver = Arc::new(driver);
    let stop = CancellationToken::new();
    let run = driver.clone().run(Duration::from_secs(60), stop.clone());
    let stopper = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        stop.cancel();
    };
    tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(run, stopper) }).await.unwrap();
    assert!(driver.counts().sessions_turned_away > 20, "{:?}", driver.counts());
}

fn turn(stream: bool) -> TurnRequest {
    let message = json!({ "role": "user", "content": prompt_text(0) });
    TurnRequest {
        session: "s-1".into(),
        user: None,
        category: "keywords".to_owned(),
        messages: vec![serde_json::from_value(message).unwrap()],
        stream,
    }
}

async fn send(upstream: &Upstream, stream: bool) -> TurnReply {
    let base = format!("{}/v1", upstream.base);
    GatewaySender::new(&base, GPT_4O_MINI, None, Duration::from_secs(10)).unwrap().send(&turn(stream)).await
}

#[tokio::test]
async fn the_sender_reads_both_kinds_of_answer_to_the_end() {
    let upstream = Upstream::start(quiet()).await;
    for stream in [false, true] {
        let reply = send(&upstream, stream).await;
        assert_eq!((reply.status, reply.error), (200, None));
        assert_eq!(reply.text, recorded(0, GPT_4O_MINI));
        assert!(reply.first_byte.unwrap() <= reply.latency);
        assert!(reply.replay_id.unwrap().ends_with(GPT_4O_MINI));
    }
}

#[tokio::test]
async fn the_sender_names_every_failure() {
    let upstream = Upstream::start(quiet()).await;
    for (kind, stream, status, words) in [
        ("server_error", false, 500, "status 500"),
        ("cut", false, 200, "answer cut"),
        ("cut", true, 200, "answer cut"),
        ("malformed", false, 200, "answer body"),
        ("malformed", true, 200, "no answer"),
    ] {
        upstream.set_faults(json!([{ "kind": kind, "rate": 1.0 }])).await;
        let reply = send(&upstream, stream).await;
        let error = reply.error.unwrap_or_else(|| panic!("{kind} stream={stream}: no error"));
        assert!(reply.status == status && error.contains(words), "{kind} stream={stream}: {error}");
    }
}

#[tokio::test]
async fn a_saved_ledger_names_prompts_and_models() {
    let upstream = Upstream::start(quiet()).await;
    let sender =
        GatewaySender::new(&format!("{}/v1", upstream.base), GPT_4O, None, Duration::from_secs(10)).unwrap();
    let driver = Driver::new(recordings(), quick(), &load(200.0, &[]), Bounds::default(), sender).unwrap();
    let driver = Arc::new(driver);
    driver.clone().run(Duration::from_millis(300), CancellationToken::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    driver.ledger().save_jsonl(&path).unwrap();
    let lines = std::fs::read_to_string(&path).unwrap();
    assert!(lines.lines().count() > 10);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!((row["status"].as_u64(), row["model"].as_str()), (Some(200), Some(GPT_4O)));
        assert!(row["prompt"].as_str().unwrap().starts_with("ifeval-") && row["passed"].is_boolean());
    }
}
