//! How long a client waits before it asks again. A function of what it is given; reads no clock and rolls no dice.

use std::time::Duration;

/// The first wait after a cut is at most this, beside what the server asked for.
const FIRST_MAX: Duration = Duration::from_millis(100);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The wait before attempt number `attempt` since the last success, counted from 0. `hint` is what the server gave this client, a
/// different one for each, so that all who are cut off at once come back one after the other; `chance` is from 0 to 1.
#[must_use]
pub fn wait(attempt: u32, hint: Duration, chance: f64) -> Duration {
    let ceiling =
        FIRST_MAX.saturating_mul(1_u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX)).min(WAIT_MAX);
    hint.saturating_add(ceiling.mul_f64(chance.clamp(0.0, 1.0))).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_the_cap() {
        let (none, whole) = (Duration::ZERO, 1.0);
        assert_eq!(wait(0, none, whole), FIRST_MAX);
        assert_eq!(wait(3, none, 0.5), FIRST_MAX * 4);
        assert_eq!(wait(60, none, whole), WAIT_MAX);
        assert_eq!(wait(0, Duration::from_secs(300), 0.0), WAIT_MAX);
        assert_eq!(wait(9, none, 0.0), none);
    }

    /// In virtual time: 10,000 clients are cut off at once by a server that comes back after a second, having told each a wait from 0
    /// to 10 s as it does for so many.
    #[test]
    fn ten_thousand_cut_off_at_once_come_back_without_a_storm() {
        let (clients, back_ms) = (10_000_u64, 1000);
        let mut attempts = vec![0_u64; 60];
        let mut chance = 0.0;
        let mut next = || {
            // A low-discrepancy sequence in place of dice.
            chance = (chance + 0.618_033_988_749_895) % 1.0;
            chance
        };
        for client in 0..clients {
            let (mut at_ms, mut attempt) = (0, 0);
            let hint = Duration::from_millis(client);
            loop {
                at_ms += wait(attempt, hint, next()).as_millis();
                attempts[usize::try_from(at_ms / 1000).unwrap()] += 1;
                if at_ms >= back_ms {
                    break;
                }
                attempt += 1;
            }
        }
        let worst = *attempts.iter().max().unwrap();
        assert!(worst < 5000, "{attempts:?}");
        let after: Vec<_> = attempts.iter().skip(1).copied().collect();
        assert!(*after.iter().max().unwrap() <= 2500, "{attempts:?}");
        assert_eq!(attempts.iter().skip(12).sum::<u64>(), 0, "{attempts:?}");
    }
}
