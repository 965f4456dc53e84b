//! Streamed answers: what the client gets and what is recorded, for every way a stream can go.

use std::time::Duration;

use futures::StreamExt;
use serinus_llm::{ErrorKind, FinishReason, ProviderCall, ProviderError, StreamEnd, StreamSummary};

use crate::fake::{Fake, Script, Step};
use crate::{call, client};

const DONE: &str = "data: [DONE]\n\n";
const ROLE: &str = r#"{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}"#;
const FINISH: &str = r#"{"index":0,"delta":{},"finish_reason":"stop"}"#;

fn frame(choices: &str, usage: &str) -> String {
    format!("data: {{\"id\":\"c1\",\"model\":\"m-2026\",\"choices\":[{choices}]{usage}}}\n\n")
}

fn text(content: &str) -> String {
    frame(&format!(r#"{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}"#), "")
}

fn error_frame(message: &str, code: &str) -> String {
    format!(
        r#"data: {{"error":{{"code":"{code}","message":"{message}","param":null,"type":"upstream_error"}}}}"#
    ) + "\n\n"
}

struct Got {
    forwarded: String,
    pieces: usize,
    summary: StreamSummary,
}

async fn ask(scripts: Vec<Script>, call: &ProviderCall) -> Result<Got, ProviderError> {
    let fake = Fake::start(scripts).await;
    let mut stream = client(&fake.base_url).chat_stream(call).await?;
    assert_eq!(stream.headers.get("x-request-id").unwrap(), "r1");
    assert!(stream.headers.get("set-cookie").is_none());
    let (mut forwarded, mut pieces) = (String::new(), 0);
    while let Some(bytes) = stream.next().await {
        pieces += 1;
        forwarded.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    Ok(Got { forwarded, pieces, summary: stream.take_summary() })
}

fn steps(frames: &[&str], last: &[Step]) -> Vec<Script> {
    let sent = frames.iter().map(|frame| Step::Send((*frame).to_owned()));
    vec![Script::stream(sent.chain(last.iter().cloned()))]
}

/// A stream that begins well, then ends in some way.
async fn check(
    frames: &[&str],
    last: &[Step],
    call: &ProviderCall,
    end: StreamEnd,
    forwarded: &str,
) -> StreamSummary {
    let got = ask(steps(frames, last), call).await.unwrap();
    assert_eq!(got.forwarded, forwarded);
    assert_eq!(got.summary.end, end);
    assert!(got.summary.total_us >= got.summary.ttft_us && got.summary.ttft_us > 0);
    got.summary
}

#[tokio::test]
async fn a_good_stream_is_forwarded_byte_for_byte() {
    let frames = [&*frame(ROLE, ""), &text("Hel"), ": ping\n\n", &text("lo"), &frame(FINISH, ""), DONE];
    let summary = check(&frames, &[Step::End], &call(), StreamEnd::Done, &frames.concat()).await;
    let completion = summary.completion;
    assert_eq!(completion.content, "Hello");
    assert_eq!(completion.finish_reason, Some(FinishReason::Stop));
    assert_eq!(completion.usage, None);
    assert_eq!(completion.response_id.as_deref(), Some("c1"));
    assert_eq!(completion.model_returned.as_deref(), Some("m-2026"));
    assert_eq!((summary.chunks, summary.attempts), (4, 1));
}

#[tokio::test]
async fn usage_reaches_only_clients_that_asked() {
    let extra = frame("", r#","usage":{"prompt_tokens":9,"completion_tokens":2}"#);
    let null = r#","usage":null"#;
    let frames = [&*frame(ROLE, null), &text("Hi"), &frame(FINISH, null), &extra, DONE];
    let plain = [&*frame(ROLE, ""), &text("Hi"), &frame(FINISH, ""), DONE].concat();
    for (client_wants_usage, forwarded) in [(true, frames.concat()), (false, plain)] {
        let call = ProviderCall { client_wants_usage, ..call() };
        let summary = check(&frames, &[Step::End], &call, StreamEnd::Done, &forwarded).await;
        assert_eq!(summary.completion.usage.unwrap().completion_tokens, 2);
    }
}

#[tokio::test]
async fn broken_streams_end_with_an_error_frame() {
    let good = [&*frame(ROLE, ""), &text("Hel")];
    let cut = error_frame("the provider closed the stream before the answer was complete", "cut_short");
    let malformed = error_frame("the provider sent a frame that cannot be read", "malformed");
    let busy =
        r#"data: {"error":{"message":"busy","type":"upstream_error","code":"busy"}}"#.to_owned() + "\n\n";
    let half = Step::Send("data: {\"half\":".to_owned());
    for (last, end, terminal) in [
        (vec![Step::Cut], StreamEnd::CutShort, &cut),
        (vec![Step::End], StreamEnd::CutShort, &cut),
        (vec![half.clone(), Step::Cut], StreamEnd::CutShort, &cut),
        (vec![half, Step::End], StreamEnd::CutShort, &cut),
        (vec![Step::Send("data: oops\n\n".to_owned()), Step::End], StreamEnd::Malformed, &malformed),
        (vec![Step::Send(busy), Step::AwaitClose], StreamEnd::UpstreamError, &error_frame("busy", "busy")),
    ] {
        let forwarded = good.concat() + terminal;
        let summary = check(&good, &last, &call(), end, &forwarded).await;
        assert_eq!(summary.completion.content, "Hel");
        assert_eq!(summary.upstream_error.is_some(), end == StreamEnd::UpstreamError);
    }
}

#[tokio::test]
async fn stalled_streams_end_in_time() {
    let good = [&*frame(ROLE, ""), &text("Hel")];
    let idle = error_frame("the provider stopped sending before the answer was complete", "idle_timeout");
    let total = error_frame("the answer was not complete within the time limit", "total_timeout");
    // Comments keep a connection alive, not an answer.
    let pings: Vec<Step> =
        (0..50).flat_map(|_| [Step::WaitMs(20), Step::Send(": ping\n\n".to_owned())]).collect();
    let mut call = call();
    call.timeouts.idle = Duration::from_secs(5);
    check(&good, &[Step::AwaitClose], &call, StreamEnd::IdleTimeout, &(good.concat() + &idle)).await;
    let got = ask(steps(&good, &pings), &call).await.unwrap();
    assert_eq!(got.summary.end, StreamEnd::IdleTimeout);
    call.timeouts = crate::call().timeouts;
    call.timeouts.total = Duration::from_secs(10);
    check(&good, &[Step::AwaitClose], &call, StreamEnd::TotalTimeout, &(good.concat() + &total)).await;
}

#[tokio::test]
async fn a_slow_reader_is_not_charged_to_the_provider() {
    let fake =
        Fake::start(steps(&[&text("a")], &[Step::WaitMs(150), Step::Send(text("b")), Step::Cut])).await;
    let mut call = call();
    call.timeouts.idle = Duration::from_secs(5); // 100 ms
    let mut stream = client(&fake.base_url).chat_stream(&call).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), text("a"));
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(
        stream.next().await.unwrap(),
        text("b")
            + &error_frame("the provider closed the stream before the answer was complete", "cut_short",)
    );
}

#[tokio::test]
async fn failures_before_content_are_errors() {
    let role = frame(ROLE, "");
    let busy = "data: {\"error\":{\"message\":\"busy\"}}\n\n";
    let json = Script::whole(200, "", r#"{"error":{"message":"busy"}}"#);
    let mut call = call();
    call.timeouts.first_token = Duration::from_secs(5);
    for (scripts, code) in [
        (steps(&[], &[Step::AwaitClose]), "first_token_timeout"),
        (vec![Script { head: String::new(), steps: vec![Step::AwaitClose] }], "first_token_timeout"),
        (steps(&[&role, ": ping\n\n"], &[Step::AwaitClose]), "first_token_timeout"),
        (steps(&[&role], &[Step::Cut]), "cut_short"),
        (steps(&[&role], &[Step::End]), "cut_short"),
        (steps(&[&role, busy], &[Step::End]), "upstream_error"),
        (steps(&["data: oops\n\n"], &[Step::End]), "malformed"),
        (steps(&[DONE], &[Step::End]), "malformed"),
        (vec![json], "upstream_error"),
        (vec![Script::whole(429, "", "{}")], "upstream_status"),
    ] {
        let error = ask(scripts, &call).await.err().unwrap();
        assert_eq!(error.code(), code);
    }
}

#[tokio::test]
async fn loading_then_ready_is_one_call() {
    let ready = steps(&[&text("Hi"), &frame(FINISH, ""), DONE], &[Step::End]).remove(0);
    let loading = Script::whole(503, "retry-after-ms: 2000\r\n", r#"{"error":{"message":"loading"}}"#);
    let cut = Script::stream([Step::Send(frame(ROLE, "")), Step::Cut]);
    let got = ask(vec![loading, cut, ready], &ProviderCall { attempts_max: 3, ..call() }).await.unwrap();
    assert_eq!((got.summary.attempts, got.summary.end), (3, StreamEnd::Done));
    assert_eq!(got.summary.completion.content, "Hi");
    assert!(got.summary.ttft_us >= 2_000_000);
}

#[tokio::test]
async fn an_answer_may_be_empty_or_only_tools() {
    for content in
        [FINISH, r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f"}}]}}"#]
    {
        let frames = [&*frame(ROLE, ""), &frame(content, ""), &frame(FINISH, ""), DONE];
        check(&frames, &[Step::End], &call(), StreamEnd::Done, &frames.concat()).await;
    }
}

#[tokio::test]
async fn chunks_of_one_write_are_forwarded_together() {
    let mut frames = vec![frame(ROLE, "")];
    frames.extend((0..50).map(|i| text(&format!("word{i} "))));
    frames.extend([frame(FINISH, ""), DONE.to_owned()]);
    let script = Script::stream([Step::SendAll(frames.clone()), Step::End]);
    let got = ask(vec![script], &call()).await.unwrap();
    assert_eq!(got.forwarded, frames.concat());
    assert!(got.pieces <= 4, "{} pieces", got.pieces);
}

#[tokio::test]
async fn connections_are_used_again_after_a_stream() {
    let fake =
        Fake::start(steps(&[&text("Hi"), &frame(FINISH, ""), DONE], &[Step::WaitMs(1), Step::End])).await;
    let client = client(&fake.base_url);
    for _ in 0..3 {
        let stream = client.chat_stream(&call()).await.unwrap();
        stream.collect::<Vec<_>>().await;
    }
    assert_eq!(*fake.seen.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_dropped_stream_is_cancelled_upstream() {
    let fake = Fake::start(steps(&[&text("Hi")], &[Step::AwaitClose])).await;
    let mut stream = client(&fake.base_url).chat_stream(&call()).await.unwrap();
    stream.next().await.unwrap();
    let summary = stream.summary();
    assert_eq!((summary.end, &*summary.completion.content), (StreamEnd::Cancelled, "Hi"));
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), fake.seen.closed.notified()).await.unwrap();
}

#[tokio::test]
async fn keys_echoed_in_errors_are_hidden() {
    let echo = "data: {\"error\":{\"message\":\"bad sk-secret\",\"code\":\"x\"}}\n\n";
    let got = ask(steps(&[&text("Hi"), echo], &[Step::End]), &call()).await.unwrap();
    assert_eq!(got.forwarded, text("Hi") + &error_frame("bad ***", "x"));
    let error = ask(steps(&[echo], &[Step::End]), &call()).await.err().unwrap();
    assert!(matches!(error.kind, ErrorKind::UpstreamError(object) if object.message == "bad ***"));
}
