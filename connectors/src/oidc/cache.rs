//! One document of a provider (metadata or keys), kept in memory between logins.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::ConnectorError;

/// After an unknown `kid`, or while the provider is down and an old copy serves.
const RETRY_AFTER: TimeDelta = TimeDelta::minutes(1);
/// How long an old copy may serve while no newer one can be had. It counts from the first failure: at a quiet
/// connection the last reading may be days behind, and its provider still has a day to come back.
const STALE_FOR: TimeDelta = TimeDelta::hours(24);
/// No copy serves that is older than this: a key that was withdrawn must not live for ever.
const OLDEST: TimeDelta = TimeDelta::days(7);

/// A document with the lifetime that its answer allows ([`super::fetch`]).
pub(super) struct Fetched<T> {
    pub(super) value: T,
    /// As it was read.
    pub(super) document: String,
    pub(super) lifetime: TimeDelta,
}

/// Fetches once for everybody who waits (single flight), serves the copy until its lifetime ends, and an
/// old copy while the provider is down. The caller's `now` counts, there is no clock here.
pub(super) struct Cached<T> {
    state: Mutex<State<T>>,
    flight: futures_util::lock::Mutex<()>,
    /// How long a failure is the answer while there is no copy at all. Zero where each fetch stands for a
    /// person who signs in, and who may try again as soon as the provider is mended.
    failure_lasts: TimeDelta,
}

struct State<T> {
    current: Option<Entry<T>>,
    /// Counts finished fetches, so that who waited can tell that one ended meanwhile.
    attempts: u64,
    last_error: Option<(ConnectorError, DateTime<Utc>)>,
    refetched_at: Option<DateTime<Utc>>,
}

struct Entry<T> {
    value: Arc<T>,
    document: Arc<str>,
    fetched_at: DateTime<Utc>,
    fresh_until: DateTime<Utc>,
    /// Since when no newer one can be had.
    failing_since: Option<DateTime<Utc>>,
}

impl<T> Entry<T> {
    /// Notes that a fetch has failed. False when the copy is of no use any more.
    fn outlives_failure(&mut self, now: DateTime<Utc>) -> bool {
        let since = *self.failing_since.get_or_insert(now);
        now < since + STALE_FOR && now < self.fetched_at + OLDEST
    }
}

impl<T> Cached<T> {
    pub(super) fn empty() -> Self {
        Self::remembering_failures(TimeDelta::zero())
    }

    pub(super) fn remembering_failures(failure_lasts: TimeDelta) -> Self {
        let state = State {
            current: None,
            attempts: 0,
            last_error: None,
            refetched_at: None,
        };
        Self {
            state: Mutex::new(state),
            flight: futures_util::lock::Mutex::new(()),
            failure_lasts,
        }
    }

    /// The fresh copy, or else what `fetch` brings. `fetch` is not polled when it is not needed. Fails
    /// with the error of the fetch where no usable copy is left.
    pub(super) async fn get(
        &self,
        now: DateTime<Utc>,
        fetch: impl Future<Output = Result<Fetched<T>, ConnectorError>>,
    ) -> Result<Arc<T>, ConnectorError> {
        let attempts = {
            let state = self.state();
            if let Some(value) = state.fresh(now) {
                return Ok(value);
            }
            state.attempts
        };
        let _flight = self.flight.lock().await;
        {
            let state = self.state();
            if let Some(value) = state.fresh(now) {
                return Ok(value);
            }
            // A fetch that failed while this one waited failed for both: a hundred waiting logins must not
            // wait for a hundred timeouts one after the other.
            if let Some((error, at)) = &state.last_error
                && (state.attempts != attempts || now - *at < self.failure_lasts)
            {
                return Err(error.clone());
            }
        }
        let fetched = fetch.await;
        self.state().settle(now, fetched)
    }

    /// A newer document than `seen`, because that one lacks a key. At most one fetch a minute, whatever
    /// tokens arrive. `None` where there is nothing newer to be had now.
    pub(super) async fn refetch(
        &self,
        now: DateTime<Utc>,
        seen: &Arc<T>,
        fetch: impl Future<Output = Result<Fetched<T>, ConnectorError>>,
    ) -> Option<Arc<T>> {
        let _flight = self.flight.lock().await;
        {
            let mut state = self.state();
            let current = state.current.as_ref().map(|entry| &entry.value);
            if let Some(newer) = current.filter(|value| !Arc::ptr_eq(value, seen)) {
                return Some(Arc::clone(newer));
            }
            if state.refetched_at.is_some_and(|at| now - at < RETRY_AFTER) {
                return None;
            }
            state.refetched_at = Some(now);
        }
        let fetched = fetch.await.ok()?;
        self.state().settle(now, Ok(fetched)).ok()
    }

    /// The copy as it was read, and when.
    pub(super) fn copy(&self) -> Option<(Arc<str>, DateTime<Utc>)> {
        let state = self.state();
        let current = state.current.as_ref();
        current.map(|entry| (Arc::clone(&entry.document), entry.fetched_at))
    }

