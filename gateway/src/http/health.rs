//! `GET /health/live` and `GET /health/ready`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use poem::{Response, http::StatusCode};
use tokio::time::{Instant, timeout};

use super::drain::Drain;

#[derive(Clone, Copy)]
struct Times {
    /// How long the database may take.
    check: Duration,
    /// An answer that is this young is given again, so that nobody can load the database through here.
    fresh: Duration,
    /// Somebody who asked within this time (a load balancer) will ask again, and has to be waited for.
    lately: Duration,
}

const TIMES: Times = Times {
    check: Duration::from_secs(1),
    fresh: Duration::from_millis(250),
    lately: Duration::from_secs(10),
};

type Check = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// Whether this process should get requests. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    times: Times,
    drain: Drain,
    check: Arc<Check>,
    asked: Arc<Mutex<Option<Instant>>>,
    last: Arc<tokio::sync::Mutex<Option<(Instant, bool)>>>,
}

impl Health {
    /// `check` looks whether the work can be done: the database answers and can be written. A broken identity
    /// provider or receiver is no reason to be unready.
    pub fn new<F>(drain: Drain, check: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    {
        Self {
            times: TIMES,
            drain,
            check: Arc::new(check),
            asked: Arc::default(),
            last: Arc::default(),
        }
    }

    /// 200 for as long as the process can answer at all.
    pub fn live(&self) -> Response {
        answer(StatusCode::OK, "live")
    }

    /// 200, or 503 while draining or without the database.
    pub async fn ready(&self) -> Response {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if self.drain.has_begun() {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "draining");
        }
        if self.can_work().await {
            answer(StatusCode::OK, "ready")
        } else {
            answer(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
        }
    }

    /// Whether anybody asked for readiness within the last 10 s.
    pub fn asked_lately(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|asked| asked.elapsed() < self.times.lately)
    }

    async fn can_work(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, able)) = *last
            && at.elapsed() < self.times.fresh
        {
            return able;
        }
        let able = match timeout(self.times.check, (self.check)()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(error, "not ready");
                false
            }
            Err(_) => {
                tracing::warn!(error = "no answer in time", "not ready");
                false
            }
        };
        *last = Some((Instant::now(), able));
        able
    }
}

fn answer(status: StatusCode, word: &str) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .header("cache-control", "no-store")
        .body(format!("{{\"status\":\"{word}\"}}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn readiness_follows_the_database_and_the_drain() {
        let able = Arc::new(AtomicBool::new(true));
        let drain = Drain::default();
        let mut health = Health::new(drain.clone(), {
            let able = able.clone();
            move || {
                let able = able.load(Ordering::SeqCst);
                Box::pin(async move { able.then_some(()).ok_or("down".to_owned()) })
            }
        });
        health.times.fresh = Duration::ZERO;
        assert!(!health.asked_lately());
        assert_eq!(health.ready().await.status(), StatusCode::OK);
        able.store(false, Ordering::SeqCst);
        assert_eq!(
            health.ready().await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        able.store(true, Ordering::SeqCst);
        assert_eq!(health.ready().await.status(), StatusCode::OK);
        assert!(health.asked_lately());
        health.times.lately = Duration::ZERO;
        assert!(!health.asked_lately());
        drain.begin();
        assert_eq!(
            health.ready().await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(health.live().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn many_askers_cost_the_database_one_look() {
        let looks = Arc::new(AtomicUsize::new(0));
        let mut health = Health::new(Drain::default(), {
            let looks = looks.clone();
            move || {
                looks.fetch_add(1, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(())))
            }
        });
        health.times.fresh = Duration::from_secs(60);
        futures_util::future::join_all((0..100).map(|_| health.ready())).await;
        assert_eq!(looks.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_database_that_hangs_is_not_ready() {
        let mut health = Health::new(Drain::default(), || Box::pin(std::future::pending()));
        health.times.check = Duration::from_millis(10);
        assert_eq!(
            health.ready().await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
