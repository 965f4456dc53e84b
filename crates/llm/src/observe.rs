//! Reads answers: one chunk at a time beside a forwarded stream, or a whole one. Knows nothing of sockets, time limits
//! or of what is forwarded.

use std::ops::Range;

use crate::wire::{
    Choice, Completion, Envelope, ErrorObject, FinishReason, FunctionWire, MessageWire, ToolCall, read_usage,
};

/// Most text kept of one answer; the forwarded bytes are not cut.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most tool calls kept of one answer.
const TOOL_CALLS_MAX: usize = 128;

/// What one `data` payload turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Chunk {
        /// Where the top-level `"usage":null` member lies in the payload, with its comma.
        null_usage: Option<Range<usize>>,
        /// The extra chunk that exists only because usage was asked for.
        usage_only: bool,
    },
    Done,
    Error(ErrorObject),
    Malformed,
}

/// Accumulates one answer.
#[derive(Default)]
pub(crate) struct Observer {
    pub completion: Completion,
    pub chunks: u32,
    /// Text, a refusal, reasoning or a tool call has arrived, or the answer has finished.
    pub content_seen: bool,
    text_bytes: usize,
}

impl Observer {
    pub(crate) fn observe(&mut self, payload: &[u8]) -> Seen {
        if payload.trim_ascii() == b"[DONE]" {
            return Seen::Done;
        }
        let Ok(mut chunk) = serde_json::from_slice::<Envelope<'_>>(payload) else {
            return Seen::Malformed;
        };
        if is_error(&chunk) {
            return Seen::Error(ErrorObject::from_upstream(payload));
        }
        self.chunks = self.chunks.saturating_add(1);
        let choices = chunk.choices.take().unwrap_or_default();
        let usage_only = choices.is_empty() && chunk.usage.is_some_and(|raw| raw.get() != "null");
        let null_usage =
            chunk.usage.filter(|raw| raw.get() == "null").and_then(|raw| member_range(payload, raw.get()));
        self.read(chunk, choices);
        Seen::Chunk { null_usage, usage_only }
    }

    fn read(&mut self, envelope: Envelope<'_>, choices: Vec<Choice<'_>>) {
        let completion = &mut self.completion;
        // Identity comes with every chunk; the first one is enough.
        if completion.response_id.is_none() {
            completion.response_id = envelope.id.map(|text| text.owned()).filter(|text| !text.is_empty());
        }
        if completion.model_returned.is_none() {
            completion.model_returned =
                envelope.model.map(|text| text.owned()).filter(|text| !text.is_empty());
        }
        if completion.system_fingerprint.is_none() {
            completion.system_fingerprint = envelope.system_fingerprint.map(|text| text.owned());
        }
        if let Some(usage) = envelope.usage.and_then(read_usage) {
            completion.usage = Some(usage);
        }
        for choice in choices.into_iter().filter(|choice| choice.index == 0) {
            if let Some(reason) = choice.finish_reason {
                self.content_seen = true;
                self.completion.finish_reason = Some(FinishReason::from(&*reason.0));
            }
            if let Some(message) = choice.message {
                self.read_message(message);
            }
        }
    }

    fn read_message(&mut self, message: MessageWire<'_>) {
        if let Some(content) = message.content
            && !content.0.is_empty()
        {
            self.content_seen = true;
            let kept = self.admit(&content.0);
            self.completion.content.push_str(kept);
        }
        if let Some(refusal) = message.refusal
            && !refusal.0.is_empty()
        {
            self.content_seen = true;
            let kept = self.admit(&refusal.0);
            self.completion.refusal.get_or_insert_default().push_str(kept);
        }
        self.content_seen |= message.reasoning_content.is_some_and(|text| !text.0.is_empty());
        for (position, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let id = call.id.map(|text| text.owned());
            self.read_tool_call(call.index.unwrap_or(position), id, call.function);
        }
        if message.function_call.is_some() {
            self.read_tool_call(0, None, message.function_call);
        }
    }

    fn read_tool_call(&mut self, index: usize, id: Option<String>, function: Option<FunctionWire<'_>>) {
        self.content_seen = true;
        if index >= TOOL_CALLS_MAX {
            self.completion.truncated = true;
            return;
        }
        let arguments = function.as_ref().and_then(|f| f.arguments.as_ref()).map_or("", |text| &*text.0);
        let arguments = self.admit(arguments);
        let calls = &mut self.completion.tool_calls;
        if calls.len() <= index {
            calls.resize_with(index + 1, ToolCall::default);
        }
        let call = &mut calls[index];
        call.arguments.push_str(arguments);
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        if let Some(name) = function.and_then(|f| f.name).filter(|name| !name.0.is_empty()) {
            call.name = name.owned();
        }
    }

    /// The part of `text` that still fits.
    fn admit<'t>(&mut self, text: &'t str) -> &'t str {
        let kept = &text[..text.floor_char_boundary(TEXT_BYTES_MAX - self.text_bytes)];
        self.text_bytes += kept.len();
        self.completion.truncated |= kept.len() < text.len();
        kept
    }
}

