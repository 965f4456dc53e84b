//! Mustache: a text to a tree, and a tree with values to a text. Nothing is escaped, since prompts are no HTML; nothing that is not
//! there is an empty string. Knows nothing of where included texts come from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{InvalidTemplate, RenderError};
use crate::{
    entity::{ArtifactRef, VariableDecl, VariableType},
    limits::{MUSTACHE_DEPTH_MAX, RENDER_FUEL, RENDERED_BYTES_MAX},
};

/// A text, read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// What it includes, as written, with the line.
    pub partials: Vec<(String, usize)>,
}

#[derive(Debug)]
enum Node {
    Text(Box<str>),
    Variable { path: Path, line: usize },
    Section { path: Path, inverted: bool, line: usize, body: Vec<Node> },
    Partial { target: String },
}

/// A dotted name; none at all is `.`, the value at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Path(Vec<Box<str>>);

impl Path {
    fn parse(text: &str) -> Option<Self> {
        if text == "." {
            return Some(Self(Vec::new()));
        }
        let name = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        };
        text.split('.').all(name).then(|| Self(text.split('.').map(Into::into).collect()))
    }

    fn text(&self) -> String {
        if self.0.is_empty() { ".".into() } else { self.0.join(".") }
    }
}

/// A section that is not closed yet.
struct Open {
    path: Path,
    inverted: bool,
    line: usize,
    outside: Vec<Node>,
}

struct Reader<'a> {
    reference: &'a ArtifactRef,
    text: &'a str,
    at: usize,
    line: usize,
    nodes: Vec<Node>,
    open: Vec<Open>,
    partials: Vec<(String, usize)>,
}

/// Reads a text.
pub(super) fn parse(reference: &ArtifactRef, text: &str) -> Result<Tree, InvalidTemplate> {
    let mut reader =
        Reader { reference, text, at: 0, line: 1, nodes: Vec::new(), open: Vec::new(), partials: Vec::new() };
    while let Some(start) = text[reader.at..].find("{{") {
        reader.tag(reader.at + start)?;
    }
    reader.push_text(text.len());
    if let Some(open) = reader.open.last() {
        let reason = format!("section \"{0}\" is never closed: end it with {{{{/{0}}}}}", open.path.text());
        return Err(syntax(reference, open.line, reason));
    }
    Ok(Tree { nodes: reader.nodes, partials: reader.partials })
}

fn syntax(reference: &ArtifactRef, line: usize, reason: String) -> InvalidTemplate {
    InvalidTemplate::Mustache { reference: reference.clone(), line, reason }
}

