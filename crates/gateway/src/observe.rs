//! What a request was and what became of it, to the record that is kept. Knows nothing of queues or stores.

use serde_json::Value;
use serinus_domain::{
    check,
    digest::Digest,
    entity::ModelContent,
    id::{CategoryKey, InteractionId, UnitHash},
    record::{Body, Facts, InteractionRecord, Outcome, Record, Role},
    resolve::Salt,
    units::{MicroUsd, Share, Timestamp},
};
use serinus_llm::{Answer, Completion, ErrorKind, ProviderError, StreamEnd, StreamSummary, Usage};
use serinus_store::NewRecord;

use crate::{assign::Resolved, upstream::Rendered};

/// Where a provider does not count, four characters make a token of English; the record says that it is an estimate.
const CHARS_PER_TOKEN: u64 = 4;

/// A request that was resolved.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub id: InteractionId,
    pub role: Role,
    /// Of a shadow: the served one.
    pub pair_of: Option<InteractionId>,
    pub resolved: Resolved,
    pub reason: &'static str,
    pub session: Option<UnitHash>,
    pub unit: Option<UnitHash>,
    pub category: Option<CategoryKey>,
    pub at: Timestamp,
    pub stream: bool,
    pub judge: bool,
    /// The last user message, where texts are kept.
    pub question: Option<String>,
    pub sent: Option<Sent>,
}

/// What went upstream.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub digest: Digest,
    pub bytes: usize,
    pub messages: Vec<Value>,
}

impl Sent {
    pub(crate) fn of(rendered: &mut Rendered) -> Self {
        let messages = rendered.messages.take().unwrap_or_default();
        Self { digest: rendered.digest, bytes: rendered.body.len(), messages }
    }
}

/// What became of a turn.
#[derive(Debug)]
pub(crate) struct Seen {
    pub outcome: Outcome,
    pub status: u16,
    pub completion: Completion,
    pub ttft_us: Option<u64>,
    pub latency_us: u64,
}

impl Seen {
    fn bare(outcome: Outcome, status: u16, latency_us: u64) -> Self {
        Self { outcome, status, completion: Completion::default(), ttft_us: None, latency_us }
    }

    pub(crate) fn cancelled(latency_us: u64) -> Self {
        Self::bare(Outcome::Cancelled, 0, latency_us)
    }

    /// A failure before any call was made.
    pub(crate) fn failed(code: &str, latency_us: u64) -> Self {
        Self::bare(Outcome::Error { code: code.to_owned() }, 0, latency_us)
    }

    pub(crate) fn provider_failed(failed: &ProviderError, latency_us: u64) -> Self {
        let status = if let ErrorKind::Status(failure) = &failed.kind { failure.status } else { 0 };
        Self::bare(Outcome::Error { code: format!("provider.{}", failed.code()) }, status, latency_us)
    }

    pub(crate) fn whole(answer: &mut Answer, latency_us: u64) -> Self {
        let completion = std::mem::take(&mut answer.completion);
        Self { outcome: Outcome::Ok, status: answer.status, completion, ttft_us: None, latency_us }
    }

    pub(crate) fn stream(summary: StreamSummary, ttft_us: u64, latency_us: u64) -> Self {
        let outcome = match summary.end {
            StreamEnd::Done => Outcome::Ok,
            StreamEnd::Cancelled => Outcome::Cancelled,
            broken => Outcome::Error { code: format!("provider.{}", broken.code()) },
        };
        Self { outcome, status: 200, completion: summary.completion, ttft_us: Some(ttft_us), latency_us }
    }
}

/// Whether an interaction is in a sample: a hash of its id, so that every node and every look says the same.
pub(crate) fn sampled(id: &InteractionId, purpose: &str, rate: Share) -> bool {
    Salt::new(purpose).within(id.as_str(), rate)
}