    /// Takes a copy that was read at `fetched_at` and kept elsewhere since, because there is none here and a fetch
    /// has failed. False where one is here by now, or that one is of no use any more.
    pub(super) fn recall(
        &self,
        value: T,
        document: Arc<str>,
        fetched_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> bool {
        let mut entry = Entry {
            value: Arc::new(value),
            document,
            fetched_at,
            fresh_until: now + RETRY_AFTER,
            failing_since: None,
        };
        let mut state = self.state();
        let recalled = state.current.is_none() && entry.outlives_failure(now);
        if recalled {
            state.current = Some(entry);
        }
        recalled
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing here can panic half-way through a change, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn fresh(&self, now: DateTime<Utc>) -> Option<Arc<T>> {
        self.current
            .as_ref()
            .filter(|e| now < e.fresh_until)
            .map(|e| Arc::clone(&e.value))
    }

    fn settle(
        &mut self,
        now: DateTime<Utc>,
        fetched: Result<Fetched<T>, ConnectorError>,
    ) -> Result<Arc<T>, ConnectorError> {
        self.attempts += 1;
        match fetched {
            Ok(Fetched {
                value,
                document,
                lifetime,
            }) => {
                let value = Arc::new(value);
                self.current = Some(Entry {
                    value: Arc::clone(&value),
                    document: document.into(),
                    fetched_at: now,
                    fresh_until: now + lifetime,
                    failing_since: None,
                });
                self.last_error = None;
                Ok(value)
            }
            Err(error) => match self
                .current
                .as_mut()
                .and_then(|entry| entry.outlives_failure(now).then_some(entry))
            {
                Some(entry) => {
                    entry.fresh_until = now + RETRY_AFTER;
                    Ok(Arc::clone(&entry.value))
                }
                None => {
                    self.last_error = Some((error.clone(), now));
                    Err(error)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    async fn brings(value: u32) -> Result<Fetched<u32>, ConnectorError> {
        Ok(Fetched {
            value,
            document: value.to_string(),
            lifetime: TimeDelta::minutes(5),
        })
    }

    async fn fails() -> Result<Fetched<u32>, ConnectorError> {
        Err(ConnectorError::DiscoveryInvalid {
            reason: "down".into(),
        })
    }

    #[tokio::test]
    async fn a_copy_serves_until_its_lifetime_ends() {
        let cached = Cached::empty();
        assert_eq!(*cached.get(at(0), brings(1)).await.unwrap(), 1);
        assert_eq!(*cached.get(at(4), brings(2)).await.unwrap(), 1);
        assert_eq!(*cached.get(at(5), brings(3)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn an_old_copy_serves_while_the_provider_is_down_but_not_for_ever() {
        let cached = Cached::empty();
        assert!(cached.get(at(0), fails()).await.is_err());
        cached.get(at(0), brings(1)).await.unwrap();
        assert_eq!(*cached.get(at(6), fails()).await.unwrap(), 1);
        assert_eq!(
            *cached.get(at(6), brings(2)).await.unwrap(),
            1,
            "asked again within a minute"
        );
        assert_eq!(*cached.get(at(7), brings(2)).await.unwrap(), 2);
        const DAY: i64 = 24 * 60;
        // Nobody asked for two days: the day that the provider has to come back begins now.
        assert_eq!(*cached.get(at(2 * DAY), fails()).await.unwrap(), 2);
        assert_eq!(*cached.get(at(3 * DAY - 1), fails()).await.unwrap(), 2);
        assert!(cached.get(at(3 * DAY), fails()).await.is_err());
        assert_eq!(*cached.get(at(3 * DAY), brings(3)).await.unwrap(), 3);
        assert!(cached.get(at(10 * DAY), fails()).await.is_err(), "too old");
    }

    #[tokio::test]
    async fn a_copy_that_was_kept_elsewhere_serves_as_an_old_one() {
        let cached = Cached::empty();
        assert!(cached.get(at(100), fails()).await.is_err());
        assert!(cached.recall(7, "7".into(), at(0), at(100)));
        assert_eq!(*cached.get(at(100), fails()).await.unwrap(), 7);
        assert_eq!(*cached.get(at(200), fails()).await.unwrap(), 7);
        assert!(cached.get(at(100 + 24 * 60), fails()).await.is_err());
        assert!(!cached.recall(8, "8".into(), at(0), at(200)), "one is here");

        let quiet = Cached::empty();
        let eight_days = at(8 * 24 * 60);
        assert!(!quiet.recall(7, "7".into(), at(0), eight_days), "too old");
        assert!(quiet.get(eight_days, fails()).await.is_err());
        assert_eq!(*quiet.get(eight_days, brings(1)).await.unwrap(), 1);
        assert_eq!(quiet.copy().unwrap().0.as_ref(), "1");
    }

    #[tokio::test]
    async fn a_failure_is_the_answer_for_a_while_where_it_is_remembered() {
        let cached = Cached::remembering_failures(TimeDelta::minutes(2));
        assert!(cached.get(at(0), fails()).await.is_err());
        assert!(cached.get(at(1), brings(1)).await.is_err());
        assert_eq!(*cached.get(at(2), brings(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_refetch_happens_once_a_minute() {
        let cached = Cached::empty();
        let first = cached.get(at(0), brings(1)).await.unwrap();
        let second = cached.refetch(at(1), &first, brings(2)).await.unwrap();
        assert_eq!(*second, 2);
        let newer = cached.refetch(at(1), &first, brings(3)).await.unwrap();
        assert_eq!(*newer, 2, "another login already fetched it");
        assert!(cached.refetch(at(1), &second, brings(3)).await.is_none());
        assert_eq!(*cached.refetch(at(2), &second, brings(3)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn waiting_logins_share_one_fetch_and_its_failure() {
        let cached = Cached::<u32>::empty();
        let fetches = AtomicU32::new(0);
        let slow = || async {
            fetches.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            fails().await
        };
        let (a, b, c) = tokio::join!(
            cached.get(at(0), slow()),
            cached.get(at(0), slow()),
            cached.get(at(0), slow())
        );
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
    }
}
