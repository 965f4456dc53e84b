//! Semantic versions as rules compare them: borrowed from the text, without allocation. A leading `v` and missing parts are taken.
//! Knows nothing of conditions.

use std::cmp::Ordering;

use crate::entity::Comparison;

/// A version that borrows its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    numbers: [u64; 3],
    pre: &'a str,
}

/// One pass over the bytes: it runs once per evaluation of a rule that asks for a version.
#[inline]
fn parse(text: &str) -> Option<Parts<'_>> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let bytes = text.as_bytes();
    let mut numbers = [0_u64; 3];
    let mut at = 0;
    for number in &mut numbers {
        let first = at;
        while let Some(digit) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
            *number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            at += 1;
        }
        if at == first {
            return None;
        }
        match bytes.get(at) {
            None => return Some(Parts { numbers, pre: "" }),
            Some(b'.') => at += 1,
            Some(b'-' | b'+') => return Some(Parts { numbers, pre: suffix(text.get(at..)?)? }),
            Some(_) => return None,
        }
    }
    // A fourth number.
    None
}

/// The pre-release in what follows the numbers: `-rc.1+build`, `+build`.
fn suffix(text: &str) -> Option<&str> {
    let text = text.split_once('+').map_or(text, |(version, _build)| version);
    let Some(pre) = text.strip_prefix('-') else { return Some("") };
    let well = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    pre.split('.').all(well).then_some(pre)
}

/// Precedence of 2.0.0: a release is above its pre-releases; identifiers compare as numbers where both are.
fn precedence(a: Parts<'_>, b: Parts<'_>) -> Ordering {
    a.numbers.cmp(&b.numbers).then_with(|| match (a.pre, b.pre) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (a, b) => {
            let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            let mut pairs = (a.split('.'), b.split('.'));
            loop {
                let order = match (pairs.0.next(), pairs.1.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => Ordering::Less,
                    (Some(_), None) => Ordering::Greater,
                    (Some(a), Some(b)) => match (number(a), number(b)) {
                        (true, true) => {
                            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
                        }
                        (true, false) => Ordering::Less,
                        (false, true) => Ordering::Greater,
                        (false, false) => a.cmp(b),
                    },
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    })
}

/// A version of a rule, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Box<str>,
}

impl Version {
    /// The version in a rule.
    pub fn compile(text: &str) -> Result<Self, String> {
        let parts = parse(text).ok_or_else(|| {
            format!("\"{text}\" is no semantic version: write one like 2.3.0 or 2.3.0-rc.1")
        })?;
        Ok(Self { numbers: parts.numbers, pre: parts.pre.into() })
    }

    /// Whether `text` is a version that compares so with this one.
    #[inline]
    pub fn met_by(&self, op: Comparison, text: &str) -> bool {
        let Some(have) = parse(text) else { return false };
        let order = precedence(have, Parts { numbers: self.numbers, pre: &self.pre });
        let [major, minor, _] = self.numbers;
        match op {
            Comparison::Equal => order == Ordering::Equal,
            Comparison::Less => order == Ordering::Less,
            Comparison::AtMost => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::AtLeast => order != Ordering::Less,
            Comparison::Compatible => {
                let minor_fits = major != 0 || have.numbers[1] == minor;
                order != Ordering::Less && have.numbers[0] == major && minor_fits
            }
            Comparison::SameMinor => {
                order != Ordering::Less && have.numbers[0] == major && have.numbers[1] == minor
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of semver.org's item 11, and what is no version.
    #[test]
    fn precedence_is_that_of_2_0_0() {
        let rising = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "v1",
            "1.0.1+build",
            "1.2",
            "1.10.0",
            "2.0.0",
        ];
        for (at, low) in rising.iter().enumerate() {
            let version = Version::compile(low).unwrap();
            assert!(version.met_by(Comparison::Equal, low), "{low}");
            for high in &rising[at + 1..] {
                assert!(version.met_by(Comparison::Greater, high), "{high} above {low}");
                assert!(Version::compile(high).unwrap().met_by(Comparison::Less, low), "{low} below {high}");
            }
        }
        for bad in ["", "v", "1.", "1..2", "1.2.3.4", "1.2.x", "1.0.0-", "1.0.0-a..b", "one", "-1", "1.0.0-ü"]
        {
            assert!(Version::compile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_keep_to_their_major() {
        let check = |op, rule: &str, have: &str, met: bool| {
            assert_eq!(Version::compile(rule).unwrap().met_by(op, have), met, "{op:?} {rule} on {have}");
        };
        check(Comparison::Compatible, "1.2.3", "1.9.0", true);
        check(Comparison::Compatible, "1.2.3", "2.0.0", false);
        check(Comparison::Compatible, "0.2.3", "0.2.9", true);
        check(Comparison::Compatible, "0.2.3", "0.3.0", false);
        check(Comparison::SameMinor, "1.2.3", "1.2.9", true);
        check(Comparison::SameMinor, "1.2.3", "1.3.0", false);
        check(Comparison::AtLeast, "1.2.3", "no version", false);
    }
}
