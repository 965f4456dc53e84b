//! One prompt, compiled with all that it includes. Reaches no file and no environment: what it may read is declared,
//! what it may include was gathered, and how far it may run is bounded. Knows nothing of messages.

use std::{collections::BTreeMap, fmt};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, value::Serde};
use serde_json::Value;

use super::{
    error::{InvalidTemplate, RenderError, kind_name},
    include::{Gathered, gather},
    mustache::{self, Trees},
};
use crate::{
    bundle::Library,
    entity::{
        ArtifactKind, ArtifactRef, LayerKind, PromptContent, TemplateSyntax, VariableDecl, VariableType,
    },
    limits::{RENDER_FUEL, RENDERED_BYTES_MAX},
};

/// The variable that holds the user's message in a template around it.
const INPUT: &str = "input";

/// A compiled template.
pub struct Template {
    reference: ArtifactRef,
    variables: BTreeMap<String, VariableDecl>,
    /// Every version that it includes, directly or not.
    includes: Vec<ArtifactRef>,
    /// Defaults as the engine holds them, so that a render only counts a reference.
    defaults: BTreeMap<String, minijinja::Value>,
    body: Body,
}

enum Body {
    /// A text without any syntax.
    Plain(Box<str>),
    /// An engine that holds this template under the name, and what it includes.
    Jinja(Box<Environment<'static>>, String),
    /// The trees of this template and of what it includes.
    Mustache(Trees),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Template {
    /// Compiles a prompt with everything that it includes. A prompt template may use `input` without declaring it.
    pub fn compile(
        reference: &ArtifactRef,
        prompt: &PromptContent,
        library: &dyn Library,
    ) -> Result<Self, InvalidTemplate> {
        let wraps = reference.kind == ArtifactKind::Layer(LayerKind::PromptTemplate);
        let mut prompt = prompt.clone();
        if wraps {
            prompt
                .variables
                .entry(INPUT.into())
                .or_insert(VariableDecl { kind: VariableType::String, default: None });
        }
        let gathered = gather(reference, &prompt, library)?;
        if wraps && gathered.variables.get(INPUT).is_some_and(|decl| decl.kind != VariableType::String) {
            let (name, kind) = (INPUT.to_owned(), kind_name(prompt.variables[INPUT].kind));
            let (first, second) = (reference.clone(), reference.clone());
            return Err(InvalidTemplate::Conflict {
                name,
                first,
                first_kind: kind,
                second,
                second_kind: "string",
            });
        }
        let mut used_input = false;
        let body = match prompt.syntax {
            _ if gathered.plain => Body::Plain(prompt.text.as_str().into()),
            TemplateSyntax::Jinja => {
                let (environment, used) = engine(&gathered, wraps)?;
                used_input = used;
                Body::Jinja(Box::new(environment), reference.to_string())
            }
            TemplateSyntax::Mustache => {
                let (trees, used) = trees(&gathered, wraps)?;
                used_input = used;
                Body::Mustache(trees)
            }
        };
        if wraps && !used_input {
            return Err(InvalidTemplate::InputUnused { reference: reference.clone() });
        }
        let defaults = gathered.variables.iter().filter_map(|(name, decl)| {
            decl.default.as_ref().map(|default| (name.clone(), minijinja::Value::from(Serde(default))))
        });
        Ok(Self {
            reference: reference.clone(),
            defaults: defaults.collect(),
            includes: gathered.texts.keys().filter(|included| *included != reference).cloned().collect(),
            variables: gathered.variables,
            body,
        })
    }

    /// Which version it is.
    pub fn reference(&self) -> &ArtifactRef {
        &self.reference
    }

    /// Every version that it includes, directly or not.
    pub fn includes(&self) -> &[ArtifactRef] {
        &self.includes
    }

    /// Every variable that it or one of its includes declares; of a prompt template, `input` too.
    pub fn variables(&self) -> &BTreeMap<String, VariableDecl> {
        &self.variables
    }

    /// Renders it. Variables that it does not declare are left aside, since another variant may need them.
    pub fn render(&self, variables: &BTreeMap<String, Value>) -> Result<String, RenderError> {
        self.render_around(variables, None)
    }

    /// Renders it around the user's message, which stands before a variable of that name.
    pub(super) fn render_around(
        &self,
        variables: &BTreeMap<String, Value>,
        input: Option<&str>,
    ) -> Result<String, RenderError> {
        let input = input.map(Value::from);
        let given = self.given(variables, input.as_ref())?;
        let (environment, name) = match &self.body {
            Body::Plain(text) => return Ok(text.as_ref().to_owned()),
            Body::Jinja(environment, name) => (environment, name),
            Body::Mustache(trees) => return mustache::render(trees, &self.reference, &self.values(&given)),
        };
        let values = self.engine_values(&given);
        let rendered = environment
            .get_template(name)
            .and_then(|template| template.render(minijinja::Value::from_pairs(values)))
            .map_err(|failed| self.failure(&failed))?;
        if rendered.len() > RENDERED_BYTES_MAX {
            return Err(RenderError::TooLong { template: self.reference.clone() });
        }
        Ok(rendered)
    }

    /// What stands for each variable; none where its default does.
    fn given<'a>(
        &'a self,
        variables: &'a BTreeMap<String, Value>,
        input: Option<&'a Value>,
    ) -> Result<BTreeMap<&'a str, Option<&'a Value>>, RenderError> {
        let mut values = BTreeMap::new();
        for (name, decl) in &self.variables {
            let kind = kind_name(decl.kind);
            let value = match (variables.get(name), input) {
                (_, Some(input)) if name == INPUT => Some(input),
                (Some(given), _) if decl.kind.admits(given) => Some(given),
                (Some(_), _) => {
                    let (template, name) = (self.reference.clone(), name.clone());
                    return Err(RenderError::VariableType { template, name, kind });
                }
                (None, _) if decl.default.is_some() => None,
                (None, _) => {
                    let (template, name) = (self.reference.clone(), name.clone());
                    return Err(RenderError::MissingVariable { template, name, kind });
                }
            };
            values.insert(name.as_str(), value);
        }
        Ok(values)
    }

    /// The values with their defaults.
    fn values<'a>(&'a self, given: &BTreeMap<&'a str, Option<&'a Value>>) -> BTreeMap<&'a str, &'a Value> {
        let default = |name: &str| self.variables.get(name)?.default.as_ref();
        given.iter().filter_map(|(name, value)| Some((*name, value.or_else(|| default(name))?))).collect()
    }

