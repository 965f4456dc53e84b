//! Quantities with their unit in the type. Knows nothing of where a quantity is used.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Parts per million in a whole.
pub const PPM_WHOLE: u32 = 1_000_000;

/// A share of a whole in parts per million; never above the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const WHOLE: Self = Self(PPM_WHOLE);

    /// A share of `ppm` parts per million, held to the whole.
    pub const fn ppm(ppm: u32) -> Self {
        Self(if ppm > PPM_WHOLE { PPM_WHOLE } else { ppm })
    }

    /// A share of `percent` hundredths.
    pub const fn percent(percent: u32) -> Self {
        Self::ppm(percent.saturating_mul(10_000))
    }

    /// Parts per million.
    pub const fn as_ppm(self) -> u32 {
        self.0
    }

    /// The share as a probability in 0..=1.
    pub fn probability(self) -> f64 {
        f64::from(self.0) / f64::from(PPM_WHOLE)
    }
}

impl TryFrom<u32> for Share {
    type Error = String;
    fn try_from(ppm: u32) -> Result<Self, String> {
        if ppm > PPM_WHOLE {
            return Err(format!("share of {ppm} parts per million is above the whole ({PPM_WHOLE})"));
        }
        Ok(Self(ppm))
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> u32 {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let digits = format!("{rest:04}");
        write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
    }
}

/// Microseconds since the Unix epoch on the server's clock (which a demo may run faster than the wall's).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `span` later; saturates.
    pub fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.as_micros()))
    }

    /// As `2026-11-24T03:12:09Z`, to the second.
    pub fn to_rfc3339(self) -> String {
        let seconds = self.0.div_euclid(1_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0) / 1000)
    }
}

/// The date of a day since 1970 (Howard Hinnant's days-to-civil algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// A span in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of `s` seconds.
    pub const fn seconds(s: u64) -> Self {
        Self(s * 1000)
    }

    /// A span of `m` minutes.
    pub const fn minutes(m: u64) -> Self {
        Self(m * 60_000)
    }

    /// A span of `h` hours.
    pub const fn hours(h: u64) -> Self {
        Self(h * 3_600_000)
    }

    /// The span in microseconds; saturates.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.0.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

/// Written for people: `90 s`, `45 min`, `8 h`, `7 d`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
        for (size, name) in UNITS {
            if self.0 >= 2 * size || (self.0 >= size && self.0.is_multiple_of(size)) {
                return if self.0.is_multiple_of(size) {
                    write!(f, "{} {name}", self.0 / size)
                } else {
                    let text = format!("{:.1}", self.0 as f64 / size as f64);
                    write!(f, "{} {name}", text.trim_end_matches(".0"))
                };
            }
        }
        write!(f, "{} ms", self.0)
    }
}

/// Money in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// The price of `tokens` at `per_million` for a million tokens, rounded half up.
    pub fn for_tokens(per_million: Self, tokens: u64) -> Self {
        let product = i128::from(per_million.0) * i128::from(tokens);
        Self(i64::try_from((product + 500_000) / 1_000_000).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_print_as_percent() {
        for (ppm, text) in
            [(50_000, "5%"), (1_000_000, "100%"), (2_500, "0.25%"), (0, "0%"), (333_333, "33.3333%")]
        {
            assert_eq!(Share::ppm(ppm).to_string(), text);
        }
        assert!(serde_json::from_str::<Share>("1000001").is_err());
    }

    #[test]
    fn spans_print_for_people() {
        for (ms, text) in [
            (90_000, "90 s"),
            (3_600_000, "1 h"),
            (604_800_000, "7 d"),
            (999, "999 ms"),
            (5_400_000, "90 min"),
            (3_599_990, "60 min"),
        ] {
            assert_eq!(Millis(ms).to_string(), text);
        }
    }

    #[test]
    fn money_is_rounded_once() {
        assert_eq!(MicroUsd::for_tokens(MicroUsd(150_000), 1000), MicroUsd(150));
        assert_eq!(MicroUsd::for_tokens(MicroUsd(150_000), 3), MicroUsd(0));
        assert_eq!(MicroUsd::for_tokens(MicroUsd(2_500_000), 7), MicroUsd(18));
    }
}
