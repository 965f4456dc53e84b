//! Walks a compiled expression. Total: what an operator cannot read is null. Knows nothing of flags.

use std::{borrow::Cow, cell::Cell, cmp::Ordering};

use serde_json::{Map, Value};

use super::{
    Exhausted, Vars, coerce,
    compile::{Node, Operator},
    fractional::{self, WEIGHT_SUM_MAX},
    version,
};
use crate::{context::AttributeValue, limits::LOGIC_FUEL};

type Out<'a> = Result<Cow<'a, Value>, Exhausted>;

/// What `var` looks at.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Root,
    Item(&'a Value),
    Fold { current: &'a Value, accumulator: &'a Value },
}

/// Evaluates a whole expression.
pub(super) fn evaluate<'a>(root: &'a Node, vars: &'a Vars<'a>) -> Out<'a> {
    let fuel = Cell::new(LOGIC_FUEL);
    Walk { vars, fuel: &fuel, scope: Scope::Root }.node(root)
}

#[derive(Clone, Copy)]
struct Walk<'a, 'f> {
    vars: &'a Vars<'a>,
    fuel: &'f Cell<u32>,
    scope: Scope<'a>,
}

const fn owned<'a>(value: Value) -> Cow<'a, Value> {
    Cow::Owned(value)
}

fn truth<'a>(truth: bool) -> Out<'a> {
    Ok(owned(Value::Bool(truth)))
}

fn descend<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(parts) => parts.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Parts of a value, all levels counted: what a copy of it costs.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(parts) => 1 + parts.iter().map(weight).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(weight).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 16,
        _ => 1,
    }
}

