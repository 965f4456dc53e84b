//! Bundle and input to the call that is sent: templates, messages, parameters, tools. Knows nothing of HTTP or providers' dialects.

mod call;
mod error;
mod include;
mod messages;
mod mustache;
mod params;
mod template;

pub use call::{Call, CallInput, render};
pub use error::{InvalidTemplate, RenderError};
pub use template::Template;

use crate::entity::{ArtifactRef, PromptContent, TemplateSyntax};

/// The variables of a text that holds nothing but text and plain variables, in the order of their first use; none of a text that
/// does more, which a client that can only fill in `{{name}}` would get wrong.
pub fn plain_variables(reference: &ArtifactRef, prompt: &PromptContent) -> Option<Vec<String>> {
    // A Jinja text without blocks, comments, filters and expressions reads the same in mustache.
    if prompt.syntax == TemplateSyntax::Jinja && (prompt.text.contains("{%") || prompt.text.contains("{#")) {
        return None;
    }
    let tree = mustache::parse(reference, &prompt.text).ok()?;
    tree.is_simple().then(|| tree.names())
}

/// The top-level names that a mustache text uses, in the order of their first use; the error says what of it is no mustache.
pub fn mustache_names(reference: &ArtifactRef, text: &str) -> Result<Vec<String>, InvalidTemplate> {
    Ok(mustache::parse(reference, text)?.names())
}
