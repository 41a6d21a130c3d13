//! Logout at an upstream OpenID provider: it ends our sessions (Back-Channel Logout 1.0), and we send the browser to
//! end its own (RP-Initiated Logout 1.0).

use connectors::oidc::{EndSession, LogoutToken, OidcConnector};
use connectors::{Begin, Connector, ConnectorError};

use super::LOGOUT_LIFETIME;
use crate::app::App;
use crate::error::Error;
use crate::flows::login::{self, OpenConnection};
use crate::ids::{ConnectionId, SessionId};
use crate::model::{ActorKind, Cause, Timestamp};
use crate::store::logouts::{self, PendingLogout};
use crate::store::sessions::{self, StoredSession};
use crate::store::{applications, global, logins};

/// Takes a logout token of this connection's provider: what it names has ended when this returns.
///
/// # Errors
/// The inner one says why the token counts for nothing; it is the provider's to hear.
pub async fn consume(
    app: &App,
    open: &OpenConnection,
    oidc: &OidcConnector,
    token: &str,
    request_id: &str,
) -> Result<Result<(), ConnectorError>, Error> {
    let connection = open.connection.id;
    let read = oidc.read_logout_token(token, app.clock.now(), &app.egress);
    let outcome = match read.await {
        Ok(token) => end_sessions(app, open, &token, request_id).await?,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        let code = error.code();
        tracing::warn!(connection_id = %connection, code, %error, "a logout token was refused");
    }
    Ok(outcome)
}

/// Ends the sessions of the person, of the provider's session, or of both. One of which the provider never gave a
/// session is ended with any of its person's.
async fn end_sessions(
    app: &App,
    open: &OpenConnection,
    token: &LogoutToken,
    request_id: &str,
) -> Result<Result<(), ConnectorError>, Error> {
    let (scope, connection) = (&open.scope, open.connection.id);
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    let once = [(
        format!("logout {}", app.vault.hash(&token.id)),
        Timestamp(token.keep_until),
    )];
    if !logins::use_once(&tx, scope, connection, &once).await? {
        let id = token.id.clone();
        return Ok(Err(ConnectorError::AssertionReplayed { id }));
    }
    let found = match (&token.subject, &token.session) {
        (Some(subject), _) => {
            let subject = app.vault.hash(subject);
            sessions::active_of_idp_subject(&tx, scope, connection, &subject).await?
        }
        (None, Some(session)) => {
            let session = app.vault.hash(session);
            sessions::active_of_idp_session(&tx, scope, connection, &session).await?
        }
        (None, None) => Vec::new(),
    };
    let named = |session: &StoredSession| match (&token.session, &session.claims.session_index) {
        (Some(named), Some(of_session)) => named == of_session,
        _ => true,
    };
    let found = found.iter().filter(|session| named(session));
    let ids: Vec<SessionId> = found.map(|session| session.session.id).collect();
    let cause = Cause::new(ActorKind::Connection, connection, request_id);
    let source = format!("/connections/{connection}");
    sessions::end_these(&tx, scope, &ids, &source, &cause, now).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// The request that ends the provider's session, and what waits for its answer. `None` where the
/// connection does not want that, or the provider can't be asked: our session ends in any case.
pub(super) async fn begin(
    app: &App,
    stored: &StoredSession,
    return_to: Option<&str>,
) -> Result<Option<(Begin, PendingLogout)>, Error> {
    let connection = stored.session.connection_id;
    let Some(open) = login::open(app, connection).await? else {
        return Ok(None);
    };
    let Connector::Oidc(oidc) = &*open.connector else {
        return Ok(None);
    };
    let db = app.store.read();
    let row = stored.session.id.to_string();
    let sealed = sessions::idp_id_token_sealed(&db, &open.scope, stored.session.id).await?;
    let id_token = match sealed {
        Some(sealed) => {
            let place = ("sessions", "idp_id_token_sealed", row.as_str());
            let token = app.vault.unseal(&db, &open.scope, place, &sealed).await?;
            Some(String::from_utf8_lossy(token.expose()).into_owned())
        }
        None => None,
    };
    let (now, state) = (app.clock.now(), app.entropy.token());
    let ending = EndSession {
        id_token: id_token.as_deref(),
        post_logout_redirect_uri: &login::oidc_endpoints(&app.public_url, connection)
            .post_logout_redirect_uri,
        state: &state,
        now,
    };
    let begin = oidc.end_session(&ending, &app.egress).await;
    let begin = begin.unwrap_or_else(|error| {
        let code = error.code();
        tracing::warn!(connection_id = %connection, code, %error, "the provider's session goes on");
        None
    });
    Ok(begin.map(|begin| {
        let pending = PendingLogout {
            relay_state_hash: app.vault.hash(&state),
            connection_id: connection,
            // The state alone says which one it is.
            request_id: String::new(),
            application_id: stored.application_id,
            return_to: return_to.map(str::to_owned),
            expires_at: Timestamp(now + LOGOUT_LIFETIME),
        };
        (begin, pending)
    }))
}

/// Where the browser goes that the provider has sent back.
#[derive(Debug)]
pub enum Back {
    ToApplication {
        url: String,
    },
    /// The application's name, where it is known.
    Here {
        application: Option<String>,
    },
}

/// The provider has sent the browser back. Our session has ended before: a `state` that is not known, or no more,
/// only leads nowhere. `None` when there is no such connection.
pub async fn come_back(
    app: &App,
    connection: ConnectionId,
    state: Option<&str>,
) -> Result<Option<Back>, Error> {
    let found = global::owner_of_connection(&app.store.read(), connection).await?;
    let Some(scope) = found else {
        return Ok(None);
    };
    let hash = app.vault.hash(state.unwrap_or_default());
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    let pending = logouts::find(&tx, &scope, connection, &hash, now).await?;
    let Some(pending) = pending else {
        return Ok(Some(Back::Here { application: None }));
    };
    if !logouts::remove(&tx, &scope, &hash).await? {
        return Ok(Some(Back::Here { application: None }));
    }
    let application = applications::find(&tx, pending.application_id).await?;
    tx.commit().await?;
    Ok(Some(match pending.return_to {
        Some(url) => Back::ToApplication { url },
        None => Back::Here {
            application: application.map(|stored| stored.application.name),
        },
    }))
}