    /// The values with their defaults, as the engine holds them.
    fn engine_values<'a>(
        &self,
        given: &BTreeMap<&'a str, Option<&'a Value>>,
    ) -> BTreeMap<&'a str, minijinja::Value> {
        let value = |name: &str, value: &Option<&Value>| match value {
            Some(Value::String(text)) => Some(minijinja::Value::from(text.as_str())),
            Some(value) => Some(minijinja::Value::from(Serde(*value))),
            None => self.defaults.get(name).cloned(),
        };
        given.iter().filter_map(|(name, of_it)| Some((*name, value(name, of_it)?))).collect()
    }

    fn failure(&self, failed: &minijinja::Error) -> RenderError {
        // An include wraps the failure of the text that it brings in: the innermost says what happened and where.
        let mut innermost = failed;
        while let Some(inner) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref())
        {
            innermost = inner;
        }
        let template = self.reference.clone();
        if innermost.kind() == ErrorKind::OutOfFuel {
            return RenderError::Fuel { template };
        }
        let place = format!("{} line {}", innermost.name().unwrap_or("text"), innermost.line().unwrap_or(1));
        // The kind alone: the engine's detail may quote a value, and values are the user's.
        RenderError::Evaluation { template, place, reason: innermost.kind().to_string() }
    }
}

/// An engine that holds all gathered texts, and whether one of them uses `input`.
fn engine(gathered: &Gathered, wraps: bool) -> Result<(Environment<'static>, bool), InvalidTemplate> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(RENDER_FUEL));
    environment.set_debug(false);
    // It would print every variable into the prompt.
    environment.remove_global("debug");
    // A prompt is sent as it was published, to the last byte.
    if let Ok(syntax) = environment.syntax().to_builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    let mut used_input = false;
    for (reference, prompt) in &gathered.texts {
        let syntax = |failed: minijinja::Error| InvalidTemplate::Syntax {
            reference: reference.clone(),
            line: failed.line().unwrap_or(1),
            reason: failed.detail().map_or_else(|| failed.kind().to_string(), str::to_owned),
        };
        environment.add_template_owned(reference.to_string(), prompt.text.clone()).map_err(syntax)?;
        let used =
            environment.get_template(&reference.to_string()).map_err(syntax)?.undeclared_variables(false);
        used_input |= used.contains(INPUT);
        let declared = |name: &String| {
            prompt.variables.contains_key(name)
                || (wraps && name == INPUT)
                || environment.globals().any(|(global, _)| global == name)
        };
        // The smallest name, so that one text always gives one message.
        if let Some(name) = used.into_iter().filter(|name| !declared(name)).min() {
            return Err(InvalidTemplate::Undeclared { reference: reference.clone(), name });
        }
    }
    Ok((environment, used_input))
}

/// The trees of all gathered texts, and whether one of them uses `input`.
fn trees(gathered: &Gathered, wraps: bool) -> Result<(Trees, bool), InvalidTemplate> {
    let (mut trees, mut used_input) = (Trees::new(), false);
    for (reference, prompt) in &gathered.texts {
        let tree = mustache::parse(reference, &prompt.text)?;
        let mut declared = prompt.variables.clone();
        if wraps {
            declared.extend(gathered.variables.get(INPUT).map(|decl| (INPUT.to_owned(), decl.clone())));
        }
        used_input |= tree.check(reference, &declared, INPUT)?;
        trees.insert(reference.to_string(), tree);
    }
    Ok((trees, used_input))
}
