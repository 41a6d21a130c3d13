//! SAML single logout (SAML Profiles 4.4): the IdP ends our sessions, and answers when we asked it to end its own.

use connectors::saml::{
    BeginLogout, LogoutCallback, LogoutMessage, LogoutRequest, LogoutResponse, SamlConnector,
};
use connectors::{Begin, Connector, ConnectorError};

use super::{LOGOUT_LIFETIME, idp_subject};
use crate::app::App;
use crate::error::Error;
use crate::flows::connections;
use crate::flows::login::{self, OpenConnection};
use crate::ids::{LoginId, SessionId};
use crate::model::{ActorKind, Cause, Timestamp};
use crate::store::logouts::{self, PendingLogout};
use crate::store::sessions::{self, StoredSession};
use crate::store::{OrgScope, StoreError, Tx, applications, logins};

/// What follows a message at the single logout service.
#[derive(Debug)]
pub enum Answer {
    /// The answer to the IdP's request, on its way through the browser.
    ToIdp(Begin),
    /// Our logout has come back: to the application.
    Return {
        url: String,
    },
    /// It has come back, or an IdP wants no answer, and there is nowhere to go. The application's name, where
    /// it is known.
    Here {
        application: Option<String>,
    },
    Refused(ConnectorError),
}

/// Takes a message of this connection's IdP, by what the connection's metadata says by now if an unknown key signed
/// it. `None` when the connection is not a SAML one.
pub async fn consume(
    app: &App,
    open: &OpenConnection,
    callback: LogoutCallback<'_>,
    request_id: &str,
) -> Result<Option<Answer>, Error> {
    let Connector::Saml(saml) = &*open.connector else {
        return Ok(None);
    };
    let read = saml.read_logout(callback, app.clock.now());
    let fresh = match &read {
        Err(error) => connections::after_unknown_key(app, open, error).await?,
        Ok(_) => None,
    };
    let Some(fresh) = fresh else {
        return answer(app, open, saml, read, request_id).await.map(Some);
    };
    let Connector::Saml(saml) = &*fresh.connector else {
        return Ok(None);
    };
    let read = saml.read_logout(callback, app.clock.now());
    answer(app, &fresh, saml, read, request_id).await.map(Some)
}

async fn answer(
    app: &App,
    open: &OpenConnection,
    saml: &SamlConnector,
    read: Result<LogoutMessage, ConnectorError>,
    request_id: &str,
) -> Result<Answer, Error> {
    match read {
        Ok(LogoutMessage::Request(request)) => {
            end_sessions(app, open, &request, request_id).await?;
            let id = login::message_id(app);
            let answer = saml.answer_logout(&request, &id, app.clock.now());
            Ok(match answer {
                Some(begin) => Answer::ToIdp(begin),
                None => Answer::Here { application: None },
            })
        }
        Ok(LogoutMessage::Response(response)) => come_back(app, open, response).await,
        Err(error) => {
            tracing::warn!(
                connection_id = %open.connection.id,
                code = error.code(),
                %error,
                "a logout message was refused"
            );
            Ok(Answer::Refused(error))
        }
    }
}

/// Ends what the IdP names: the person's sessions by this connection, or those of them that came from these
/// sessions of the IdP's. One of which the IdP never gave an index is ended with any.
async fn end_sessions(
    app: &App,
    open: &OpenConnection,
    request: &LogoutRequest,
    request_id: &str,
) -> Result<(), Error> {
    let scope = &open.scope;
    let subject = app.vault.hash(&request.name_id.value);
    let connection = open.connection.id;
    // The hash is of the bare value: two persons may differ in format or qualifier alone.
    let meant = |session: &StoredSession| {
        let known = session.claims.name_id.as_ref();
        known.is_none_or(|known| known.names_same(&request.name_id))
    };
    let named = |session: &StoredSession| match &session.claims.session_index {
        Some(index) if !request.session_indexes.is_empty() => {
            request.session_indexes.contains(index)
        }
        _ => true,
    };
    let found =
        sessions::active_of_idp_subject(&app.store.read(), scope, connection, &subject).await?;
    let ids: Vec<SessionId> = found
        .iter()
        .filter(|session| meant(session) && named(session))
        .map(|session| session.session.id)
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let cause = Cause::new(ActorKind::Connection, connection, request_id);
    let source = format!("/connections/{connection}");
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    sessions::end_these(&tx, scope, &ids, &source, &cause, now).await?;
    Ok(tx.commit().await?)
}

