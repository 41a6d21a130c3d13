//! When a failed delivery is tried again (CONTRACT section 7). Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// Seconds to wait after the first, second, … failed attempt: 5 s, 30 s, 2 min, 5 min, 30 min, 2 h, 5 h, 10 h,
/// 14 h, 20 h, 24 h.
const BACKOFF: [i64; 11] = [
    5, 30, 120, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
];

/// A later `Retry-After` is honoured up to here.
const LONGEST_RETRY_AFTER: TimeDelta = TimeDelta::hours(24);

/// An endpoint with nothing but failures for so long is disabled.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);

/// When to try again after `failures` failed attempts in a row, or `None` when the schedule has ended.
/// `jitter` is a number from 0 to 1 that spreads the time by a fifth either way.
pub fn next_attempt(
    now: DateTime<Utc>,
    failures: i64,
    retry_after: Option<TimeDelta>,
    jitter: f64,
) -> Option<DateTime<Utc>> {
    let index = usize::try_from(failures.saturating_sub(1)).ok()?;
    let seconds = *BACKOFF.get(index)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a day has 86,400,000 ms"
    )]
    let wait = TimeDelta::milliseconds(
        ((seconds * 1000) as f64 * (0.8 + 0.4 * jitter.clamp(0.0, 1.0))) as i64,
    );
    let asked = retry_after.map_or(TimeDelta::zero(), |asked| asked.min(LONGEST_RETRY_AFTER));
    Some(now + wait.max(asked))
}

/// `Retry-After` in either form (RFC 9110 10.2.3).
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    Some((at.to_utc() - now).max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn waits_grow_and_then_end() {
        let waits: Vec<i64> = (1..=11)
            .map(|failures| {
                (next_attempt(now(), failures, None, 0.5).unwrap() - now()).num_seconds()
            })
            .collect();
        assert_eq!(waits, BACKOFF);
        assert_eq!(next_attempt(now(), 12, None, 0.5), None);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let early = next_attempt(now(), 3, None, 0.0).unwrap() - now();
        let late = next_attempt(now(), 3, None, 1.0).unwrap() - now();
        assert_eq!((early.num_seconds(), late.num_seconds()), (96, 144));
    }

    #[test]
    fn a_later_retry_after_is_honoured_up_to_a_day() {
        let wait = |asked| next_attempt(now(), 1, Some(asked), 0.5).unwrap() - now();
        assert_eq!(wait(TimeDelta::seconds(1)), TimeDelta::seconds(5));
        assert_eq!(wait(TimeDelta::hours(3)), TimeDelta::hours(3));
        assert_eq!(wait(TimeDelta::days(9)), TimeDelta::hours(24));
        assert_eq!(retry_after("120", now()), Some(TimeDelta::seconds(120)));
        assert_eq!(
            retry_after("Fri, 15 Jan 2027 08:01:00 GMT", now()),
            Some(TimeDelta::seconds(60))
        );
        assert_eq!(retry_after("soon", now()), None);
    }
}
