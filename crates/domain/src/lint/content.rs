//! Checks of an artifact's content: size, secrets, templates and schemas that compile, includes without cycles.

use crate::{
    bundle::{Contents, Library},
    check::Parser,
    entity::{ArtifactDoc, ArtifactRef, Content, ModelContent, SamplingContent},
    limits::ARTIFACT_BYTES_MAX,
    render::Template,
    snapshot::Snapshot,
};

/// Checks what a content can be checked for alone.
pub fn content(content: &Content) -> Result<(), String> {
    let bytes = serde_json::to_vec(&content.to_value()).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > ARTIFACT_BYTES_MAX {
        return Err(format!("content has {bytes} bytes: publish at most {ARTIFACT_BYTES_MAX}"));
    }
    if let Some(what) = secret(&content.to_value()) {
        return Err(format!(
            "content holds what looks like {what}: take it out, secrets stay in the server's configuration"
        ));
    }
    match content {
        Content::Model(model) => check_model(model),
        Content::Sampling(sampling) => check_sampling(sampling),
        Content::OutputParser(parser) => Parser::compile(parser).map(|_| ()),
        Content::Retrieval(retrieval) if retrieval.top_k == 0 => {
            Err("top_k is 0: ask for at least one document".into())
        }
        Content::Rubric(rubric) if rubric.instructions.trim().is_empty() => {
            Err("instructions are empty".into())
        }
        Content::SystemPrompt(_) | Content::PromptTemplate(_) => Ok(()),
        Content::Retrieval(_) | Content::Tools(_) | Content::Rubric(_) => Ok(()),
        Content::Taxonomy(_) | Content::Dataset(_) => Ok(()),
    }
}

fn check_model(model: &ModelContent) -> Result<(), String> {
    if model.model.trim().is_empty() {
        return Err("model is empty: name the model as its provider does".into());
    }
    let prices = [
        Some(model.input_micro_usd_per_million),
        model.cached_micro_usd_per_million,
        Some(model.output_micro_usd_per_million),
    ];
    if prices.into_iter().flatten().any(|price| price.0 < 0) {
        return Err("a price is below 0".into());
    }
    Ok(())
}

fn check_sampling(sampling: &SamplingContent) -> Result<(), String> {
    let bounds = [
        ("temperature", sampling.temperature, 0.0, 2.0),
        ("top_p", sampling.top_p, 0.0, 1.0),
        ("presence_penalty", sampling.presence_penalty, -2.0, 2.0),
        ("frequency_penalty", sampling.frequency_penalty, -2.0, 2.0),
    ];
    for (name, value, low, high) in bounds {
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            return Err(format!("{name} is outside {low} to {high}"));
        }
    }
    const OWNED: [&str; 4] = ["model", "messages", "stream", "tools"];
    if let Some(name) = sampling.extra.keys().find(|name| OWNED.contains(&name.as_str())) {
        return Err(format!("extra.{name} belongs to another layer or to the request"));
    }
    if sampling.max_tokens == Some(0) {
        return Err("max_tokens is 0: leave it out or allow at least one".into());
    }
    Ok(())
}

/// What a text looks like, if it looks like a secret. A few sure shapes; a wrong guess would keep people from publishing.
fn secret(value: &serde_json::Value) -> Option<&'static str> {
    match value {
        serde_json::Value::String(text) => secret_in(text),
        serde_json::Value::Array(items) => items.iter().find_map(secret),
        serde_json::Value::Object(members) => members.values().find_map(secret),
        _ => None,
    }
}

fn secret_in(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let token = |word: &str, prefix: &str, rest_min: usize| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= rest_min
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
    };
    let shapes = [
        ("sk-", 20, "an API key"),
        ("ghp_", 30, "a GitHub token"),
        ("AKIA", 16, "an AWS key id"),
        ("xoxb-", 20, "a Slack token"),
    ];
    text.split(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '=' | ':' | '`' | '(' | ')')
    })
    .find_map(|word| {
        shapes.iter().find(|(prefix, min, _)| token(word, prefix, *min)).map(|(_, _, what)| *what)
    })
}

/// Compiles a template with everything that it includes: a cycle, a missing version or an undeclared variable shows here.
pub fn includes(
    reference: &ArtifactRef,
    content: &Content,
    snapshot: &Snapshot,
    contents: &Contents,
) -> Result<(), String> {
    let (Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt)) = content else { return Ok(()) };
    let shelf = NewVersion { reference, content, snapshot, contents };
    Template::compile(reference, prompt, &shelf).map(|_| ()).map_err(|refused| refused.to_string())
}

/// The library as it will be once the new version is in it.
struct NewVersion<'a> {
    reference: &'a ArtifactRef,
    content: &'a Content,
    snapshot: &'a Snapshot,
    contents: &'a Contents,
}

impl Library for NewVersion<'_> {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        self.snapshot.artifact(reference)
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        if reference == self.reference {
            return Ok(self.content.clone());
        }
        let doc = self.snapshot.artifact(reference).ok_or_else(|| format!("{reference} does not exist"))?;
        self.contents.read(doc.artifact_kind, &doc.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for bad in [
            "use sk-proj-abcdefghijklmnopqrstuv please",
            "key=\"AKIAIOSFODNN7EXAMPLE\"",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(secret_in(bad).is_some(), "{bad}");
        }
        for good in ["you are a helpful assistant", "sk-", "explain risk-taking-behaviour-in-markets to me"] {
            assert!(secret_in(good).is_none(), "{good}");
        }
    }
}
