//! What secrets and personal data look like in a text. A few sure shapes: a wrong guess keeps people from publishing.
//! Knows nothing of what the text is for.

use serde_json::Value;

/// What a content looks like, if it looks like a secret.
pub(super) fn secret(value: &Value) -> Option<&'static str> {
    any_text(value, &secret_in)
}

/// What a content looks like, if it looks like it is about a person.
pub(super) fn personal(value: &Value) -> Option<&'static str> {
    any_text(value, &|text| {
        if has_email(text) {
            Some("an e-mail address")
        } else if has_card(text) {
            Some("a payment card's number")
        } else {
            None
        }
    })
}

fn any_text(value: &Value, look: &dyn Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    match value {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().find_map(|item| any_text(item, look)),
        Value::Object(members) => members.values().find_map(|member| any_text(member, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn secret_in(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let token = |word: &str, prefix: &str, rest_min: usize| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= rest_min
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
    };
    let shapes = [
        ("sk-", 20, "an API key"),
        ("ghp_", 30, "a GitHub token"),
        ("AKIA", 16, "an AWS key id"),
        ("xoxb-", 20, "a Slack token"),
        ("srn_", 30, "a Serinus token"),
    ];
    text.split(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '=' | ':' | '`' | '(' | ')')
    })
    .find_map(|word| {
        shapes.iter().find(|(prefix, min, _)| token(word, prefix, *min)).map(|(_, _, what)| *what)
    })
}

/// Domains that are nobody's: RFC 2606 keeps them for examples.
const NOBODYS: [&str; 6] = ["example.com", "example.org", "example.net", ".example", ".test", ".invalid"];

fn has_email(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let local = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
        let before = text[..at].chars().next_back().is_some_and(local);
        let after = &text[at + 1..];
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')));
        let domain = after[..end.unwrap_or(after.len())].trim_end_matches(['.', '-']).to_lowercase();
        let named = domain.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
        });
        before && named && !NOBODYS.iter().any(|free| domain.ends_with(free))
    })
}

/// 13 to 19 digits in the groups in which cards are written, which pass the check that every card's number passes (Luhn).
fn has_card(text: &str) -> bool {
    let mut runs = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, ' ' | '-')));
    runs.any(|run| {
        let digits: Vec<u32> = run.chars().filter_map(|c| c.to_digit(10)).collect();
        // Cards of all large networks begin with 3 to 6; a date or a count that begins so is shorter.
        let card = (13..=19).contains(&digits.len()) && matches!(digits[0], 3..=6);
        card && digits.iter().any(|digit| *digit != digits[0]) && luhn(&digits)
    })
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for bad in [
            "use sk-proj-abcdefghijklmnopqrstuv please",
            "key=\"AKIAIOSFODNN7EXAMPLE\"",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(secret_in(bad).is_some(), "{bad}");
        }
        for good in ["you are a helpful assistant", "sk-", "explain risk-taking-behaviour-in-markets to me"] {
            assert!(secret_in(good).is_none(), "{good}");
        }
    }

    #[test]
    fn personal_data_are_seen() {
        let personal = |text: &str| personal(&Value::from(text));
        for (bad, what) in [
            ("write to jane.doe@acme.co.uk.", "an e-mail address"),
            ("card 4111 1111 1111 1111, please", "a payment card's number"),
            ("5500-0055-5555-5559", "a payment card's number"),
        ] {
            assert_eq!(personal(bad), Some(what), "{bad}");
        }
        for good in [
            "as in kb@2026-11 and system_prompt/tone@3",
            "write to support@example.com",
            "@ana said so, me@localhost",
            "4111 1111 1111 1112",
            "order 2026112500001234",
            "0000 0000 0000 0000",
        ] {
            assert_eq!(personal(good), None, "{good}");
        }
    }
}