/// The text of the last user message.
pub(crate) fn question(messages: &[Value]) -> String {
    let of_user = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
    match messages.iter().rev().find(of_user).and_then(|message| message.get("content")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

/// The record of a turn.
pub(crate) fn observe(turn: Turn, seen: Seen) -> NewRecord {
    let Turn { resolved, sent, .. } = turn;
    let Seen { outcome, completion, .. } = seen;
    let (usage, tokens_estimated) = usage(&completion, sent.as_ref(), &outcome);
    let facts = facts(&resolved, &completion, &outcome);
    let body = turn.question.map(|question| Body {
        question,
        messages: sent.as_ref().map(|sent| sent.messages.clone()).unwrap_or_default(),
        answer: answer_text(&completion),
    });
    let record = InteractionRecord {
        id: turn.id,
        role: turn.role,
        pair_of: turn.pair_of,
        feature: resolved.feature.doc.key.clone(),
        session: turn.session,
        unit: turn.unit,
        variant: resolved.variant,
        bundle: resolved.bundle.id,
        arm: resolved.arm,
        head: resolved.head,
        assigned: resolved.assigned,
        reason: turn.reason.to_owned(),
        category: turn.category,
        at: turn.at,
        // A judge needs an answer to look at.
        judge: turn.judge && outcome == Outcome::Ok,
        outcome,
        status: seen.status,
        stream: turn.stream,
        ttft_us: seen.ttft_us,
        latency_us: seen.latency_us,
        input_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        output_tokens: usage.completion_tokens,
        tokens_estimated,
        cost: cost(&resolved.bundle.model, &usage),
        facts,
        served_digest: sent.map(|sent| sent.digest),
        response_id: completion.response_id,
        model_returned: completion.model_returned,
        system_fingerprint: completion.system_fingerprint,
    };
    NewRecord { record: Record::Interaction(Box::new(record)), body }
}

fn usage(completion: &Completion, sent: Option<&Sent>, outcome: &Outcome) -> (Usage, bool) {
    if let Some(usage) = completion.usage {
        return (usage, false);
    }
    let written = completion.content.chars().count() as u64;
    // A call that failed without a word is not billed.
    if written == 0 && *outcome != Outcome::Ok {
        return (Usage::default(), false);
    }
    let read = sent.map_or(0, |sent| sent.bytes as u64);
    let tokens = |chars: u64| chars.div_ceil(CHARS_PER_TOKEN);
    (Usage { prompt_tokens: tokens(read), completion_tokens: tokens(written), cached_tokens: 0 }, true)
}

/// By the model's price; what it does not say about cached tokens costs as input.
pub(crate) fn cost(model: &ModelContent, usage: &Usage) -> MicroUsd {
    let cached = usage.cached_tokens.min(usage.prompt_tokens);
    let input = model.input_micro_usd_per_million;
    let parts = [
        (input, usage.prompt_tokens - cached),
        (model.cached_micro_usd_per_million.unwrap_or(input), cached),
        (model.output_micro_usd_per_million, usage.completion_tokens),
    ];
    MicroUsd(parts.iter().map(|(price, tokens)| MicroUsd::for_tokens(*price, *tokens).0).sum())
}

fn facts(resolved: &Resolved, completion: &Completion, outcome: &Outcome) -> Facts {
    if *outcome != Outcome::Ok {
        let chars = u32::try_from(completion.content.chars().count()).unwrap_or(u32::MAX);
        return Facts { chars, ..Facts::default() };
    }
    let answer = check::Answer {
        text: &completion.content,
        tool_calls: completion.tool_calls.len(),
        finish_reason: completion.finish_reason.as_ref().map(serinus_llm::FinishReason::as_str),
        refusal_field: completion.refusal.is_some(),
    };
    check::facts(&resolved.bundle.parser, &answer)
}

/// What a judge reads: the text, else the refusal, else the tool calls.
fn answer_text(completion: &Completion) -> String {
    if !completion.content.is_empty() {
        return completion.content.clone();
    }
    if let Some(refusal) = &completion.refusal {
        return refusal.clone();
    }
    completion
        .tool_calls
        .iter()
        .map(|call| format!("{}({})", call.name, call.arguments))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cost_is_by_the_models_price() {
        let model = |cached| -> ModelContent {
            serde_json::from_value(json!({
                "provider": "p", "model": "m", "input_micro_usd_per_million": 2_000_000,
                "cached_micro_usd_per_million": cached, "output_micro_usd_per_million": 8_000_000
            }))
            .unwrap()
        };
        let usage =
            |prompt_tokens, cached_tokens| Usage { prompt_tokens, completion_tokens: 10, cached_tokens };
        for (price, usage, micro_usd) in [
            (json!(500_000), usage(100, 0), 280),
            (json!(500_000), usage(100, 40), 220),
            (json!(null), usage(100, 40), 280),
            (json!(0), usage(100, 400), 80),
        ] {
            assert_eq!(cost(&model(price.clone()), &usage), MicroUsd(micro_usd), "{price} {usage:?}");
        }
    }

    #[test]
    fn the_question_is_the_last_user_message() {
        let parts = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]);
        for (messages, text) in [
            (
                json!([{"role": "user", "content": "1"}, {"role": "user", "content": "2"}, {"role": "assistant", "content": "3"}]),
                "2",
            ),
            (json!([{"role": "user", "content": parts}]), "a\nb"),
            (json!([{"role": "system", "content": "1"}]), ""),
        ] {
            assert_eq!(question(messages.as_array().unwrap()), text);
        }
    }
}
