//! OpenAI chat-completions shapes, as far as they must be read or written. Knows nothing of transport; members not
//! named here are never touched.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Longest upstream error message kept or passed on.
const ERROR_MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// A request message keeps its unknown members, so it has no type of its own.
pub type Message = Value;

/// What was read of one answer, streamed or whole; choice 0 only.
#[derive(Clone, Default, PartialEq)]
pub struct Completion {
    pub content: String,
    /// `content`, `refusal` or a tool call's arguments grew past the limit and were cut in this copy.
    pub truncated: bool,
    pub refusal: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub finish_reason: Option<FinishReason>,
    /// `None` when the provider reported none: the caller estimates and says so.
    pub usage: Option<Usage>,
    pub response_id: Option<String>,
    pub model_returned: Option<String>,
    pub system_fingerprint: Option<String>,
}

impl fmt::Debug for Completion {
    /// Shapes only: what a model said must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("content_bytes", &self.content.len())
            .field("tool_calls", &self.tool_calls.len())
            .field("finish_reason", &self.finish_reason)
            .field("usage", &self.usage)
            .field("response_id", &self.response_id)
            .field("model_returned", &self.model_returned)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text as the model wrote it, valid or not.
    pub arguments: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// The part of `prompt_tokens` that came from the provider's cache.
    pub cached_tokens: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Other(String),
}

impl FinishReason {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for FinishReason {
    /// Providers spell tool calls three ways; counting them apart would split one metric.
    fn from(text: &str) -> Self {
        match text {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "tool_call" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The `error` member of an error answer. `Debug` hides the message: providers echo prompts in theirs.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorObject {
    pub message: String,
    pub kind: String,
    pub param: Option<String>,
    pub code: Option<String>,
}

impl fmt::Debug for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorObject")
            .field("message_bytes", &self.message.len())
            .field("kind", &self.kind)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl ErrorObject {
    #[must_use]
    pub fn new(message: impl Into<String>, kind: &str, code: &str) -> Self {
        Self { message: message.into(), kind: kind.to_owned(), param: None, code: Some(code.to_owned()) }
    }

    /// Reads `{"error": {..}}`, `{"error": "text"}`, a flat `{"object":"error", ..}`, or any text; cuts it to 2 KiB.
    pub(crate) fn from_upstream(body: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Value>(body).ok();
        let error = parsed.as_ref().map(|value| value.get("error").unwrap_or(value));
        let member = |name: &str| match error?.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = member("message")
            .or_else(|| error.and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        Self {
            message: cut_to(message, ERROR_MESSAGE_BYTES_MAX),
            kind: cut_to(member("type").unwrap_or_else(|| "upstream_error".to_owned()), 128),
            param: member("param").map(|text| cut_to(text, 128)),
            code: member("code").map(|text| cut_to(text, 128)),
        }
    }

    pub(crate) fn redact(&mut self, secret: &str) {
        if !secret.is_empty() && self.message.contains(secret) {
            self.message = self.message.replace(secret, "***");
        }
    }
}

fn cut_to(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// The body of every error answer; all four members are always there because SDKs index them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    pub error: ErrorObject,
}

impl ErrorBody {
    #[must_use]
    pub fn to_value(&self) -> Value {
        let ErrorObject { message, kind, param, code } = &self.error;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }

    /// The frame that ends a stream which cannot be completed; SDKs raise it as an API error.
    #[must_use]
    pub fn to_sse_frame(&self) -> Bytes {
        Bytes::from(format!("data: {}\n\n", self.to_value()))
    }
}

/// Makes a streamed request report its usage. Says whether the client had asked for it itself.
pub fn ask_for_usage(request: &mut Map<String, Value>) -> bool {
    let options = request.entry("stream_options").or_insert_with(|| json!({}));
    if !options.is_object() {
        *options = json!({});
    }
    let asked = options.get("include_usage") == Some(&Value::Bool(true));
    options["include_usage"] = Value::Bool(true);
    asked
}

/// The upstream headers that a client may see: limits, timing, request id, retry advice.
#[must_use]
pub fn forwardable_headers(upstream: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in upstream {
        if is_forwardable(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

fn is_forwardable(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "retry-after" | "retry-after-ms" | "x-should-retry" | "x-request-id")
        || name.starts_with("x-ratelimit-")
        || name.starts_with("openai-")
}

/// A string that borrows from the body unless it holds escapes; serde's own `Option<Cow>` always copies.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

impl Text<'_> {
    pub(crate) fn owned(self) -> String {
        self.0.into_owned()
    }
}

/// Content: usually a string, with some providers a list of parts whose texts are concatenated. Any other shape reads
/// as empty, since an answer that the client can use must not fail for what we fail to read.
#[derive(Default)]
pub(crate) struct Content<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("content")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Content::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Value>()? {
            text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
        }
        Ok(Content(Cow::Owned(text)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::default())
    }
}

/// A whole answer or one chunk: they differ only in `message` and `delta`.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub object: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub model: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub system_fingerprint: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub choices: Option<Vec<Choice<'a>>>,
    /// Kept raw, `null` included: the stream relay cuts it out by position.
    #[serde(borrow, default, deserialize_with = "raw_even_null")]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    pub index: u32,
    #[serde(borrow, default, alias = "delta")]
    pub message: Option<MessageWire<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct MessageWire<'a> {
    #[serde(borrow, default)]
    pub content: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub refusal: Option<Text<'a>>,
    #[serde(borrow, default, alias = "reasoning")]
    pub reasoning_content: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub tool_calls: Option<Vec<ToolCallWire<'a>>>,
    #[serde(borrow, default)]
    pub function_call: Option<FunctionWire<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct ToolCallWire<'a> {
    #[serde(default)]
    pub index: Option<usize>,
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub function: Option<FunctionWire<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct FunctionWire<'a> {
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub arguments: Option<Text<'a>>,
}

fn raw_even_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Lenient on purpose: odd usage costs the count, not the answer.
pub(crate) fn read_usage(raw: &RawValue) -> Option<Usage> {
    #[derive(Deserialize)]
    struct UsageWire {
        prompt_tokens: u64,
        #[serde(default)]
        completion_tokens: u64,
        #[serde(default)]
        prompt_tokens_details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        #[serde(default)]
        cached_tokens: Option<u64>,
    }
    let wire: UsageWire = serde_json::from_str(raw.get()).ok()?;
    Some(Usage {
        prompt_tokens: wire.prompt_tokens,
        completion_tokens: wire.completion_tokens,
        cached_tokens: wire.prompt_tokens_details.and_then(|d| d.cached_tokens).unwrap_or(0),
    })
}
