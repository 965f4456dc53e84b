//! Answers that are not streamed, and what is tried again.

use std::time::Duration;

use serinus_llm::{Answer, ErrorKind, FinishReason, ProviderCall, ProviderError, Usage};

use crate::fake::{Fake, Script, Step};
use crate::{call, client};

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"Hello \"you\"","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}},"service_tier":"x","system_fingerprint":"fp"}"#;

async fn ask(scripts: Vec<Script>, call: ProviderCall) -> (Result<Answer, ProviderError>, Vec<String>) {
    let fake = Fake::start(scripts).await;
    let answer = client(&fake.base_url).chat(&call).await;
    let requests = fake.seen.requests.lock().unwrap().clone();
    (answer, requests)
}

async fn check(
    scripts: Vec<Script>,
    call: ProviderCall,
    code: &str,
    attempts: u32,
) -> Result<Answer, ProviderError> {
    let (answer, requests) = ask(scripts, call).await;
    let got = match &answer {
        Ok(answer) => ("ok", answer.attempts),
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("sk-secret") && !shown.contains("PROMPT"), "{shown}");
            (error.code(), error.attempts)
        }
    };
    assert_eq!((got, requests.len()), ((code, attempts), attempts as usize));
    answer
}

#[tokio::test]
async fn an_answer_is_read_and_kept() {
    let mut call = call();
    call.headers.insert("x-request-id", "r9".parse().unwrap());
    call.headers.insert("authorization", "Bearer client".parse().unwrap());
    let headers = "x-request-id: r1\r\nset-cookie: no\r\nx-ratelimit-remaining-tokens: 5\r\n";
    let (answer, requests) = ask(vec![Script::whole(200, headers, ANSWER)], call).await;
    let answer = answer.unwrap();
    assert_eq!(answer.body, ANSWER);
    let completion = &answer.completion;
    assert_eq!(completion.content, "Hello \"you\"");
    assert_eq!(completion.finish_reason, Some(FinishReason::Stop));
    assert_eq!(completion.usage, Some(Usage { prompt_tokens: 9, completion_tokens: 3, cached_tokens: 4 }));
    assert_eq!(completion.response_id.as_deref(), Some("c1"));
    assert_eq!(completion.model_returned.as_deref(), Some("m-2026"));
    assert_eq!(completion.system_fingerprint.as_deref(), Some("fp"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.len(), 2);
    assert!(answer.first_byte_us > 0 && answer.total_us >= answer.first_byte_us);
    let request = requests[0].to_lowercase();
    assert!(request.starts_with("post /v1/chat/completions http/1.1"), "{request}");
    assert!(
        request.contains("authorization: bearer sk-secret") && !request.contains("bearer client"),
        "{request}"
    );
    assert!(
        request.contains("x-request-id: r9") && request.contains("accept: application/json"),
        "{request}"
    );
}

#[tokio::test]
async fn connections_are_used_again() {
    let fake = Fake::start(vec![Script::whole(200, "", ANSWER)]).await;
    let client = client(&fake.base_url);
    for _ in 0..3 {
        client.chat(&call()).await.unwrap();
    }
    assert_eq!(*fake.seen.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn failures_have_their_codes() {
    let cut =
        Script { head: "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{".into(), steps: vec![Step::Cut] };
    let big =
        Script { head: "HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n{".into(), steps: vec![Step::Cut] };
    let in_200 = r#"{"error":{"message":"PROMPT sk-secret","type":"t","param":null,"code":7}}"#;
    for (script, code, provider_fault) in [
        (Script { head: String::new(), steps: vec![Step::Cut] }, "cut_short", true),
        (cut, "cut_short", true),
        (big, "too_large", false),
        (Script::whole(200, "", "<html>"), "malformed", true),
        (Script::whole(200, "", in_200), "upstream_error", true),
        (Script::whole(400, "", in_200), "upstream_status", false),
        (Script::whole(500, "", "PROMPT"), "upstream_status", true),
        (Script::whole(302, "location: http://127.0.0.1:1/\r\n", ""), "upstream_status", false),
    ] {
        let error = check(vec![script], call(), code, 1).await.unwrap_err();
        assert_eq!(error.is_transport_or_5xx(), provider_fault, "{code}");
        if let ErrorKind::UpstreamError(object) = error.kind {
            assert_eq!((&*object.message, object.code.as_deref()), ("PROMPT ***", Some("7")));
        }
    }
}

#[tokio::test]
async fn stalls_end() {
    let mut call = call();
    call.timeouts.total = Duration::from_secs(3);
    let silent = Script { head: String::new(), steps: vec![Step::AwaitClose] };
    let error = check(vec![silent], call.clone(), "total_timeout", 1).await.unwrap_err();
    assert!(error.waited_us >= 3_000_000, "{error}");
    let half = Script {
        head: "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into(),
        steps: vec![Step::AwaitClose],
    };
    call.timeouts = crate::call().timeouts;
    call.timeouts.idle = Duration::from_secs(3);
    check(vec![half], call, "idle_timeout", 1).await.unwrap_err();
}

#[tokio::test]
async fn what_is_tried_again() {
    let ok = || Script::whole(200, "", ANSWER);
    let refuse = |status, headers| Script::whole(status, headers, r#"{"error":{"message":"loading"}}"#);
    let cut = Script { head: String::new(), steps: vec![Step::Cut] };
    for (scripts, attempts_max, code, attempts) in [
        (vec![refuse(503, ""), ok()], 3, "ok", 2),
        (vec![refuse(503, ""), refuse(429, ""), ok()], 3, "ok", 3),
        (vec![refuse(503, ""), refuse(503, ""), ok()], 2, "upstream_status", 2),
        (vec![cut, ok()], 2, "ok", 2),
        (vec![refuse(400, ""), ok()], 3, "upstream_status", 1),
        (vec![refuse(501, ""), ok()], 3, "upstream_status", 1),
        (vec![refuse(503, "x-should-retry: false\r\n"), ok()], 3, "upstream_status", 1),
        (vec![refuse(409, "x-should-retry: true\r\n"), ok()], 3, "ok", 2),
        (vec![refuse(429, "retry-after: 86400\r\n"), ok()], 3, "upstream_status", 1),
    ] {
        let call = ProviderCall { attempts_max, ..call() };
        let _ = check(scripts, call, code, attempts).await;
    }
}

#[tokio::test]
async fn the_provider_says_how_long_to_wait() {
    let scripts = vec![Script::whole(429, "retry-after: 5\r\n", "{}"), Script::whole(200, "", ANSWER)];
    let answer = check(scripts, ProviderCall { attempts_max: 2, ..call() }, "ok", 2).await.unwrap();
    assert!(answer.first_byte_us >= 5_000_000, "{}", answer.first_byte_us);
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client(&format!("http://{free}/v1"));
    let error = client.chat(&ProviderCall { attempts_max: 2, ..call() }).await.unwrap_err();
    assert_eq!((error.code(), error.attempts), ("connect_failed", 2));
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_upstream() {
    let fake = Fake::start(vec![Script { head: String::new(), steps: vec![Step::AwaitClose] }]).await;
    let client = client(&fake.base_url);
    let dropped = tokio::time::timeout(Duration::from_millis(50), client.chat(&call())).await;
    assert!(dropped.is_err());
    tokio::time::timeout(Duration::from_secs(5), fake.seen.closed.notified()).await.unwrap();
}
