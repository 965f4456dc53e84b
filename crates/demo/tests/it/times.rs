//! Same seed, same times; and the times are kept. Knows nothing of texts.

use std::time::{Duration, Instant};

use serde_json::json;
use serinus_demo::ReplayConfig;

use crate::upstream::{GPT_4O, Upstream, chat, header, prompt_text, quiet};

/// The meant times of a few requests, as the server states them.
async fn times(seed: u64) -> Vec<String> {
    let upstream = Upstream::start(ReplayConfig { seed, speed: 100_000.0, ..quiet() }).await;
    let mut times = Vec::new();
    for prompt in [0, 1, 0, 2, 0] {
        let reply = upstream.ask(GPT_4O, &prompt_text(prompt)).await;
        times.push(format!("{} {}", header(&reply, "x-replay-ttft-us"), header(&reply, "x-replay-total-us")));
    }
    times
}

#[tokio::test]
async fn the_same_seed_gives_the_same_times() {
    let first = times(7).await;
    assert_eq!(first, times(7).await);
    assert_ne!(first, times(8).await);
    assert!(first[0] != first[2] && first[2] != first[4], "asking again takes another time: {first:?}");
}

#[tokio::test]
async fn the_meant_times_are_kept() {
    let upstream = Upstream::start(ReplayConfig { speed: 10.0, ..quiet() }).await;
    for stream in [false, true] {
        let mut body = chat(GPT_4O, &prompt_text(0));
        body["stream"] = json!(stream);
        let since = Instant::now();
        let mut reply = upstream.post("/v1/chat/completions", &body).await;
        let micros = |name| Duration::from_micros(header(&reply, name).parse().unwrap());
        let (first_token, total) = (micros("x-replay-ttft-us"), micros("x-replay-total-us"));
        assert!(first_token > Duration::from_millis(10) && total > first_token * 3);
        reply.chunk().await.unwrap().unwrap();
        let first = since.elapsed();
        while reply.chunk().await.unwrap().is_some() {}
        let whole = since.elapsed();
        // The jitter of a stream's gaps averages out within a few percent.
        assert!(whole > total.mul_f64(0.85) && whole < total.mul_f64(1.3) + Duration::from_millis(200));
        let expected = if stream { first_token } else { total };
        assert!(first >= expected && first < expected + Duration::from_millis(200), "{stream}: {first:?}");
    }
}

#[tokio::test]
async fn speed_zero_waits_for_nothing() {
    let upstream = Upstream::start(quiet()).await;
    let since = Instant::now();
    for _ in 0..20 {
        upstream.ask(GPT_4O, &prompt_text(0)).await.text().await.unwrap();
    }
    assert!(since.elapsed() < Duration::from_secs(2));
}
