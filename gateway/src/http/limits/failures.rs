//! What fails too often for one caller: after some failures in a while the caller is refused, even with what would
//! succeed, or whether it does would tell.

use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::error::Error;
use crate::ids::ConnectionId;

/// Callers that are remembered.
const MAX_CALLERS: u64 = 100_000;

#[derive(Clone, Copy)]
struct Failed {
    since: DateTime<Utc>,
    count: u32,
}

/// Cheap to clone. Counts per process.
#[derive(Clone)]
pub struct Failures<K> {
    most: u32,
    window: TimeDelta,
    known: Option<Cache<K, Failed>>,
}

/// Messages that could not be decrypted (SAML.md section 3), by connection and network. Where the signature is
/// inside the ciphertext, whoever may try often enough reads it from whether a decryption fails (Jager and
/// Somorovsky, 2011).
pub type FailedDecryptions = Failures<(ConnectionId, IpAddr)>;

impl FailedDecryptions {
    /// `enabled` is the setting `rate_limits`.
    pub fn of_senders(enabled: bool) -> Self {
        Self::new(enabled, 100, TimeDelta::minutes(10))
    }
}

/// Authorization requests whose `login_hint` or `domain_hint` led nowhere, by network: whoever tries many looks for
/// customers. What leads to a connection is not counted, because a whole company can sit behind one address at nine
/// in the morning.
pub type MissedHints = Failures<IpAddr>;

impl MissedHints {
    /// `enabled` is the setting `rate_limits`. As often as somebody may type a domain
    /// ([`super::Limit::SignInFlood`]).
    pub fn of_networks(enabled: bool) -> Self {
        Self::new(enabled, 30, TimeDelta::minutes(1))
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Failures<K> {
    fn new(enabled: bool, most: u32, window: TimeDelta) -> Self {
        // Longer than the window, whose end the service's clock decides: this one only bounds the memory.
        let forgotten_after = Duration::from_millis(window.num_milliseconds().unsigned_abs());
        let known = enabled.then(|| {
            Cache::builder()
                .max_capacity(MAX_CALLERS)
                .time_to_live(forgotten_after * 3 / 2)
                .build()
        });
        Self {
            most,
            window,
            known,
        }
    }

    /// Before anything of this caller is looked at.
    ///
    /// # Errors
    /// `too_many_requests` when so many failed.
    pub fn check(&self, caller: &K, now: DateTime<Utc>) -> Result<(), Error> {
        let failed = self.known.as_ref().and_then(|known| known.get(caller));
        let Some(failed) = failed.filter(|failed| failed.count >= self.most) else {
            return Ok(());
        };
        let wait = failed.since + self.window - now;
        match u64::try_from(wait.num_seconds()) {
            Ok(seconds) if wait > TimeDelta::zero() => Err(Error::TooManyRequests {
                retry_after: seconds + 1,
            }),
            _ => Ok(()),
        }
    }

    /// One more that failed: how many in this while.
    pub fn note(&self, caller: K, now: DateTime<Utc>) -> u32 {
        let Some(known) = &self.known else {
            return 0;
        };
        let mut count = 1;
        known.entry(caller).and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.filter(|failed| now < failed.since + self.window);
            count = known.map_or(0, |failed| failed.count).saturating_add(1);
            Op::Put(Failed {
                since: known.map_or(now, |failed| failed.since),
                count,
            })
        });
        count
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn sender(connection: &str, host: u8) -> (ConnectionId, IpAddr) {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
        (connection.parse().unwrap(), address)
    }

    #[test]
    fn a_hundred_failures_in_ten_minutes_are_enough_for_one_sender() {
        let failed = FailedDecryptions::of_senders(true);
        let acme = "conn_01h455vb4pex5vsknk084sn02q";
        let globex = "conn_01h455vb4pex5vsknk084sn02r";
        let start: DateTime<Utc> = "2026-12-01T09:00:00Z".parse().unwrap();
        for n in 0..100 {
            let now = start + TimeDelta::seconds(n);
            assert!(failed.check(&sender(acme, 1), now).is_ok(), "{n}");
            failed.note(sender(acme, 1), now);
        }
        let now = start + TimeDelta::seconds(100);
        let refused = failed.check(&sender(acme, 1), now);
        let Err(Error::TooManyRequests { retry_after }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(retry_after, 501);
        assert!(failed.check(&sender(acme, 2), now).is_ok());
        assert!(failed.check(&sender(globex, 1), now).is_ok());

        let later = start + TimeDelta::minutes(10);
        assert!(failed.check(&sender(acme, 1), later).is_ok());
        failed.note(sender(acme, 1), later);
        assert!(failed.check(&sender(acme, 1), later).is_ok());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let failed = FailedDecryptions::of_senders(false);
        let acme = sender("conn_01h455vb4pex5vsknk084sn02q", 1);
        let now = "2026-12-01T09:00:00Z".parse().unwrap();
        for _ in 0..200 {
            failed.note(acme, now);
        }
        assert!(failed.check(&acme, now).is_ok());
    }
}
