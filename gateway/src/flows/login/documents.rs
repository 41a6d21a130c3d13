//! A provider's metadata and keys outlive this process: what it said last is kept in the database, and counts while
//! the provider gives nothing newer.

use std::sync::Arc;

use chrono::TimeDelta;
use connectors::oidc::Documents;
use connectors::{CheckName, Connector, ConnectorError};

use super::OpenConnection;
use crate::app::App;
use crate::error::Error;
use crate::store::{StoreError, idp_documents};

/// So much older than what is in memory the kept copy's date may be, while its text is the same.
const DATED_EVERY: TimeDelta = TimeDelta::hours(12);

/// Keeps what the provider has just said, if it is new. No sign-in waits for that.
pub(super) fn keep(app: &App, open: &Arc<OpenConnection>) {
    let Connector::Oidc(oidc) = &*open.connector else {
        return;
    };
    let Some(documents) = oidc.new_documents() else {
        return;
    };
    let (app, open) = (app.clone(), Arc::clone(open));
    tokio::spawn(async move {
        if let Err(error) = write(&app, &open, documents).await {
            let connection = open.connection.id;
            tracing::warn!(%connection, %error, "a provider's documents could not be kept");
        }
    });
}

async fn write(app: &App, open: &OpenConnection, new: Documents) -> Result<(), StoreError> {
    let (scope, connection) = (&open.scope, open.connection.id);
    let kept = idp_documents::find(&app.store.read(), scope, connection).await?;
    let same = |kept: &Documents| {
        let dated = new.fetched_at - kept.fetched_at < DATED_EVERY;
        dated && kept.metadata == new.metadata && kept.keys == new.keys
    };
    if kept.as_ref().is_some_and(same) {
        return Ok(());
    }
    let tx = app.store.begin_relaxed().await?;
    idp_documents::keep(&tx, scope, connection, &new).await?;
    tx.commit().await
}

/// Whether the step that failed with this error may succeed now: the provider gave no document, there was none in
/// memory, and one was kept.
pub(super) async fn recall(
    app: &App,
    open: &OpenConnection,
    error: &ConnectorError,
) -> Result<bool, Error> {
    let no_document = match error {
        ConnectorError::IdpUnreachable { at, .. } => *at == CheckName::Discovery,
        ConnectorError::DiscoveryInvalid { .. } => true,
        _ => false,
    };
    let oidc = match &*open.connector {
        Connector::Oidc(oidc) if no_document && oidc.lacks_documents() => oidc,
        _ => return Ok(false),
    };
    let connection = open.connection.id;
    let kept = idp_documents::find(&app.store.read(), &open.scope, connection).await?;
    let recalled = kept.is_some_and(|kept| oidc.recall(&kept, app.clock.now()));
    if recalled {
        tracing::warn!(%connection, %error, "the provider's last documents serve while it is down");
    }
    Ok(recalled)
}
