//! How many requests an endpoint gets at a time: eight, halved when it is overloaded, one more with each
//! success (EVENTS section 3.2).

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// In flight per endpoint and process.
pub(super) const WIDEST: usize = 8;

#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limit: usize,
    inside: usize,
    waiting: usize,
}

/// A place in the gate; free again when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Gate>);

/// Counts somebody who waits, also when the wait is given up.
struct Waiting<'a>(&'a Gate);

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                limit: WIDEST,
                inside: 0,
                waiting: 0,
            }),
            freed: Notify::new(),
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. `None` when there was none in time.
    pub(super) async fn enter(self: &Arc<Self>, until: Instant) -> Option<Place> {
        self.state().waiting += 1;
        let _waiting = Waiting(self);
        loop {
            // Registered before the look, so that no departure in between is missed.
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if state.inside < state.limit {
                    state.inside += 1;
                    return Some(Place(Arc::clone(self)));
                }
            }
            timeout_at(until, freed).await.ok()?;
        }
    }

    /// Whether so many wait already that no more should be claimed.
    pub(super) fn is_crowded(&self) -> bool {
        self.state().waiting >= WIDEST
    }

    /// Whether nothing would be lost by forgetting this gate.
    pub(super) fn is_untouched(&self) -> bool {
        let state = self.state();
        state.limit == WIDEST && state.inside == 0 && state.waiting == 0
    }

    pub(super) fn widen(&self) {
        let mut state = self.state();
        state.limit = (state.limit + 1).min(WIDEST);
        drop(state);
        self.freed.notify_one();
    }

    pub(super) fn halve(&self) {
        let mut state = self.state();
        state.limit = (state.limit / 2).max(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().inside -= 1;
        self.0.freed.notify_one();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_overloaded_endpoint_gets_half_and_then_slowly_more() {
        let gate = Arc::new(Gate::default());
        let soon = || Instant::now() + Duration::from_millis(5);
        let mut places = Vec::new();
        for _ in 0..WIDEST {
            places.push(gate.enter(soon()).await.unwrap());
        }
        assert!(gate.enter(soon()).await.is_none());
        gate.halve();
        places.truncate(4);
        assert!(gate.enter(soon()).await.is_none());
        gate.widen();
        places.push(gate.enter(soon()).await.unwrap());
        assert!(gate.enter(soon()).await.is_none());
        for _ in 0..10 {
            gate.halve();
        }
        places.clear();
        let last = gate.enter(soon()).await.unwrap();
        assert!(gate.enter(soon()).await.is_none());
        drop(last);
        assert!(!gate.is_untouched());
    }

    #[tokio::test]
    async fn those_who_wait_come_in_when_others_leave() {
        let gate = Arc::new(Gate::default());
        let until = Instant::now() + Duration::from_secs(30);
        let crowd = (0..100).map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let place = gate.enter(until).await.unwrap();
                tokio::task::yield_now().await;
                drop(place);
            })
        });
        for one in crowd.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        assert!(gate.is_untouched());
    }
}
