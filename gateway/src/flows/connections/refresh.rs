//! Metadata read again: daily, when somebody asks, and once when a signature was made by a key that nobody
//! knows. A reading never breaks a connection that works: what can't be read or used changes nothing, and an
//! identity provider that seems to be another one now waits for a person.

use std::sync::Arc;

use chrono::TimeDelta;
use connectors::saml::IdpMetadata;
use connectors::{ConnectorError, SamlSettings, Settings};
use futures_util::{StreamExt as _, stream};
use url::Url;

use super::metadata::{self, Read};
use super::upkeep::BATCH;
use super::{ConnectionChange, apply, check, locked, record_change, view};
use crate::app::App;
use crate::error::Error;
use crate::flows::login::{self, OpenConnection};
use crate::ids::ConnectionId;
use crate::model::{Cause, Connection, ConnectionView, Timestamp, Upkeep};
use crate::store::connection_upkeep::{self as upkeep, Due};
use crate::store::{OrgScope, Tx, connections};

/// Time between two readings: a day, more or less, so that connections made together are not read together.
const AT_LEAST: TimeDelta = TimeDelta::hours(22);
const SPREAD_SECONDS: u32 = 4 * 60 * 60;

/// After a reading that failed: twice as long each time, a day at most.
const RETRY: TimeDelta = TimeDelta::minutes(15);
const LONGEST_RETRY: TimeDelta = TimeDelta::days(1);

/// How long one replica has for a reading before another one may try.
const LEASE: TimeDelta = TimeDelta::minutes(10);

/// Readings under way at a time.
const AT_ONCE: usize = 8;

/// A forged response must not make us knock at an identity provider's door as often as it likes.
const UNKNOWN_KEY_REST: TimeDelta = TimeDelta::minutes(5);

/// When the URL is read next.
pub(super) fn next(app: &App) -> Timestamp {
    let spread = u32::from_be_bytes(app.entropy.bytes()) % SPREAD_SECONDS;
    Timestamp(app.clock.now() + AT_LEAST + TimeDelta::seconds(i64::from(spread)))
}

/// Reads what is due.
pub(super) async fn refresh_due(app: &App) -> Result<(), Error> {
    let now = Timestamp(app.clock.now());
    let due = upkeep::due(&app.store.read(), Due::Refresh, now, BATCH).await?;
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |(scope, id)| async move {
            if app.drain.has_begun() {
                return;
            }
            if let Err(error) = refresh_one(app, &scope, id).await {
                tracing::warn!(connection = %id, %error, "metadata could not be refreshed");
            }
        })
        .await;
    Ok(())
}

async fn refresh_one(app: &App, scope: &OrgScope, id: ConnectionId) -> Result<(), Error> {
    let now = app.clock.now();
    let until = Timestamp(now + LEASE);
    let tx = app.store.begin_relaxed().await?;
    let claimed = upkeep::claim(&tx, scope, id, Due::Refresh, Timestamp(now), until).await?;
    tx.commit().await?;
    if claimed {
        read_and_settle(app, scope, id, "metadata_refresh").await?;
    }
    Ok(())
}

/// The connection with what its metadata says now, if a signature by an unknown key is a reason to look: once
/// in a while, whoever sends such signatures. `None` when nothing changed.
pub(crate) async fn after_unknown_key(
    app: &App,
    open: &OpenConnection,
    error: &ConnectorError,
) -> Result<Option<Arc<OpenConnection>>, Error> {
    // Without KeyInfo an unknown key only shows as a signature that fits none.
    let unknown = matches!(
        error,
        ConnectorError::CertificateUnknown { .. } | ConnectorError::SignatureInvalid { .. }
    );
    if !unknown || open.connection.metadata_url.is_none() {
        return Ok(None);
    }
    let (scope, id, now) = (&open.scope, open.connection.id, app.clock.now());
    let since = Timestamp(now - UNKNOWN_KEY_REST);
    let tx = app.store.begin_relaxed().await?;
    let claimed = upkeep::claim_for_unknown_key(&tx, scope, id, Timestamp(now), since).await?;
    tx.commit().await?;
    if claimed && let Err(error) = read_and_settle(app, scope, id, "unknown_key").await {
        tracing::warn!(connection = %id, %error, "metadata could not be refreshed");
    }
    // Another request may just have read it.
    let fresh = login::open(app, id).await?;
    Ok(fresh.filter(|fresh| fresh.connection.settings != open.connection.settings))
}

async fn read_and_settle(
    app: &App,
    scope: &OrgScope,
    id: ConnectionId,
    worker: &str,
) -> Result<(), Error> {
    let db = app.store.read();
    let Some(connection) = connections::find(&db, scope, id).await? else {
        return Ok(());
    };
    let known = upkeep::find(&db, scope, id).await?;
    let read = match source(&connection) {
        Some((url, saml)) => metadata::read_again(app, url, &saml.idp_entity_id, &known).await,
        None => return Ok(()),
    };
    let tx = app.store.begin().await?;
    let now = locked(&tx, scope, id).await?;
    if now.metadata_url != connection.metadata_url {
        return Ok(());
    }
    let cause = Cause::system(worker);
    let taken = match read {
        Ok(read) => take(app, &tx, scope, id, read, &cause).await.map(drop),
        Err(error) => Err(error),
    };
    match taken {
        Ok(()) => {}
        Err(Error::Invalid(problems)) => {
            let problem = problems.first().map(|problem| problem.message.as_str());
            let failed = failed(app, known, problem.unwrap_or("can't be used"));
            upkeep::update(&tx, scope, id, failed).await?;
        }
        Err(error) => return Err(error),
    }
    tx.commit().await?;
    Ok(())
}

