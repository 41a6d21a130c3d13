//! The client secrets of an OIDC connection: the current one, and the one before it, which still counts until the
//! provider takes the current one.

use connectors::Settings;

use super::Change;
use crate::app::App;
use crate::error::Error;
use crate::model::Connection;
use crate::secrets::Secret;
use crate::store::{OrgScope, Reads, Tx};

const CURRENT: &str = "client_secret_sealed";
const PREVIOUS: &str = "previous_client_secret_sealed";

/// What is to become of the secrets.
#[derive(Default)]
pub(super) struct SecretChange {
    pub(super) current: Change<String>,
    pub(super) previous: Change<String>,
    /// The change says when the current one ends.
    pub(super) dated: bool,
    /// The connection is another client now, or at another provider: what it had before is worth nothing there.
    pub(super) another_client: bool,
}

/// A new secret keeps the one before it as the previous one. The same one again changes nothing.
pub(super) async fn apply(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    connection: &mut Connection,
    change: SecretChange,
) -> Result<(), Error> {
    if change.another_client {
        connection.previous_client_secret_sealed = None;
    }
    match change.current {
        None => {}
        Some(None) => {
            connection.client_secret_sealed = None;
            connection.previous_client_secret_sealed = None;
        }
        Some(Some(fresh)) => {
            let before = current(app, tx, scope, connection).await?;
            if before.as_deref() != Some(fresh.as_str()) {
                if let Some(before) = before.filter(|_| !change.another_client) {
                    let sealed = seal(app, tx, scope, connection, PREVIOUS, &before).await?;
                    connection.previous_client_secret_sealed = Some(sealed);
                }
                let sealed = seal(app, tx, scope, connection, CURRENT, &fresh).await?;
                connection.client_secret_sealed = Some(sealed);
                if let (Settings::Oidc(oidc), false) = (&mut connection.settings, change.dated) {
                    oidc.client_secret_expires_at = None;
                }
            }
        }
    }
    match change.previous {
        None => {}
        Some(None) => connection.previous_client_secret_sealed = None,
        Some(Some(previous)) => {
            let sealed = seal(app, tx, scope, connection, PREVIOUS, &previous).await?;
            connection.previous_client_secret_sealed = Some(sealed);
        }
    }
    Ok(())
}

/// Fills the opened secrets into the settings of a connection that is about to speak to its provider.
pub(crate) async fn open(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
    settings: &mut Settings,
) -> Result<(), Error> {
    if let Settings::Oidc(oidc) = settings {
        oidc.client_secret = current(app, db, scope, connection).await?;
        let previous = connection.previous_client_secret_sealed.as_deref();
        oidc.previous_client_secret =
            unseal(app, db, scope, connection, PREVIOUS, previous).await?;
    }
    Ok(())
}

async fn current(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
) -> Result<Option<String>, Error> {
    let sealed = connection.client_secret_sealed.as_deref();
    unseal(app, db, scope, connection, CURRENT, sealed).await
}

async fn unseal(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    connection: &Connection,
    column: &str,
    sealed: Option<&str>,
) -> Result<Option<String>, Error> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let row = connection.id.to_string();
    let place = ("connections", column, row.as_str());
    let secret: Secret<Vec<u8>> = app.vault.unseal(db, scope, place, sealed).await?;
    Ok(Some(String::from_utf8_lossy(secret.expose()).into_owned()))
}

async fn seal(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    connection: &Connection,
    column: &str,
    secret: &str,
) -> Result<String, Error> {
    let row = connection.id.to_string();
    let place = ("connections", column, row.as_str());
    app.vault.seal(tx, scope, place, secret.as_bytes()).await
}
