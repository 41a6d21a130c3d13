//! New keys for old: the next key is published in our metadata before it is used, then it signs, and the one
//! before it still decrypts until nobody can have missed the change.

use chrono::TimeDelta;

use super::upkeep::BATCH;
use super::{FreshKey, locked, record_change, view};
use crate::app::App;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::model::{Cause, ConnectionKeyState, ConnectionView, Timestamp};
use crate::store::connection_keys::{self, StoredKey};
use crate::store::{OrgScope, StoreError, Tx, connections};

/// How long the next key is announced before it is used, and how long the previous one decrypts after: IdPs
/// that read metadata do so daily, administrators within two weeks.
const OVERLAP: TimeDelta = TimeDelta::days(14);

/// The most keys that a connection has at a time.
const MAX_KEYS: usize = 5;

/// Announces the next key, or with `now` makes it the current one at once: the announced one if there is
/// one, else the fresh one.
///
/// # Errors
/// `no_key` for a connection that has none, `rotation_under_way` while a next key is announced,
/// `too_many_keys` while too many previous ones still decrypt.
pub async fn rotate(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    fresh: Option<FreshKey>,
    now: bool,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let connection = locked(tx, scope, id).await?;
    let shown = view(app, tx, scope, &connection).await?;
    let keys = connection_keys::list(tx, scope, id).await?;
    let next = announced(&keys);
    if keys.is_empty() {
        return Err(Error::conflict("no_key", "this connection uses no key"));
    }
    if next.is_some() && !now {
        return Err(Error::conflict(
            "rotation_under_way",
            "the next key is announced already; activate_now uses it at once",
        ));
    }
    if next.is_none() && keys.len() >= MAX_KEYS {
        return Err(Error::conflict(
            "too_many_keys",
            "too many previous keys still decrypt; they go by themselves",
        ));
    }
    let instant = app.clock.now();
    let later = Timestamp(instant + OVERLAP);
    let key = match (next, fresh) {
        (Some(next), _) => next.id.clone(),
        (None, Some(fresh)) => {
            let key = StoredKey {
                state: ConnectionKeyState::Next,
                changes_at: Some(later),
                ..fresh.sealed(app, tx, scope).await?
            };
            connection_keys::insert(tx, scope, id, &key).await?;
            key.id
        }
        // The announced key became the current one while this request began.
        (None, None) => return Err(StoreError::Stale.into()),
    };
    if now {
        connection_keys::switch(tx, scope, id, &key, later).await?;
    }
    let after = view(app, tx, scope, &connection).await?;
    record_change(tx, scope, &shown, &after, cause);
    Ok(after)
}

/// Whether [`rotate`] needs a fresh key.
pub fn announced(keys: &[StoredKey]) -> Option<&StoredKey> {
    keys.iter()
        .find(|key| key.state == ConnectionKeyState::Next)
}

/// Uses the next keys and drops the previous ones whose time has come.
pub(super) async fn switch_due(app: &App) -> Result<(), Error> {
    let now = Timestamp(app.clock.now());
    for (scope, id) in connection_keys::due(&app.store.read(), now, BATCH).await? {
        if app.drain.has_begun() {
            return Ok(());
        }
        switch(app, &scope, id, now).await?;
    }
    Ok(())
}

async fn switch(
    app: &App,
    scope: &OrgScope,
    id: ConnectionId,
    now: Timestamp,
) -> Result<(), Error> {
    let tx = app.store.begin().await?;
    let Some(connection) = connections::lock(&tx, scope, id).await? else {
        return Ok(());
    };
    let shown = view(app, &tx, scope, &connection).await?;
    for key in connection_keys::list(&tx, scope, id).await? {
        match key.state {
            // Another replica was here.
            _ if key.changes_at.is_none_or(|at| at > now) => {}
            ConnectionKeyState::Next => {
                let retired_at = Timestamp(now.0 + OVERLAP);
                connection_keys::switch(&tx, scope, id, &key.id, retired_at).await?;
            }
            ConnectionKeyState::Previous => {
                connection_keys::remove(&tx, scope, &key.id).await?;
            }
            ConnectionKeyState::Current => {}
        }
    }
    let after = view(app, &tx, scope, &connection).await?;
    record_change(&tx, scope, &shown, &after, &Cause::system("key_rotation"));
    tx.commit().await?;
    Ok(())
}
