//! Writes down what the turns report, many at a time: one transaction moves the cursors and keeps the
//! attempts of all streams that reported since the last one. A stream need not wait for it to go on, so its
//! pace is the receiver's and not the disk's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::ids::WebhookEndpointId;
use crate::model::Timestamp;
use crate::store::deliveries::{self, AttemptRecord};
use crate::store::delivery_streams::{self, Progress, StreamId};
use crate::store::{Store, StoreError, webhook_endpoints};

/// Reports written in one transaction.
const BATCH: usize = 200;
/// How far one turn may be ahead of what is written: what a `kill -9` repeats at most.
const AHEAD: u32 = 16;

/// What one turn reports: where its stream stands, and at most one attempt.
pub(super) struct Report {
    pub(super) progress: Progress,
    pub(super) record: Option<AttemptRecord>,
    /// What this says about the endpoint, if it is news.
    pub(super) health: Option<Health>,
}

/// News about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It accepted something after failures.
    Recovered,
    /// It failed, after a success or at first.
    Failing,
}

struct Entry {
    report: Report,
    lost: Arc<AtomicBool>,
    _ahead: OwnedSemaphorePermit,
}

/// Where turns report to. The writing task ends with the last clone.
#[derive(Clone)]
pub(super) struct Recorder(mpsc::UnboundedSender<Entry>);

/// One turn's line to the recorder.
pub(super) struct Line {
    recorder: Recorder,
    ahead: Arc<Semaphore>,
    lost: Arc<AtomicBool>,
}

impl Recorder {
    pub(super) fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write_reports(store, receiver));
        Self(sender)
    }

    pub(super) fn line(&self) -> Line {
        Line {
            recorder: self.clone(),
            ahead: Arc::new(Semaphore::new(AHEAD as usize)),
            lost: Arc::default(),
        }
    }
}

impl Line {
    /// Hands a report over; waits only when too many of this turn are unwritten.
    pub(super) async fn report(&self, report: Report) {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.ahead).acquire_owned().await else {
            return;
        };
        let entry = Entry {
            report,
            lost: Arc::clone(&self.lost),
            _ahead: permit,
        };
        if self.recorder.0.send(entry).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Whether the lease is gone, or something could not be written: this turn may do nothing more.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Returns when all reports are written.
    pub(super) async fn written(&self) {
        let _ = self.ahead.acquire_many(AHEAD).await;
    }
}

async fn write_reports(store: Store, mut receiver: mpsc::UnboundedReceiver<Entry>) {
    let mut entries = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut entries, BATCH).await > 0 {
        let mut written = write(&store, &entries).await;
        if written.is_err() {
            // A deadlock or a broken connection: once more (EVENTS section 3.3).
            written = write(&store, &entries).await;
        }
        match written {
            Ok(()) => {}
            Err(error) => {
                // The leases run out, and the streams go on from what is written: duplicates, no skips.
                tracing::warn!(%error, "the outcome of deliveries could not be recorded");
                for entry in &entries {
                    entry.lost.store(true, Ordering::Release);
                }
            }
        }
        entries.clear();
    }
}

async fn write(store: &Store, entries: &[Entry]) -> Result<(), StoreError> {
    // A stream's last word counts. Two turns of one stream only meet here when the first lost its lease.
    let mut last: HashMap<StreamId, Progress> = HashMap::with_capacity(entries.len());
    for Entry { report, .. } in entries {
        let progress = report.progress;
        let newest = last.entry(progress.claim.stream()).or_insert(progress);
        if newest.claim.fence <= progress.claim.fence {
            *newest = progress;
        }
    }
    let progress: Vec<Progress> = last.into_values().collect();
    let tx = store.begin().await?;
    let held = delivery_streams::advance(&tx, store, &progress).await?;
    let fences: HashMap<StreamId, i64> = progress
        .iter()
        .map(|it| (it.claim.stream(), it.claim.fence))
        .filter(|(stream, _)| held.contains(stream))
        .collect();
    let holds = |entry: &&Entry| {
        let claim = entry.report.progress.claim;
        fences.get(&claim.stream()) == Some(&claim.fence)
    };
    let records: Vec<AttemptRecord> = entries
        .iter()
        .filter(holds)
        .filter_map(|entry| entry.report.record.clone())
        .collect();
    deliveries::record(&tx, &records).await?;
    let of_health = |health: Health| -> Vec<WebhookEndpointId> {
        let mut ids: Vec<_> = entries
            .iter()
            .filter(holds)
            .filter(|entry| entry.report.health == Some(health))
            .map(|entry| entry.report.progress.claim.endpoint_id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let failing = of_health(Health::Failing);
    if !failing.is_empty() {
        let now = Timestamp(store.clock().now());
        webhook_endpoints::note_failure(&tx, &failing, now).await?;
    }
    let recovered = of_health(Health::Recovered);
    if !recovered.is_empty() {
        webhook_endpoints::note_success(&tx, &recovered).await?;
    }
    tx.commit().await?;
    for entry in entries.iter().filter(|entry| !holds(entry)) {
        entry.lost.store(true, Ordering::Release);
    }
    Ok(())
}
