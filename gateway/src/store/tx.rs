//! Transactions. Dropping a [`Tx`] rolls back; only [`Tx::commit`] saves.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::group_commit::Turn;
use super::reading::ReadPool;
use super::{OrgScope, Store, StoreError, audit, outbox};
use crate::ids::OrganizationId;
use crate::model::{Act, Cause, IdentityEvent, RecordedEvents};

/// Something that queries run on: a transaction, or the pool for a single read.
pub trait Reads: Sync {
    type Connection: ConnectionTrait;

    fn db(&self) -> &Self::Connection;
}

/// Reads outside any transaction: each query sees what was committed before it.
#[derive(Debug, Clone)]
pub struct Reader(pub(super) ReadPool);

impl Reads for Reader {
    type Connection = ReadPool;

    fn db(&self) -> &ReadPool {
        &self.0
    }
}

/// Reads that all see the same instant, whatever is committed meanwhile.
pub struct Snapshot(pub(super) DatabaseTransaction);

impl Reads for Snapshot {
    type Connection = DatabaseTransaction;

    fn db(&self) -> &DatabaseTransaction {
        &self.0
    }
}

pub(super) enum Writer {
    Sqlite(Turn),
    Postgres(DatabaseTransaction),
}

/// One transaction that writes, with the events that it will record.
pub struct Tx {
    pub(super) writer: Writer,
    /// Whether the commit waits for the disk, where the database leaves a choice.
    pub(super) durable: bool,
    pub(super) store: Store,
    pub(super) events: Mutex<Vec<(OrganizationId, IdentityEvent, Cause)>>,
    /// What somebody did that no event tells of.
    pub(super) acts: Mutex<Vec<Act>>,
    /// Who is told of the events, once they are committed.
    pub(super) witness: Option<Arc<RecordedEvents>>,
    /// Whether its events are part of an act that another transaction ends and enters.
    pub(super) step: bool,
    /// Organizations of which something changed that replicas hold in memory; `None` in the set stands for
    /// what is above organizations.
    pub(super) config: Mutex<BTreeSet<Option<OrganizationId>>>,
}

impl Reads for Tx {
    type Connection = DatabaseTransaction;

    fn db(&self) -> &DatabaseTransaction {
        match &self.writer {
            Writer::Sqlite(turn) => turn.savepoint(),
            Writer::Postgres(transaction) => transaction,
        }
    }
}

impl Tx {
    /// Notes the events there, once they are committed.
    pub fn witnessed_by(self, witness: &Arc<RecordedEvents>) -> Self {
        Self {
            witness: Some(Arc::clone(witness)),
            ..self
        }
    }

    /// Leaves what its events tell out of the audit log: another transaction ends the act, and enters it whole.
    pub fn as_step(self) -> Self {
        Self { step: true, ..self }
    }

    /// Keeps an event for this transaction's commit, in order.
    pub fn record(&self, scope: &OrgScope, event: IdentityEvent, cause: &Cause) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((scope.organization(), event, cause.clone()));
    }

    /// Keeps an act for the audit log. Acts that an event tells of are taken from the event at the commit.
    pub fn audit(&self, act: Act) {
        self.acts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(act);
    }

    /// Notes that what replicas hold in memory of this organization (domains, connections, directories'
    /// tokens) changes with this transaction.
    pub fn touch_config(&self, scope: &OrgScope) {
        self.config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(Some(scope.organization()));
    }

    /// As [`Tx::touch_config`], for what stands above organizations (applications, API keys).
    pub fn touch_deployment(&self) {
        self.config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(None);
    }

    /// Writes audit log and outbox, and commits. On return the change, its entries and its events are durable,
    /// and this replica's memory shows the change.
    pub async fn commit(self) -> Result<(), StoreError> {
        let config =
            std::mem::take(&mut *self.config.lock().unwrap_or_else(PoisonError::into_inner));
        let events =
            std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        let acts = std::mem::take(&mut *self.acts.lock().unwrap_or_else(PoisonError::into_inner));
        let store = self.store.clone();
        let acts = match self.step {
            true => acts,
            false => Act::of_transaction(&events, acts),
        };
        if !acts.is_empty() {
            audit::write(self.db(), &store, acts).await?;
        }
        if !config.is_empty() {
            outbox::note_config_changes(self.db(), &config, store.clock().now().into()).await?;
        }
        let mut recorded = Vec::new();
        if !events.is_empty() {
            recorded = outbox::write(self.db(), &store, &events).await?;
        }
        match self.writer {
            Writer::Sqlite(turn) => turn.commit().await?,
            Writer::Postgres(transaction) => transaction.commit().await?,
        }
        store.counters().committed(self.durable);
        if !events.is_empty() {
            store.note_events();
        }
        if let Some(witness) = self.witness {
            witness.note(&recorded);
        }
        if !config.is_empty() {
            // The change is committed whatever happens here: the poll repeats a failed refresh.
            if let Err(error) = store.refresh_routing().await {
                tracing::warn!(%error, "the routing memory could not be refreshed");
            }
        }
        Ok(())
    }
}
