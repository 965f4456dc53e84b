//! An expression's JSON to a tree that is walked without parsing. Knows nothing of what it is evaluated with.

use serde_json::Value;

use crate::limits::{LOGIC_DEPTH_MAX, LOGIC_NODES_MAX};

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A value that is itself.
    Constant(Value),
    /// A list with parts to be evaluated.
    List(Box<[Node]>),
    /// What stands at a path that is known beforehand.
    Var(Box<str>, Option<Box<Node>>),
    /// An operator over its arguments.
    Call(Operator, Box<[Node]>),
}

macro_rules! operators {
    ($($name:ident $text:literal $(| $other:literal)*,)*) => {
        /// An operator.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Operator { $($name,)* }

        impl Operator {
            fn named(text: &str) -> Option<Self> {
                match text {
                    $($text $(| $other)* => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operators! {
    Var "var",
    Missing "missing",
    MissingSome "missing_some",
    If "if" | "?:",
    Equal "==",
    Same "===",
    Unequal "!=",
    NotSame "!==",
    Not "!",
    Truthy "!!",
    Or "or",
    And "and",
    Greater ">",
    AtLeast ">=",
    Less "<",
    AtMost "<=",
    Max "max",
    Min "min",
    Add "+",
    Subtract "-",
    Multiply "*",
    Divide "/",
    Modulo "%",
    Map "map",
    Filter "filter",
    Reduce "reduce",
    All "all",
    None "none",
    Some "some",
    Merge "merge",
    In "in",
    Cat "cat",
    Substr "substr",
    Log "log",
    Fractional "fractional",
    SemVer "sem_ver",
    StartsWith "starts_with",
    EndsWith "ends_with",
}

/// Compiles an expression.
pub(super) fn compile(logic: &Value) -> Result<Node, String> {
    Compiler { nodes: 0 }.node(logic, 1)
}

struct Compiler {
    nodes: usize,
}

impl Compiler {
    fn node(&mut self, logic: &Value, depth: usize) -> Result<Node, String> {
        self.count(depth)?;
        match logic {
            Value::Array(parts) => self.list(parts, depth),
            Value::Object(members) => match members.iter().next() {
                Some((name, arguments)) if members.len() == 1 => self.call(name, arguments, depth),
                // As in the reference implementation: only an object with one member is an operation.
                _ => self.constant(logic, depth),
            },
            _ => Ok(Node::Constant(logic.clone())),
        }
    }

    fn count(&mut self, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if depth > LOGIC_DEPTH_MAX {
            return Err(format!("expression is nested deeper than {LOGIC_DEPTH_MAX}: flatten it"));
        }
        if self.nodes > LOGIC_NODES_MAX {
            return Err(format!("expression has more than {LOGIC_NODES_MAX} parts: split the flag"));
        }
        Ok(())
    }

    fn list(&mut self, parts: &[Value], depth: usize) -> Result<Node, String> {
        let nodes = parts.iter().map(|part| self.node(part, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        if nodes.iter().all(|node| matches!(node, Node::Constant(_))) {
            return Ok(Node::Constant(Value::Array(parts.to_vec())));
        }
        Ok(Node::List(nodes.into()))
    }

    /// An object as it stands is counted with all that it holds, since evaluation may copy it.
    fn constant(&mut self, value: &Value, depth: usize) -> Result<Node, String> {
        self.weigh(value, depth)?;
        Ok(Node::Constant(value.clone()))
    }

    fn weigh(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.count(depth)?;
        match value {
            Value::Array(parts) => parts.iter().try_for_each(|part| self.weigh(part, depth + 1)),
            Value::Object(members) => members.values().try_for_each(|part| self.weigh(part, depth + 1)),
            _ => Ok(()),
        }
    }

    fn call(&mut self, name: &str, arguments: &Value, depth: usize) -> Result<Node, String> {
        if name == "$ref" {
            return Err(format!("evaluator {arguments} is not defined: define it under $evaluators"));
        }
        let operator = Operator::named(name).ok_or_else(|| {
            format!("operator \"{name}\" does not exist: see the JSONLogic and flagd documentation")
        })?;
        let arguments = match arguments {
            Value::Array(arguments) => arguments.as_slice(),
            single => std::slice::from_ref(single),
        };
        let mut nodes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            // A pair of `fractional` stays a list of its parts, even where both are constants.
            nodes.push(match argument {
                Value::Array(parts) if operator == Operator::Fractional => {
                    self.count(depth + 1)?;
                    let parts = parts.iter().map(|part| self.node(part, depth + 2));
                    Node::List(parts.collect::<Result<_, _>>()?)
                }
                argument => self.node(argument, depth + 1)?,
            });
        }
        if operator == Operator::Var && nodes.len() <= 2 {
            let path = match nodes.first() {
                None | Some(Node::Constant(Value::Null)) => Some("".into()),
                Some(Node::Constant(Value::String(path))) => Some(path.as_str().into()),
                Some(Node::Constant(Value::Number(index))) => Some(index.to_string().into()),
                _ => None,
            };
            if let Some(path) = path {
                return Ok(Node::Var(path, nodes.into_iter().nth(1).map(Box::new)));
            }
        }
        Ok(Node::Call(operator, nodes.into()))
    }
}
