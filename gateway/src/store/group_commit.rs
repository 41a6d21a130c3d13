//! Group commit on SQLite: writers take turns as savepoints inside one open transaction, and share its COMMIT.
//!
//! A durable commit costs one fsync, whatever it holds: 186 single commits a second are the disk's limit,
//! several thousand grouped changes are possible (PERFORMANCE.md). The turn is a fair lock. Whoever ends a
//! turn wakes the committer, which queues for the lock behind the writers that already wait: they are the
//! group, and those who come during the fsync are the next one.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, oneshot};

use super::StoreError;

#[derive(Default)]
struct Group {
    outer: Option<DatabaseTransaction>,
    /// Writers whose savepoint is released and who wait for the shared COMMIT.
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

pub(super) struct GroupCommit {
    connection: DatabaseConnection,
    group: Arc<Mutex<Group>>,
    committer: Arc<Notify>,
}

/// One writer's turn: its savepoint and the lock. Dropping it rolls the savepoint back.
pub(super) struct Turn {
    // Dropped first: the rollback is queued on the connection before the next writer gets the lock.
    savepoint: Option<DatabaseTransaction>,
    group: Option<OwnedMutexGuard<Group>>,
    committer: Arc<Notify>,
}

impl GroupCommit {
    /// `connection` is a pool of exactly one connection.
    pub(super) fn new(connection: DatabaseConnection) -> Self {
        let group = Arc::new(Mutex::new(Group::default()));
        let committer = Arc::new(Notify::new());
        tokio::spawn(commit_groups(Arc::clone(&group), Arc::clone(&committer)));
        Self {
            connection,
            group,
            committer,
        }
    }

    pub(super) async fn begin(&self) -> Result<Turn, StoreError> {
        let mut group = Arc::clone(&self.group).lock_owned().await;
        if group.outer.is_none() {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            group.outer = Some(self.connection.begin_with_options(options).await?);
        }
        let mut turn = Turn {
            savepoint: None,
            group: None,
            committer: Arc::clone(&self.committer),
        };
        if let Some(outer) = &group.outer {
            turn.savepoint = Some(outer.begin().await?);
        }
        turn.group = Some(group);
        Ok(turn)
    }
}

impl Turn {
    pub(super) fn savepoint(&self) -> &DatabaseTransaction {
        #[expect(
            clippy::expect_used,
            reason = "taken only by `commit`, which consumes the turn"
        )]
        self.savepoint
            .as_ref()
            .expect("an open turn has its savepoint")
    }

    /// Returns when the shared COMMIT did: what this writer changed is durable.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let (done, committed) = oneshot::channel();
        if let Some(savepoint) = self.savepoint.take() {
            savepoint.commit().await?;
        }
        if let Some(mut group) = self.group.take() {
            group.waiting.push(done);
        }
        self.committer.notify_one();
        match committed.await {
            Ok(result) => result.map_err(StoreError::Commit),
            Err(_) => Err(StoreError::Commit("the committer is gone".to_owned())),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A rolled-back turn may leave the transaction open with nothing in it: let it end too.
        drop(self.savepoint.take());
        drop(self.group.take());
        self.committer.notify_one();
    }
}

async fn commit_groups(group: Arc<Mutex<Group>>, committer: Arc<Notify>) {
    loop {
        committer.notified().await;
        let mut group = group.lock().await;
        let Some(outer) = group.outer.take() else {
            continue;
        };
        let result = outer.commit().await.map_err(|error| error.to_string());
        for writer in group.waiting.drain(..) {
            // A writer that gave up waiting is not told; its change is committed all the same.
            let _ = writer.send(result.clone());
        }
    }
}
