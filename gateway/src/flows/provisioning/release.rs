//! The release of a held directory: what it was promised is done, or dropped.

use std::ops::AddAssign;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Attempts, departure, source, users};
use crate::app::App;
use crate::error::Error;
use crate::ids::{DirectoryUserId, UserId};
use crate::model::{Cause, Directory, EventType, HeldChange, IdentityEvent, Timestamp};
use crate::store::directory_users::{self, StoredUser};
use crate::store::{DirectoryScope, StoreError, Tx, directories};

/// How many changes are read at once.
const BATCH: u64 = 500;
/// How many are under way at once, each in a transaction of its own.
const AT_ONCE: usize = 8;

/// What came of the changes that waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Released {
    pub applied: i64,
    pub dropped: i64,
}

impl AddAssign for Released {
    fn add_assign(&mut self, other: Self) {
        self.applied += other.applied;
        self.dropped += other.dropped;
    }
}

/// Does what waits, or with `apply` false forgets it; the directory is still held then, and [`end_hold`] ends that.
/// Goes through those that wait once, so that a directory which goes on asking keeps nobody here. What was done stays
/// done if this ends early, and another call goes on. Whoever is protected by now stays.
pub async fn settle_held(
    app: &App,
    scope: &DirectoryScope,
    apply: bool,
    cause: &Cause,
) -> Result<Released, Error> {
    let mut released = Released::default();
    let mut last = None;
    loop {
        let db = app.store.read();
        let waiting = directory_users::held(&db, scope, last, BATCH).await?;
        if waiting.is_empty() {
            return Ok(released);
        }
        last = waiting.last().copied();
        if !apply {
            let tx = app.store.begin().await?;
            let dropped = directory_users::let_go(&tx, scope, &waiting).await?;
            tx.commit().await?;
            released.dropped += i64::try_from(dropped).unwrap_or(i64::MAX);
            continue;
        }
        let found = directories::find(&db, scope.organization(), scope.directory()).await?;
        let protected = &found
            .ok_or(Error::NotFound("directory"))?
            .protected_user_ids;
        let done: Vec<Option<bool>> = stream::iter(waiting)
            .map(|id| settle(app, scope, id, protected, cause))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for applied in done.into_iter().flatten() {
            match applied {
                true => released.applied += 1,
                false => released.dropped += 1,
            }
        }
    }
}

/// Ends the hold, in the transaction of the request. Nothing more happens where there was none.
///
/// Errors: [`StoreError::Stale`] when something waits again.
pub async fn end_hold(
    tx: &Tx,
    scope: &DirectoryScope,
    released: Released,
    cause: &Cause,
) -> Result<(), Error> {
    let (before, _) = directories::lock_brake(tx, scope)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    if before.held_at.is_none() {
        return Ok(());
    }
    // Whoever promises something holds the directory's lock.
    if !directory_users::held(tx, scope, None, 1).await?.is_empty() {
        return Err(StoreError::Stale.into());
    }
    directories::update_brake(tx, scope, &Default::default(), None).await?;
    let after = Directory {
        held_at: None,
        ..before.clone()
    };
    let kind = EventType::DirectoryChangeReleased;
    let change = IdentityEvent::change(kind, source(scope), after.id, &before, &after);
    if let Some(event) = change {
        let counts = [("applied", released.applied), ("dropped", released.dropped)];
        tx.record(scope.organization(), event.with_counts(counts), cause);
    }
    Ok(())
}

/// Whether it was applied; `None` when nothing waits any more.
async fn settle(
    app: &App,
    scope: &DirectoryScope,
    id: DirectoryUserId,
    protected: &[UserId],
    cause: &Cause,
) -> Result<Option<bool>, Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = settle_once(app, scope, id, protected, cause).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn settle_once(
    app: &App,
    scope: &DirectoryScope,
    id: DirectoryUserId,
    protected: &[UserId],
    cause: &Cause,
) -> Result<Option<bool>, Error> {
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?.as_step();
    let Some(found) = directory_users::find(&tx, scope, id).await? else {
        return Ok(None);
    };
    if protected.contains(&found.user_id) {
        directory_users::let_go(&tx, scope, &[id]).await?;
        tx.commit().await?;
        return Ok(Some(false));
    }
    match found.held {
        None => return Ok(None),
        Some(HeldChange::Deletion) => {
            let (organization, source) = (scope.organization(), source(scope));
            let user = found.user_id;
            let removed =
                departure::remove_once(&tx, organization, user, &source, cause, now).await?;
            // It may have come back before its lock was there.
            let last = removed.iter().find(|resource| resource.id == id);
            if last.is_none_or(|last| last.held != Some(HeldChange::Deletion)) {
                return Err(StoreError::Stale.into());
            }
        }
        Some(HeldChange::Deactivation) => {
            let Some(stored) = directory_users::lock(&tx, scope, id).await? else {
                return Ok(None);
            };
            if stored.held != Some(HeldChange::Deactivation) {
                return Err(StoreError::Stale.into());
            }
            let after = StoredUser {
                resource: users::with_active(&stored.resource, false),
                version: stored.version + 1,
                held: None,
                updated_at: now,
                ..stored.clone()
            };
            users::write(&tx, scope, cause, &stored, &after, now).await?;
        }
    }
    tx.commit().await?;
    Ok(Some(true))
}