/// The IdP's answer to a request of ours. Our session has ended before; what went wrong at the IdP is for the
/// log.
async fn come_back(
    app: &App,
    open: &OpenConnection,
    response: LogoutResponse,
) -> Result<Answer, Error> {
    let connection = open.connection.id;
    let hash = app
        .vault
        .hash(response.relay_state.as_deref().unwrap_or_default());
    let now = Timestamp(app.clock.now());
    let tx = app.store.begin().await?;
    let Some(pending) = logouts::find(&tx, &open.scope, connection, &hash, now).await? else {
        return Ok(Answer::Refused(ConnectorError::LoginExpired));
    };
    if pending.request_id != response.in_response_to {
        return Ok(Answer::Refused(ConnectorError::InResponseToMismatch {
            expected: pending.request_id,
            found: response.in_response_to,
        }));
    }
    if !logouts::remove(&tx, &open.scope, &hash).await? {
        return Ok(Answer::Refused(ConnectorError::LoginExpired));
    }
    let application = applications::find(&tx, pending.application_id).await?;
    tx.commit().await?;
    if let Some(problem) = response.problem {
        tracing::warn!(connection_id = %connection, problem, "the IdP did not end its session");
    }
    Ok(match pending.return_to {
        Some(url) => Answer::Return { url },
        None => Answer::Here {
            application: application.map(|stored| stored.application.name),
        },
    })
}

/// The LogoutRequest for a session, and what waits for its answer. `None` where the IdP has no single logout.
pub(super) async fn begin(
    app: &App,
    stored: &StoredSession,
    return_to: Option<&str>,
) -> Result<Option<(Begin, PendingLogout)>, Error> {
    let Some(name_id) = &stored.claims.name_id else {
        return Ok(None);
    };
    let Some(open) = login::open(app, stored.session.connection_id).await? else {
        return Ok(None);
    };
    let Connector::Saml(saml) = &*open.connector else {
        return Ok(None);
    };
    let now = app.clock.now();
    let relay_state = app.entropy.token();
    let id = login::message_id(app);
    let logout = BeginLogout {
        request_id: &id,
        relay_state: &relay_state,
        name_id,
        session_index: stored.claims.session_index.as_deref(),
        now,
    };
    Ok(saml.begin_logout(&logout).map(|begin| {
        let pending = PendingLogout {
            relay_state_hash: app.vault.hash(&relay_state),
            connection_id: stored.session.connection_id,
            request_id: id.clone(),
            application_id: stored.application_id,
            return_to: return_to.map(str::to_owned),
            expires_at: Timestamp(now + LOGOUT_LIFETIME),
        };
        (begin, pending)
    }))
}

/// The person's other sessions that the same session of the IdP's has opened, as far as one can tell: they carry
/// its index, which some IdPs give anew at each sign-in, or they began in the same browser. They end with it.
pub(super) async fn siblings(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    stored: &StoredSession,
) -> Result<Vec<SessionId>, StoreError> {
    let claims = &stored.claims;
    let subject = app
        .vault
        .hash(idp_subject(claims.name_id.as_ref(), &claims.idp_subject));
    let connection = stored.session.connection_id;
    let found = sessions::active_of_idp_subject(tx, scope, connection, &subject).await?;
    let logins: Vec<LoginId> = found.iter().map(|other| other.session.login_id).collect();
    let browsers = logins::browsers(tx, scope, &logins).await?;
    let index = stored.claims.session_index.as_ref();
    let browser = browsers.get(&stored.session.login_id);
    let same = |other: &StoredSession| {
        (index.is_some() && other.claims.session_index.as_ref() == index)
            || (browser.is_some() && browsers.get(&other.session.login_id) == browser)
    };
    Ok(found
        .iter()
        .filter(|other| same(other))
        .map(|other| other.session.id)
        .collect())
}
