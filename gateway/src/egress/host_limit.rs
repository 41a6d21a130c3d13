//! How many requests may be under way: to one host, so that a slow peer holds its share only, and in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All deliveries of one application usually go to one host.
const PER_HOST: usize = 64;
const IN_ALL: usize = 256;

pub(super) struct HostLimit {
    in_all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place; free again when dropped.
pub(super) struct Place {
    _host: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

impl HostLimit {
    pub(super) fn new() -> Self {
        Self {
            in_all: Arc::new(Semaphore::new(IN_ALL)),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a place; the caller bounds the wait. First the host's, so that those who wait for a slow
    /// host hold none of the common places. `None` never happens while `self` lives.
    pub(super) async fn enter(&self, host: &str) -> Option<Place> {
        let host = self.semaphore(host).acquire_owned().await.ok()?;
        let in_all = self.in_all.clone().acquire_owned().await.ok()?;
        Some(Place {
            _host: host,
            _in_all: in_all,
        })
    }

    fn semaphore(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host) {
            return known.clone();
        }
        // A host that nobody uses or waits for is forgotten, so the map is no larger than the work under way.
        if hosts.len() >= IN_ALL {
            hosts.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        hosts
            .entry(host.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)))
            .clone()
    }
}
