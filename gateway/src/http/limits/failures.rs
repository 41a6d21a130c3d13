//! Failed decryptions (SAML.md section 3). Where the signature is inside the ciphertext, whoever may try often
//! enough reads it from whether a decryption fails (Jager and Somorovsky, 2011). So after some failures nothing
//! of the sender's is decrypted for a while, not even what would succeed.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::error::Error;
use crate::ids::ConnectionId;

const MAX_FAILURES: u32 = 100;
const WINDOW: TimeDelta = TimeDelta::minutes(10);
/// Longer than the window, whose end the service's clock decides: this one only bounds the memory.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Senders that are remembered.
const MAX_SENDERS: u64 = 100_000;

/// A connection, and the network that the message came from.
pub(super) type Sender = (ConnectionId, IpAddr);

#[derive(Clone, Copy)]
struct Failures {
    since: DateTime<Utc>,
    count: u32,
}

/// Cheap to clone. Counts per process.
#[derive(Clone)]
pub struct FailedDecryptions(Option<Cache<Sender, Failures>>);

impl FailedDecryptions {
    /// `enabled` is the setting `rate_limits`.
    pub fn new(enabled: bool) -> Self {
        let cache = || {
            Cache::builder()
                .max_capacity(MAX_SENDERS)
                .time_to_live(FORGOTTEN_AFTER)
                .build()
        };
        Self(enabled.then(cache))
    }

    /// Before a message is looked at.
    ///
    /// # Errors
    /// `too_many_requests` when so many of this sender's messages could not be decrypted.
    pub fn check(&self, sender: Sender, now: DateTime<Utc>) -> Result<(), Error> {
        let failures = self.0.as_ref().and_then(|cache| cache.get(&sender));
        let Some(failures) = failures.filter(|failures| failures.count >= MAX_FAILURES) else {
            return Ok(());
        };
        let wait = failures.since + WINDOW - now;
        match u64::try_from(wait.num_seconds()) {
            Ok(seconds) if wait > TimeDelta::zero() => Err(Error::TooManyRequests {
                retry_after: seconds + 1,
            }),
            _ => Ok(()),
        }
    }

    /// One more that could not be decrypted.
    pub fn note(&self, sender: Sender, now: DateTime<Utc>) {
        let Some(cache) = &self.0 else {
            return;
        };
        cache.entry(sender).and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.filter(|failures| now < failures.since + WINDOW);
            let failures = known.unwrap_or(Failures {
                since: now,
                count: 0,
            });
            Op::Put(Failures {
                count: failures.count.saturating_add(1),
                ..failures
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn sender(connection: &str, host: u8) -> Sender {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
        (connection.parse().unwrap(), address)
    }

    #[test]
    fn a_hundred_failures_in_ten_minutes_are_enough_for_one_sender() {
        let failed = FailedDecryptions::new(true);
        let acme = "conn_01h455vb4pex5vsknk084sn02q";
        let globex = "conn_01h455vb4pex5vsknk084sn02r";
        let start: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().unwrap();
        for n in 0..100 {
            let now = start + TimeDelta::seconds(n);
            assert!(failed.check(sender(acme, 1), now).is_ok(), "{n}");
            failed.note(sender(acme, 1), now);
        }
        let now = start + TimeDelta::seconds(100);
        let refused = failed.check(sender(acme, 1), now);
        let Err(Error::TooManyRequests { retry_after }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(retry_after, 501);
        assert!(failed.check(sender(acme, 2), now).is_ok());
        assert!(failed.check(sender(globex, 1), now).is_ok());

        let later = start + WINDOW;
        assert!(failed.check(sender(acme, 1), later).is_ok());
        failed.note(sender(acme, 1), later);
        assert!(failed.check(sender(acme, 1), later).is_ok());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let failed = FailedDecryptions::new(false);
        let acme = sender("conn_01h455vb4pex5vsknk084sn02q", 1);
        let now = "2026-12-01T09:00:00Z".parse().unwrap();
        for _ in 0..200 {
            failed.note(acme, now);
        }
        assert!(failed.check(acme, now).is_ok());
    }
}
