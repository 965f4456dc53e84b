//! The coercions of JavaScript that JSONLogic is defined by. Knows no operators.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// The largest number up to which every whole number is exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Whether a condition holds. An empty list does not.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => !parts.is_empty(),
        Value::Object(_) => true,
    }
}

/// As text: of a list, its parts joined by commas.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "null".into(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e21 => {
                format!("{float:.0}").replace("-0", if float == 0.0 { "0" } else { "-0" }).into()
            }
            _ => number.to_string().into(),
        },
        Value::Array(parts) => parts.iter().map(joined).collect::<Vec<_>>().join(",").into(),
        Value::Object(_) => "[object Object]".into(),
    }
}

/// As text within a longer one, where nothing is nothing.
pub(super) fn joined(value: &Value) -> Cow<'_, str> {
    if value.is_null() { "".into() } else { text(value) }
}

/// As a number; what is none is not a number.
pub(super) fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => parse(text.trim()),
        Value::Array(_) => parse(text(value).trim()),
        Value::Object(_) => f64::NAN,
    }
}

fn parse(text: &str) -> f64 {
    if text.is_empty() {
        return 0.0;
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).map_or(f64::NAN, f64::from);
    }
    // Rust also reads "inf" and "nan", which are words here.
    if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) {
        return f64::NAN;
    }
    text.parse().unwrap_or(f64::NAN)
}

/// The number that a text begins with, as `+` and `*` read their arguments.
pub(super) fn leading(value: &Value) -> f64 {
    if let Value::Number(number) = value {
        return number.as_f64().unwrap_or(f64::NAN);
    }
    let text = text(value);
    let text = text.trim_start();
    let plain = |at: usize, byte: u8| {
        byte.is_ascii_digit() || byte == b'.' || (at == 0 && matches!(byte, b'+' | b'-'))
    };
    let mut end = text.bytes().enumerate().take_while(|(at, byte)| plain(*at, *byte)).count();
    if let Some(rest) = text[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        end += if digits == 0 { 0 } else { 1 + sign + digits };
    }
    // "1.2.3" begins with 1.2.
    while end > 0 {
        if let Ok(number) = text[..end].parse() {
            return number;
        }
        end -= 1;
    }
    f64::NAN
}

/// A number as JSON; whole ones as integers, and what JSON cannot say as null.
pub(super) fn json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// `===`.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => left == right,
    }
}

/// `==`.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    use Value::{Array, Bool, Null, Number, Object, String};
    match (left, right) {
        (Null, Null) => true,
        (Null, _) | (_, Null) => false,
        (Number(_) | Bool(_), String(_) | Bool(_) | Number(_) | Array(_))
        | (String(_) | Array(_), Number(_) | Bool(_)) => number(left) == number(right),
        (String(_), Array(_) | Object(_)) | (Array(_) | Object(_), String(_)) => text(left) == text(right),
        _ => same(left, right),
    }
}

/// `<` and its kin: both texts by their letters, everything else by number.
pub(super) fn compare(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => Some(a.encode_utf16().cmp(b.encode_utf16())),
        _ => number(left).partial_cmp(&number(right)),
    }
}
