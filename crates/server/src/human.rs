//! Shares, spans, money and margins as people write them: `5%`, `1h`, `20 USD`, `1.25x`, `2pt`. Knows nothing of rollouts.

use serinus_domain::units::{MicroUsd, Millis, PPM_WHOLE, Share, Timestamp};

/// A share: `5%`, `0.5%`, or a fraction below 1.
pub fn share(text: &str) -> Result<Share, String> {
    let refused = || format!("\"{text}\" is no share: write a percentage such as 5% or 0.5%");
    let number = text.strip_suffix('%').ok_or_else(refused)?;
    let percent: f64 = number.trim().parse().map_err(|_| refused())?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("\"{text}\" is outside 0% to 100%"));
    }
    Ok(Share::ppm((percent * 10_000.0).round() as u32))
}

/// A span: `90s`, `30min`, `1h`, `7d`.
pub fn span(text: &str) -> Result<Millis, String> {
    let refused = || format!("\"{text}\" is no span: write a number with ms, s, min, h or d, such as 30min");
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refused)?;
    let (number, unit) = text.split_at(at);
    let number: f64 = number.trim().parse().map_err(|_| refused())?;
    let size = match unit.trim() {
        "ms" => 1.0,
        "s" => 1000.0,
        "min" | "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return Err(refused()),
    };
    let span = number * size;
    if !(0.0..=3.2e12).contains(&span) {
        return Err(format!("\"{text}\" is outside 0 to a hundred years"));
    }
    Ok(Millis(span.round() as u64))
}

/// Money: `20 USD`, `$0.5`.
pub fn money(text: &str) -> Result<MicroUsd, String> {
    let refused = || format!("\"{text}\" is no amount: write it in dollars, such as 20 USD");
    let number = text.trim().trim_start_matches('$').trim_end_matches("USD").trim();
    let dollars: f64 = number.parse().map_err(|_| refused())?;
    if !(0.0..=1e9).contains(&dollars) {
        return Err(refused());
    }
    Ok(MicroUsd((dollars * 1e6).round() as i64))
}

/// What a metric may be worse by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Of control's mean, in parts per million.
    Relative(u32),
    /// Of the scale, in parts per million.
    Points(u32),
}

/// A margin: `1.25x` and `25%` are relative to control, `2pt` are points of the scale.
pub fn worse(text: &str) -> Result<Worse, String> {
    let refused = || format!("\"{text}\" is no margin: write 1.25x, 25% or 2pt");
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| refused());
    let ppm = |part: f64| {
        let ppm = part * f64::from(PPM_WHOLE);
        if (0.0..=4e9).contains(&ppm) { Ok(ppm.round() as u32) } else { Err(refused()) }
    };
    if let Some(times) = text.strip_suffix('x') {
        return ppm(number(times)? - 1.0).map(Worse::Relative);
    }
    if let Some(percent) = text.strip_suffix('%') {
        return ppm(number(percent)? / 100.0).map(Worse::Relative);
    }
    if let Some(points) = text.strip_suffix("pt") {
        return ppm(number(points)? / 100.0).map(Worse::Points);
    }
    Err(refused())
}

/// `1 change`, `2 changes`.
pub fn counted(many: u64, what: &str) -> String {
    let ending = if many == 1 { "" } else { "s" };
    format!("{many} {what}{ending}")
}

/// A moment as `2026-11-24 03:12:09`, in UTC.
pub fn moment(us: i64) -> String {
    Timestamp(us).to_rfc3339().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// A day as `2026-11-24`: its first microsecond, in UTC.
pub fn day(text: &str) -> Result<i64, String> {
    const DAY_US: i64 = 86_400_000_000;
    // Written days sort as days do, so the day is looked for among all until the year 9999.
    let (mut low, mut high) = (0, 2_932_896);
    while low < high {
        let middle = (low + high) / 2;
        if moment(middle * DAY_US).as_str() < text { low = middle + 1 } else { high = middle }
    }
    let found = moment(low * DAY_US);
    match found.split_once(' ') {
        Some((day, _)) if day == text => Ok(low * DAY_US),
        _ => Err(format!("\"{text}\" is no day: write it as 2026-11-24")),
    }
}

/// The word nearest to `word`, if one is near.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|have| (distance(word, have), have))
        .filter(|(far, have)| *far <= have.len().max(3) / 2)
        .min()
        .map(|(_, have)| have)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write() {
        assert_eq!(share("5%"), Ok(Share::percent(5)));
        assert_eq!(share("0.25%"), Ok(Share::ppm(2500)));
        assert!(share("5").is_err() && share("101%").is_err());
        assert_eq!(span("30min"), Ok(Millis::minutes(30)));
        assert_eq!(span("1.5 h"), Ok(Millis::minutes(90)));
        assert!(span("30").is_err() && span("h").is_err());
        assert_eq!(money("20 USD"), Ok(MicroUsd(20_000_000)));
        assert_eq!(money("$0.5"), Ok(MicroUsd(500_000)));
        assert_eq!(worse("1.25x"), Ok(Worse::Relative(250_000)));
        assert_eq!(worse("10%"), Ok(Worse::Relative(100_000)));
        assert_eq!(worse("2pt"), Ok(Worse::Points(20_000)));
        assert!(worse("2").is_err() && worse("0.5x").is_err());
    }

    #[test]
    fn moments_are_civil() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_497_129, "2026-11-24 05:12:09"),
        ] {
            assert_eq!(moment(seconds * 1_000_000), text);
        }
    }

    #[test]
    fn days_begin_at_midnight() {
        for (text, seconds) in [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2026-11-24", 1_795_478_400)]
        {
            assert_eq!(day(text), Ok(seconds * 1_000_000), "{text}");
        }
        assert!(day("2026-02-30").is_err() && day("yesterday").is_err());
    }

    #[test]
    fn near_words() {
        let words = ["error_rate", "quality", "invalid_output"];
        assert_eq!(nearest("qualty", words), Some("quality"));
        assert_eq!(nearest("eror_rate", words), Some("error_rate"));
        assert_eq!(nearest("x", words), None);
    }
}
