//! A Langfuse prompt. Its `{{name}}` is mustache. Knows nothing of who asks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use serinus_domain::{
    digest::{Digest, canonical_json},
    entity::{ArtifactRef, PromptContent, TemplateSyntax, VariableDecl, VariableType},
    render::mustache_names,
    source::{CitedPrompt, CopiedPrompt, SourceError},
};

use super::{LangfuseAccess, address};

pub(super) fn request(
    http: &reqwest::Client,
    access: &LangfuseAccess,
    cited: &CitedPrompt,
) -> Result<reqwest::RequestBuilder, SourceError> {
    let url = address(&access.base_url, &["api", "public", "v2", "prompts", &cited.name])?;
    let version = cited.version.map(|version| ("version", version.to_string()));
    let label = cited.label.as_ref().map(|label| ("label", label.clone()));
    let mut url = url;
    if version.is_some() || label.is_some() {
        url.query_pairs_mut().extend_pairs(version.into_iter().chain(label));
    }
    Ok(http.get(url).basic_auth(&access.public_key, Some(&access.secret_key)))
}

#[derive(Deserialize)]
struct Answer {
    version: u32,
    #[serde(rename = "type")]
    kind: String,
    prompt: Value,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    tags: Vec<String>,
}

/// What an answer comes to here.
pub(super) fn copied(answer: &Value) -> Result<CopiedPrompt, SourceError> {
    let unreadable = |reason: String| SourceError::Unreadable(format!("langfuse: {reason}"));
    let read = Answer::deserialize(answer).map_err(|refused| unreadable(refused.to_string()))?;
    let mut not_carried = Vec::new();
    let text = match (read.kind.as_str(), &read.prompt) {
        ("text", Value::String(text)) => text.clone(),
        ("chat", Value::Array(messages)) => system_message(messages, &mut not_carried)
            .ok_or_else(|| unreadable("the chat prompt has no system message to carry over".into()))?,
        (kind, _) => return Err(unreadable(format!("a prompt of type \"{kind}\" is neither text nor chat"))),
    };
    if read.config.as_object().is_some_and(|config| !config.is_empty()) {
        not_carried
            .push("config: model and parameters are layers of their own here, publish them as such".into());
    }
    if !read.tags.is_empty() {
        not_carried.push(format!("tags: {}", read.tags.join(", ")));
    }
    let content = mustache(text).map_err(unreadable)?;
    // Labels, dates and authors change while the prompt does not.
    let digest = Digest::of(&canonical_json(&json!({ "type": read.kind, "prompt": read.prompt })));
    Ok(CopiedPrompt { version: read.version, content, digest, not_carried })
}

/// The system message of a chat; what else the chat has is told.
fn system_message(messages: &[Value], not_carried: &mut Vec<String>) -> Option<String> {
    let mut system = None;
    for (at, message) in messages.iter().enumerate() {
        let member = |name: &str| message.get(name).and_then(Value::as_str);
        match (member("role"), member("content")) {
            (Some("system"), Some(content)) if system.is_none() => system = Some(content.to_owned()),
            (Some(role), _) => not_carried.push(format!("message {}: of role {role}", at + 1)),
            (None, _) => {
                let name = member("name").unwrap_or("without a name");
                not_carried.push(format!("message {}: placeholder {name}", at + 1));
            }
        }
    }
    system
}

/// A text in mustache with all its names declared as texts, which they are there.
pub(super) fn mustache(text: String) -> Result<PromptContent, String> {
    let reference: ArtifactRef = "system_prompt/imported@1".parse()?;
    let names = mustache_names(&reference, &text).map_err(|refused| refused.to_string())?;
    let decl = || VariableDecl { kind: VariableType::String, default: None };
    let variables: BTreeMap<_, _> = names.into_iter().map(|name| (name, decl())).collect();
    Ok(PromptContent { text, variables, syntax: TemplateSyntax::Mustache })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_chats_are_copied() {
        let text = json!({"name": "a", "version": 3, "type": "text", "prompt": "Hi {{name}}", "config": {}, "labels": ["x"], "tags": []});
        let one = copied(&text).unwrap();
        assert_eq!((one.version, one.content.text.as_str()), (3, "Hi {{name}}"));
        assert!(one.content.variables.contains_key("name") && one.not_carried.is_empty());
        let mut relabelled = text.clone();
        relabelled["labels"] = json!(["y"]);
        assert_eq!(copied(&relabelled).unwrap().digest, one.digest, "a label is not the prompt");
        let mut edited = text;
        edited["prompt"] = json!("Hello {{name}}");
        assert_ne!(copied(&edited).unwrap().digest, one.digest);
        let chat = json!({"version": 1, "type": "chat", "config": {"model": "x"}, "prompt": [
            {"type": "chatmessage", "role": "system", "content": "Help {{who}}."},
            {"type": "placeholder", "name": "history"},
            {"type": "chatmessage", "role": "user", "content": "{{q}}"},
        ]});
        let chat = copied(&chat).unwrap();
        assert_eq!(chat.content.text, "Help {{who}}.");
        assert_eq!(chat.content.variables.keys().collect::<Vec<_>>(), ["who"]);
        assert_eq!(chat.not_carried.len(), 3, "{:?}", chat.not_carried);
        for bad in [
            json!({}),
            json!({"version": 1, "type": "chat", "prompt": []}),
            json!({"version": 1, "type": "text", "prompt": "{{a b}}"}),
        ] {
            assert!(copied(&bad).is_err(), "{bad}");
        }
    }
}