impl Reader<'_> {
    /// Reads the tag that begins at `start`, with the text before it.
    fn tag(&mut self, start: usize) -> Result<(), InvalidTemplate> {
        let triple = self.text[start..].starts_with("{{{");
        let (opens, closes) = if triple { (3, "}}}") } else { (2, "}}") };
        let line = self.line + newlines(&self.text[self.at..start]);
        let inside = &self.text[start + opens..];
        let Some(length) = inside.find(closes) else {
            return Err(syntax(self.reference, line, format!("a tag is never closed: end it with {closes}")));
        };
        let (inner, end) = (inside[..length].trim(), start + opens + length + closes.len());
        let mark = if triple { None } else { inner.chars().next() };
        let rest = mark.map_or("", |mark| inner[mark.len_utf8()..].trim());
        let own_line = matches!(mark, Some('#' | '^' | '/' | '!'));
        let (before, after) = if own_line { self.standing_alone(start, end) } else { (start, end) };
        self.push_text(before);
        match mark {
            Some('!') => {}
            Some('#' | '^') => self.begin(self.path(rest, line)?, mark == Some('^'), line)?,
            Some('/') => self.finish(&self.path(rest, line)?, line)?,
            Some('>') => {
                self.partials.push((rest.to_owned(), line));
                self.nodes.push(Node::Partial { target: rest.to_owned() });
            }
            Some('=') => {
                return Err(syntax(self.reference, line, "delimiters cannot be changed: write {{ }}".into()));
            }
            Some('&') => self.nodes.push(Node::Variable { path: self.path(rest, line)?, line }),
            _ => self.nodes.push(Node::Variable { path: self.path(inner, line)?, line }),
        }
        self.line += newlines(&self.text[self.at..after]);
        self.at = after;
        Ok(())
    }

    /// Where the text before a tag ends and the text after it begins: a tag alone on its line leaves no empty line behind.
    fn standing_alone(&self, start: usize, end: usize) -> (usize, usize) {
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let blank = |text: &str| text.chars().all(|c| c == ' ' || c == '\t' || c == '\r');
        let line_end = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at + 1);
        let alone = line_start >= self.at
            && blank(&self.text[line_start..start])
            && blank(self.text[end..line_end].trim_end_matches('\n'));
        // What stood before it on its line may be another tag, which then has been read already.
        let first = line_start > self.at || self.at == 0 || self.text[..self.at].ends_with('\n');
        if alone && first { (line_start, line_end) } else { (start, end) }
    }

    fn push_text(&mut self, end: usize) {
        if end > self.at {
            self.nodes.push(Node::Text(self.text[self.at..end].into()));
        }
    }

    fn path(&self, text: &str, line: usize) -> Result<Path, InvalidTemplate> {
        Path::parse(text).ok_or_else(|| {
            let short: String = text.chars().take(40).collect();
            let reason = format!("\"{short}\" is no name: use letters, digits, _ and dots between names");
            syntax(self.reference, line, reason)
        })
    }

    fn begin(&mut self, path: Path, inverted: bool, line: usize) -> Result<(), InvalidTemplate> {
        if self.open.len() >= MUSTACHE_DEPTH_MAX {
            let reason = format!("sections are more than {MUSTACHE_DEPTH_MAX} deep: flatten them");
            return Err(syntax(self.reference, line, reason));
        }
        let outside = std::mem::take(&mut self.nodes);
        self.open.push(Open { path, inverted, line, outside });
        Ok(())
    }

    fn finish(&mut self, path: &Path, line: usize) -> Result<(), InvalidTemplate> {
        match self.open.pop() {
            Some(open) if open.path == *path => {
                let body = std::mem::replace(&mut self.nodes, open.outside);
                let Open { path, inverted, line, .. } = open;
                self.nodes.push(Node::Section { path, inverted, line, body });
                Ok(())
            }
            open => {
                let have = open.map_or("none is open".into(), |open| {
                    format!("\"{}\" of line {} is open", open.path.text(), open.line)
                });
                let reason = format!("section \"{}\" is closed and {have}", path.text());
                Err(syntax(self.reference, line, reason))
            }
        }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

impl Tree {
    /// Checks every name that can be checked ahead: outside a list's or an object's section a name is a declared variable.
    /// Answers whether the text uses `watched`.
    pub fn check(
        &self,
        reference: &ArtifactRef,
        declared: &BTreeMap<String, VariableDecl>,
        watched: &str,
    ) -> Result<bool, InvalidTemplate> {
        let mut names = Names { reference, declared, watched, used: false };
        names.walk(&self.nodes, false)?;
        Ok(names.used)
    }

    /// Whether it is text and plain variables alone, as prompt clients that know no more than those can fill in.
    pub fn is_simple(&self) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text(_) => true,
            Node::Variable { path, .. } => path.0.len() == 1,
            Node::Section { .. } | Node::Partial { .. } => false,
        })
    }

    /// The top-level names that it uses, in order.
    pub fn names(&self) -> Vec<String> {
        fn walk(nodes: &[Node], names: &mut Vec<String>) {
            for node in nodes {
                let (path, body): (_, &[Node]) = match node {
                    Node::Variable { path, .. } => (path, &[]),
                    Node::Section { path, body, .. } => (path, body),
                    Node::Text(_) | Node::Partial { .. } => continue,
                };
                if let Some(name) = path.0.first().filter(|name| !names.iter().any(|have| **have == ***name))
                {
                    names.push(name.to_string());
                }
                walk(body, names);
            }
        }
        let mut names = Vec::new();
        walk(&self.nodes, &mut names);
        names
    }
}

struct Names<'a> {
    reference: &'a ArtifactRef,
    declared: &'a BTreeMap<String, VariableDecl>,
    watched: &'a str,
    used: bool,
}

impl Names<'_> {
    fn walk(&mut self, nodes: &[Node], inside: bool) -> Result<(), InvalidTemplate> {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Partial { .. } => {}
                Node::Variable { path, line } => {
                    self.name(path, *line, inside)?;
                }
                Node::Section { path, inverted, line, body } => {
                    let kind = self.name(path, *line, inside)?;
                    // Members of what the section steps into are known when it is rendered.
                    let steps = !inverted
                        && (path.0.len() != 1
                            || kind.is_none_or(|kind| {
                                matches!(kind, VariableType::Array | VariableType::Object)
                            }));
                    self.walk(body, inside || steps)?;
                }
            }
        }
        Ok(())
    }

    fn name(
        &mut self,
        path: &Path,
        line: usize,
        inside: bool,
    ) -> Result<Option<VariableType>, InvalidTemplate> {
        let Some(name) = path.0.first() else {
            let reason = "{{.}} stands outside a list's section".to_owned();
            return if inside { Ok(None) } else { Err(syntax(self.reference, line, reason)) };
        };
        self.used |= **name == *self.watched;
        match self.declared.get(&**name) {
            Some(decl) => Ok(Some(decl.kind)),
            None if inside => Ok(None),
            None => {
                let (reference, name) = (self.reference.clone(), name.to_string());
                Err(InvalidTemplate::Undeclared { reference, name })
            }
        }
    }
}

