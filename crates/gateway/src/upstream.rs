//! A resolved request to its provider: rendered once, digested, sent. Knows nothing of pins, records or responses.

use std::collections::HashMap;

use axum::http::HeaderMap;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::Value;
use serinus_domain::{
    bundle::Bundle,
    digest::Digest,
    entity::FeatureDoc,
    id::ProviderKey,
    render::{CallInput, RenderError, render},
};
use serinus_llm::{Answer, AnswerStream, ProviderCall, ProviderError};

use crate::{admit::Input, config::Provider};

/// A request as it is sent.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub provider: ProviderKey,
    pub body: Bytes,
    /// Of the body: the proof of what was served.
    pub digest: Digest,
    /// The messages in it, where they are to be kept.
    pub messages: Option<Vec<Value>>,
}

/// An answer, or its beginning.
pub(crate) enum Answered {
    Whole(Box<Answer>),
    Stream(Box<AnswerStream>),
}

/// Renders a bundle.
pub(crate) fn rendered(
    bundle: &Bundle,
    feature: &FeatureDoc,
    input: &Input,
    stream: bool,
    keep_messages: bool,
) -> Result<Rendered, RenderError> {
    let mut call = render(
        bundle,
        feature,
        &CallInput {
            messages: &input.messages,
            variables: &input.variables,
            caller_params: &input.params,
            stream,
        },
    )?;
    let body = Bytes::from(call.body.to_string());
    let messages = call.body.get_mut("messages").filter(|_| keep_messages).map(Value::take);
    let messages = messages.map(|messages| match messages {
        Value::Array(messages) => messages,
        _ => Vec::new(),
    });
    Ok(Rendered { provider: call.provider, digest: Digest::of(&body), body, messages })
}

/// Sends a request. Dropping the future, or the stream that it answers, cancels the call. Boxed, because a client's state
/// machine is large and every layer above would carry it.
pub(crate) fn send<'a>(
    providers: &'a HashMap<ProviderKey, Provider>,
    rendered: &'a Rendered,
    stream: bool,
    wants_usage: bool,
) -> Option<BoxFuture<'a, Result<Answered, ProviderError>>> {
    let provider = providers.get(&rendered.provider)?;
    let call = ProviderCall {
        body: rendered.body.clone(),
        headers: HeaderMap::new(),
        timeouts: provider.timeouts,
        attempts_max: provider.attempts_max,
        client_wants_usage: wants_usage,
    };
    Some(Box::pin(async move {
        if stream {
            return provider.client.chat_stream(&call).await.map(|stream| Answered::Stream(Box::new(stream)));
        }
        provider.client.chat(&call).await.map(|answer| Answered::Whole(Box::new(answer)))
    }))
}
