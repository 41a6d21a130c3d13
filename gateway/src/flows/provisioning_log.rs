//! The provisioning log: each SCIM request of a directory, for whoever has to say why somebody is missing.
//!
//! A request leaves its entry in memory and is answered; one task writes what has come, a few times a second and
//! without waiting for the disk. So no answer depends on the log, and a crash may cost its last moments. What
//! does not fit into memory is dropped and counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::app::App;
use crate::error::Error;
use crate::ids::DirectoryRequestId;
use crate::model::DirectoryRequest;
use crate::store::directory_requests::{self, Sealed};
use crate::store::{DirectoryScope, Reads};
use crate::telemetry::Metrics;

/// How long an entry waits for others, at most.
const EVERY: Duration = Duration::from_millis(250);
/// Rows in one statement.
const BATCH: usize = 100;
/// What may wait, in bytes.
const ROOM: usize = 8 * 1024 * 1024;
/// How long the end of the process may take.
const LAST_CALL: Duration = Duration::from_millis(900);

/// What is only read one by one. Bounded, and without secrets, by whoever makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Query parameters.
    pub query: BTreeMap<String, String>,
    /// The start of the request's body.
    pub request: Option<String>,
    /// The start of the answer's.
    pub answer: Option<String>,
}

/// One request, answered.
#[derive(Debug, Clone)]
pub struct Entry {
    pub scope: DirectoryScope,
    pub request: DirectoryRequest,
    pub details: Details,
}

/// What waits to be written. Cheap to clone.
#[derive(Clone)]
pub struct ProvisioningLog(Arc<Inner>);

struct Inner {
    waiting: Mutex<Waiting>,
    /// Held while a batch is taken and written.
    writing: tokio::sync::Mutex<()>,
    arrived: Notify,
    full: Notify,
    metrics: Metrics,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The newest that was kept.
    last: Option<DirectoryRequestId>,
}

impl ProvisioningLog {
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            arrived: Notify::new(),
            full: Notify::new(),
            metrics,
        }))
    }

    /// Keeps an entry to be written soon; never waits.
    pub fn note(&self, mut entry: Entry) {
        let bytes = entry.bytes();
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + bytes > ROOM {
            self.0.metrics.provisioning_log_dropped(1);
            return;
        }
        // The list is in the order of the answers.
        if let Some(last) = waiting.last.filter(|last| *last >= entry.request.id) {
            entry.request.id = last.successor();
            entry.request.created_at = entry.request.id.minted_at().into();
        }
        waiting.last = Some(entry.request.id);
        waiting.bytes += bytes;
        waiting.entries.push_back(entry);
        if waiting.entries.len() >= BATCH {
            self.0.full.notify_one();
        }
        self.0.arrived.notify_one();
    }

    fn take(&self) -> Vec<Entry> {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let most = waiting.entries.len().min(BATCH);
        let batch: Vec<Entry> = waiting.entries.drain(..most).collect();
        waiting.bytes -= batch.iter().map(Entry::bytes).sum::<usize>();
        batch
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        const REST: usize = 1024;
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let query: usize = self.details.query.values().map(String::len).sum();
        REST + query + text(&self.details.request) + text(&self.details.answer)
    }
}

/// Writes until the drain begins. What comes after that, [`last_call`] writes.
pub async fn run(app: App) {
    let log = app.provisioning_log.clone();
    loop {
        tokio::select! {
            () = app.drain.begun() => return,
            () = log.0.arrived.notified() => {}
        }
        tokio::select! {
            () = app.drain.begun() => return,
            () = log.0.full.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        flush(&app).await;
    }
}

/// Writes what the last requests left behind.
pub async fn last_call(app: &App) {
    if tokio::time::timeout(LAST_CALL, flush(app)).await.is_err() {
        tracing::warn!("the provisioning log could not be written to its end");
    }
}

/// Writes all that waits, so that whoever reads the log sees what has been answered here.
pub async fn flush(app: &App) {
    let log = &app.provisioning_log.0;
    let _turn = log.writing.lock().await;
    loop {
        let batch = app.provisioning_log.take();
        if batch.is_empty() {
            return;
        }
        let dropped = write(app, batch).await;
        log.metrics.provisioning_log_dropped(dropped);
    }
}

/// Returns how many could not be written: they are given up, for what keeps coming matters more.
async fn write(app: &App, batch: Vec<Entry>) -> u64 {
    let mut rows = Vec::with_capacity(batch.len());
    let mut lost = 0;
    for entry in batch {
        match sealed(app, entry).await {
            Ok(row) => rows.push(row),
            Err(error) => {
                tracing::warn!(%error, "a request of a directory could not be sealed for the log");
                lost += 1;
            }
        }
    }
    match insert(app, rows.clone()).await {
        Ok(()) => return lost,
        // A directory was deleted after it had asked; the other rows are as good as before.
        Err(Error::Store(error)) if error.is_foreign_key_violation() => {}
        Err(error) => {
            tracing::warn!(%error, count = rows.len(), "the provisioning log could not be written");
            return lost + rows.len() as u64;
        }
    }
    for row in rows {
        if insert(app, vec![row]).await.is_err() {
            lost += 1;
        }
    }
    lost
}

async fn sealed(app: &App, entry: Entry) -> Result<Sealed, Error> {
    let id = entry.request.id.to_string();
    let text =
        serde_json::to_vec(&entry.details).map_err(|error| Error::Internal(error.to_string()))?;
    let (db, organization) = (app.store.read(), entry.scope.organization());
    let sealed = app.vault.seal(&db, organization, place(&id), &text).await?;
    Ok(Sealed {
        scope: entry.scope,
        request: entry.request,
        sealed,
    })
}

async fn insert(app: &App, rows: Vec<Sealed>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let tx = app.store.begin_relaxed().await?;
    directory_requests::insert(&tx, rows).await?;
    Ok(tx.commit().await?)
}

/// One request with its details; `None` where the directory has none of this id.
pub async fn find(
    app: &App,
    db: &impl Reads,
    scope: &DirectoryScope,
    id: DirectoryRequestId,
) -> Result<Option<(DirectoryRequest, Details)>, Error> {
    let Some((request, sealed)) = directory_requests::find(db, scope, id).await? else {
        return Ok(None);
    };
    let row = id.to_string();
    let organization = scope.organization();
    let opened = app
        .vault
        .unseal(db, organization, place(&row), &sealed)
        .await?;
    let details = serde_json::from_slice(opened.expose())
        .map_err(|_| Error::Secret("the details of a request are not what they were".to_owned()))?;
    Ok(Some((request, details)))
}

fn place(row: &str) -> (&str, &str, &str) {
    ("directory_requests", "sealed", row)
}