fn failed(app: &App, known: Upkeep, problem: &str) -> Upkeep {
    let failures = known.failures.saturating_add(1);
    let factor = 1_i32 << u32::try_from(failures - 1).unwrap_or(0).min(10);
    let wait = (RETRY * factor).min(LONGEST_RETRY);
    Upkeep {
        refresh_at: Some(Timestamp(app.clock.now() + wait)),
        failures,
        failure: Some(problem.to_owned()),
        // What could not be used is read whole again.
        etag: None,
        last_modified: None,
        ..known
    }
}

/// Reads the metadata of a connection that a caller asks for, the whole document.
///
/// # Errors
/// `no_metadata_url` when the connection does not say where.
pub async fn reread(app: &App, connection: &Connection) -> Result<Read, Error> {
    let (url, saml) = source(connection).ok_or_else(|| {
        Error::conflict(
            "no_metadata_url",
            "this connection has no metadata_url to read again",
        )
    })?;
    metadata::read_again(app, url, &saml.idp_entity_id, &Upkeep::default()).await
}

/// What was read becomes the connection's, or is held when it names another identity provider or leads to
/// another host: then whoever can write the document could take over every sign-in.
///
/// # Errors
/// Every problem of the settings as they would be; nothing is written then.
pub async fn take(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    read: Read,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let before = &locked(tx, scope, id).await?;
    let shown = view(app, tx, scope, before).await?;
    let known = upkeep::find(tx, scope, id).await?;
    let now = Timestamp(app.clock.now());
    let mut kept = Upkeep {
        refresh_at: Some(next(app)),
        refreshed_at: Some(now),
        failures: 0,
        failure: None,
        ..known
    };
    let document = match read {
        // Still the held one, which the connection may have been brought in line with by hand.
        Read::Unchanged => kept.held.as_ref().map(|(held, _)| held.clone()),
        Read::Document {
            idp,
            etag,
            last_modified,
        } => {
            (kept.etag, kept.last_modified) = (etag, last_modified);
            Some(*idp)
        }
    };
    let mut after = before.clone();
    if let (Some(idp), Settings::Saml(saml)) = (document, &before.settings) {
        if is_another(saml, &idp) {
            let known = kept.held.take().filter(|(held, _)| *held == idp);
            kept.held = known.or(Some((idp, now)));
        } else {
            kept.held = None;
            after = adopt(app, tx, scope, before, idp).await?;
        }
    }
    upkeep::update(tx, scope, id, kept).await?;
    finish(app, tx, scope, (before, &shown), &after, cause).await
}

/// Applies the change that was held: what the connection shows as `metadata_held`, not what may stand at the
/// URL by now.
///
/// # Errors
/// `nothing_held`.
pub async fn accept(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: ConnectionId,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let before = locked(tx, scope, id).await?;
    let shown = view(app, tx, scope, &before).await?;
    let mut kept = upkeep::find(tx, scope, id).await?;
    let Some((idp, _)) = kept.held.take() else {
        return Err(Error::conflict(
            "nothing_held",
            "no change of the metadata waits for review",
        ));
    };
    let after = adopt(app, tx, scope, &before, idp).await?;
    upkeep::update(tx, scope, id, kept).await?;
    finish(app, tx, scope, (&before, &shown), &after, cause).await
}

async fn adopt(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    before: &Connection,
    idp: IdpMetadata,
) -> Result<Connection, Error> {
    let change = ConnectionChange {
        metadata: Some(idp),
        ..Default::default()
    };
    let after = apply(app, tx, scope, before.clone(), change).await?;
    check(app, tx, scope, &after).await?;
    Ok(after)
}

async fn finish(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    (before, shown): (&Connection, &ConnectionView),
    after: &Connection,
    cause: &Cause,
) -> Result<ConnectionView, Error> {
    let mut after = after.clone();
    let held = |view: &ConnectionView| view.saml.as_ref().map(|saml| saml.metadata_held.clone());
    if after != *before {
        after.updated_at = app.clock.now().into();
        connections::update(tx, scope, &after).await?;
        upkeep::schedule(tx, scope, after.id, None, false, after.updated_at).await?;
    }
    let now = view(app, tx, scope, &after).await?;
    // That it was read once more is nothing to tell.
    if after != *before || held(&now) != held(shown) {
        record_change(tx, scope, shown, &now, cause);
    }
    Ok(now)
}

/// Another issuer, or another place to sign in at.
fn is_another(saml: &SamlSettings, idp: &IdpMetadata) -> bool {
    let origin = |url: &str| Url::parse(url).map(|url| url.origin()).ok();
    let moved = |was: &str, is: &str| !was.is_empty() && origin(was) != origin(is);
    (!saml.idp_entity_id.is_empty() && saml.idp_entity_id != idp.entity_id)
        || moved(&saml.sso_url, &idp.sso_url)
}

fn source(connection: &Connection) -> Option<(&str, &SamlSettings)> {
    match (&connection.metadata_url, &connection.settings) {
        (Some(url), Settings::Saml(saml)) => Some((url, saml)),
        _ => None,
    }
}
