//! The provisioning log: each SCIM request of a directory, for whoever has to say why somebody is missing.
//!
//! A request leaves its entry in memory and is answered; one task writes what has come, a few times a second and
//! without waiting for the disk. So no answer depends on the log, and a crash may cost its last moments. What
//! does not fit into memory is dropped and counted.
//!
//! What is refused before it is looked at, because too many come or the token has expired, may come in floods: of
//! one token a minute's first has a row, and the others are counted in one more when the minute is over.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::app::App;
use crate::error::Error;
use crate::ids::{DirectoryRequestId, DirectoryTokenId};
use crate::model::{DirectoryRequest, Timestamp};
use crate::store::directory_requests::{self, Sealed};
use crate::store::{DirectoryScope, Reads};
use crate::telemetry::Metrics;

/// How long an entry waits for others, at most.
const EVERY: Duration = Duration::from_millis(250);
/// Rows in one statement.
const BATCH: usize = 100;
/// What may wait, in bytes.
const ROOM: usize = 8 * 1024 * 1024;
/// What one row and one more stand for.
const FLOOD: TimeDelta = TimeDelta::seconds(60);
/// How often at least it is seen whether one is over.
const FLOODS_LOOKED_AT: Duration = Duration::from_secs(30);
/// So many tokens' floods are told at a time, each once.
const FLOODS: usize = 10_000;
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
    floods: Mutex<HashMap<(DirectoryTokenId, u16), Flood>>,
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

/// The refusals of one token and status that came within [`FLOOD`].
struct Flood {
    since: DateTime<Utc>,
    first: Entry,
    /// Beside the first.
    more: u64,
}

impl ProvisioningLog {
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            waiting: Mutex::default(),
            floods: Mutex::default(),
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

    /// As [`Self::note`], of what may be one of very many: whether `entry` is made at all tells the time.
    pub fn note_one_of_many(
        &self,
        app: &App,
        token: DirectoryTokenId,
        status: u16,
        entry: impl FnOnce() -> Entry,
    ) {
        let now = app.clock.now();
        let key = (token, status);
        let mut floods = self.floods();
        if let Some(flood) = floods.get_mut(&key).filter(|flood| !flood.is_over(now)) {
            flood.more += 1;
            return;
        }
        let before = floods.remove(&key);
        if floods.len() >= FLOODS {
            self.0.metrics.provisioning_log_dropped(1);
            return;
        }
        let first = entry();
        let flood = Flood {
            since: now,
            first: Entry {
                details: Details::default(),
                ..first.clone()
            },
            more: 0,
        };
        floods.insert(key, flood);
        drop(floods);
        self.note_rest(app, before);
        self.note(first);
    }

    /// Tells of the floods whose minute is over; with `all` of those too that go on.
    fn end_floods(&self, app: &App, all: bool) {
        let now = app.clock.now();
        let over: Vec<Flood> = {
            let mut floods = self.floods();
            let over = floods.extract_if(|_, flood| all || flood.is_over(now));
            over.map(|(_, flood)| flood).collect()
        };
        self.note_rest(app, over);
    }

    fn note_rest(&self, app: &App, floods: impl IntoIterator<Item = Flood>) {
        for flood in floods.into_iter().filter(|flood| flood.more > 0) {
            let mut entry = flood.first;
            entry.request.id = DirectoryRequestId::generate(&*app.clock, &*app.entropy);
            entry.request.created_at = entry.request.id.minted_at().into();
            let (since, more) = (Timestamp(flood.since), flood.more);
            let like_it = format!("; {more} more requests like it in the minute from {since}");
            entry.request.summary.push_str(&like_it);
            self.note(entry);
        }
    }

    fn floods(&self) -> MutexGuard<'_, HashMap<(DirectoryTokenId, u16), Flood>> {
        let floods = self.0.floods.lock();
        floods.unwrap_or_else(PoisonError::into_inner)
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

impl Flood {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        now - self.since >= FLOOD
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
            () = tokio::time::sleep(FLOODS_LOOKED_AT) => {}
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
    app.provisioning_log.end_floods(app, true);
    if tokio::time::timeout(LAST_CALL, flush(app)).await.is_err() {
        tracing::warn!("the provisioning log could not be written to its end");
    }
}

/// Writes all that waits, so that whoever reads the log sees what has been answered here.
pub async fn flush(app: &App) {
    app.provisioning_log.end_floods(app, false);
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
