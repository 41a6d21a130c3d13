//! Requests a second, counted per caller in this process.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::super::client_ip::ClientIp;
use crate::{error::Error, telemetry::Metrics};

/// Callers that are remembered per limit. A caller is forgotten as soon as its bucket is full again.
const MAX_KEYS: usize = 100_000;
/// So many checks between two looks for callers to forget.
const CHECKS_PER_SWEEP: u32 = 4096;

/// What is counted, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Anybody's requests, by network address: pages, discovery, callbacks, and all that needs no credential.
    /// Roomy, because a whole company can sit behind one address at nine in the morning.
    Address,
    /// Wrong credentials, by network address.
    FailedCredential,
    /// Management API, by API key.
    ApiKey,
    /// SCIM, by directory.
    Directory,
    /// Token endpoint and its neighbours, by client.
    Client,
    /// The page that asks for the email, by network address: what a person types. Beyond it the answer
    /// takes longer.
    SignInForm,
    /// The same form, by network address, where it is refused (PORTAL H4).
    SignInFlood,
    /// The same form, by the domain typed, whoever types it.
    SignInDomain,
}

impl Limit {
    const ALL: [Self; 8] = [
        Self::Address,
        Self::FailedCredential,
        Self::ApiKey,
        Self::Directory,
        Self::Client,
        Self::SignInForm,
        Self::SignInFlood,
        Self::SignInDomain,
    ];

    /// How fast the bucket fills in the long run, and how much it holds at once.
    fn quota(self) -> Quota {
        const fn at_least_one(count: u32) -> NonZeroU32 {
            match NonZeroU32::new(count) {
                Some(count) => count,
                None => NonZeroU32::MIN,
            }
        }
        const fn per_second(sustained: u32, burst: u32) -> Quota {
            Quota::per_second(at_least_one(sustained)).allow_burst(at_least_one(burst))
        }
        const fn per_minute(sustained: u32, burst: u32) -> Quota {
            Quota::per_minute(at_least_one(sustained)).allow_burst(at_least_one(burst))
        }
        match self {
            Self::Address => const { per_second(100, 1000) },
            Self::FailedCredential => const { per_second(5, 100) },
            Self::ApiKey => const { per_second(200, 2000) },
            Self::Directory => const { per_second(200, 2000) },
            Self::Client => const { per_second(500, 5000) },
            Self::SignInForm => const { per_minute(10, 10) },
            Self::SignInFlood => const { per_minute(30, 30) },
            Self::SignInDomain => const { per_minute(600, 600) },
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::FailedCredential => "failed_credential",
            Self::ApiKey => "api_key",
            Self::Directory => "directory",
            Self::Client => "client",
            Self::SignInForm => "sign_in_form",
            Self::SignInFlood => "sign_in_flood",
            Self::SignInDomain => "sign_in_domain",
        }
    }
}

/// Too many: 429 with `Retry-After`, in the face's own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {} s", self.retry_after())]
pub struct Limited {
    pub limit: Limit,
    wait: Duration,
}

impl Limited {
    /// Whole seconds, at least one: the value of `Retry-After`.
    pub fn retry_after(&self) -> u64 {
        self.wait
            .as_millis()
            .div_ceil(1000)
            .try_into()
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

impl From<Limited> for Error {
    fn from(limited: Limited) -> Self {
        Self::TooManyRequests {
            retry_after: limited.retry_after(),
        }
    }
}

type Buckets<C> =
    RateLimiter<u64, DashMapStateStore<u64>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Cheap to clone. Counts per process: with several replicas a caller gets as many times the limit.
#[derive(Clone)]
pub struct RateLimits<C: Clock = MonotonicClock>(Option<Arc<Counters<C>>>);

struct Counters<C: Clock> {
    buckets: [Buckets<C>; Limit::ALL.len()],
    /// Callers are remembered by a keyed hash: eight bytes each, whatever they send.
    hasher: RandomState,
    clock: C,
    checks: AtomicU32,
    metrics: Metrics,
}

impl RateLimits {
    /// `enabled` is the setting `rate_limits`.
    pub fn new(enabled: bool, metrics: Metrics) -> Self {
        Self::with_clock(enabled, metrics, MonotonicClock)
    }
}

impl<C: Clock + Clone> RateLimits<C> {
    fn with_clock(enabled: bool, metrics: Metrics, clock: C) -> Self {
        let buckets = || {
            Limit::ALL.map(|limit| RateLimiter::dashmap_with_clock(limit.quota(), clock.clone()))
        };
        Self(enabled.then(|| {
            Arc::new(Counters {
                buckets: buckets(),
                hasher: RandomState::new(),
                clock: clock.clone(),
                checks: AtomicU32::new(0),
                metrics,
            })
        }))
    }

    /// Takes one from the caller's bucket.
    ///
    /// # Errors
    /// When it is empty.
    pub fn check(&self, limit: Limit, caller: impl Hash) -> Result<(), Limited> {
        let Some(counters) = &self.0 else {
            return Ok(());
        };
        let buckets = &counters.buckets[limit as usize];
        counters.sweep();
        let mut key = counters.hasher.hash_one(caller);
        if buckets.len() >= MAX_KEYS {
            // More callers than we remember: the newcomers share one bucket, so the limit turns stricter.
            key %= 64;
        }
        buckets.check_key(&key).map_err(|not_until| {
            counters.metrics.rate_limited(limit.as_str());
            Limited {
                limit,
                wait: not_until.wait_time_from(counters.clock.now()),
            }
        })
    }
}

impl<C: Clock> Counters<C> {
    fn sweep(&self) {
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        if checks % CHECKS_PER_SWEEP == CHECKS_PER_SWEEP - 1 {
            for buckets in &self.buckets {
                buckets.retain_recent();
                buckets.shrink_to_fit();
            }
        }
    }
}

impl<C: Clock> std::fmt::Debug for RateLimits<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "RateLimits(on)"
        } else {
            "RateLimits(off)"
        })
    }
}

