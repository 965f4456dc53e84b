//! `sem_ver`: versions as flagd reads them. Knows nothing of expressions.

use std::cmp::Ordering;

use serde_json::Value;

use super::coerce;

#[derive(Debug, PartialEq)]
struct Version<'a> {
    numbers: [u64; 3],
    pre: Option<&'a str>,
}

/// Compares two versions; null where either is none or the operator is unknown.
pub(super) fn sem_ver(left: &Value, operator: &Value, right: &Value) -> Option<bool> {
    let (left, right) = (coerce::text(left), coerce::text(right));
    let (left, right) = (parse(&left)?, parse(&right)?);
    let order = left.cmp(&right);
    Some(match operator.as_str()? {
        "=" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "^" => left.numbers[0] == right.numbers[0],
        "~" => left.numbers[..2] == right.numbers[..2],
        _ => return None,
    })
}

fn numeric(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

fn identifiers(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    if build.is_some_and(|build| !identifiers(build)) {
        return None;
    }
    let no_leading_zero =
        |part: &str| !part.bytes().all(|byte| byte.is_ascii_digit()) || numeric(part).is_some();
    if pre.is_some_and(|pre| !identifiers(pre) || !pre.split('.').all(no_leading_zero)) {
        return None;
    }
    let mut numbers = [0; 3];
    let mut parts = core.split('.');
    numbers[0] = numeric(parts.next()?)?;
    for slot in &mut numbers[1..] {
        // Missing parts are zero.
        let Some(part) = parts.next() else { break };
        *slot = numeric(part)?;
    }
    parts.next().is_none().then_some(Version { numbers, pre })
}

impl Version<'_> {
    /// Precedence by semver.org 2.0.0.
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre, other.pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) => pre(left, right),
        })
    }
}

fn pre(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => match (numeric(left), numeric(right)) {
                (Some(left), Some(right)) => left.cmp(&right),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
