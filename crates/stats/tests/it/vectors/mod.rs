//! Runs reference vectors against the crate: family in, outputs out, compared within tolerance. Knows nothing
//! of files or of the command line, so that the test and the command share it.

mod fixed;
mod report;
mod sequential;

use serde_json::Value;

/// What became of a file of vectors.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failures: Vec<String>,
    /// Ids of vectors whose family has no code yet.
    pub skipped: Vec<String>,
}

/// Evaluates every vector of a parsed file.
pub fn run(file: &Value) -> Tally {
    let mut tally = Tally::default();
    for vector in file["vectors"].as_array().into_iter().flatten() {
        let id = vector["id"].as_str().unwrap_or("without id");
        let family = id.split('/').next().unwrap_or(id);
        let Some(actual) = evaluate(family, &vector["in"]) else {
            tally.skipped.push(id.to_owned());
            continue;
        };
        let mut wrong = Vec::new();
        compare(&vector["out"], &actual, number(&vector["tol"]), "", &mut wrong);
        if wrong.is_empty() {
            tally.passed += 1;
        }
        tally.failures.extend(wrong.into_iter().map(|what| format!("{id}: {what}")));
    }
    tally
}

/// The outputs of a family, or none where it has no code yet.
fn evaluate(family: &str, input: &Value) -> Option<Value> {
    sequential::evaluate(family, input)
        .or_else(|| fixed::evaluate(family, input))
        .or_else(|| report::evaluate(family, input))
}

/// Adds a line for everything expected that is missing or out of tolerance.
fn compare(expected: &Value, actual: &Value, tolerance: f64, path: &str, wrong: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(fields), _) => {
            for (key, value) in fields {
                compare(value, &actual[key.as_str()], tolerance, &format!("{path}.{key}"), wrong);
            }
        }
        (Value::Array(values), Value::Array(others)) if values.len() == others.len() => {
            for (index, (value, other)) in values.iter().zip(others).enumerate() {
                compare(value, other, tolerance, &format!("{path}[{index}]"), wrong);
            }
        }
        (Value::Number(_), Value::Number(_)) => {
            let (value, other) = (number(expected), number(actual));
            let allowed = if value.abs() < 1e-6 { tolerance } else { tolerance * value.abs() };
            // Tail probabilities far below 1e-6 are still held to a relative tolerance: an absolute one says
            // nothing.
            let tiny = value != 0.0 && value.abs() < 1e-12 && (other / value - 1.0).abs() > 1e-6;
            if (value - other).abs() > allowed || tiny || other.is_nan() {
                wrong.push(format!("{path} is {other:e}, expected {value:e}"));
            }
        }
        _ if expected == actual => {}
        _ => wrong.push(format!("{path} is {actual}, expected {expected}")),
    }
}

/// A number, or NaN where there is none.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// A list of numbers.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(number).collect()
}

/// A list of counts.
pub fn counts(value: &Value) -> Vec<usize> {
    value.as_array().into_iter().flatten().map(|count| number(count) as usize).collect()
}

/// A list of lists of numbers.
pub fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().into_iter().flatten().map(numbers).collect()
}
