//! Sends a turn to a gateway as an application would: OpenAI's chat completions plus a `serinus` member.
//! Knows nothing of what is behind the gateway.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::Response;
use serde::{Deserialize, Serialize};

use crate::corpus::Message;
use crate::traffic::{SendTurn, TurnReply, TurnRequest};

pub struct GatewaySender {
    client: reqwest::Client,
    url: String,
    /// Sent as the model: the gateway turns a feature into a variant.
    feature: String,
    key: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    stream: bool,
    serinus: About<'a>,
}

#[derive(Serialize)]
struct About<'a> {
    session: &'a str,
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, alias = "delta")]
    message: Said<'a>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

/// Text of a stream so far.
#[derive(Default)]
struct Heard {
    /// Bytes after the last whole line.
    rest: Vec<u8>,
    text: String,
    is_done: bool,
    error: Option<String>,
}

impl GatewaySender {
    /// `base` ends in the API's root, e.g. `http://127.0.0.1:8080/v1`.
    pub fn new(base: &str, feature: &str, key: Option<String>, timeout: Duration) -> anyhow::Result<Self> {
        // A proxy of the environment must not stand between two ends of one demo.
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).pool_max_idle_per_host(4096);
        Ok(Self {
            client: client.build().context("http client of the traffic: cannot be set up")?,
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            feature: feature.to_owned(),
            key,
        })
    }

    async fn exchange(
        &self,
        request: &TurnRequest,
        since: Instant,
        reply: &mut TurnReply,
    ) -> Result<(), String> {
        let body = Body {
            model: &self.feature,
            messages: &request.messages,
            stream: request.stream,
            serinus: About {
                session: &request.session,
                category: &request.category,
                user: request.user.as_deref(),
            },
        };
        let mut post = self.client.post(&self.url).json(&body);
        if let Some(key) = &self.key {
            post = post.bearer_auth(key);
        }
        let mut response = post.send().await.map_err(|error| format!("no response: {error}"))?;
        reply.status = response.status().as_u16();
        reply.interaction = header(&response, "x-serinus-interaction");
        reply.variant = header(&response, "x-serinus-variant");
        reply.replay_id = header(&response, "x-replay-id");
        let is_stream =
            header(&response, "content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let mut heard = Heard::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| format!("answer cut: {error}"))? {
            reply.first_byte.get_or_insert_with(|| since.elapsed());
            heard.rest.extend_from_slice(&chunk);
            if is_stream {
                heard.take_lines();
            }
        }
        if !(200..300).contains(&reply.status) {
            return Err(format!("status {}", reply.status));
        }
        reply.text = if is_stream { heard.finish() } else { whole_text(&heard.rest) }?;
        Ok(())
    }
}

impl SendTurn for GatewaySender {
    async fn send(&self, request: &TurnRequest) -> TurnReply {
        let since = Instant::now();
        let mut reply = TurnReply::default();
        reply.error = self.exchange(request, since, &mut reply).await.err();
        reply.latency = since.elapsed();
        reply
    }
}

impl Heard {
    fn take_lines(&mut self) {
        let Some(last_break) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let later = self.rest.split_off(last_break + 1);
        let lines = std::mem::replace(&mut self.rest, later);
        for line in lines.split(|byte| *byte == b'\n') {
            self.take_line(line);
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.is_done = true;
            return;
        }
        match serde_json::from_slice::<Completion<'_>>(data) {
            Ok(chunk) => {
                let said = chunk.choices.into_iter().next().and_then(|choice| choice.message.content);
                self.text.push_str(said.as_deref().unwrap_or_default());
            }
            // An error frame has no choices and lands here too.
            Err(_) => self.error = Some(String::from_utf8_lossy(data).chars().take(200).collect()),
        }
    }

    fn finish(self) -> Result<String, String> {
        match (self.error, self.is_done) {
            (Some(frame), _) => Err(format!("stream holds a frame that is no answer: {frame}")),
            (None, false) => Err("stream ended without its end mark".to_owned()),
            (None, true) => Ok(self.text),
        }
    }
}

fn whole_text(body: &[u8]) -> Result<String, String> {
    let completion: Completion<'_> =
        serde_json::from_slice(body).map_err(|error| format!("answer body: {error}"))?;
    let first = completion.choices.into_iter().next().ok_or("answer body: no choice")?;
    Ok(first.message.content.map(Cow::into_owned).unwrap_or_default())
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}
