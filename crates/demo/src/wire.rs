//! The bytes of OpenAI's chat completions: what is read of a request, and replies, frames and errors as they
//! are sent. Knows nothing of recordings, faults and time.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::speech::{CHARS_PER_TOKEN, Speech};

/// Tokens a message costs beside its text: role and separators.
const TOKENS_PER_MESSAGE: u32 = 3;

#[derive(Deserialize)]
pub struct ChatRequest<'a> {
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<RawMessage<'a>>,
    #[serde(default)]
    pub stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    /// Kept raw: only the last user message is ever unescaped.
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
}

/// What every reply and every frame of one answer repeats.
pub struct Envelope {
    pub id: String,
    pub created_s: u64,
    pub model: String,
    pub fingerprint: String,
}

/// The frames of one streamed answer.
pub struct Frames {
    /// Up to the delta.
    head: String,
    /// Up to the choices.
    base: String,
    usage: Option<Usage>,
    /// The client asked for usage: all frames but the last then carry a null.
    usage_asked: bool,
}

impl<'a> ChatRequest<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    #[must_use]
    pub fn wants_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    #[must_use]
    pub fn wants_stream_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Text of the last user message; of a message in parts the texts, line by line.
    #[must_use]
    pub fn last_user_text(&self) -> Option<String> {
        let last = self.messages.iter().rev().find(|message| message.role == "user")?;
        let raw = last.content?.get();
        if raw.starts_with('"') {
            return serde_json::from_str(raw).ok();
        }
        let parts: Vec<Part> = serde_json::from_str(raw).ok()?;
        Some(parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join("\n"))
    }

    /// Estimated from the messages as sent, escapes included: cheap, and within a few percent for English.
    #[must_use]
    pub fn prompt_tokens(&self) -> u32 {
        let bytes: usize =
            self.messages.iter().filter_map(|message| message.content).map(|raw| raw.get().len()).sum();
        (bytes as f64 / CHARS_PER_TOKEN).ceil() as u32 + TOKENS_PER_MESSAGE * self.messages.len() as u32
    }
}

impl Usage {
    fn render(self) -> String {
        let Self { prompt_tokens, completion_tokens } = self;
        format!(
            "{{\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{completion_tokens},\"total_tokens\":{},\
             \"prompt_tokens_details\":{{\"cached_tokens\":0,\"audio_tokens\":0}},\
             \"completion_tokens_details\":{{\"reasoning_tokens\":0,\"audio_tokens\":0,\
             \"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}}",
            prompt_tokens + completion_tokens
        )
    }
}

impl Envelope {
    /// The members up to `choices`. Names are recorded model names and ids of ours: nothing in them needs
    /// escaping but what a corpus file may hold, so the model is quoted by serde.
    fn base(&self, object: &str) -> String {
        let Self { id, created_s, model, fingerprint } = self;
        let model = json!(model);
        format!(
            "{{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created_s},\"model\":{model},\
             \"service_tier\":\"default\",\"system_fingerprint\":\"{fingerprint}\""
        )
    }

    #[must_use]
    pub fn completion(&self, speech: &Speech, usage: Option<Usage>) -> String {
        let mut body = self.base("chat.completion");
        body.reserve(speech.escaped.len() + 512);
        body.push_str(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
        body.push_str(&speech.escaped);
        body.push_str(
            "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}]",
        );
        if let Some(usage) = usage {
            body.push_str(",\"usage\":");
            body.push_str(&usage.render());
        }
        body.push('}');
        body
    }

    /// `usage` is sent at the end only if `usage_asked`; absent although asked is a fault some servers have.
    #[must_use]
    pub fn frames(&self, usage_asked: bool, usage: Option<Usage>) -> Frames {
        let base = format!("data: {}", self.base("chat.completion.chunk"));
        let head = format!("{base},\"choices\":[{{\"index\":0,\"delta\":");
        Frames { head, base, usage, usage_asked }
    }
}

impl Frames {
    pub fn push_role(&self, out: &mut Vec<u8>) {
        self.push_delta(out, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null");
    }

    pub fn push_piece(&self, out: &mut Vec<u8>, escaped: &str) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(b"{\"content\":\"");
        out.extend_from_slice(escaped.as_bytes());
        out.extend_from_slice(b"\"},\"logprobs\":null,\"finish_reason\":null}]");
        self.close(out);
    }

    /// A frame that no JSON reader takes.
    pub fn push_malformed(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(b"{\"content\":\"\n\n");
    }

    /// The frame with the finish reason, the usage frame if asked for, and the end mark.
    pub fn push_end(&self, out: &mut Vec<u8>) {
        self.push_delta(out, "{}", "\"stop\"");
        if let (true, Some(usage)) = (self.usage_asked, self.usage) {
            out.extend_from_slice(self.base.as_bytes());
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            out.extend_from_slice(usage.render().as_bytes());
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn push_delta(&self, out: &mut Vec<u8>, delta: &str, finish_reason: &str) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(delta.as_bytes());
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        out.extend_from_slice(finish_reason.as_bytes());
        out.extend_from_slice(b"}]");
        self.close(out);
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.usage_asked { b",\"usage\":null}\n\n" } else { b"}\n\n" });
    }
}

/// The error body, with all four members.
#[must_use]
pub fn error_body(message: &str, kind: &str, code: Option<&str>) -> String {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }).to_string()
}

#[must_use]
pub fn models_body<'a>(names: impl Iterator<Item = &'a str>, created_s: u64) -> String {
    let data: Vec<_> = names
        .map(|name| json!({ "id": name, "object": "model", "created": created_s, "owned_by": "replay" }))
        .collect();
    json!({ "object": "list", "data": data }).to_string()
}
