//! Entity tags of results, and how old the state may be that results come from. Knows nothing of how they are made.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use serinus_domain::revision::RevisionNumber;
use xxhash_rust::xxh3::xxh3_128;

use crate::ofrep::prepared::Prepared;

/// What notifications call a state.
const STATE: &str = "cfg-";

/// The tag of evaluated flags, by facts that stand for the results and nothing else, so that an attribute that changes one changes it,
/// and another flag's revision does not. The same results have the same tag on every node.
pub(crate) fn of(facts: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(facts))
}

/// Whether `If-None-Match` names this tag: alone, in a list or in several headers, weakly, or by a star.
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let named = |tags: &HeaderValue| {
        let Ok(tags) = tags.to_str() else { return false };
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    };
    headers.get_all(header::IF_NONE_MATCH).iter().any(named)
}

/// The tag by which notifications name the state as of a revision.
pub(crate) fn of_state(revision: RevisionNumber) -> String {
    format!("\"{STATE}{revision}\"")
}

/// The oldest state that a re-fetch may be answered from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NotBefore {
    revision: Option<RevisionNumber>,
    seconds: Option<i64>,
}

impl NotBefore {
    /// As a client repeats it from a notification; what is not understood asks for nothing.
    pub(crate) fn of(uri: &Uri) -> Self {
        let mut asked = Self::default();
        let Some(query) = uri.query() else { return asked };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "flagConfigEtag" => {
                    let tag = value.strip_prefix("W/").unwrap_or(&value).trim_matches('"');
                    asked.revision = tag.strip_prefix(STATE).and_then(|n| n.parse().ok()).map(RevisionNumber);
                }
                "flagConfigLastModified" => asked.seconds = seconds(&value),
                _ => {}
            }
        }
        asked
    }

    /// Whether `prepared` is new enough.
    pub(crate) fn met(&self, prepared: &Prepared) -> bool {
        let head = &prepared.head;
        let by_time = |least: i64| head.snapshot.at.0.div_euclid(1_000_000) >= least;
        match self.revision {
            Some(least) => head.compiled.revision >= least,
            None => self.seconds.is_none_or(by_time),
        }
    }
}

/// Seconds since the epoch: a number, or a time of ISO 8601 in UTC as browsers write it.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number as i64);
    }
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let whole = |part: &str| part.parse::<i64>().ok().filter(|number| (0..=9999).contains(number));
    let [year, month, day] = three(date.split('-').map(whole))?;
    let [hour, minute, second] = three(time.split('.').next()?.split(':').map(whole))?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from 1 March of year 0, so that a leap day ends its year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn three(mut parts: impl Iterator<Item = Option<i64>>) -> Option<[i64; 3]> {
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_in_all_forms() {
        for (tags, met) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            let headers = [(header::IF_NONE_MATCH, HeaderValue::from_static(tags))].into_iter().collect();
            assert_eq!(matches(&headers, "\"a\""), met, "{tags}");
        }
    }

    #[test]
    fn what_a_refetch_asks_for() {
        let asked = |query: &str| NotBefore::of(&format!("/x?{query}").parse().unwrap());
        let revision = |n| NotBefore { revision: Some(RevisionNumber(n)), seconds: None };
        assert_eq!(asked("flagConfigEtag=%22cfg-42%22"), revision(42));
        assert_eq!(asked("flagConfigEtag=W/%22cfg-7%22&x=y"), revision(7));
        assert_eq!(asked("flagConfigEtag=%22other%22"), NotBefore::default());
        for (text, expected) in [
            ("1771622898", Some(1_771_622_898)),
            ("2026-02-20T21:28:18.000Z", Some(1_771_622_898)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000)),
            ("yesterday", None),
            ("2024-02-29", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
