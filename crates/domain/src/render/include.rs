//! Gathers a template's text and those that it includes, with the variables that they declare. Knows nothing of rendering.

use std::collections::BTreeMap;

use minijinja::{
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

use super::{
    error::{InvalidTemplate, kind_name},
    mustache,
};
use crate::{
    bundle::Library,
    entity::{ArtifactRef, Content, PromptContent, TemplateSyntax, VariableDecl},
    limits::{INCLUDE_DEPTH_MAX, INCLUDES_MAX},
};

/// A template with all that it includes.
pub(super) struct Gathered {
    /// Texts by reference, the template's own among them.
    pub texts: BTreeMap<ArtifactRef, PromptContent>,
    /// The variables of all of them; where two declare one, the including text's declaration stands.
    pub variables: BTreeMap<String, VariableDecl>,
    /// Whether the template's own text is nothing but text.
    pub plain: bool,
}

/// Resolves all includes.
pub(super) fn gather(
    reference: &ArtifactRef,
    prompt: &PromptContent,
    library: &dyn Library,
) -> Result<Gathered, InvalidTemplate> {
    let mut walk =
        Walk { library, texts: BTreeMap::new(), heights: BTreeMap::new(), variables: BTreeMap::new() };
    let marks: &[&str] = match prompt.syntax {
        TemplateSyntax::Jinja => &["{{", "{%", "{#"],
        TemplateSyntax::Mustache => &["{{"],
    };
    let plain = marks.iter().all(|mark| !prompt.text.contains(mark));
    walk.visit(reference, prompt.clone(), &mut Vec::new())?;
    let variables = walk.variables.into_iter().map(|(name, (_, decl))| (name, decl)).collect();
    Ok(Gathered { texts: walk.texts, variables, plain })
}

struct Walk<'a> {
    library: &'a dyn Library,
    texts: BTreeMap<ArtifactRef, PromptContent>,
    /// How many levels each finished text includes, itself counted.
    heights: BTreeMap<ArtifactRef, usize>,
    variables: BTreeMap<String, (ArtifactRef, VariableDecl)>,
}

impl Walk<'_> {
    fn visit(
        &mut self,
        reference: &ArtifactRef,
        prompt: PromptContent,
        chain: &mut Vec<ArtifactRef>,
    ) -> Result<usize, InvalidTemplate> {
        self.declare(reference, &prompt)?;
        let syntax = prompt.syntax;
        let targets = match syntax {
            TemplateSyntax::Jinja => includes(reference, &prompt.text)?,
            TemplateSyntax::Mustache => {
                let partials = mustache::parse(reference, &prompt.text)?.partials;
                partials.into_iter().map(|(target, _)| target).collect()
            }
        };
        self.texts.insert(reference.clone(), prompt);
        chain.push(reference.clone());
        let mut height = 0;
        for target in targets {
            height = height.max(self.target(&target, syntax, chain)?);
        }
        chain.pop();
        self.heights.insert(reference.clone(), height + 1);
        Ok(height + 1)
    }

    fn target(
        &mut self,
        target: &str,
        syntax: TemplateSyntax,
        chain: &mut Vec<ArtifactRef>,
    ) -> Result<usize, InvalidTemplate> {
        let names = || chain.iter().map(ToString::to_string).chain([target.to_owned()]).collect::<Vec<_>>();
        let refused = |reason: String| InvalidTemplate::Target { chain: names(), reason };
        let reference: ArtifactRef = target.parse().map_err(&refused)?;
        if reference.to_string() != target {
            return Err(refused(format!("write it as {reference}")));
        }
        if chain.contains(&reference) {
            return Err(InvalidTemplate::Cycle { chain: names() });
        }
        if let Some(height) = self.heights.get(&reference) {
            // The template itself stands at depth 0, so a chain of n texts leaves room for MAX + 1 - n more.
            let fits = chain.len() + height <= INCLUDE_DEPTH_MAX + 1;
            return if fits { Ok(*height) } else { Err(InvalidTemplate::TooDeep { chain: names() }) };
        }
        if chain.len() > INCLUDE_DEPTH_MAX {
            return Err(InvalidTemplate::TooDeep { chain: names() });
        }
        // The template's own text is no include.
        if self.texts.len() > INCLUDES_MAX {
            return Err(InvalidTemplate::TooMany { chain: names() });
        }
        match self.library.artifact(&reference) {
            None => {
                return Err(refused(format!(
                    "{reference} does not exist: publish it first, or include another version"
                )));
            }
            Some(doc) if doc.redacted => {
                return Err(refused(format!("{reference} was redacted: include another version")));
            }
            Some(_) => {}
        }
        match self.library.content(&reference).map_err(&refused)? {
            Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt) if prompt.syntax != syntax => {
                Err(refused("it is written in the other syntax: include a version in the same one".into()))
            }
            Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt) => {
                self.visit(&reference, prompt, chain)
            }
            _ => Err(refused("only versions of system_prompt and prompt_template can be included".into())),
        }
    }

    fn declare(&mut self, reference: &ArtifactRef, prompt: &PromptContent) -> Result<(), InvalidTemplate> {
        for (name, decl) in &prompt.variables {
            if decl.default.as_ref().is_some_and(|default| !decl.kind.admits(default)) {
                let kind = kind_name(decl.kind);
                return Err(InvalidTemplate::Default {
                    reference: reference.clone(),
                    name: name.clone(),
                    kind,
                });
            }
            let (first, have) =
                self.variables.entry(name.clone()).or_insert((reference.clone(), decl.clone()));
            if have.kind != decl.kind {
                return Err(InvalidTemplate::Conflict {
                    name: name.clone(),
                    first: first.clone(),
                    first_kind: kind_name(have.kind),
                    second: reference.clone(),
                    second_kind: kind_name(decl.kind),
                });
            }
        }
        Ok(())
    }
}

/// The targets of all include tags of a text, read by the engine's own lexer so that what is seen here is what it runs.
fn includes(reference: &ArtifactRef, text: &str) -> Result<Vec<String>, InvalidTemplate> {
    let mut tokens = tokenize(text, false, SyntaxConfig::default());
    let mut targets = Vec::new();
    // A text that the lexer refuses is reported by the engine, with a better reason, when it is compiled.
    while let Some(Ok((token, _))) = tokens.next() {
        let Token::BlockStart = token else { continue };
        let Some(Ok((Token::Ident(tag), span))) = tokens.next() else { continue };
        let line = usize::from(span.start_line);
        match tag {
            "include" => {
                let target = match tokens.next() {
                    Some(Ok((Token::Str(target), _))) => target.to_owned(),
                    Some(Ok((Token::String(target), _))) => target.into(),
                    _ => return Err(InvalidTemplate::Dynamic { reference: reference.clone(), line }),
                };
                match tokens.next() {
                    Some(Ok((Token::BlockEnd | Token::Ident("ignore"), _))) => targets.push(target),
                    _ => return Err(InvalidTemplate::Dynamic { reference: reference.clone(), line }),
                }
            }
            "import" | "from" | "extends" => {
                let (reference, tag) = (reference.clone(), tag.to_owned());
                return Err(InvalidTemplate::Unsupported { reference, line, tag });
            }
            _ => {}
        }
    }
    Ok(targets)
}