/// The trees of a template and of all that it includes.
pub(super) type Trees = BTreeMap<String, Tree>;

struct Writer<'a> {
    trees: &'a Trees,
    root: &'a ArtifactRef,
    variables: &'a BTreeMap<&'a str, &'a Value>,
    /// What sections have stepped into, outermost first.
    stack: Vec<&'a Value>,
    out: String,
    fuel: u64,
}

/// Renders the tree of `root`.
pub(super) fn render(
    trees: &Trees,
    root: &ArtifactRef,
    variables: &BTreeMap<&str, &Value>,
) -> Result<String, RenderError> {
    let name = root.to_string();
    let mut writer =
        Writer { trees, root, variables, stack: Vec::new(), out: String::new(), fuel: RENDER_FUEL };
    if let Some(tree) = trees.get(&name) {
        writer.write(&tree.nodes, &name)?;
    }
    Ok(writer.out)
}

impl<'a> Writer<'a> {
    fn write(&mut self, nodes: &'a [Node], name: &str) -> Result<(), RenderError> {
        for node in nodes {
            self.fuel =
                self.fuel.checked_sub(1).ok_or_else(|| RenderError::Fuel { template: self.root.clone() })?;
            match node {
                Node::Text(text) => self.push(text)?,
                Node::Variable { path, line } => {
                    let value = self.find(path).ok_or_else(|| self.failed(name, *line, "undefined value"))?;
                    self.value(value, name, *line)?;
                }
                Node::Section { path, inverted, line, body } => {
                    // A member that is not there is no error here: the section is how a text asks whether it is.
                    let value = self.find(path).filter(|value| holds(value));
                    match value {
                        None if *inverted => self.write(body, name)?,
                        Some(value) if !inverted => self.section(value, body, name, *line)?,
                        _ => {}
                    }
                }
                Node::Partial { target } => {
                    let tree = self.trees.get(target.as_str());
                    self.write(tree.map_or(&[], |tree| &tree.nodes), target)?;
                }
            }
        }
        Ok(())
    }

    fn section(
        &mut self,
        value: &'a Value,
        body: &'a [Node],
        name: &str,
        line: usize,
    ) -> Result<(), RenderError> {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            Value::Bool(_) => return self.write(body, name),
            one => std::slice::from_ref(one),
        };
        if self.stack.len() >= MUSTACHE_DEPTH_MAX {
            return Err(self.failed(name, line, "sections are too deep"));
        }
        for item in items {
            self.stack.push(item);
            let written = self.write(body, name);
            self.stack.pop();
            written?;
        }
        Ok(())
    }

    /// The nearest value that has the first name, then its members.
    fn find(&self, path: &Path) -> Option<&'a Value> {
        let Some((first, members)) = path.0.split_first() else { return self.stack.last().copied() };
        let stepped = self.stack.iter().rev().find_map(|value| value.get(&**first));
        let mut value = stepped.or_else(|| self.variables.get(&**first).copied())?;
        for member in members {
            value = value.get(&**member)?;
        }
        Some(value)
    }

    fn value(&mut self, value: &Value, name: &str, line: usize) -> Result<(), RenderError> {
        match value {
            Value::String(text) => self.push(text),
            Value::Number(number) => self.push(&number.to_string()),
            Value::Bool(given) => self.push(if *given { "true" } else { "false" }),
            Value::Null => Err(self.failed(name, line, "undefined value")),
            Value::Array(_) | Value::Object(_) => {
                Err(self.failed(name, line, "a list or an object is no text"))
            }
        }
    }

    fn push(&mut self, text: &str) -> Result<(), RenderError> {
        if self.out.len() + text.len() > RENDERED_BYTES_MAX {
            return Err(RenderError::TooLong { template: self.root.clone() });
        }
        self.out.push_str(text);
        Ok(())
    }

    fn failed(&self, name: &str, line: usize, reason: &str) -> RenderError {
        let (template, place) = (self.root.clone(), format!("{name} line {line}"));
        RenderError::Evaluation { template, place, reason: reason.to_owned() }
    }
}

/// Whether a section over this value is written.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(given) => *given,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Object(_) => true,
    }
}
