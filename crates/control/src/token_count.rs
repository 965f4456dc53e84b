//! How many tokens a text is, as a model counts them. Loads a tokenizer's tables with the first text that needs them, off the threads
//! that answer requests. Knows nothing of prices.

use serde::Serialize;
use tiktoken_rs::{
    CoreBPE, cl100k_base_singleton, o200k_base_singleton, o200k_harmony_singleton,
    tokenizer::{Tokenizer, get_tokenizer},
};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

/// A count, and how it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenCount {
    /// How many.
    pub count: u64,
    /// The encoding that was counted with.
    pub encoding: &'static str,
    /// Whether the model counts so; otherwise it is an estimate.
    pub exact: bool,
}

fn tables(model: Option<&str>) -> (&'static CoreBPE, &'static str, bool) {
    // Providers put a vendor before a model's name, as in openai/gpt-4o.
    let name = model.map(|model| model.rsplit('/').next().unwrap_or(model));
    match name.and_then(get_tokenizer) {
        Some(Tokenizer::Cl100kBase) => (cl100k_base_singleton(), "cl100k_base", true),
        Some(Tokenizer::O200kHarmony) => (o200k_harmony_singleton(), "o200k_harmony", true),
        Some(Tokenizer::O200kBase) => (o200k_base_singleton(), "o200k_base", true),
        _ => (o200k_base_singleton(), "o200k_base", false),
    }
}

/// Counts `text` as `model` would; without one, or one that is not known, by the newest encoding as an estimate.
pub(crate) async fn count(text: String, model: Option<String>) -> Option<TokenCount> {
    let counted = spawn_blocking(move || {
        let (tables, encoding, exact) = tables(model.as_deref());
        TokenCount { count: tables.encode_ordinary(&text).len() as u64, encoding, exact }
    });
    counted.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn models_count_by_their_encoding() {
        let text = "You are a helpful assistant.";
        for (model, encoding, exact) in [
            (Some("gpt-4o-mini"), "o200k_base", true),
            (Some("openai/gpt-4o"), "o200k_base", true),
            (Some("gpt-4-0613"), "cl100k_base", true),
            (Some("mistral-large"), "o200k_base", false),
            (None, "o200k_base", false),
        ] {
            let counted = count(text.into(), model.map(str::to_owned)).await.unwrap();
            assert_eq!(counted, TokenCount { count: 6, encoding, exact }, "{model:?}");
        }
    }
}