impl<'a, 'f> Walk<'a, 'f> {
    fn within<'b>(self, scope: Scope<'b>) -> Walk<'b, 'f>
    where
        'a: 'b,
    {
        Walk { vars: self.vars, fuel: self.fuel, scope }
    }

    fn burn(self, steps: usize) -> Result<(), Exhausted> {
        let steps = u32::try_from(steps).map_err(|_| Exhausted)?;
        self.fuel.set(self.fuel.get().checked_sub(steps).ok_or(Exhausted)?);
        Ok(())
    }

    /// A value of one's own, paid for by its size.
    fn own(self, value: Cow<'_, Value>) -> Result<Value, Exhausted> {
        if let Cow::Borrowed(value) = &value {
            self.burn(weight(value))?;
        }
        Ok(value.into_owned())
    }

    fn node(self, node: &'a Node) -> Out<'a> {
        self.burn(1)?;
        match node {
            Node::Constant(value) => Ok(Cow::Borrowed(value)),
            Node::List(parts) => {
                let parts = parts.iter().map(|part| self.own(self.node(part)?));
                Ok(owned(Value::Array(parts.collect::<Result<_, _>>()?)))
            }
            Node::Var(path, default) => match (self.look_up(path)?, default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => self.node(default),
                (None, None) => Ok(owned(Value::Null)),
            },
            Node::Call(operator, arguments) => self.call(*operator, arguments),
        }
    }

    /// What stands at a path; none where nothing does.
    fn look_up(self, path: &str) -> Result<Option<Cow<'a, Value>>, Exhausted> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        Ok(match self.scope {
            Scope::Item(item) => descend(item, path).map(Cow::Borrowed),
            Scope::Fold { current, accumulator } => match first {
                "current" => descend(current, rest).map(Cow::Borrowed),
                "accumulator" => descend(accumulator, rest).map(Cow::Borrowed),
                _ => None,
            },
            Scope::Root => match (first, rest) {
                ("", _) => Some(owned(self.everything()?)),
                ("$flagd", "flagKey") => Some(owned(Value::from(self.vars.flag_key))),
                ("$flagd", "timestamp") => Some(owned(Value::from(self.vars.timestamp_s))),
                ("targetingKey", "") if self.vars.targeting_key.is_some() => {
                    self.vars.targeting_key.map(|key| owned(Value::from(key)))
                }
                _ => match self.vars.attributes.get(first) {
                    Some(AttributeValue::Other(value)) => descend(value, rest).map(Cow::Borrowed),
                    Some(AttributeValue::Text(text)) if rest.is_empty() => {
                        Some(owned(Value::from(text.as_str())))
                    }
                    Some(AttributeValue::Text(_)) | None => None,
                },
            },
        })
    }

    fn everything(self) -> Result<Value, Exhausted> {
        let mut all = Map::new();
        for (name, value) in self.vars.attributes.iter() {
            all.insert(name.to_owned(), self.own(value.to_value())?);
        }
        let mut flagd = Map::new();
        flagd.insert("flagKey".into(), self.vars.flag_key.into());
        flagd.insert("timestamp".into(), self.vars.timestamp_s.into());
        all.insert("$flagd".into(), Value::Object(flagd));
        if let Some(key) = self.vars.targeting_key {
            all.insert("targetingKey".into(), key.into());
        }
        Ok(Value::Object(all))
    }

    fn argument(self, arguments: &'a [Node], at: usize) -> Out<'a> {
        arguments.get(at).map_or(Ok(owned(Value::Null)), |node| self.node(node))
    }

    fn both(self, arguments: &'a [Node]) -> Result<(Cow<'a, Value>, Cow<'a, Value>), Exhausted> {
        Ok((self.argument(arguments, 0)?, self.argument(arguments, 1)?))
    }

    fn call(self, operator: Operator, arguments: &'a [Node]) -> Out<'a> {
        match operator {
            Operator::Var => self.dynamic_var(arguments),
            Operator::Missing => self.missing(arguments),
            Operator::MissingSome => self.missing_some(arguments),
            Operator::If => self.choose(arguments),
            Operator::Equal | Operator::Unequal => {
                let (left, right) = self.both(arguments)?;
                truth(coerce::equal(&left, &right) == (operator == Operator::Equal))
            }
            Operator::Same | Operator::NotSame => {
                let (left, right) = self.both(arguments)?;
                truth(coerce::same(&left, &right) == (operator == Operator::Same))
            }
            Operator::Not => truth(!coerce::truthy(&*self.argument(arguments, 0)?)),
            Operator::Truthy => truth(coerce::truthy(&*self.argument(arguments, 0)?)),
            Operator::Or => self.first_that(arguments, true),
            Operator::And => self.first_that(arguments, false),
            Operator::Greater => self.ordered(arguments, Ordering::is_gt),
            Operator::AtLeast => self.ordered(arguments, Ordering::is_ge),
            Operator::Less => self.ordered(arguments, Ordering::is_lt),
            Operator::AtMost => self.ordered(arguments, Ordering::is_le),
            Operator::Max | Operator::Min => self.extreme(operator, arguments),
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                self.arithmetic(operator, arguments)
            }
            Operator::Map | Operator::Filter | Operator::All | Operator::None | Operator::Some => {
                self.each(operator, arguments)
            }
            Operator::Reduce => self.reduce(arguments),
            Operator::Merge => self.merge(arguments),
            Operator::In => self.contains(arguments),
            Operator::Cat => self.cat(arguments),
            Operator::Substr => self.substr(arguments),
            Operator::Log => self.argument(arguments, 0),
            Operator::Fractional => self.fractional(arguments),
            Operator::SemVer => {
                let [left, how, right] = arguments else { return Ok(owned(Value::Null)) };
                let (left, how, right) = (self.node(left)?, self.node(how)?, self.node(right)?);
                Ok(owned(version::sem_ver(&left, &how, &right).map_or(Value::Null, Value::Bool)))
            }
            Operator::StartsWith => self.affix(arguments, |text, affix| text.starts_with(affix)),
            Operator::EndsWith => self.affix(arguments, |text, affix| text.ends_with(affix)),
        }
    }

    fn dynamic_var(self, arguments: &'a [Node]) -> Out<'a> {
        let path = self.argument(arguments, 0)?;
        let path = coerce::joined(&path);
        match self.look_up(&path)? {
            Some(value) => Ok(value),
            None => self.argument(arguments, 1),
        }
    }

    fn absent(self, name: &Value) -> Result<bool, Exhausted> {
        let found = self.look_up(&coerce::text(name))?;
        Ok(found.is_none_or(|value| value.is_null() || value.as_str() == Some("")))
    }

    fn missing(self, arguments: &'a [Node]) -> Out<'a> {
        let mut names = Vec::new();
        for argument in arguments {
            match self.own(self.node(argument)?)? {
                Value::Array(more) => names.extend(more),
                name => names.push(name),
            }
        }
        self.missing_of(names)
    }

    fn missing_of(self, names: Vec<Value>) -> Out<'a> {
        let mut absent = Vec::new();
        for name in names {
            self.burn(1)?;
            if self.absent(&name)? {
                absent.push(name);
            }
        }
        Ok(owned(Value::Array(absent)))
    }

    fn missing_some(self, arguments: &'a [Node]) -> Out<'a> {
        let (needed, names) = self.both(arguments)?;
        let Value::Array(names) = self.own(names)? else { return Ok(owned(Value::Array(Vec::new()))) };
        let count = names.len();
        let absent = self.missing_of(names)?;
        let present = count - absent.as_array().map_or(0, Vec::len);
        let enough = present as f64 >= coerce::number(&needed);
        Ok(if enough { owned(Value::Array(Vec::new())) } else { absent })
    }

    fn choose(self, arguments: &'a [Node]) -> Out<'a> {
        let mut rest = arguments;
        loop {
            match rest {
                [] => return Ok(owned(Value::Null)),
                [otherwise] => return self.node(otherwise),
                [when, then, more @ ..] => {
                    if coerce::truthy(&*self.node(when)?) {
                        return self.node(then);
                    }
                    rest = more;
                }
            }
        }
    }

    /// The first argument of this truth, or else the last one.
    fn first_that(self, arguments: &'a [Node], wanted: bool) -> Out<'a> {
        let mut last = owned(Value::Null);
        for argument in arguments {
            last = self.node(argument)?;
            if coerce::truthy(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn ordered(self, arguments: &'a [Node], holds: fn(Ordering) -> bool) -> Out<'a> {
        if arguments.len() < 2 {
            return truth(false);
        }
        let mut left = self.argument(arguments, 0)?;
        for argument in arguments.iter().skip(1).take(2) {
            let right = self.node(argument)?;
            if !coerce::compare(&left, &right).is_some_and(holds) {
                return truth(false);
            }
            left = right;
        }
        truth(true)
    }

    fn extreme(self, operator: Operator, arguments: &'a [Node]) -> Out<'a> {
        let mut found: Option<f64> = None;
        for argument in arguments {
            let number = coerce::number(&*self.node(argument)?);
            let better = |have: f64| if operator == Operator::Max { number > have } else { number < have };
            if number.is_nan() {
                return Ok(owned(Value::Null));
            }
            if found.is_none_or(better) {
                found = Some(number);
            }
        }
        Ok(owned(found.map_or(Value::Null, coerce::json)))
    }

    fn arithmetic(self, operator: Operator, arguments: &'a [Node]) -> Out<'a> {
        let number = match operator {
            Operator::Add | Operator::Multiply => {
                let mut total = f64::from(u8::from(operator == Operator::Multiply));
                for argument in arguments {
                    let number = coerce::leading(&*self.node(argument)?);
                    total = if operator == Operator::Add { total + number } else { total * number };
                }
                total
            }
            _ => {
                let (left, right) = self.both(arguments)?;
                let (left, right) = (coerce::number(&left), coerce::number(&right));
                match operator {
                    Operator::Subtract if arguments.len() == 1 => -left,
                    Operator::Subtract => left - right,
                    Operator::Divide => left / right,
                    _ => left % right,
                }
            }
        };
        Ok(owned(coerce::json(number)))
    }

    fn each(self, operator: Operator, arguments: &'a [Node]) -> Out<'a> {
        let list = self.argument(arguments, 0)?;
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        let mut kept = Vec::new();
        for item in list {
            let within = self.within(Scope::Item(item));
            let value = within.argument(arguments, 1)?;
            let met = coerce::truthy(&value);
            match operator {
                Operator::Map => kept.push(self.own(value)?),
                Operator::Filter if met => kept.push(self.own(Cow::Borrowed(item))?),
                Operator::All if !met => return truth(false),
                Operator::None if met => return truth(false),
                Operator::Some if met => return truth(true),
                _ => {}
            }
        }
        match operator {
            Operator::Map | Operator::Filter => Ok(owned(Value::Array(kept))),
            Operator::All => truth(!list.is_empty()),
            _ => truth(operator == Operator::None),
        }
    }

    fn reduce(self, arguments: &'a [Node]) -> Out<'a> {
        let list = self.argument(arguments, 0)?;
        let mut accumulator = self.own(self.argument(arguments, 2)?)?;
        for current in list.as_array().map_or(&[][..], Vec::as_slice) {
            let next = {
                let within = self.within(Scope::Fold { current, accumulator: &accumulator });
                self.own(within.argument(arguments, 1)?)?
            };
            accumulator = next;
        }
        Ok(owned(accumulator))
    }

    fn merge(self, arguments: &'a [Node]) -> Out<'a> {
        let mut all = Vec::new();
        for argument in arguments {
            match self.own(self.node(argument)?)? {
                Value::Array(parts) => all.extend(parts),
                single => all.push(single),
            }
        }
        Ok(owned(Value::Array(all)))
    }

    fn contains(self, arguments: &'a [Node]) -> Out<'a> {
        let (part, whole) = self.both(arguments)?;
        truth(match &*whole {
            Value::String(text) => text.contains(&*coerce::text(&part)),
            Value::Array(parts) => {
                self.burn(parts.len() / 8)?;
                parts.iter().any(|have| coerce::same(have, &part))
            }
            _ => false,
        })
    }

    fn cat(self, arguments: &'a [Node]) -> Out<'a> {
        let mut text = String::new();
        for argument in arguments {
            let part = self.node(argument)?;
            let part = coerce::joined(&part);
            self.burn(part.len() / 16)?;
            text.push_str(&part);
        }
        Ok(owned(Value::String(text)))
    }

    fn substr(self, arguments: &'a [Node]) -> Out<'a> {
        let source = self.argument(arguments, 0)?;
        let letters: Vec<char> = coerce::joined(&source).chars().collect();
        self.burn(letters.len() / 16)?;
        let count = letters.len() as i64;
        // `as` holds to the ends of the range, and takes what is no number for 0.
        let start = coerce::number(&*self.argument(arguments, 1)?) as i64;
        let start = if start < 0 { count.saturating_add(start).max(0) } else { start.min(count) };
        let end = match arguments.get(2) {
            None => count,
            Some(length) => match coerce::number(&*self.node(length)?) as i64 {
                length if length < 0 => count.saturating_add(length),
                length => start.saturating_add(length).min(count),
            },
        };
        let text = letters.get(start as usize..end.max(start) as usize).unwrap_or_default();
        Ok(owned(Value::String(text.iter().collect())))
    }

    fn affix(self, arguments: &'a [Node], holds: fn(&str, &str) -> bool) -> Out<'a> {
        let [text, affix] = arguments else { return Ok(owned(Value::Null)) };
        let (text, affix) = (self.node(text)?, self.node(affix)?);
        match (&*text, &*affix) {
            (Value::String(text), Value::String(affix)) => truth(holds(text, affix)),
            _ => Ok(owned(Value::Null)),
        }
    }

    fn fractional(self, arguments: &'a [Node]) -> Out<'a> {
        let nothing = || Ok(owned(Value::Null));
        let (hash, pairs) = match arguments {
            [by, pairs @ ..] if !matches!(by, Node::List(_)) => {
                let by = self.node(by)?;
                if by.is_null() {
                    return nothing();
                }
                self.burn(weight(&by))?;
                (fractional::hash(&by), pairs)
            }
            pairs => {
                let Some(key) = self.vars.targeting_key.filter(|key| !key.is_empty()) else {
                    return nothing();
                };
                (fractional::hash(&Value::from(vec![self.vars.flag_key, key])), pairs)
            }
        };
        let mut ends = Vec::with_capacity(pairs.len());
        let mut sum = 0_u64;
        for pair in pairs {
            let Node::List(parts) = pair else { return nothing() };
            let weight = match &**parts {
                [_] => 1,
                [_, weight] => match share(&*self.node(weight)?) {
                    Some(weight) => weight,
                    None => return nothing(),
                },
                _ => return nothing(),
            };
            sum = sum.saturating_add(weight);
            ends.push((sum, &parts[0]));
        }
        if sum == 0 || sum > WEIGHT_SUM_MAX {
            return nothing();
        }
        let bucket = fractional::bucket(hash, sum);
        match ends.into_iter().find(|(end, _)| bucket < *end) {
            Some((_, variant)) => self.node(variant),
            None => nothing(),
        }
    }
}

/// A weight: a whole number, below zero taken for zero.
fn share(value: &Value) -> Option<u64> {
    let number = value.as_f64()?;
    (number.fract() == 0.0).then_some(number.max(0.0) as u64)
}
