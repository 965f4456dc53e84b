//! A PromptLayer prompt: Jinja as it is, f-strings as mustache. Knows nothing of who asks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use serinus_domain::{
    digest::{Digest, canonical_json},
    entity::{PromptContent, TemplateSyntax, VariableDecl, VariableType},
    source::{CitedPrompt, CopiedPrompt, SourceError},
};

use super::{PromptLayerAccess, address, langfuse};

pub(super) fn request(
    http: &reqwest::Client,
    access: &PromptLayerAccess,
    cited: &CitedPrompt,
) -> Result<reqwest::RequestBuilder, SourceError> {
    let url = address(&access.base_url, &["prompt-templates", &cited.name])?;
    let mut body = json!({});
    if let Some(version) = cited.version {
        body["version"] = version.into();
    }
    if let Some(label) = &cited.label {
        body["label"] = label.as_str().into();
    }
    Ok(http.post(url).header("x-api-key", &access.api_key).json(&body))
}

#[derive(Deserialize)]
struct Answer {
    version: u32,
    prompt_template: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    template_format: Option<String>,
    #[serde(default)]
    input_variables: Vec<String>,
}

/// What an answer comes to here.
pub(super) fn copied(answer: &Value) -> Result<CopiedPrompt, SourceError> {
    let unreadable = |reason: String| SourceError::Unreadable(format!("promptlayer: {reason}"));
    let read = Answer::deserialize(answer).map_err(|refused| unreadable(refused.to_string()))?;
    let mut not_carried = Vec::new();
    let message = prompt_message(&read.prompt_template, &mut not_carried).map_err(unreadable)?;
    let text = text(&message.content).ok_or_else(|| {
        unreadable("the prompt has parts that are no text, which cannot be carried over".into())
    })?;
    let content = if message.template_format.as_deref() == Some("jinja2") {
        let decl = || VariableDecl { kind: VariableType::String, default: None };
        let variables: BTreeMap<_, _> =
            message.input_variables.into_iter().map(|name| (name, decl())).collect();
        PromptContent { text, variables, syntax: TemplateSyntax::Jinja }
    } else {
        f_string(&text).and_then(langfuse::mustache).map_err(unreadable)?
    };
    if !read.metadata["model"].is_null() {
        not_carried.push(
            "metadata.model: model and parameters are layers of their own here, publish them as such".into(),
        );
    }
    if !read.tags.is_empty() {
        not_carried.push(format!("tags: {}", read.tags.join(", ")));
    }
    let digest = Digest::of(&canonical_json(&read.prompt_template));
    Ok(CopiedPrompt { version: read.version, content, digest, not_carried })
}

/// The system message of a chat, or a completion's content; what else there is is told.
fn prompt_message(template: &Value, not_carried: &mut Vec<String>) -> Result<Message, String> {
    let read = |value: &Value| Message::deserialize(value).map_err(|refused| refused.to_string());
    for member in ["tools", "functions"] {
        if template[member].as_array().is_some_and(|tools| !tools.is_empty()) {
            not_carried.push(format!("{member}: publish them as a layer of kind tools"));
        }
    }
    match template["type"].as_str() {
        Some("completion") => read(template),
        Some("chat") => {
            let mut system = None;
            for (at, message) in template["messages"].as_array().into_iter().flatten().enumerate() {
                let message = read(message)?;
                if message.role == "system" && system.is_none() {
                    system = Some(message);
                } else {
                    not_carried.push(format!("message {}: of role {}", at + 1, message.role));
                }
            }
            system.ok_or_else(|| "the chat prompt has no system message to carry over".to_owned())
        }
        _ => Err("prompt_template is neither chat nor completion".to_owned()),
    }
}

fn text(content: &Value) -> Option<String> {
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    let part = |part: &Value| part["text"].as_str().map(str::to_owned);
    content.as_array()?.iter().map(part).collect()
}

/// `{x}` becomes `{{x}}`, and a brace that is written twice becomes one.
fn f_string(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            out.push_str(&from[..1]);
            // Two in a row would begin a tag of mustache.
            if out.ends_with("{{") || out.ends_with("}}") {
                return Err("doubled braces cannot be carried over: write the prompt in jinja2".to_owned());
            }
            rest = after;
        } else if let Some((name, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            out.push_str("{{");
            out.push_str(name);
            out.push_str("}}");
            rest = after;
        } else {
            return Err("a brace stands alone in an f-string: double it there".to_owned());
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_strings_become_mustache() {
        for (text, expected) in [
            ("Hi {name}, {{ok}}", Some("Hi {{name}}, {ok}")),
            ("plain", Some("plain")),
            ("a } b", None),
            ("{{{{x}}}}", None),
        ] {
            assert_eq!(f_string(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn chats_and_completions_are_copied() {
        let chat = json!({"version": 2, "tags": [], "metadata": {"model": {"name": "x"}}, "prompt_template": {
            "type": "chat", "tools": [{"type": "function"}], "messages": [
                {"role": "system", "template_format": "jinja2", "input_variables": ["who"], "content": [{"type": "text", "text": "Help {{ who }}."}]},
                {"role": "user", "template_format": "f-string", "content": [{"type": "text", "text": "{q}"}]},
            ],
        }});
        let copied_chat = copied(&chat).unwrap();
        assert_eq!(copied_chat.content.syntax, TemplateSyntax::Jinja);
        assert!(copied_chat.content.variables.contains_key("who"));
        assert_eq!(copied_chat.not_carried.len(), 3, "{:?}", copied_chat.not_carried);
        let completion = json!({"version": 1, "prompt_template": {"type": "completion", "content": [{"type": "text", "text": "Say {x}"}]}});
        assert_eq!(copied(&completion).unwrap().content.text, "Say {{x}}");
        assert!(copied(&json!({"version": 1, "prompt_template": {"type": "image"}})).is_err());
    }
}