#[derive(Debug)]
pub(crate) enum Unreadable {
    Error(ErrorObject),
    Malformed(&'static str),
}

/// Reads a whole (not streamed) answer.
pub(crate) fn read_answer(body: &[u8]) -> Result<Completion, Unreadable> {
    let Ok(mut answer) = serde_json::from_slice::<Envelope<'_>>(body) else {
        return Err(Unreadable::Malformed("not a chat completion"));
    };
    if is_error(&answer) {
        return Err(Unreadable::Error(ErrorObject::from_upstream(body)));
    }
    let choices = answer.choices.take().unwrap_or_default();
    if choices.is_empty() {
        return Err(Unreadable::Malformed("no choices"));
    }
    let mut observer = Observer::default();
    observer.read(answer, choices);
    Ok(observer.completion)
}

fn is_error(envelope: &Envelope<'_>) -> bool {
    envelope.error.is_some() || envelope.object.as_ref().is_some_and(|object| object.0 == "error")
}

/// The whole member whose value is `value`, a slice of `payload`, with the comma that joins it to its neighbour.
fn member_range(payload: &[u8], value: &str) -> Option<Range<usize>> {
    let value_start = value.as_ptr().addr().checked_sub(payload.as_ptr().addr())?;
    let value_end = value_start + value.len();
    let before = payload.get(..value_start)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before = before.strip_suffix(b"\"usage\"")?;
    let key_start = before.len();
    if let Some(comma_free) = before.trim_ascii_end().strip_suffix(b",") {
        return Some(comma_free.len()..value_end);
    }
    let after = payload.get(value_end..)?;
    let spaces = after.len() - after.trim_ascii_start().len();
    let comma = usize::from(after.get(spaces) == Some(&b','));
    Some(key_start..value_end + if comma == 1 { spaces + 1 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(payload: &str) -> String {
        let mut observer = Observer::default();
        match observer.observe(payload.as_bytes()) {
            Seen::Chunk { null_usage: Some(cut), .. } => {
                format!("{}{}", &payload[..cut.start], &payload[cut.end..])
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn null_usage_is_found_wherever_it_stands() {
        for (payload, left) in [
            (r#"{"id":"a","usage":null}"#, r#"{"id":"a"}"#),
            (r#"{"id":"a", "usage" : null , "model":"m"}"#, r#"{"id":"a" , "model":"m"}"#),
            (r#"{"usage":null,"id":"a"}"#, r#"{"id":"a"}"#),
            (r#"{"usage":null}"#, r"{}"),
            (
                r#"{"x":{"usage":null},"choices":[{"index":0,"delta":{"content":"\"usage\":null"}}],"usage":null}"#,
                r#"{"x":{"usage":null},"choices":[{"index":0,"delta":{"content":"\"usage\":null"}}]}"#,
            ),
        ] {
            assert_eq!(strip(payload), left);
            assert!(serde_json::from_str::<serde_json::Value>(left).is_ok());
        }
    }

    #[test]
    fn tool_calls_are_joined_by_index() {
        let mut observer = Observer::default();
        for piece in [
            r#"{"index":1,"id":"c1","function":{"name":"b","arguments":""}}"#,
            r#"{"index":0,"id":"c0","function":{"name":"a","arguments":"{\"x\""}}"#,
            r#"{"index":0,"function":{"arguments":":1}"}}"#,
        ] {
            let chunk =
                format!(r#"{{"choices":[{{"index":0,"delta":{{"content":null,"tool_calls":[{piece}]}}}}]}}"#);
            assert_eq!(
                observer.observe(chunk.as_bytes()),
                Seen::Chunk { null_usage: None, usage_only: false }
            );
        }
        let calls = observer.completion.tool_calls;
        assert_eq!((&*calls[0].id, &*calls[0].name, &*calls[0].arguments), ("c0", "a", r#"{"x":1}"#));
        assert_eq!((&*calls[1].id, &*calls[1].name), ("c1", "b"));
        assert!(observer.content_seen);
    }

    #[test]
    fn other_choices_are_not_mixed_in() {
        let mut observer = Observer::default();
        for index in 0..2 {
            let chunk = format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"{index}"}}}}]}}"#);
            observer.observe(chunk.as_bytes());
        }
        assert_eq!(observer.completion.content, "0");
    }

    #[test]
    fn kept_text_is_bounded_on_a_character() {
        let mut observer = Observer::default();
        let chunk =
            format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#, "é".repeat(300_001));
        observer.observe(chunk.as_bytes());
        observer.observe(chunk.as_bytes());
        assert_eq!(observer.completion.content.len(), TEXT_BYTES_MAX);
        assert!(observer.completion.truncated);
    }

    #[test]
    fn odd_answers() {
        let content = |body: &str| match read_answer(body.as_bytes()) {
            Ok(completion) => completion.content,
            Err(Unreadable::Malformed(reason)) => format!("malformed: {reason}"),
            Err(Unreadable::Error(error)) => format!("error: {} {:?}", error.message, error.code),
        };
        for (body, want) in [
            (r#"{"choices":[{"message":{"content":"a\nb"}}]}"#, "a\nb"),
            (r#"{"choices":[{"message":{"content":null}}],"usage":{"prompt_tokens":"x"}}"#, ""),
            (r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}]}"#, "ab"),
            (r#"{"choices":[]}"#, "malformed: no choices"),
            ("<html>", "malformed: not a chat completion"),
            (r#"{"error":{"message":"busy","code":503}}"#, r#"error: busy Some("503")"#),
            (r#"{"error":"busy"}"#, "error: busy None"),
            (r#"{"object":"error","message":"busy","code":400}"#, r#"error: busy Some("400")"#),
        ] {
            assert_eq!(content(body), want);
        }
    }
}