/// [`Limit::Address`] in front of a face that anybody may call. `refuse` makes the face's own 429; the header
/// `Retry-After` is added to it.
#[derive(Clone)]
pub struct PerAddress<F> {
    limits: RateLimits,
    refuse: F,
}

impl<F: Fn(&Limited) -> Response> PerAddress<F> {
    pub fn new(limits: RateLimits, refuse: F) -> Self {
        Self { limits, refuse }
    }
}

impl<E: Endpoint, F> Middleware<E> for PerAddress<F>
where
    F: Fn(&Limited) -> Response + Clone + Send + Sync,
{
    type Output = PerAddressEndpoint<E, F>;

    fn transform(&self, inner: E) -> Self::Output {
        PerAddressEndpoint {
            inner,
            limit: self.clone(),
        }
    }
}

pub struct PerAddressEndpoint<E, F> {
    inner: E,
    limit: PerAddress<F>,
}

impl<E: Endpoint, F> Endpoint for PerAddressEndpoint<E, F>
where
    F: Fn(&Limited) -> Response + Clone + Send + Sync,
{
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let network = ClientIp::network_of(&request);
        match self.limit.limits.check(Limit::Address, network) {
            Ok(()) => Ok(self.inner.call(request).await?.into_response()),
            Err(limited) => {
                let mut response = (self.limit.refuse)(&limited);
                response
                    .headers_mut()
                    .insert("retry-after", limited.retry_after().into());
                Ok(response)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;
    use poem::{EndpointExt, endpoint::make_sync, http::StatusCode};

    use super::*;

    fn limits(clock: &FakeRelativeClock) -> RateLimits<FakeRelativeClock> {
        RateLimits::with_clock(true, Metrics::new().unwrap(), clock.clone())
    }

    #[test]
    fn a_caller_gets_its_burst_and_then_its_rate() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        let taken = (0..)
            .take_while(|_| limits.check(Limit::Address, "a").is_ok())
            .count();
        assert_eq!(taken, 1000);
        let limited = limits.check(Limit::Address, "a").unwrap_err();
        assert_eq!((limited.limit, limited.retry_after()), (Limit::Address, 1));
        assert!(
            limits.check(Limit::Address, "b").is_ok(),
            "another caller never waits for it"
        );
        assert!(
            limits.check(Limit::Directory, "a").is_ok(),
            "nor another limit"
        );
        clock.advance(Duration::from_secs(2));
        let taken = (0..)
            .take_while(|_| limits.check(Limit::Address, "a").is_ok())
            .count();
        assert_eq!(taken, 200);
    }

    #[test]
    fn every_limit_has_buckets_of_its_own() {
        for (position, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, position);
        }
    }

    #[test]
    fn a_flood_of_callers_is_forgotten_or_shares_a_bucket() {
        let clock = FakeRelativeClock::default();
        let limits = limits(&clock);
        for caller in 0..200_000 {
            let _ = limits.check(Limit::FailedCredential, caller);
        }
        let remembered = || {
            let counters = limits.0.as_ref().unwrap();
            counters.buckets[Limit::FailedCredential as usize].len()
        };
        assert!(remembered() <= MAX_KEYS + 64, "{}", remembered());
        let newcomers = (200_000..210_000)
            .filter(|caller| limits.check(Limit::FailedCredential, caller).is_err())
            .count();
        assert!(newcomers > 3000, "{newcomers}");
        clock.advance(Duration::from_secs(60));
        for _ in 0..CHECKS_PER_SWEEP {
            let _ = limits.check(Limit::Client, 1);
        }
        assert_eq!(remembered(), 0);
    }

    #[test]
    fn switched_off_it_never_refuses() {
        let limits = RateLimits::new(false, Metrics::new().unwrap());
        assert!((0..10_000).all(|_| limits.check(Limit::FailedCredential, "a").is_ok()));
    }

    #[tokio::test]
    async fn a_face_answers_429_in_its_own_words_with_retry_after() {
        let limits = RateLimits::new(true, Metrics::new().unwrap());
        let refuse = |limited: &Limited| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            Response::builder().status(status).body(limited.to_string())
        };
        let face = make_sync(|_| "fine").with(PerAddress::new(limits.clone(), refuse));
        assert_eq!(
            face.get_response(Request::default()).await.status(),
            StatusCode::OK
        );
        let address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        while limits.check(Limit::Address, address).is_ok() {}
        let answer = face.get_response(Request::default()).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("retry-after"), Some("1"));
        let words = answer.into_body().into_string().await.unwrap();
        assert_eq!(words, "too many requests; try again in 1 s");
    }
}
