//! Why a text is no template, and why a call cannot be rendered. Knows nothing of status codes.

use crate::{
    entity::{ArtifactRef, VariableType},
    limits::{INCLUDE_DEPTH_MAX, INCLUDES_MAX, RENDERED_BYTES_MAX},
};

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// The engine cannot read it.
    #[error("{reference} line {line}: {reason}: correct the template, or put the text in {{% raw %}}")]
    Syntax {
        /// Where.
        reference: ArtifactRef,
        /// Counted from 1.
        line: usize,
        /// In the engine's words.
        reason: String,
    },
    /// A text that is no mustache.
    #[error("{reference} line {line}: {reason}")]
    Mustache {
        /// Where.
        reference: ArtifactRef,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable that nobody declares.
    #[error(
        "{reference} uses variable \"{name}\", which it does not declare: add it to variables, or correct the name"
    )]
    Undeclared {
        /// Where.
        reference: ArtifactRef,
        /// Which.
        name: String,
    },
    /// A default of another type than the variable's.
    #[error("{reference}: the default of variable \"{name}\" is no {kind}: change the default or the type")]
    Default {
        /// Where.
        reference: ArtifactRef,
        /// Which.
        name: String,
        /// What it is declared as.
        kind: &'static str,
    },
    /// One name with two types.
    #[error(
        "variable \"{name}\" is a {first_kind} in {first} and a {second_kind} in {second}: give it one type, or two names"
    )]
    Conflict {
        /// Which.
        name: String,
        /// Who declares it first.
        first: ArtifactRef,
        /// As what.
        first_kind: &'static str,
        /// Who declares it otherwise.
        second: ArtifactRef,
        /// As what.
        second_kind: &'static str,
    },
    /// A template around the user's message that leaves it out.
    #[error(
        "{reference} never uses {{{{ input }}}}, so the user's message would be lost: put it where the message belongs"
    )]
    InputUnused {
        /// Where.
        reference: ArtifactRef,
    },
    /// A tag that reaches for other templates in a way that is not resolved ahead.
    #[error(
        "{reference} line {line}: {{% {tag} %}} is not supported: use {{% include \"system_prompt/tone@3\" %}}"
    )]
    Unsupported {
        /// Where.
        reference: ArtifactRef,
        /// Counted from 1.
        line: usize,
        /// Which.
        tag: String,
    },
    /// An include whose target is not written out.
    #[error(
        "{reference} line {line}: include needs one version written out, as in {{% include \"system_prompt/tone@3\" %}}"
    )]
    Dynamic {
        /// Where.
        reference: ArtifactRef,
        /// Counted from 1.
        line: usize,
    },
    /// An include of something that is not there, or is no text.
    #[error("{}: {reason}", arrows(.chain))]
    Target {
        /// From the template to the target.
        chain: Vec<String>,
        /// What is wrong with the target.
        reason: String,
    },
    /// A template that includes itself.
    #[error("includes go in a circle: {}: take one of them out", arrows(.chain))]
    Cycle {
        /// From the first to itself.
        chain: Vec<String>,
    },
    /// Includes in includes without end.
    #[error("includes are more than {INCLUDE_DEPTH_MAX} deep: {}: include the last ones directly", arrows(.chain))]
    TooDeep {
        /// From the template to the one that is too deep.
        chain: Vec<String>,
    },
    /// Too many includes.
    #[error("more than {INCLUDES_MAX} versions are included, the last by {}: merge some of them", arrows(.chain))]
    TooMany {
        /// From the template to the one that is too many.
        chain: Vec<String>,
    },
}

fn arrows(names: &[String]) -> String {
    names.join(" -> ")
}

/// The name of a type for people.
pub(super) const fn kind_name(kind: VariableType) -> &'static str {
    match kind {
        VariableType::String => "string",
        VariableType::Number => "number",
        VariableType::Boolean => "boolean",
        VariableType::Array => "array",
        VariableType::Object => "object",
    }
}

/// Why a call cannot be rendered. Holds names and places, never a variable's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A variable that the request does not give and that has no default.
    #[error(
        "{template} needs variable \"{name}\" ({kind}): send it in \"serinus\".variables, or give it a default"
    )]
    MissingVariable {
        /// Which template.
        template: ArtifactRef,
        /// Which variable.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// A value of another type than the variable's.
    #[error("{template}: variable \"{name}\" is no {kind}: send a {kind} in \"serinus\".variables")]
    VariableType {
        /// Which template.
        template: ArtifactRef,
        /// Which variable.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// A template that takes too many steps or too much memory with these variables.
    #[error(
        "{template} takes too long to render: send shorter variables in \"serinus\".variables, or simplify its loops"
    )]
    Fuel {
        /// Which template.
        template: ArtifactRef,
    },
    /// A rendered text beyond the bound.
    #[error(
        "{template} renders to more than {RENDERED_BYTES_MAX} bytes: send shorter variables in \"serinus\".variables"
    )]
    TooLong {
        /// Which template.
        template: ArtifactRef,
    },
    /// A template that fails on these variables: a member that an object lacks, a filter that refuses a value.
    #[error(
        "{template} ({place}): {reason}: check the members of \"serinus\".variables, or guard the expression"
    )]
    Evaluation {
        /// Which template.
        template: ArtifactRef,
        /// Name and line of the text that failed.
        place: String,
        /// The engine's word for the failure.
        reason: String,
    },
    /// A system message where the feature takes none.
    #[error(
        "feature \"{feature}\" takes no system or developer message: leave it out, the feature brings its own"
    )]
    SystemRefused {
        /// Which feature.
        feature: String,
    },
    /// No message for the template to wrap.
    #[error(
        "{template} wraps the last user message and the request has none: send a message of role \"user\""
    )]
    NoUserMessage {
        /// Which template.
        template: ArtifactRef,
    },
}

impl RenderError {
    /// The stable code of the error, for clients and records.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingVariable { .. } => "prompt.missing_variable",
            Self::VariableType { .. } => "prompt.variable_type",
            Self::Fuel { .. } => "prompt.fuel",
            Self::TooLong { .. } => "prompt.too_long",
            Self::Evaluation { .. } => "prompt.evaluation",
            Self::SystemRefused { .. } => "request.system_refused",
            Self::NoUserMessage { .. } => "request.no_user_message",
        }
    }
}
